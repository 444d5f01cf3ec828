"""Δuni of a soft mask with gradients, and the penalties that keep masks small and smooth.

α |f(x) - f_S(x)| + (1 - α) |f_Sc(x) - f_0(x)| + λ_1 mean|S| + λ_TV TV(S)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances
from onlyif.criteria.soft_weights import SoftWeights
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_images import Sides, TargetedImages, targeted


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


@final
@dataclass(frozen=True, eq=False)
class SidedProblem:
    """A problem made ready for many masks.

    Args:
        problem: The images with their weights.
        sides: Who is asked with S kept, then who with S hidden.
        n_kept: The number of the former.
        goal: What each answer is held against: f(x) where S is kept, f_0 where it is hidden.
        weight: What each gap weighs, α or 1 - α.
    """

    problem: SoftProblem
    sides: Sides
    n_kept: int
    goal: Float[Tensor, "j"]
    weight: Float[Tensor, "j"]


@final
@dataclass(frozen=True, eq=False)
class SoftValue:
    """The objective of some masks, with its graph if they have one.

    Args:
        objective: What is minimised.
        gaps: The gap of each answer.
        sided: Which answers those are.
        size: mean|S|.
        variation: TV(S).
    """

    objective: Float[Tensor, "b"]
    gaps: Float[Tensor, "j"]
    sided: SidedProblem
    size: Float[Tensor, "b"]
    variation: Float[Tensor, "b"]

    @property
    def sufficiency(self) -> Float[Tensor, "b"]:
        """Δsuf; NaN where α = 0 leaves it out and it was not asked for."""
        return self._among_all(slice(self.sided.n_kept))

    @property
    def necessity(self) -> Float[Tensor, "b"]:
        """Δnec; NaN where α = 1 leaves it out and it was not asked for."""
        return self._among_all(slice(self.sided.n_kept, None))

    def _among_all(self, side: slice) -> Float[Tensor, "b"]:
        blank = self.gaps.new_full((len(self.objective),), torch.nan)
        numbers = self.sided.sides.numbers[side].to(self.gaps.device)
        return blank.index_put((numbers,), self.gaps[side])


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

    def sided(self, problem: SoftProblem, *, both: bool = False) -> SidedProblem:
        """A problem made ready for the value of many masks.

        Args:
            problem: The images.
            both: Ask both gaps also where α leaves one out.
        """
        alpha = problem.weights.alpha.cpu()
        kept, hidden = ((alpha > 0) | both).nonzero().flatten(), ((alpha < 1) | both).nonzero().flatten()
        numbers = torch.cat([kept, hidden])
        sides = self.restriction.sides(problem.images, numbers, torch.arange(len(numbers)) >= len(kept))
        goal = torch.cat(
            [problem.full[kept.to(problem.full.device)], problem.base[hidden.to(problem.base.device)]]
        )
        return SidedProblem(
            problem, sides, len(kept), goal, torch.cat([alpha[kept], 1 - alpha[hidden]]).to(goal)
        )

    def value(
        self, problem: SoftProblem, masks: Float[Tensor, "b d"], step: int, *, both: bool = False
    ) -> SoftValue:
        """The objective on the draws of one step, differentiable in the masks.

        Args:
            problem: The images.
            masks: Their soft masks S, one number a player.
            step: Number of the step; each has its own draws.
            both: Ask both gaps also where α leaves one out.
        """
        return self.value_of(self.sided(problem, both=both), masks, step)

    def value_of(
        self,
        sided: SidedProblem,
        masks: Float[Tensor, "b d"],
        step: int,
        asked: Float[Tensor, "b d"] | None = None,
    ) -> SoftValue:
        """The same of a problem made ready.

        Args:
            sided: The problem.
            masks: Its soft masks S.
            step: Number of the step.
            asked: The masks once more, by which the model is asked: what slope they get comes of the model.
                None takes the masks.
        """
        answers = self.restriction.predict(sided.sides, masks if asked is None else asked, step)
        return self._value(sided, masks, (answers - sided.goal).abs())

    def estimate(self, problem: SoftProblem, masks: Float[Tensor, "b d"], n_draws: int) -> SoftErrors:
        """Both gaps on at least `n_draws` draws, with standard errors and without a graph.

        Args:
            problem: The images.
            masks: Their soft masks S.
            n_draws: Draws a mask; for binary masks and a single atom one is exact.
        """
        b = len(problem)
        exact = self.restriction.reference.law.n_atoms == 1 and bool(((masks == 0) | (masks == 1)).all())
        asked = self
        if exact:
            one = replace(self.restriction.relaxation, n_draws=1, antithetic=False)
            asked = SoftObjective(replace(self.restriction, relaxation=one))
        n_steps = 1 if exact else -(-n_draws // self.restriction.relaxation.n_draws)
        found = asked.restriction.estimate(problem.images, masks, n_steps)
        stderr = torch.zeros_like(found.stderr) if exact else found.stderr
        sided = self.sided(problem, both=True)
        value = self._value(sided, masks.detach().cpu(), (found.mean - doubled_tensor(sided.goal)).abs())
        return SoftErrors(value, stderr[:b], torch.hypot(stderr[b:], doubled_tensor(problem.base_stderr)))

    def _value(self, sided: SidedProblem, masks: Tensor, gaps: Float[Tensor, "j"]) -> SoftValue:
        weights, neighbours = sided.problem.weights, self.restriction.players(sided.problem.images).neighbours
        size, variation = neighbours.mean(masks), neighbours.variation(masks)
        penalty = weights.size.to(masks) * size + weights.variation.to(masks) * variation
        weighed, numbers = sided.weight.to(masks) * gaps, sided.sides.numbers.to(gaps.device)
        objective = gaps.new_zeros(len(penalty)).index_add(0, numbers, weighed) + penalty
        return SoftValue(objective, gaps, sided, size, variation)
