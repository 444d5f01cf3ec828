"""Finding subsets with a small gap."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.permitted import EVERY_SUBSET, Permitted
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.base import Criterion

# Products of two differences of gaps in grid units must fit 63 bits.
MOST_DIGITS = 30
# Subsets whose members are laid out together.
MEMBERS_AT_ONCE = 1 << 16


@final
@dataclass(frozen=True, eq=False)
class Cloud:
    """The subsets of one instance that were compared, as points in the parts of the gap.

    Args:
        parts: The gap's parts of each subset; (Δsuf, Δnec) for the unified criterion.
        stderr: Their standard errors; 0 when exact.
        by_size: For each size 0 to d, the numbers of the subsets of that size to choose from, in canonical
            order; where players have costs the cheaper first.
        keep: The members of each subset, or None where subset number v is the one with bit code v
            and all 2^d of them are there.
        digits: Binary digits of the gaps that can be trusted, 1 to 30.
        permitted: What all compared subsets were narrowed down by in `by_size`, and what players cost.
        whole: Whether all subsets that may be reported are there, though not all 2^d.

    Raises:
        ModelError: if a gap is NaN or infinite.
        SettingError: unless 1 <= digits <= 30.
    """

    parts: Float64[np.ndarray, "v p"]
    stderr: Float64[np.ndarray, "v p"]
    by_size: tuple[Int64[np.ndarray, "_"], ...]
    keep: Bool[np.ndarray, "v d"] | None
    digits: int
    permitted: Permitted = EVERY_SUBSET
    whole: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= MOST_DIGITS:
            raise SettingError(f"gaps are compared on 1 to {MOST_DIGITS} binary digits, got {self.digits}")
        if not np.isfinite(self.parts).all():
            raise ModelError("a gap came out as NaN or infinite: check the distance and the model's outputs")

    @property
    def n_players(self) -> int:
        """The number d of players."""
        return len(self.by_size) - 1

    @property
    def complete(self) -> bool:
        """Whether all 2^d subsets are there."""
        return self.keep is None

    @property
    def certain(self) -> bool:
        """Whether all subsets that may be reported are there."""
        return self.complete or self.whole

    @cached_property
    def grid(self) -> float:
        """Gaps are compared as whole multiples of this: those that round alike count as equal.

        A power of two, the largest gap times 2^-digits. This rule of ties is
        exact, transitive and independent of the order of comparisons.
        """
        largest = max(float(self.parts.max()), 2.0**-900)
        return float(2.0 ** (math.frexp(largest)[1] - self.digits))

    @cached_property
    def on_grid(self) -> Int32[np.ndarray, "p v"]:
        """The parts in multiples of `grid`, one row a part; at most 2^30."""
        held = np.empty(self.parts.T.shape, dtype=np.int32)
        for row, part in zip(held, self.parts.T, strict=True):
            steps = part / self.grid
            row[:] = np.rint(steps, out=steps)
        return held

    def steps(self, gap: float) -> int:
        """A gap in multiples of `grid`, cut off where whole numbers of 64 bits end."""
        return round(min(gap / self.grid, 2.0**62))

    def keep_of(self, numbers: Int64[np.ndarray, "m"]) -> Bool[np.ndarray, "m d"]:
        """The members of some subsets."""
        keep: np.ndarray
        keep = keep_of_codes(numbers, self.n_players) if self.keep is None else self.keep[numbers]
        return keep

    def costs(self, numbers: Int64[np.ndarray, "m"]) -> Int64[np.ndarray, "m"]:
        """The total costs of some subsets as whole numbers, where players have costs."""
        return np.concatenate(
            [self.permitted.costs_on_grid(self.keep_of(part)) for part in _parts(numbers)], dtype=np.int64
        )

    def narrowed(self, permitted: Permitted) -> "Cloud":
        """The same compared subsets, with only those to choose from that are permitted.

        Args:
            permitted: Which they are, and what they cost.
        """
        if permitted == EVERY_SUBSET:
            return self
        by_size = [
            np.concatenate([part[permitted.holds(self.keep_of(part))] for part in _parts(numbers)])
            for numbers in self.by_size
        ]
        cloud = replace(self, by_size=tuple(by_size), permitted=permitted)
        if not permitted.costs:
            return cloud
        by_cost = [numbers[np.argsort(cloud.costs(numbers), kind="stable")] for numbers in by_size]
        return replace(cloud, by_size=tuple(by_cost))


def narrowed_together(clouds: tuple[Cloud, ...], permitted: Permitted) -> tuple[Cloud, ...]:
    """The compared subsets of some instances, each with those to choose from that are permitted.

    Args:
        clouds: The compared subsets; where all 2^d are there they are the same for all instances.
        permitted: Which may be reported, and what they cost.
    """
    if permitted == EVERY_SUBSET or not all(cloud.complete for cloud in clouds):
        return tuple(cloud.narrowed(permitted) for cloud in clouds)
    by_size = clouds[0].narrowed(permitted).by_size
    return tuple(replace(cloud, by_size=by_size, permitted=permitted) for cloud in clouds)


def _parts(numbers: Int64[np.ndarray, "m"]) -> list[Int64[np.ndarray, "_"]]:
    """Numbers in parts, so that the members of few subsets are held at once."""
    return np.split(numbers, range(MEMBERS_AT_ONCE, len(numbers), MEMBERS_AT_ONCE))


@final
@dataclass(frozen=True, eq=False)
class Compared:
    """What a search has compared.

    Args:
        clouds: The compared subsets of each instance.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
    """

    clouds: tuple[Cloud, ...]
    model_rows: float


@final
@dataclass(frozen=True)
class SearchPlan:
    """How a search chooses subsets.

    Args:
        sentence: For the reader.
        complete: Whether it compares all 2^d of them; then it is handed a finished table.
        most_rows: Most model rows an instance, as far as that is known; progress is shown as a part of them.
    """

    sentence: str
    complete: bool
    most_rows: int = 0


class Search(ABC):
    """A way to choose which subsets are compared under a criterion."""

    @abstractmethod
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        """Compare subsets for every instance of the criterion.

        Args:
            criterion: What is to be made small.
            n_players: d.
            digits: Binary digits of the gaps that can be trusted; they fix the rule of ties.
        """

    @property
    @abstractmethod
    def plan(self) -> SearchPlan:
        """How subsets are chosen."""

    def together(self, needs: tuple[tuple[int, int], ...]) -> "Search":
        """The same search among the subsets that hold with a player those that it needs.

        Args:
            needs: Pairs (i, j) of players: i is in a subset only together with j.

        Raises:
            SettingError: if it knows no way to.
        """
        raise SettingError(
            f"{type(self).__name__} cannot obey order=, for it has no `together`; "
            "choose an exhaustive, a beam or a greedy search"
        )
