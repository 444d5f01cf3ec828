"""Beam search with swaps: good subsets of every size where 2^d are too many."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.criteria.base import Criterion
from onlyif.searches.base import Compared, Search, SearchPlan
from onlyif.searches.in_step import Allowance, Limits, walk_in_step
from onlyif.searches.visited import Visited


@final
@dataclass(frozen=True)
class BeamSearch(Search):
    """From both ends inward with the best subsets of each size, then swaps until nothing improves.

    For each size and each direction of the criterion (several α for the unified one) the
    `width` best subsets are grown by one player, from the empty set upwards and from the
    full set downwards. Then the neighbours of the `swaps` best (one player added, removed
    or exchanged) are compared until no new one is wanted. What cannot be paid for is left
    out: first subsets of middle sizes, and candidates that single players speak against.

    Choose it beyond about 20 players, or when the model is slow; up to there
    `ExhaustiveSearch` is certain.

    Args:
        width: Subsets kept for each size and direction.
        swaps: How many of them have all their neighbours compared.
        budget: Most model rows an instance; the subsets next to both ends are always compared.
        seconds: Most time for the instances that are searched together, or None. With a
            time limit results may differ from run to run.

    Raises:
        SettingError: unless width >= 1, swaps >= 0, budget >= 1 and seconds > 0.
    """

    width: int = 8
    swaps: int = 8
    budget: int = 2_000_000
    seconds: float | None = None

    def __post_init__(self) -> None:
        Limits(self.budget, self.seconds)
        if self.width < 1 or self.swaps < 0:
            raise SettingError(
                f"beam search needs width >= 1 and swaps >= 0, got width={self.width}, swaps={self.swaps}"
            )

    @override
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        return walk_in_step(criterion, n_players, digits, self._path, Limits(self.budget, self.seconds))

    @property
    @override
    def plan(self) -> SearchPlan:
        return SearchPlan(
            f"beam of width {self.width} with swaps around the {self.swaps} best of each size: "
            f"at most {self.budget:,} model rows an instance, not certified",
            complete=False,
        )

    def _path(self, seen: Visited, allowance: Allowance) -> Iterator[list[int]]:
        guides = _guides(seen)
        used = 0
        for ask in self._grown(seen, guides, replace(allowance, rounds=allowance.rounds // 2)):
            used += 1
            yield ask
        yield from self._polished(seen, guides, replace(allowance, rounds=allowance.rounds - used))

    def _grown(self, seen: Visited, guides: "Guides", allowance: Allowance) -> Iterator[list[int]]:
        """Level by level from both ends inward."""
        left = allowance.rounds
        deepest = _deepest(left, 2, seen.n_players // 2)
        for size in range(2, deepest + 1):
            quota = _share(left, size, deepest) * allowance.at_once
            ends = ((size - 1, _added), (seen.n_players - size + 1, _removed))
            lists = [
                guide.ranked(seen, seen.best(start, guide.direction, self.width), move, quota)
                for start, move in ends
                for guide in guides.near(start)
            ]
            for ask in allowance.asks(seen.fresh(_interleaved(lists))[:quota]):
                left -= 1
                yield ask

    def _polished(self, seen: Visited, guides: "Guides", allowance: Allowance) -> Iterator[list[int]]:
        """The neighbours of the best of each size, until no new subset is wanted."""
        left, wanted_any = allowance.rounds, True
        while wanted_any and left > 0:
            wanted_any = False
            deepest = _deepest(left, 1, seen.n_players // 2)
            for size in range(1, deepest + 1):
                quota = _share(left, size, deepest) * allowance.at_once
                lists = [
                    guide.ranked(seen, seen.best(start, guide.direction, self.swaps), _any_move, quota)
                    for start in (size, seen.n_players - size)
                    for guide in guides.near(start)
                ]
                for ask in allowance.asks(seen.fresh(_interleaved(lists))[:quota]):
                    left, wanted_any = left - 1, True
                    yield ask


Move = Callable[[dict[int, int], int, int], Iterable[tuple[int, int]]]


@final
@dataclass(frozen=True)
class Guide:
    """What single players promise for one direction, at one end.

    Args:
        direction: The number of the direction.
        gains: The change of the score when a player is added, the most promising player first.
    """

    direction: int
    gains: dict[int, int]

    def ranked(self, seen: Visited, starts: list[int], move: Move, most: int) -> list[int]:
        """Neighbours of some subsets, the most promising first.

        Args:
            seen: What was visited.
            starts: The subsets.
            move: Which neighbours.
            most: About how many of each subset.
        """
        promised = [
            (seen.scores[start][self.direction] + change, -code)
            for start in starts
            for code, change in move(self.gains, start, most)
        ]
        return [-code for _, code in sorted(promised)]


@final
@dataclass(frozen=True)
class Guides:
    """The guides of all directions at both ends.

    Args:
        n_players: d.
        low: Judged by what one player adds to none.
        high: Judged by what one player adds to all others.
    """

    n_players: int
    low: tuple[Guide, ...]
    high: tuple[Guide, ...]

    def near(self, size: int) -> tuple[Guide, ...]:
        """The guides of the end that is nearer to a size."""
        return self.low if 2 * size <= self.n_players else self.high


def _guides(seen: Visited) -> Guides:
    players = [seen.player(number) for number in range(seen.n_players)]
    low, high = [], []
    for direction in range(len(seen.directions)):
        score = {code: scores[direction] for code, scores in seen.scores.items()}
        added = {player: score[player] - score[0] for player in players}
        kept = {player: score[seen.everyone] - score[seen.everyone ^ player] for player in players}
        low.append(Guide(direction, dict(sorted(added.items(), key=_gain))))
        high.append(Guide(direction, dict(sorted(kept.items(), key=_gain))))
    return Guides(seen.n_players, tuple(low), tuple(high))


def _gain(item: tuple[int, int]) -> int:
    return item[1]


def _added(gains: dict[int, int], start: int, most: int) -> Iterator[tuple[int, int]]:
    outside = ((start | player, gain) for player, gain in gains.items() if not start & player)
    return islice(outside, most)


def _removed(gains: dict[int, int], start: int, most: int) -> Iterator[tuple[int, int]]:
    inside = ((start ^ player, -gain) for player, gain in reversed(gains.items()) if start & player)
    return islice(inside, most)


def _any_move(gains: dict[int, int], start: int, most: int) -> Iterator[tuple[int, int]]:
    """One player added, removed or exchanged."""
    yield from _added(gains, start, most)
    yield from _removed(gains, start, most)
    reach = math.isqrt(most) + 1
    for larger, gain in _added(gains, start, reach):
        for smaller, loss in _removed(gains, start, reach):
            yield larger ^ start ^ smaller, gain + loss


def _share(rounds: int, size: int, deepest: int) -> int:
    """The rounds for one size, of those left for it and all larger ones: in proportion to 1 / size."""
    return max(1, int(rounds / size / _harmonic(size, deepest)))


def _deepest(rounds: int, smallest: int, middle: int) -> int:
    """The largest size, at most the middle, whose share of the rounds is one at least."""
    fits = (size for size in range(middle, smallest, -1) if rounds >= size * _harmonic(smallest, size))
    return next(fits, min(smallest, middle))


def _harmonic(first: int, last: int) -> float:
    return sum(1 / size for size in range(first, last + 1))


def _interleaved(lists: list[list[int]]) -> Iterator[int]:
    """The first of each list, then the second of each, and so on."""
    for ranks in zip_longest(*lists):
        yield from (code for code in ranks if code is not None)
