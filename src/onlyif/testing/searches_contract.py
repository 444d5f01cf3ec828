"""What every search promises, as checks."""

import numpy as np
from jaxtyping import Bool

from onlyif.core.subsets import codes_of_keep
from onlyif.criteria.base import Criterion
from onlyif.searches.base import Cloud, Search


def check_search(search: Search, criterion: Criterion, n_players: int, digits: int = 30) -> None:
    """The contract of `Search`.

    Args:
        search: The member.
        criterion: What is to be made small.
        n_players: d, at least 1.
        digits: Binary digits of the gaps that can be trusted.

    Raises:
        AssertionError: if the member breaks its contract.

    Example:
        >>> from onlyif.criteria.distances import AbsoluteDistance
        >>> from onlyif.criteria.unified import Unified
        >>> from onlyif.searches.exhaustive import ExhaustiveSearch
        >>> from onlyif.testing.restrictions import game_of_tables
        >>> criterion = Unified(game_of_tables([[0.0, 1.0, 0.5, 1.0]]), AbsoluteDistance())
        >>> check_search(ExhaustiveSearch(), criterion, n_players=2)
    """
    compared = search.compare(criterion, n_players, digits)
    assert compared.model_rows >= 0, "model rows are counted"
    assert search.plan.sentence, "the plan needs a sentence"
    for i, cloud in enumerate(compared.clouds):
        assert cloud.n_players == n_players, "sizes run from 0 to d"
        assert cloud.digits == digits, "the digits are those that were asked for"
        assert cloud.complete == search.plan.complete, "plan and cloud disagree on completeness"
        _check_order(cloud)
        _check_parts(cloud, criterion, i)
    again = search.compare(criterion, n_players, digits)
    for one, other in zip(compared.clouds, again.clouds, strict=True):
        assert np.array_equal(one.parts, other.parts), "two runs differ"
        assert np.array_equal(_keep(one), _keep(other)), "two runs compare different subsets"


def _keep(cloud: Cloud) -> Bool[np.ndarray, "v d"]:
    return cloud.keep_of(np.arange(len(cloud.parts)))


def _check_order(cloud: Cloud) -> None:
    """Every subset once, both ends among them, each size in canonical order."""
    keep, d = _keep(cloud), cloud.n_players
    assert len(set(codes_of_keep(keep).tolist())) == len(keep), "a subset stands there twice"
    numbers = np.concatenate(cloud.by_size)
    assert np.array_equal(np.sort(numbers), np.arange(len(keep))), "by_size is no partition"
    assert len(cloud.by_size[0]) == len(cloud.by_size[d]) == 1, "both ends must be compared"
    for size, held in enumerate(cloud.by_size):
        sets = [tuple(np.flatnonzero(row).tolist()) for row in keep[held]]
        assert all(len(one) == size for one in sets), "a subset stands under another size"
        assert sets == sorted(sets), "the subsets of a size are not in canonical order"


def _check_parts(cloud: Cloud, criterion: Criterion, instance: int) -> None:
    """The points are the gaps of the criterion."""
    gaps = criterion.gap(_keep(cloud)[None])
    for got, needed in ((cloud.parts, gaps.parts), (cloud.stderr, gaps.stderr)):
        same = np.allclose(got, needed[instance], rtol=1e-9, atol=1e-9, equal_nan=True)
        assert same, "the points are not the gaps of the criterion"
