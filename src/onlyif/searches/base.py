"""Finding subsets with a small gap."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.base import Criterion

# Products of two differences of gaps in grid units must fit 63 bits.
MOST_DIGITS = 30


@final
@dataclass(frozen=True, eq=False)
class Cloud:
    """The subsets of one instance that were compared, as points in the parts of the gap.

    Args:
        parts: The gap's parts of each subset; (Δsuf, Δnec) for the unified criterion.
        stderr: Their standard errors; 0 when exact.
        by_size: For each size 0 to d, the numbers of the subsets of that size, in canonical order.
        keep: The members of each subset, or None where subset number v is the one with bit code v
            and all 2^d of them are there.
        digits: Binary digits of the gaps that can be trusted, 1 to 30.

    Raises:
        ModelError: if a gap is NaN or infinite.
        SettingError: unless 1 <= digits <= 30.
    """

    parts: Float64[np.ndarray, "v p"]
    stderr: Float64[np.ndarray, "v p"]
    by_size: tuple[Int64[np.ndarray, "_"], ...]
    keep: Bool[np.ndarray, "v d"] | None
    digits: int

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
