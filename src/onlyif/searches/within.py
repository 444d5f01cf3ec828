"""A search among the subsets that are permitted."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.core.permitted import Permitted
from onlyif.criteria.base import Criterion, Gaps
from onlyif.searches.base import Cloud, Compared, Search


@final
@dataclass(frozen=True, eq=False)
class FreeCriterion(Criterion):
    """A criterion as one of the players that are free: the others are in every subset, or in none.

    Complements come for nothing no more: that of a permitted subset is not permitted.

    Args:
        inner: The criterion of all players.
        permitted: Which subsets are permitted.
        n_players: d, of all players.
    """

    inner: Criterion
    permitted: Permitted
    n_players: int

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m f"]) -> Gaps:
        return replace(self.inner.gap(self.permitted.of_free(subset, self.n_players)), mirror=None)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return self.inner.weights

    @property
    @override
    def directions(self) -> tuple[tuple[float, ...], ...]:
        return self.inner.directions


def compare_permitted(
    search: Search, permitted: Permitted, criterion: Criterion, n_players: int, digits: int
) -> Compared:
    """What a search compares when only some subsets may be reported.

    One that compares all subsets does. Any other one sees the free players alone, as if there were no others:
    so none of its subsets lacks a player that must be in, or has one that must not.

    Args:
        search: The search.
        permitted: Which subsets may be reported.
        criterion: What is to be made small.
        n_players: d.
        digits: Binary digits of the gaps that can be trusted.

    Raises:
        SettingError: if players need others, and the search cannot obey that.
    """
    if permitted.everything or search.plan.complete:
        return search.compare(criterion, n_players, digits)
    needs, free = permitted.needs_of_free(n_players), len(permitted.free(n_players))
    search = search.together(needs) if needs else search
    if free == n_players:
        return search.compare(criterion, n_players, digits)
    only = FreeCriterion(criterion, permitted, n_players)
    compared = search.compare(only, free, digits) if free else _the_one(only, digits)
    return replace(compared, clouds=tuple(_of_all(cloud, permitted, n_players) for cloud in compared.clouds))


def _the_one(criterion: FreeCriterion, digits: int) -> Compared:
    """The only subset that is permitted."""
    found = criterion.gap(np.zeros((1, 1, 0), dtype=np.bool_))
    keep, first = np.zeros((1, 0), dtype=np.bool_), (np.zeros(1, dtype=np.int64),)
    pairs = zip(found.parts, found.stderr, strict=True)
    clouds = tuple(Cloud(parts, stderr, first, keep, digits, whole=True) for parts, stderr in pairs)
    return Compared(clouds, found.model_rows)


def _of_all(cloud: Cloud, permitted: Permitted, n_players: int) -> Cloud:
    """The same subsets as those of all players, whose order is the same."""
    least, most = permitted.sizes(n_players)
    empty = np.zeros(0, dtype=np.int64)
    by_size = (*[empty] * least, *cloud.by_size, *[empty] * (n_players - most))
    keep = permitted.of_free(cloud.keep_of(np.arange(len(cloud.parts))), n_players)
    return replace(cloud, by_size=by_size, keep=keep)
