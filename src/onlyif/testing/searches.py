"""Games that count what they are asked, and what every heuristic search promises, as checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.core.shapes import Instances, Keep
from onlyif.core.subsets import codes_of_keep
from onlyif.criteria.unified import Unified
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, Method, Restriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.base import Search
from onlyif.testing.restrictions import game_of_tables


@final
@dataclass(frozen=True, eq=False)
class MeteredRestriction(Restriction):
    """A restriction that charges the same model rows for every subset.

    Choose it to see what a search would cost, where the answers are known.

    Args:
        inner: What knows the answers.
        rows: Model rows that one subset of one instance costs.
    """

    inner: Restriction
    rows: int

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        found = self.inner.predict(x, keep, readout)
        return replace(found, model_rows=float(keep.shape[1] * self.rows))

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        found = self.inner.table(x, readout)
        return replace(found, model_rows=float(found.mean.shape[1] * self.rows))

    @property
    @override
    def method(self) -> Method:
        return replace(self.inner.method, rows=self.rows)


def metered_game(tables: Sequence[Sequence[float]], rows: int = 100) -> SetFunction:
    """Given restricted predictions, at a price.

    Args:
        tables: f_S(x) of each instance for all 2^d subsets, by bit code.
        rows: Model rows that one subset of one instance costs.

    Example:
        >>> metered_game([[0.0, 1.0, 0.5, 1.0]], 7).table().model_rows
        28.0
    """
    game = game_of_tables(tables)
    return replace(game, restriction=MeteredRestriction(game.restriction, rows))


def check_heuristic(search: Search, criterion: Unified) -> None:
    """What a heuristic search promises beyond the contract of `Search`.

    The empty set, the full set, every single player and all players but one are
    visited, with the complement of whatever is visited, and an instance is answered
    in company as it is alone.

    Args:
        search: The member.
        criterion: On a game by table of at least one player.

    Raises:
        AssertionError: if the member breaks its promise.
    """
    function = criterion.set_function
    d, last = function.n_players, 2**function.n_players - 1
    together = search.compare(criterion, d, 30)
    assert "not certified" in search.plan.sentence, "the plan must say that nothing is certain"
    table = function.table().mean.tolist()
    for row, cloud in zip(table, together.clouds, strict=True):
        visited = set(codes_of_keep(cloud.keep_of(np.arange(len(cloud.parts)))).tolist())
        needed = {0, last} | {1 << i for i in range(d)} | {last ^ 1 << i for i in range(d)}
        assert needed <= visited, "the sets next to both ends must be visited"
        assert visited == {last ^ code for code in visited}, "complements came for nothing and are missing"
        game = game_of_tables([row])
        method = MeteredRestriction(game.restriction, function.restriction.method.rows)
        alone = search.compare(replace(criterion, set_function=replace(game, restriction=method)), d, 30)
        assert np.array_equal(alone.clouds[0].parts, cloud.parts), "company changes what is compared"
        assert alone.model_rows <= together.model_rows, "a batch cannot cost less than its costliest member"
