"""Beam search with swaps: good subsets of every size where 2^d are too many."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

from typing_extensions import override

from onlyif.core.arguments import Whole, settle
from onlyif.criteria.base import Criterion
from onlyif.searches.base import Compared, Search, SearchPlan
from onlyif.searches.guides import Guides, added, any_move, guides_of, in_turn, removed
from onlyif.searches.in_step import LIMITS, Allowance, Limits, walk_in_step
from onlyif.searches.visited import Visited


@final
@dataclass(frozen=True)
class BeamSearch(Search):
    """From both ends inward with the best subsets of each size, then swaps until nothing improves.

    For each size and each direction of the criterion (several α for the unified one) the
    `width` best subsets are grown by one player, from the empty set upwards and from the
    full set downwards. Then the neighbours of the `swaps` best (one player added, removed
    or exchanged) are compared until no new one is wanted. What cannot be paid for is left
    out: first subsets of middle sizes, then candidates that single players speak against.
    Subsets whose players matter only all together can stay hidden, the more so the more they are.

    Choose it beyond about 20 players, or when the model is slow; up to there
    `ExhaustiveSearch` is certain.

    Args:
        width: Subsets kept for each size and direction.
        swaps: How many of them have all their neighbours compared.
        budget: Most model rows an instance; the subsets next to both ends are always compared.
            Where f_S(x) is computed without asking the model, a subset counts as 100 rows.
        seconds: Most time for the instances that are searched together, or None. With a
            time limit results may differ from run to run.
        needs: Pairs (i, j) of players, without a circle: i is in a subset only together with j.

    Raises:
        SettingError: unless width >= 1, swaps >= 0, budget >= 1 and seconds > 0.
    """

    width: int = 8
    swaps: int = 8
    budget: int = 2_000_000
    seconds: float | None = None
    needs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        settle(self, {"width": Whole(least=1), "swaps": Whole(least=0), **LIMITS})

    @override
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        limits = Limits(self.budget, self.seconds)
        return walk_in_step(criterion, n_players, digits, self._path, limits, needs=self.needs)

    @override
    def together(self, needs: tuple[tuple[int, int], ...]) -> Search:
        return replace(self, needs=needs)

    @property
    @override
    def plan(self) -> SearchPlan:
        return SearchPlan(
            f"beam of width {self.width} with swaps around the {self.swaps} best of each size: "
            f"at most {self.budget:,} model rows an instance, not certified",
            complete=False,
            most_rows=self.budget,
        )

    def _path(self, seen: Visited, allowance: Allowance) -> Iterator[list[int]]:
        guides = guides_of(seen)
        used = 0
        for ask in self._grown(seen, guides, replace(allowance, rounds=allowance.rounds // 2)):
            used += 1
            yield ask
        yield from self._polished(seen, guides, replace(allowance, rounds=allowance.rounds - used))

    def _grown(self, seen: Visited, guides: Guides, allowance: Allowance) -> Iterator[list[int]]:
        """Level by level from both ends inward."""
        left, middle = allowance.rounds, seen.n_players // 2
        deepest = middle if left >= middle else _deepest(left, 2, middle)
        for size in range(2, deepest + 1):
            quota = _share(left, size, deepest) * allowance.at_once
            small, large = size - 1, seen.n_players - size + 1
            from_small = guides.starts(seen, small, self.width, quota)
            from_large = guides.starts(seen, large, self.width, quota)
            wanted = in_turn(
                guides.ranked(seen, small, from_small, added, quota),
                guides.ranked(seen, large, from_large, removed, quota),
            )
            for ask in allowance.asks(seen.fresh(wanted)[:quota]):
                left -= 1
                yield ask

    def _polished(self, seen: Visited, guides: Guides, allowance: Allowance) -> Iterator[list[int]]:
        """The neighbours of the best of each size, until no new subset is wanted."""
        left, wanted_any = allowance.rounds, True
        closed: set[int] = set()
        while wanted_any and left > 0:
            wanted_any = False
            deepest = _deepest(left, 1, seen.n_players // 2)
            for size in range(1, deepest + 1):
                quota = _share(left, size, deepest) * allowance.at_once
                wanted, starts = self._near_best(seen, guides, size, closed, quota)
                for ask in allowance.asks(wanted[:quota]):
                    left, wanted_any = left - 1, True
                    yield ask
                if len(wanted) <= quota and seen.n_players**2 <= quota:
                    closed.update(starts)

    def _near_best(
        self, seen: Visited, guides: Guides, size: int, closed: set[int], quota: int
    ) -> tuple[list[int], list[int]]:
        """New neighbours of the best subsets of a size and its mirror size; and which subsets these are."""
        lists, starts = [], []
        for here in (size, seen.n_players - size):
            best = guides.starts(seen, here, self.swaps, quota)
            still = [[code for code in codes if code not in closed] for codes in best]
            lists.append(guides.ranked(seen, here, still, any_move, quota))
            starts += [code for codes in still for code in codes]
        return seen.fresh(in_turn(*lists)), starts


def _share(rounds: int, size: int, deepest: int) -> int:
    """The rounds for one size: one for it and for each larger one, the others in proportion to 1 / size."""
    spare = max(0, rounds - (deepest - size + 1))
    return 1 + int(spare / size / _harmonic(size, deepest))


def _deepest(rounds: int, smallest: int, middle: int) -> int:
    """The largest size, at most the middle, whose share of the rounds is one at least."""
    fits = (size for size in range(middle, smallest, -1) if rounds >= size * _harmonic(smallest, size))
    return next(fits, min(smallest, middle))


def _harmonic(first: int, last: int) -> float:
    return sum(1 / size for size in range(first, last + 1))
