"""How far a subset is from a perfect explanation."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onlyif.core.subsets import keep_of_codes

CODES_AT_ONCE = 4096


@final
@dataclass(frozen=True, eq=False)
class Gaps:
    """The gaps of some subsets, in parts.

    Args:
        parts: The parts of each gap; 0 is perfect. The gap is their weighted sum.
        stderr: Their standard errors; 0 when exact.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
        mirror: The gaps of the complements of these subsets, where they came for nothing, or None.
    """

    parts: Float64[np.ndarray, "b m p"]
    stderr: Float64[np.ndarray, "b m p"]
    model_rows: float
    mirror: "Gaps | None" = None

    def take(self, numbers: Int64[np.ndarray, "_"]) -> "Gaps":
        """The gaps of some of the subsets."""
        return Gaps(self.parts[:, numbers], self.stderr[:, numbers], self.model_rows)


class Criterion(ABC):
    """A gap between a subset and a perfect explanation, to be made small.

    A member writes `gap` and `weights`; the rest follows from them and is
    overridden only where there is a faster way.
    """

    @abstractmethod
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        """The gap's parts for given subsets S.

        Args:
            subset: The members of S; size 1 in b means shared by all instances.
        """

    @property
    @abstractmethod
    def weights(self) -> tuple[float, ...]:
        """The weights of the parts in the gap."""

    @property
    def directions(self) -> tuple[tuple[float, ...], ...]:
        """Weightings of the parts that a heuristic search should make small, one after the other."""
        return (self.weights,)

    def all_gaps(self, n_players: int) -> Gaps:
        """The gaps of all 2^d subsets, by bit code."""
        starts = range(0, 2**n_players, CODES_AT_ONCE)
        parts = [np.arange(start, min(start + CODES_AT_ONCE, 2**n_players)) for start in starts]
        pieces = [self.gap(keep_of_codes(part, n_players)[None]) for part in parts]
        return Gaps(
            np.concatenate([piece.parts for piece in pieces], axis=1),
            np.concatenate([piece.stderr for piece in pieces], axis=1),
            sum(piece.model_rows for piece in pieces),
        )
