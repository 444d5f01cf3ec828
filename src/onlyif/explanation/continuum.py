"""Continuum: every solution from necessity (α = 0) to sufficiency (α = 1).

For a fixed size rule the least Δuni(S, α) is the lower envelope of lines in α,
so [0, 1] falls into pieces on which one solution holds, divided by breakpoints
at which others may tie. `Continua` holds the continua of all size rules of one
instance as flat columns, which is how they are stored; `Continuum` is one of
them, ready to be read.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from typing_extensions import override

from onlyif.core.equality import same
from onlyif.core.errors import SettingError
from onlyif.explanation.selection import Measure, Selection, gap_selection


@final
@dataclass(frozen=True)
class Continuum:
    """Every solution of (P_uni) over α in [0, 1] for one size rule.

    Args:
        size: τ.
        exact_size: True for |S| = τ, False for |S| <= τ.
        breakpoints: Sorted values of α, from 0.0 to 1.0, both included.
        pieces: The solution on each open interval between two breakpoints.
        corners: The canonical solution at each breakpoint, with the number of sets that tie there.

    References:
        [bharti2024] section 4, problem (P_uni).
    """

    size: int
    exact_size: bool
    breakpoints: tuple[float, ...]
    pieces: tuple[Selection, ...]
    corners: tuple[Selection, ...]

    def at(self, alpha: float) -> Selection:
        """The canonical solution at one α.

        Raises:
            SettingError: unless 0 <= alpha <= 1.
        """
        if not 0.0 <= alpha <= 1.0:
            raise SettingError(f"alpha must lie in [0, 1], got {alpha}")
        place = bisect_left(self.breakpoints, alpha)
        if self.breakpoints[place] == alpha:
            return self.corners[place]
        return self.pieces[place - 1]

    @property
    def rule(self) -> str:
        """The size rule in words, as "|S| <= 3"."""
        return f"|S| {'=' if self.exact_size else '<='} {self.size}"

    @override
    def __repr__(self) -> str:
        ends = zip(self.breakpoints, self.breakpoints[1:], self.pieces, strict=False)
        pieces = ", ".join(f"{low:.4g} to {high:.4g}: {piece}" for low, high, piece in ends)
        return f"Continuum({self.rule}; {pieces})"


@final
@dataclass(frozen=True, eq=False)
class Continua:
    """The continua of all size rules of one instance, as columns of q records.

    A record is one solution, valid on the open interval (low, high) of α, or at
    the single point low = high.

    Args:
        names: The players' names.
        size: τ of the record's size rule.
        exact_size: True for the rule |S| = τ.
        low: Lower end of α.
        high: Upper end of α.
        keep: The solution's members.
        sufficiency: Δsuf, its values and standard errors.
        necessity: Δnec, its values and standard errors.
        n_ties: How many sets attain the minimum there.
    """

    names: Sequence[str]
    size: Int64[np.ndarray, "q"]
    exact_size: Bool[np.ndarray, "q"]
    low: Float64[np.ndarray, "q"]
    high: Float64[np.ndarray, "q"]
    keep: Bool[np.ndarray, "q d"]
    sufficiency: Float64[np.ndarray, "q two"]
    necessity: Float64[np.ndarray, "q two"]
    n_ties: Int64[np.ndarray, "q"]

    def of(self, size: int, *, exact_size: bool = False) -> Continuum:
        """The continuum of one size rule.

        Args:
            size: τ, 0 to d.
            exact_size: True for |S| = τ, False for |S| <= τ.

        Raises:
            SettingError: if no continuum of this rule was computed.
        """
        chosen = np.flatnonzero((self.size == size) & (self.exact_size == exact_size))
        if not len(chosen):
            have = sorted(set(self.size[self.exact_size == exact_size].tolist()))
            raise SettingError(f"no continuum for size {size}; sizes at hand: {have}")
        records = chosen[np.argsort((self.low + self.high)[chosen], kind="stable")]
        corners = records[self.low[records] == self.high[records]]
        pieces = records[self.low[records] < self.high[records]]
        breakpoints = tuple(self.low[corners].tolist())
        return Continuum(size, exact_size, breakpoints, self._selections(pieces), self._selections(corners))

    @override
    def __eq__(self, other: object) -> bool:
        return same(self, other)

    @override
    def __repr__(self) -> str:
        sizes = sorted(set(self.size.tolist()))
        return f"Continua(of {len(self.names)} players, sizes {sizes}, {len(self.size)} records)"

    def _selections(self, records: Int64[np.ndarray, "r"]) -> tuple[Selection, ...]:
        columns = (self.keep, self.sufficiency, self.necessity, self.n_ties)
        every = range(len(self.names))
        return tuple(
            gap_selection(tuple(compress(every, keep)), self.names, (Measure(*suf), Measure(*nec)), n_ties)
            for keep, suf, nec, n_ties in zip(*(each[records].tolist() for each in columns), strict=True)
        )
