"""Δuni of a soft mask with gradients, and the penalties that keep masks small and smooth.

α |f(x) - f_S(x)| + (1 - α) |f_Sc(x) - f_0(x)| + λ_1 mean|S| + λ_TV TV(S)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar, final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.core.errors import LimitError
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances
from onlyif.criteria.soft_variation import total_variation, variation_slope
from onlyif.criteria.soft_weights import SoftWeights
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_images import Images, Jobs, check_masks, images_of

Answer = TypeVar("Answer")


@final
@dataclass(frozen=True, eq=False)
class SoftProblem:
    """Images with what their masks are judged by.

    Args:
        images: The images and their targets.
        weights: The weights of each.
        full: f(x).
        base: f_0 = E f(b).
        base_stderr: Standard error of f_0; 0 where exact.
    """

    images: Images
    weights: SoftWeights
    full: Float[Tensor, "b"]
    base: Float[Tensor, "b"]
    base_stderr: Float[Tensor, "b"]

    def take(self, numbers: Int64[Tensor, "j"]) -> "SoftProblem":
        """The problems of some of the images, also several times."""
        rows = (each[numbers.to(each.device)] for each in (self.full, self.base, self.base_stderr))
        return SoftProblem(self.images.take(numbers), self.weights.take(numbers), *rows)

    def __len__(self) -> int:
        return len(self.full)

    @cached_property
    def needed(self) -> tuple[Jobs, Tensor, Tensor]:
        """Who is asked with S kept, then who with S hidden; α of 0 or 1 leaves one side out."""
        return _jobs(self.weights.alpha, both=False)


@final
@dataclass(frozen=True, eq=False)
class SoftValue:
    """The objective of some masks, with its graph if they have one.

    Args:
        objective: What is minimised.
        sufficiency: Δsuf; NaN where α = 0 leaves it out and it was not asked for.
        necessity: Δnec; NaN where α = 1 leaves it out and it was not asked for.
        size: mean|S|.
        variation: TV(S).
    """

    objective: Float[Tensor, "b"]
    sufficiency: Float[Tensor, "b"]
    necessity: Float[Tensor, "b"]
    size: Float[Tensor, "b"]
    variation: Float[Tensor, "b"]


@final
@dataclass(frozen=True, eq=False)
class SoftSlope:
    """Which way the objective of some masks goes down.

    Args:
        objective: What is minimised.
        up: Its slope in each pixel of the mask.
        felt: Whether the prediction moves with any pixel of the mask. Where it never does, penalties alone
            are descended.
    """

    objective: Float[Tensor, "b"]
    up: Float[Tensor, "b h w"]
    felt: Bool[Tensor, "b"]


@final
@dataclass(frozen=True, eq=False)
class SoftErrors:
    """The gaps of some masks estimated on many draws, on the CPU.

    Args:
        value: The objective and its parts.
        sufficiency: Standard error of Δsuf; 0 where exact.
        necessity: Standard error of Δnec, that of f_0 included.
    """

    value: SoftValue
    sufficiency: Float[Tensor, "b"]
    necessity: Float[Tensor, "b"]


@final
@dataclass(frozen=True, eq=False)
class SoftObjective:
    """Δuni of soft masks with gradients, plus λ_1 mean|S| + λ_TV TV(S).

    f_S is the mean over the K draws of a step, and the distance is taken of that mean. Both norms
    are means over the pixels. An α of 0 or 1 asks one side of the mask, half the model rows.

    Args:
        restriction: How f_S(x) of a soft mask is computed.

    References:
        [bharti2024] equations 13 and 14; 59 and 65 as corrected in docs/corrections.md.
    """

    restriction: SoftRestriction

    @contextmanager
    def opened(self) -> Iterator["SoftObjective"]:
        """The same for many calls: the model is made ready once, and put back at the end."""
        with self.restriction.opened() as restriction:
            yield SoftObjective(restriction)

    def pose(
        self,
        x: Instances,
        target: Int64[Tensor, "b"] | int,
        weights: SoftWeights,
        index: Int64[Tensor, "b"] | None = None,
    ) -> SoftProblem:
        """The problems of some images: asks f(x) and f_0.

        Args:
            x: The images.
            target: Number of the explained output, one for all or one each.
            weights: The weights of each.
            index: Streams of random numbers; None shares one among all images.
        """
        images = images_of(x, target, index)
        full, base = self.restriction.full(images), self.restriction.base(images)
        return SoftProblem(images, weights, full, base.mean.to(full), base.stderr.to(full))

    def value(
        self, problem: SoftProblem, masks: Float[Tensor, "b h w"], step: int, *, both: bool = False
    ) -> SoftValue:
        """The objective on the draws of one step, differentiable in the masks.

        Args:
            problem: The images.
            masks: Their soft masks S.
            step: Number of the step; each has its own draws.
            both: Ask both gaps also where α leaves one out.
        """
        jobs, kept, hidden = _jobs(problem.weights.alpha, both) if both else problem.needed
        found = self.restriction.predict(problem.images, masks, jobs, step)
        blank = torch.full_like(problem.full, torch.nan)
        n_kept = int(kept.sum())
        kept, hidden = kept.to(masks.device), hidden.to(masks.device)
        sufficiency = blank.masked_scatter(kept, (found[:n_kept] - problem.full[kept]).abs())
        necessity = blank.masked_scatter(hidden, (found[n_kept:] - problem.base[hidden]).abs())
        return _value(problem, masks, sufficiency, necessity)

    def slope(self, problem: SoftProblem, masks: Float[Tensor, "b h w"], step: int) -> SoftSlope:
        """The objective on the draws of one step, and its slope in the masks: `value` without a graph.

        Args:
            problem: The images.
            masks: Their soft masks S.
            step: Number of the step; each has its own draws.
        """
        jobs = problem.needed[0]
        found, slopes = self.restriction.slopes(problem.images, masks, jobs, step)
        alpha = problem.weights.alpha.to(masks)
        side = jobs.hidden.to(masks.device)
        aim = torch.where(side, problem.base[jobs.numbers], problem.full[jobs.numbers])
        share = torch.where(side, 1 - alpha[jobs.numbers], alpha[jobs.numbers])
        off = found - aim
        numbers = jobs.numbers.to(masks.device)
        size, variation = problem.weights.size.to(masks), problem.weights.variation.to(masks)
        objective = (size * masks.abs().mean((1, 2)) + variation * total_variation(masks)).index_add(
            0, numbers, share * off.abs()
        )
        mean = size.view(-1, 1, 1) * masks.sign() / masks[0].numel()
        down = mean + variation.view(-1, 1, 1) * variation_slope(masks)
        up = down.index_add(0, numbers, (share * off.sign()).view(-1, 1, 1) * slopes)
        moved = (slopes != 0).flatten(1).any(1)
        felt = torch.zeros(len(problem), device=masks.device).index_add(0, numbers, moved.to(up).float()) > 0
        return SoftSlope(objective, up, felt)

    def estimate(self, problem: SoftProblem, masks: Float[Tensor, "b h w"], n_draws: int) -> SoftErrors:
        """Both gaps on at least `n_draws` draws, with standard errors and without a graph.

        Args:
            problem: The images.
            masks: Their soft masks S.
            n_draws: Draws a mask; for binary masks and a single atom one is exact.
        """
        jobs, _, _ = _jobs(problem.weights.alpha, both=True)
        b = len(problem)
        exact = self.restriction.reference.law.n_atoms == 1 and bool(((masks == 0) | (masks == 1)).all())
        asked = self
        if exact:
            one = replace(self.restriction.relaxation, n_draws=1, antithetic=False)
            asked = SoftObjective(replace(self.restriction, relaxation=one))
        n_steps = 1 if exact else -(-n_draws // self.restriction.relaxation.n_draws)
        found = asked.restriction.estimate(problem.images, masks, jobs, n_steps)
        stderr = torch.zeros_like(found.stderr) if exact else found.stderr
        full, base = doubled_tensor(problem.full), doubled_tensor(problem.base)
        gaps = (found.mean[:b] - full).abs(), (found.mean[b:] - base).abs()
        value = _value(problem, masks.detach().cpu(), *gaps)
        return SoftErrors(value, stderr[:b], torch.hypot(stderr[b:], doubled_tensor(problem.base_stderr)))


def with_room(
    objective: SoftObjective, ask: Callable[[SoftObjective], Answer]
) -> tuple[Answer, SoftObjective]:
    """An answer, and the objective that had the memory for it: rows of a call are halved until they fit.

    Args:
        objective: The objective.
        ask: What is asked of it; asked again after a failure, so it must change nothing.

    Raises:
        LimitError: if memory runs out even for a single row a call.
    """
    while True:
        try:
            return ask(objective), objective
        except LimitError as error:
            rows = objective.restriction.max_rows
            if rows == 1:
                raise LimitError(
                    "out of memory even with a single row a model call: need a smaller image or model, "
                    "fewer images at once, or a device with more memory"
                ) from error
        objective = SoftObjective(replace(objective.restriction, max_rows=rows // 2))


def _jobs(alpha: Tensor, both: bool) -> tuple[Jobs, Tensor, Tensor]:
    """Who is asked with S kept, then who with S hidden."""
    weight = alpha.cpu()
    kept, hidden = (weight > 0) | both, (weight < 1) | both
    numbers = torch.cat([kept.nonzero().flatten(), hidden.nonzero().flatten()])
    return Jobs(numbers, torch.arange(len(numbers)) >= int(kept.sum())), kept, hidden


def _value(problem: SoftProblem, masks: Tensor, sufficiency: Tensor, necessity: Tensor) -> SoftValue:
    alpha, weights = problem.weights.alpha.to(masks), problem.weights
    check_masks(problem.images, masks)
    # A side that was not asked for is NaN and weighs nothing.
    kept = torch.where(alpha > 0, alpha * sufficiency.nan_to_num(), 0)
    hidden = torch.where(alpha < 1, (1 - alpha) * necessity.nan_to_num(), 0)
    size, variation = masks.abs().mean((1, 2)), total_variation(masks)
    penalty = weights.size.to(masks) * size + weights.variation.to(masks) * variation
    return SoftValue(kept + hidden + penalty, sufficiency, necessity, size, variation)
