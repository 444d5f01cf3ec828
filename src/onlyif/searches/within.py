"""A search among the subsets that are permitted."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import override

from onlyif.core.permitted import Permitted
from onlyif.criteria.base import Criterion, Gaps
from onlyif.searches.base import Cloud, Compared, Search

# How much gap the cost of all players counts as, of the largest gap: subsets within a tenth of it are wanted.
PRICE_WEIGHTS = (0.3, 1.0)


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


@final
@dataclass(frozen=True, eq=False)
class PricedCriterion(Criterion):
    """A criterion with what subsets cost as one more part, so that searches are drawn to cheap ones.

    Args:
        inner: The criterion.
        prices: The cost of each player, as a share of what all cost.
        unit: How much gap of each instance the cost of all players counts as.
    """

    inner: Criterion
    prices: Float64[np.ndarray, "d"]
    unit: Float64[np.ndarray, "b"]

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        found = self.inner.gap(subset)
        mirror = None if found.mirror is None else self._priced(found.mirror, ~subset)
        return replace(self._priced(found, subset), mirror=mirror)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (*self.inner.weights, PRICE_WEIGHTS[0])

    @property
    @override
    def directions(self) -> tuple[tuple[float, ...], ...]:
        free = [(*weights, 0.0) for weights in self.inner.directions]
        ends = np.eye(len(self.inner.weights)).tolist()
        return (*free, *((*weights, price) for weights in ends for price in PRICE_WEIGHTS))

    def _priced(self, found: Gaps, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        price = self.unit[:, None] * (subset @ self.prices)
        parts = np.concatenate([found.parts, price[..., None]], axis=2)
        stderr = np.concatenate([found.stderr, np.zeros_like(price)[..., None]], axis=2)
        return replace(found, parts=parts, stderr=stderr)


def compare_permitted(
    search: Search, permitted: Permitted, criterion: Criterion, n_players: int, digits: int
) -> Compared:
    """What a search compares when only some subsets may be reported.

    One that compares all subsets does. Any other one is drawn to cheap subsets where players have costs, and
    sees the free players alone, as if there were no others: so none of its subsets lacks a player that must
    be in, or has one that must not.

    Args:
        search: The search.
        permitted: Which subsets may be reported.
        criterion: What is to be made small.
        n_players: d.
        digits: Binary digits of the gaps that can be trusted.

    Raises:
        SettingError: if players need others, and the search cannot obey that.
    """
    if search.plan.complete:
        return search.compare(criterion, n_players, digits)
    if any(permitted.costs):
        return _priced(search, permitted, criterion, n_players, digits)
    return _compare(search, permitted, criterion, n_players, digits)


def _priced(
    search: Search, permitted: Permitted, criterion: Criterion, n_players: int, digits: int
) -> Compared:
    """What a search compares that is drawn to cheap subsets."""
    prices = np.array(permitted.costs) / sum(permitted.costs)
    # The gaps of both ends; one of them is the largest or nearly so.
    ends = np.array([[False], [True]]).repeat(len(permitted.free(n_players)), axis=1)
    first = criterion.gap(permitted.of_free(ends, n_players)[None])
    unit = np.maximum(first.parts.max((1, 2)), 2.0**-900)
    priced = PricedCriterion(criterion, prices, unit)
    compared = _compare(search, permitted, priced, n_players, digits)
    clouds = [
        replace(cloud, parts=cloud.parts[:, :-1], stderr=cloud.stderr[:, :-1]) for cloud in compared.clouds
    ]
    return Compared(tuple(clouds), compared.model_rows + first.model_rows)


def _compare(
    search: Search, permitted: Permitted, criterion: Criterion, n_players: int, digits: int
) -> Compared:
    """What a search compares among the free players."""
    if permitted.everything:
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
