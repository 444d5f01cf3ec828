"""Adding or removing the best player, one at a time: the simplest searches."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

from typing_extensions import override

from onlyif.core.arguments import settle
from onlyif.criteria.base import Criterion
from onlyif.searches.base import Compared, Search, SearchPlan
from onlyif.searches.in_step import LIMITS, Allowance, Limits, walk_in_step
from onlyif.searches.visited import Visited

OWN = 0


@final
@dataclass(frozen=True)
class ForwardGreedySearch(Search):
    """From no player to all, adding the one that makes the criterion's own gap least.

    About d^2 / 2 subsets are compared, and their complements. Choose it to see what the
    simplest search finds; `BeamSearch` is better at a higher price.

    Args:
        budget: Most model rows an instance; the subsets next to both ends are always compared.
            Where f_S(x) is computed without asking the model, a subset counts as 100 rows.
        seconds: Most time for the instances that are searched together, or None.
        needs: Pairs (i, j) of players, without a circle: i is in a subset only together with j.

    Raises:
        SettingError: unless budget >= 1 and seconds > 0.
    """

    budget: int = 2_000_000
    seconds: float | None = None
    needs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        settle(self, LIMITS)

    @override
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        limits = Limits(self.budget, self.seconds)
        return walk_in_step(criterion, n_players, digits, _add, limits, needs=self.needs)

    @override
    def together(self, needs: tuple[tuple[int, int], ...]) -> Search:
        return replace(self, needs=needs)

    @property
    @override
    def plan(self) -> SearchPlan:
        return _plan("greedy, forward: the best player was added, one at a time", self.budget)


@final
@dataclass(frozen=True)
class BackwardGreedySearch(Search):
    """From all players to none, removing the one that leaves the criterion's own gap least.

    About d^2 / 2 subsets are compared, and their complements. Where players must act
    together to matter, it finds what `ForwardGreedySearch` cannot see.

    Args:
        budget: Most model rows an instance; the subsets next to both ends are always compared.
            Where f_S(x) is computed without asking the model, a subset counts as 100 rows.
        seconds: Most time for the instances that are searched together, or None.
        needs: Pairs (i, j) of players, without a circle: i is in a subset only together with j.

    Raises:
        SettingError: unless budget >= 1 and seconds > 0.
    """

    budget: int = 2_000_000
    seconds: float | None = None
    needs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        settle(self, LIMITS)

    @override
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        limits = Limits(self.budget, self.seconds)
        return walk_in_step(criterion, n_players, digits, _remove, limits, needs=self.needs)

    @override
    def together(self, needs: tuple[tuple[int, int], ...]) -> Search:
        return replace(self, needs=needs)

    @property
    @override
    def plan(self) -> SearchPlan:
        return _plan("greedy, backward: the least useful player was removed, one at a time", self.budget)


def _plan(sentence: str, budget: int) -> SearchPlan:
    limits = f"at most {budget:,} model rows an instance, not certified"
    return SearchPlan(f"{sentence}; {limits}", complete=False, most_rows=budget)


def _add(seen: Visited, allowance: Allowance) -> Iterator[list[int]]:
    reached = 0
    for _ in range(seen.n_players):
        larger = [reached | seen.player(i) for i in range(seen.n_players) if not reached & seen.player(i)]
        larger = [code for code in larger if seen.allows(code)]
        yield from allowance.asks(seen.fresh(larger))
        reached = min(larger, key=lambda code: (seen.scores[code][OWN], -code))


def _remove(seen: Visited, allowance: Allowance) -> Iterator[list[int]]:
    reached = seen.everyone
    for _ in range(seen.n_players):
        smaller = [reached ^ seen.player(i) for i in range(seen.n_players) if reached & seen.player(i)]
        smaller = [code for code in smaller if seen.allows(code)]
        yield from allowance.asks(seen.fresh(smaller))
        reached = min(smaller, key=lambda code: (seen.scores[code][OWN], -code))
