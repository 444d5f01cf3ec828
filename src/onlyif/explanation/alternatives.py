"""What else would do: all minimal sets within ε, and the players that are in every one or in any of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import override

from onlyif.explanation.selection import Measure, Selection, gap_selection


@final
@dataclass(frozen=True, eq=False)
class Alternatives:
    """The minimal ε-sufficient, or ε-necessary, sets of one prediction: no member of one can be spared.

    A sequence of sets, the smallest first; of those of one size the first in the order of the players.

    Args:
        names: The players' names.
        keep: The members of the sets that are listed.
        sufficiency: Their Δsuf, values and standard errors.
        necessity: Their Δnec, likewise.
        count: How many minimal sets there are, listed or not.
        core: Players in every minimal set.
        union: Players in any minimal set.
        complete: Whether all 2^d sets were compared, so that there is no other one.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> [str(chosen) for chosen in example_explanations()[0].alternatives["necessary"]]
        ['{age, income}']
    """

    names: Sequence[str]
    keep: Bool[np.ndarray, "m d"]
    sufficiency: Float64[np.ndarray, "m two"]
    necessity: Float64[np.ndarray, "m two"]
    count: int
    core: tuple[int, ...]
    union: tuple[int, ...]
    complete: bool

    def __len__(self) -> int:
        return len(self.keep)

    def __getitem__(self, place: int) -> Selection:
        players = tuple(np.flatnonzero(self.keep[place]).tolist())
        gaps = Measure(*self.sufficiency[place].tolist()), Measure(*self.necessity[place].tolist())
        return gap_selection(players, self.names, gaps)

    def __iter__(self) -> Iterator[Selection]:
        return (self[place] for place in range(len(self)))

    @property
    def core_names(self) -> tuple[str, ...]:
        """The names of the players in every minimal set."""
        return tuple(self.names[player] for player in self.core)

    @property
    def union_names(self) -> tuple[str, ...]:
        """The names of the players in any minimal set."""
        return tuple(self.names[player] for player in self.union)

    @override
    def __repr__(self) -> str:
        least = "" if self.complete else "at least "
        shown = ", ".join(map(str, self)) + (", ..." if self.count > len(self) else "")
        return f"Alternatives({least}{self.count} minimal: {shown})"
