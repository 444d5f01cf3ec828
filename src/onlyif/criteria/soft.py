"""Δuni of a soft mask with gradients, and the penalties that keep masks small and smooth.

α |f(x) - f_S(x)| + (1 - α) |f_Sc(x) - f_0(x)| + λ_1 mean|S| + λ_TV TV(S)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances
from onlyif.criteria.soft_weights import SoftWeights
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_images import Jobs, TargetedImages, targeted


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

    images: TargetedImages
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
        images = targeted(x, target, index)
        full, base = self.restriction.full(images), self.restriction.base(images)
        return SoftProblem(images, weights, full, base.mean.to(full), base.stderr.to(full))

    def within(self, max_rows: int) -> "SoftObjective":
        """The same with so many rows in a model call.

        Args:
            max_rows: Most rows.
        """
        return SoftObjective(replace(self.restriction, max_rows=max_rows))

    def value(
        self,
        problem: SoftProblem,
        masks: Float[Tensor, "b d"],
        step: int,
        *,
        both: bool = False,
        asked: Float[Tensor, "b d"] | None = None,
    ) -> SoftValue:
        """The objective on the draws of one step, differentiable in the masks.

        Args:
            problem: The images.
            masks: Their soft masks S, one number a player.
            step: Number of the step; each has its own draws.
            both: Ask both gaps also where α leaves one out.
            asked: The masks once more, by which the model is asked: what slope they get comes of the model.
                None takes the masks.
        """
        jobs, kept, hidden = _jobs(problem.weights.alpha, both) if both else problem.needed
        answers = self.restriction.predict(problem.images, masks if asked is None else asked, jobs, step)
        blank = torch.full_like(problem.full, torch.nan)
        n_kept = int(kept.sum())
        kept, hidden = kept.to(masks.device), hidden.to(masks.device)
        sufficiency = blank.masked_scatter(kept, (answers[:n_kept] - problem.full[kept]).abs())
        necessity = blank.masked_scatter(hidden, (answers[n_kept:] - problem.base[hidden]).abs())
        return self._value(problem, masks, sufficiency, necessity)

    def estimate(self, problem: SoftProblem, masks: Float[Tensor, "b d"], n_draws: int) -> SoftErrors:
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
        value = self._value(problem, masks.detach().cpu(), *gaps)
        return SoftErrors(value, stderr[:b], torch.hypot(stderr[b:], doubled_tensor(problem.base_stderr)))

    def _value(
        self, problem: SoftProblem, masks: Tensor, sufficiency: Tensor, necessity: Tensor
    ) -> SoftValue:
        weights, neighbours = problem.weights, self.restriction.players(problem.images).neighbours
        alpha, (size, variation) = (
            weights.alpha.to(masks),
            (neighbours.mean(masks), neighbours.variation(masks)),
        )
        # A side that was not asked for is NaN and weighs nothing.
        kept = torch.where(alpha > 0, alpha * sufficiency.nan_to_num(), 0)
        hidden = torch.where(alpha < 1, (1 - alpha) * necessity.nan_to_num(), 0)
        penalty = weights.size.to(masks) * size + weights.variation.to(masks) * variation
        return SoftValue(kept + hidden + penalty, sufficiency, necessity, size, variation)


def _jobs(alpha: Tensor, both: bool) -> tuple[Jobs, Tensor, Tensor]:
    """Who is asked with S kept, then who with S hidden."""
    weight = alpha.cpu()
    kept, hidden = (weight > 0) | both, (weight < 1) | both
    numbers = torch.cat([kept.nonzero().flatten(), hidden.nonzero().flatten()])
    return Jobs(numbers, torch.arange(len(numbers)) >= int(kept.sum())), kept, hidden
