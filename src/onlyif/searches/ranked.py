"""Sets read off rankings of the players: the highest of each, and these without whom they do not need."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import final

import numpy as np
from jaxtyping import Int64
from typing_extensions import override

from onlyif.criteria.base import Criterion
from onlyif.searches.base import Compared, Search, SearchPlan
from onlyif.searches.in_step import Allowance, Limits, walk_in_step
from onlyif.searches.visited import Visited

# Sizes at which each ranking is looked at for the smallest sets within ε: first from one player to all, in
# equal ratios; then between the last that is not within ε and the first that is.
COARSE_LOOKS, FINE_LOOKS = 20, 8


class Rankings(ABC):
    """Rankings of an instance's players, found in whatever way, as along a gradient."""

    @abstractmethod
    def orders(self, n_players: int) -> Int64[np.ndarray, "r d"]:
        """The players of each ranking, the most wanted first.

        Args:
            n_players: d.
        """

    @property
    @abstractmethod
    def rows(self) -> int:
        """Model rows that finding them takes."""

    @property
    @abstractmethod
    def sentence(self) -> str:
        """How they are found, for the reader."""


@final
@dataclass(frozen=True, eq=False)
class RankedSearch(Search):
    """The highest players of each ranking, at some sizes; then the smallest sets within ε player by player.

    Choose it for hundreds of players where a gradient ranks them; `BeamSearch` looks at every player, and
    needs no gradient.

    Args:
        rankings: The rankings of the one instance.
        epsilon: ε; None is a share of the gap of the empty set.
        share: This share.
        budget: Most model rows; the subsets next to both ends are always compared.
    """

    rankings: Rankings
    epsilon: float | None = None
    share: float = 0.1
    budget: int = 2_000_000

    @override
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        limits = Limits(max(1, self.budget - self.rankings.rows))
        found = walk_in_step(criterion, n_players, digits, self._path, limits)
        return Compared(found.clouds, found.model_rows + self.rankings.rows)

    @property
    @override
    def plan(self) -> SearchPlan:
        sentence = f"{self.rankings.sentence}; then sets of the highest, without whom they do not need"
        limits = f"at most {self.budget:,} model rows an instance, not certified"
        return SearchPlan(f"{sentence}: {limits}", complete=False, most_rows=self.budget)

    def _path(self, seen: Visited, allowance: Allowance) -> Iterator[list[int]]:
        d = seen.n_players
        epsilon = self.share * seen.parts_of(0)[0] if self.epsilon is None else self.epsilon
        nested = [_nested(seen, order) for order in self.rankings.orders(d).tolist()]
        sizes = looks(1, d - 1, COARSE_LOOKS) if d > 1 else ()
        yield from allowance.asks(seen.fresh(sets[size] for sets in nested for size in sizes))
        known = [size for size in sizes if all(sets[size] in seen.places for sets in nested)]
        parts = range(len(seen.parts_of(0)))
        fine = [
            sets[size]
            for sets in nested
            for part in parts
            for size in between(known, [seen.parts_of(sets[size])[part] <= epsilon for size in known], d)
        ]
        yield from allowance.asks(seen.fresh(fine))
        for part in parts:
            yield from self._smaller(seen, allowance, part, epsilon)

    def _smaller(self, seen: Visited, allowance: Allowance, part: int, epsilon: float) -> Iterator[list[int]]:
        """The smallest set within ε without the player that it needs least, as long as that is within ε."""
        within = seen.within(part, epsilon)
        while within:
            least = min(within, key=lambda code: (seen.parts_of(code)[part], -code))
            fewer = [least ^ member for member in map(seen.player, range(seen.n_players)) if least & member]
            yield from allowance.asks(seen.fresh(fewer))
            within = [code for code in fewer if code in seen.places and seen.parts_of(code)[part] <= epsilon]


def _nested(seen: Visited, order: list[int]) -> list[int]:
    """The sets of the highest players, from none to all."""
    sets = [0]
    for player in order:
        sets.append(sets[-1] | seen.player(player))
    return sets


def looks(first: int, last: int, most: int) -> tuple[int, ...]:
    """Different sizes from a first to a last one, in equal ratios.

    Args:
        first: The smallest, at least 1.
        last: The largest.
        most: About how many.

    Example:
        >>> looks(1, 100, 5)
        (1, 3, 10, 32, 100)
    """
    return tuple(sorted({round(size) for size in np.geomspace(first, last, most).tolist()}))


def between(sizes: list[int], within: list[bool], n_players: int) -> list[int]:
    """Sizes between the last one that is not within ε and the first that is.

    Args:
        sizes: The sizes that were looked at, rising.
        within: Which of their sets are within ε.
        n_players: d, whose set is within ε.

    Example:
        >>> between([1, 4, 10], [False, False, True], 40)
        [5, 6, 7, 8, 9, 10, 10, 10]
    """
    first = within.index(True) if any(within) else len(sizes)
    low = sizes[first - 1] if first else 0
    high = sizes[first] if first < len(sizes) else n_players
    step = max(1, ceil((high - low) / (FINE_LOOKS + 1)))
    return [min(low + step * (i + 1), high) for i in range(FINE_LOOKS)]
