"""Which neighbours of good subsets a heuristic search should compare first.

What single players do, added to none or to all others, is a first guess of what
they do elsewhere. It only orders candidates, so a wrong guess costs budget and
never truth.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import final

from onlyif.searches.visited import Visited

Allows = Callable[[int], bool]
Move = Callable[[dict[int, int], int, int, Allows], Iterable[tuple[int, int]]]


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

    def starts(self, seen: Visited, size: int, count: int, most: int) -> list[list[int]]:
        """The best subsets of a size, one list a direction.

        Args:
            seen: What was visited.
            size: Their size.
            count: How many for each direction.
            most: About how many neighbours can be paid for; there are fewer starts where it is small.
        """
        affordable = max(1, most // (len(self.low) * self.n_players))
        return [seen.best(size, guide.direction, min(count, affordable)) for guide in self.near(size)]

    def ranked(
        self, seen: Visited, size: int, starts: list[list[int]], move: Move, most: int
    ) -> list[list[int]]:
        """Neighbours of subsets of a size, the most promising first; one list a direction.

        Args:
            seen: What was visited.
            size: The size of the subsets.
            starts: The subsets, one list a direction.
            move: Which neighbours.
            most: About how many of each subset.
        """
        lists = []
        for guide, codes in zip(self.near(size), starts, strict=True):
            promised = [
                (seen.scores[start][guide.direction] + change, -code)
                for start in codes
                for code, change in move(guide.gains, start, most, seen.allows)
            ]
            lists.append([-code for _, code in sorted(promised)])
        return lists


def guides_of(seen: Visited) -> Guides:
    """The guides of an instance whose subsets next to both ends were visited."""
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


def added(gains: dict[int, int], start: int, most: int, allows: Allows) -> Iterator[tuple[int, int]]:
    """One player added: neighbours and the promised changes of the score, the most promising first.

    Args:
        gains: What each player promises, the most promising first.
        start: The subset.
        most: At most how many neighbours.
        allows: Which neighbours are wanted.
    """
    outside = ((start | player, gain) for player, gain in gains.items() if not start & player)
    return islice((move for move in outside if allows(move[0])), most)


def removed(gains: dict[int, int], start: int, most: int, allows: Allows) -> Iterator[tuple[int, int]]:
    """One player removed: neighbours and the promised changes of the score, the most promising first.

    Args:
        gains: What each player promises, the most promising first.
        start: The subset.
        most: At most how many neighbours.
        allows: Which neighbours are wanted.
    """
    inside = ((start ^ player, -gain) for player, gain in reversed(gains.items()) if start & player)
    return islice((move for move in inside if allows(move[0])), most)


def any_move(gains: dict[int, int], start: int, most: int, allows: Allows) -> Iterator[tuple[int, int]]:
    """One player added, removed or exchanged: neighbours and the promised changes of the score.

    Args:
        gains: What each player promises, the most promising first.
        start: The subset.
        most: At most how many neighbours of each kind, about.
        allows: Which neighbours are wanted.
    """
    yield from added(gains, start, most, allows)
    yield from removed(gains, start, most, allows)
    reach = math.isqrt(most) + 1
    # What lies between may be unwanted.
    for larger, gain in added(gains, start, reach, _any):
        for smaller, loss in removed(gains, start, reach, _any):
            exchanged = larger ^ start ^ smaller
            if allows(exchanged):
                yield exchanged, gain + loss


def _any(code: int) -> bool:
    return True


def in_turn(small: list[list[int]], large: list[list[int]]) -> list[int]:
    """The first of each list, then the second of each, and so on; of large subsets every third time only.

    Small subsets are what readers want. Complements of small subsets come for nothing anyway.

    Args:
        small: Candidates near the empty set, the most promising first; one list a direction.
        large: Candidates near the full set, likewise.

    Example:
        >>> in_turn([[1, 2, 3, 4]], [[7, 6]])
        [1, 7, 2, 3, 4, 6]
    """
    turns = [(turn, code) for codes in small for turn, code in enumerate(codes)]
    turns += [(3 * turn, code) for codes in large for turn, code in enumerate(codes)]
    return [code for _, code in sorted(turns, key=_turn)]


def _turn(item: tuple[int, int]) -> int:
    return item[0]
