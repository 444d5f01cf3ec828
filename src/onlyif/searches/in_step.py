"""The paths of all instances walked in step, so that they share model calls.

A path is a generator of asks: it yields subsets, and finds them in its `Visited`
when it goes on. The paths of all instances are asked together, one round after
another; no path sees another one's subsets, hence a batch gives what single
instances give.
"""

import math
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from onlyif.core.arguments import Either, Kind, Number, Whole, settle
from onlyif.core.errors import ModelError
from onlyif.criteria.base import Criterion, Gaps
from onlyif.criteria.recorded import ROWS_OF_A_FREE_SUBSET, AskedSubsets
from onlyif.searches.base import Cloud, Compared
from onlyif.searches.visited import Found, Visited, codes_of, keep_of, unvisited

# With their complements and both ends these are 254 subsets: one pass of a restriction, whose cost is linear.
MOST_AT_ONCE = 126
LIMITS: Mapping[str, Kind] = {
    "budget": Whole(least=1),
    "seconds": Either((Number(above=0.0, below=None), None)),
}


@final
@dataclass(frozen=True)
class Allowance:
    """How much a path may ask; the same for every instance.

    Args:
        rounds: The number of asks.
        at_once: Most subsets of one ask.
    """

    rounds: int
    at_once: int

    def asks(self, wanted: list[int]) -> Iterator[list[int]]:
        """The wanted subsets in asks of the allowed length."""
        for start in range(0, len(wanted), self.at_once):
            yield wanted[start : start + self.at_once]


@final
@dataclass(frozen=True)
class Limits:
    """When a search stops at the latest.

    Args:
        budget: Most model rows an instance. The empty set, all players, single players and
            all players but one are always compared, whatever that costs. Where f_S(x) is computed
            without asking the model, a subset counts as 100 rows; its complement comes for nothing.
        seconds: Most time for all instances that are searched together, or None. The ask
            under way is finished.

    Raises:
        SettingError: unless budget >= 1 and seconds > 0.
    """

    budget: int
    seconds: float | None = None

    def __post_init__(self) -> None:
        settle(self, LIMITS)


Path = Callable[[Visited, Allowance], Iterator[list[int]]]


def walk_in_step(
    criterion: Criterion,
    n_players: int,
    digits: int,
    path: Path,
    limits: Limits,
    *,
    needs: tuple[tuple[int, int], ...] = (),
) -> Compared:
    """Walk the paths of all instances, round by round, until all have ended or a limit is reached.

    Every round costs what its longest ask costs: the other instances repeat an ask.
    An allowance counts full rounds, so that no instance depends on its neighbours.

    Args:
        criterion: What is to be made small.
        n_players: d.
        digits: Binary digits of the gaps that can be trusted.
        path: From what an instance has visited, and its allowance, to its asks.
        limits: When to stop.
        needs: Pairs (i, j) of players: i is in a subset that paths go through only together with j.
    """
    until = math.inf if limits.seconds is None else time.monotonic() + limits.seconds
    visited, allowance, rows = _start(criterion, n_players, digits, limits.budget, needs)
    paths = [path(seen, allowance) for seen in visited]
    for _ in range(allowance.rounds):
        asks = [next(one, []) for one in paths] if time.monotonic() < until else []
        if not any(asks):
            break
        rows += _ask(criterion, visited, asks)
    return Compared(tuple(seen.cloud(digits) for seen in visited), rows)


def _start(
    criterion: Criterion, n_players: int, digits: int, budget: int, needs: tuple[tuple[int, int], ...]
) -> tuple[list[Visited], Allowance, float]:
    """Both ends and what is next to them, and from their costs the allowance for the rest."""
    everyone = (1 << n_players) - 1
    first = criterion.gap(keep_of([0], n_players)[None])
    mirrored = first.mirror is not None
    singles = [1 << (n_players - 1 - number) for number in range(n_players)]
    near = [everyone, *singles, *(everyone ^ single for single in singles)]
    rest = unvisited(near, {0, everyone} if mirrored else {0}, everyone if mirrored else None)
    asked = [(first, [0])]
    if rest:
        asked.append((criterion.gap(keep_of(rest, n_players)[None]), rest))
    pairs = tuple((singles[player], singles[needed]) for player, needed in needs)
    visited = []
    for number in range(len(first.parts)):
        found = [one for gaps, codes in asked for one in _found(gaps, number, codes, everyone)]
        grid = max(2.0**-900, *(part for _, parts, _ in found for part in parts)) * 2.0**-digits
        sizes: tuple[list[int], ...] = tuple([] for _ in range(n_players + 1))
        seen = Visited(n_players, _own_first(criterion), grid, mirrored, {}, array("d"), {}, sizes, pairs)
        seen.add(found)
        visited.append(seen)
    return visited, _allowance(budget, asked), sum(gaps.model_rows for gaps, _ in asked)


def recorded_cloud(found: list[AskedSubsets], number: int, n_players: int, digits: int) -> Cloud | None:
    """What a search that was ended had compared of one instance; None if it was nothing.

    Args:
        found: What was asked, with its gaps.
        number: The number of the instance.
        n_players: d.
        digits: Binary digits of the gaps that can be trusted.
    """
    everyone = (1 << n_players) - 1
    sizes: tuple[list[int], ...] = tuple([] for _ in range(n_players + 1))
    seen = Visited(n_players, (), 1.0, False, {}, array("d"), {}, sizes)
    for one in found:
        codes = codes_of(one.subset[number if len(one.subset) > 1 else 0])
        seen.add(_found(one.gaps, number, codes, everyone))
    return seen.cloud(digits) if found else None


def _own_first(criterion: Criterion) -> tuple[tuple[float, ...], ...]:
    """The directions, those of the criterion's own weights before all others."""
    return tuple(dict.fromkeys((criterion.weights, *criterion.directions)))


def _allowance(budget: int, asked: list[tuple[Gaps, list[int]]]) -> Allowance:
    """What the rest of a budget pays for, when the rows of an ask are linear in its length."""
    one, spent = asked[0][0].model_rows, sum(gaps.model_rows for gaps, _ in asked)
    many, length = asked[-1][0].model_rows, len(asked[-1][1])
    if length < 2:
        return Allowance(0, 1)
    another = (many - one) / (length - 1)
    if another <= 0:
        one = another = float(ROWS_OF_A_FREE_SUBSET)
        spent = another * sum(len(codes) for _, codes in asked)
    # Short asks pay more often for the two ends, long ones are cut short by a small budget.
    affordable = max(0, int((budget - spent - one) / another) + 1)
    at_once = min(max(math.isqrt(affordable) // 2, 1), MOST_AT_ONCE)
    rounds = (budget - spent) / (one + another * (at_once - 1))
    return Allowance(max(0, int(rounds)), at_once)


def _ask(criterion: Criterion, visited: list[Visited], asks: list[list[int]]) -> float:
    """Compare one list of subsets an instance, short ones filled up by a repeated subset."""
    n_players, length = visited[0].n_players, max(len(ask) for ask in asks)
    filled = [ask + [ask[0] if ask else 0] * (length - len(ask)) for ask in asks]
    keep = np.stack([keep_of(ask, n_players) for ask in filled])
    gaps = criterion.gap(keep)
    for number, (seen, ask) in enumerate(zip(visited, asks, strict=True)):
        seen.add(_found(gaps, number, ask, seen.everyone))
    return gaps.model_rows


def _found(gaps: Gaps, number: int, codes: list[int], everyone: int) -> Iterator[Found]:
    """The gaps of one instance, those of complements included."""
    parts, stderr = gaps.parts[number, : len(codes)], gaps.stderr[number, : len(codes)]
    if not np.isfinite(parts).all():
        raise ModelError("a gap came out as NaN or infinite: check the distance and the model's outputs")
    yield from zip(codes, parts.tolist(), stderr.tolist(), strict=True)
    if gaps.mirror is not None:
        yield from _found(gaps.mirror, number, [everyone ^ code for code in codes], everyone)
