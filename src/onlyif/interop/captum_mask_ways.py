"""The two ways to masks in Captum's convention: by the weight of their size, or by sizes that are given."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import OnlyIfWarning
from onlyif.core.seeds import child_seed
from onlyif.criteria.blended import blended_gaps
from onlyif.criteria.soft import SoftErrors, SoftObjective, SoftProblem
from onlyif.interop.captum_frames import Frame
from onlyif.modalities.grids import Grid, PixelGrid
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_settings import RelaxedSettings
from onlyif.searches.sized import SizedSearch, SizedSettings, pixel_settings, region_settings
from onlyif.setup.sized import sizes_of

# λ_1 of the paper, for gaps between probabilities, which are at most 1 (but for rounding).
USUAL_SIZE = 2.0
MOST_OF_PROBABILITIES = 1.001
# Masks that differ by less rank nothing, and outputs that differ by less are told apart by rounding alone.
FLAT, SAME = 0.02, 1e-6


@final
@dataclass(frozen=True, eq=False)
class MaskDetails:
    """What belongs to the masks of one call, one number an instance.

    Args:
        sufficiency: Δsuf of the soft mask, estimated on draws that the search did not see.
        sufficiency_stderr: Its standard error.
        necessity: Δnec.
        necessity_stderr: Its standard error.
        objective: What was minimised, on these draws.
        prediction: f(x).
        base: f of the baseline.
        model_rows: Rows that the model was asked for by the search, each forward and back.
    """

    sufficiency: Float[Tensor, "b"]
    sufficiency_stderr: Float[Tensor, "b"]
    necessity: Float[Tensor, "b"]
    necessity_stderr: Float[Tensor, "b"]
    objective: Float[Tensor, "b"]
    prediction: Float[Tensor, "b"]
    base: Float[Tensor, "b"]
    model_rows: Int64[Tensor, "b"]


@final
@dataclass(frozen=True, eq=False)
class SizedDetails:
    """What belongs to the rankings of one call that asked for sizes; gaps are of the hard sets, exact.

    Args:
        sizes: The sizes in players, the smallest first; where feature masks differ, those of the first.
        sufficiency: Δsuf of each instance and size.
        necessity: Δnec likewise.
        prediction: f(x).
        base: f of the baseline.
        felt: Whether the prediction ever moved with a mask; where not, a ranking says nothing.
        model_rows: Rows that the model was asked for by the search.
    """

    sizes: tuple[int, ...]
    sufficiency: Float[Tensor, "b z"]
    necessity: Float[Tensor, "b z"]
    prediction: Float[Tensor, "b"]
    base: Float[Tensor, "b"]
    felt: Bool[Tensor, "b"]
    model_rows: Int64[Tensor, "b"]


@final
@dataclass(frozen=True, eq=False)
class Group:
    """Instances that share model calls.

    Args:
        numbers: Which they are.
        x: The instances.
        end: What hides their entries.
        target: The explained output of each.
        predictor: The model.
        grid: Who plays.
        frame: How entries lie.
    """

    numbers: Int64[Tensor, "p"]
    x: Float[Tensor, "p *x"]
    end: Float[Tensor, "*x"]
    target: Int64[Tensor, "p"]
    predictor: DifferentiablePredictor
    grid: Grid
    frame: Frame


@final
@dataclass(frozen=True, eq=False)
class Part:
    """What came out for such a group.

    Args:
        numbers: Which instances they are.
        masks: The mask or the ranking of each.
        full: f(x) of each.
        base: f of the baseline of each.
        silent: Whether what came out says nothing: no mask moved the output, or a mask is the
            same everywhere.
        columns: What the details are made of.
        sizes: The sizes of the sets, where these were asked for.
    """

    numbers: Int64[Tensor, "p"]
    masks: Float[Tensor, "p h w"]
    full: Float[Tensor, "p"]
    base: Float[Tensor, "p"]
    silent: Bool[Tensor, "p"]
    columns: tuple[Tensor, ...]
    sizes: tuple[int, ...] = ()

    @property
    def same(self) -> Bool[Tensor, "p"]:
        """Where the output is the same at the baseline, so that there is nothing to explain."""
        return (self.full - self.base).abs() <= SAME * self.full.abs().clamp(min=1.0)


class MaskWay(ABC):
    """How masks are found."""

    @abstractmethod
    def rows(self, frame: Frame, grid: Grid) -> int:
        """About how many rows the model is asked for, for one instance.

        Args:
            frame: How its entries lie.
            grid: Who plays.
        """

    @abstractmethod
    def check_frame(self, frame: Frame) -> None:
        """Refuse what entries that lie so cannot have, before the model is asked.

        Args:
            frame: How entries lie.

        Raises:
            SettingError: if neighbours are weighed where there are none.
        """

    @abstractmethod
    def part(self, group: Group) -> Part:
        """The masks of a group.

        Args:
            group: Instances that share model calls.
        """

    @abstractmethod
    def check(self, parts: Sequence[Part]) -> None:
        """Warn of outputs for which masks say little; it points at who called the caller's caller.

        Args:
            parts: What came out.
        """

    @abstractmethod
    def details(self, parts: Sequence[Part]) -> Any:
        """What belongs to the masks.

        Args:
            parts: What came out.
        """


@final
@dataclass(frozen=True)
class ByWeight(MaskWay):
    """Masks of whatever size is worth its weight: the paper's.

    Args:
        alpha: α.
        size: λ_1.
        variation: λ_TV; None is the paper's.
        settings: How masks are found.
        seed: Seed of all draws.
        max_rows: Most rows of one model call.
        n_fresh: Draws for the details; 0 makes none.
    """

    alpha: float
    size: float
    variation: float | None
    settings: RelaxedSettings
    seed: int
    max_rows: int
    n_fresh: int

    @override
    def rows(self, frame: Frame, grid: Grid) -> int:
        return _sides(self.alpha) * self.settings.rows + 2 * self.n_fresh

    @override
    def check_frame(self, frame: Frame) -> None:
        frame.weigh(self.alpha, self.size, self.variation)

    @override
    def part(self, group: Group) -> Part:
        weights = group.frame.weigh(self.alpha, self.size, self.variation)(len(group.numbers))
        reference = BaselineReference(group.end, "the baseline")
        restriction = SoftRestriction(group.predictor, reference, max_rows=self.max_rows, seed=self.seed)
        objective = SoftObjective(restriction)
        problem = objective.pose(group.x, group.target, weights)
        search = RelaxedSearch(objective, self.settings, group.grid, self.seed)
        found = list(search.run(problem))
        masks = torch.cat([one.masks for one in found])
        columns: tuple[Tensor, ...] = ()
        if self.n_fresh:
            fresh = self._fresh(search, problem, masks)
            value, rows = fresh.value, torch.cat([one.model_rows for one in found])
            columns = (
                value.sufficiency, fresh.sufficiency, value.necessity, fresh.necessity, value.objective,
                problem.full, problem.base, rows,
            )  # fmt: skip
        flat = masks.flatten(1)
        silent = flat.amax(1) - flat.amin(1) <= FLAT
        return Part(group.numbers, masks, problem.full, problem.base, silent, columns)

    def _fresh(self, search: RelaxedSearch, problem: SoftProblem, masks: Tensor) -> SoftErrors:
        restriction, grid = search.objective.restriction, search.grid_of(*masks.shape[-2:])
        seed = child_seed(restriction.seed, "fresh draws")
        fresh = SoftObjective(replace(restriction, seed=seed, grid=grid))
        return fresh.estimate(problem, grid.gather(masks), self.n_fresh)

    @override
    def check(self, parts: Sequence[Part]) -> None:
        # Probabilities move by 1 at most, and the usual penalty is meant for them.
        moved = max(float((part.full - part.base).abs().max()) for part in parts)
        if self.size == USUAL_SIZE and moved > MOST_OF_PROBABILITIES:
            warnings.warn(
                f"the output moves by {moved:.3g} from x to the baseline, as no probability does: "
                f"size={self.size:g} is weighed against gaps of at most 1. Explain probabilities, by "
                "wrapping the classifier in a softmax, or give a size for these units",
                OnlyIfWarning,
                stacklevel=5,
            )
        _warn_of_silence(
            parts,
            f"are the same for all entries: at size={self.size:g} none is worth its weight, or all are. Take "
            "sizes=[0.05, 0.2], or another size",
        )

    @override
    def details(self, parts: Sequence[Part]) -> MaskDetails:
        return MaskDetails(*_in_order(parts))


@final
@dataclass(frozen=True)
class BySize(MaskWay):
    """Rankings whose highest entries are the sets of given sizes.

    Args:
        alpha: α.
        sizes: The sizes, as shares of the players or as numbers of them.
        seed: Of the search.
        max_rows: Most rows of one model call.
    """

    alpha: float
    sizes: Any
    seed: int
    max_rows: int

    @override
    def rows(self, frame: Frame, grid: Grid) -> int:
        n_sizes = int(np.size(self.sizes))
        # With the instance, its baseline, and both gaps of what was found.
        return 2 + 2 * n_sizes + _usual(frame, grid).rows(n_sizes, _sides(self.alpha))

    @override
    def check_frame(self, frame: Frame) -> None:
        """Neighbours are not weighed."""

    @override
    def part(self, group: Group) -> Part:
        x, grid, frame, predictor = group.x, group.grid, group.frame, group.predictor
        predictor.check_gradient(x[:1])
        of_pixels = isinstance(grid, PixelGrid)
        end, target = group.end.view(1, 1, *frame.shape), group.target.to(x.device)
        gaps = blended_gaps(predictor, x, end, target, self.max_rows, grid=None if of_pixels else grid)
        sizes = sizes_of(self.sizes, grid.shape[0])
        every, alpha = torch.arange(len(x)).to(x.device), torch.full((len(x),), self.alpha).to(x.device)
        found = SizedSearch(gaps, sizes, _usual(frame, grid), self.seed).run(every, alpha)
        suf, nec = gaps.both(every, found.sets.to(gaps.full))
        columns = (suf, nec, gaps.full, gaps.base, found.felt, found.model_rows)
        masks = grid.spread(found.scores)
        return Part(group.numbers, masks, gaps.full, gaps.base, ~found.felt, columns, sizes)

    @override
    def check(self, parts: Sequence[Part]) -> None:
        # Gaps are weighed against nothing: outputs may have any unit.
        _warn_of_silence(
            parts,
            "are arbitrary: no mask moved the output, so the model has no slope there. Explain an output "
            "that changes, such as a probability instead of a decision",
        )

    @override
    def details(self, parts: Sequence[Part]) -> SizedDetails:
        return SizedDetails(parts[0].sizes, *_in_order(parts))


def _warn_of_silence(parts: Sequence[Part], said: str) -> None:
    """Warn of instances whose masks say nothing; it points at who called the caller's caller's caller."""
    same = sorted(int(i) for part in parts for i in part.numbers[part.same.cpu()])
    if same:
        warnings.warn(
            f"instances {same} have the same output at their baselines: there is nothing to explain, and "
            "their masks say nothing. Another baseline or another target explains them",
            OnlyIfWarning,
            stacklevel=6,
        )
    silent = sorted(int(i) for part in parts for i in part.numbers[(part.silent & ~part.same).cpu()])
    if silent:
        warnings.warn(f"the masks of instances {silent} {said}", OnlyIfWarning, stacklevel=6)


def _usual(frame: Frame, grid: Grid) -> SizedSettings:
    regional = isinstance(grid, PixelGrid) and frame.has_neighbours
    return region_settings() if regional else pixel_settings()


def _sides(alpha: float) -> int:
    return 1 if alpha in {0.0, 1.0} else 2


def _in_order(parts: Sequence[Part]) -> list[Tensor]:
    order = torch.cat([part.numbers for part in parts]).argsort()
    columns = zip(*(part.columns for part in parts), strict=True)
    return [torch.cat(column).cpu()[order] for column in columns]
