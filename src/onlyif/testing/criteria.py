"""What every criterion promises, as checks."""

import numpy as np

from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.base import Criterion, Gaps

TOLERANCE = 1e-9


def check_criterion(criterion: Criterion, n_players: int) -> None:
    """The contract of `Criterion`.

    Args:
        criterion: The member, over a set function of some instances.
        n_players: d, small enough for all 2^d subsets.

    Raises:
        AssertionError: if the member breaks its contract.

    Example:
        >>> from onlyif.criteria.distances import AbsoluteDistance
        >>> from onlyif.criteria.unified import Unified
        >>> from onlyif.testing.restrictions import game_of_tables
        >>> check_criterion(Unified(game_of_tables([[0.0, 1.0, 0.5, 1.0]]), AbsoluteDistance()), 2)
    """
    table = criterion.all_gaps(n_players)
    every = keep_of_codes(np.arange(2**n_players), n_players)[None]
    shape = (len(table.parts), 2**n_players, len(criterion.weights))
    assert table.parts.shape == table.stderr.shape == shape, f"need shape {shape}, got {table.parts.shape}"
    assert bool((table.parts >= 0).all()), "a gap is negative or NaN"
    assert not bool((table.stderr < 0).any()), "a standard error is negative"
    _same(criterion.gap(every), table, "gap and all_gaps disagree")
    repeated = every.repeat(len(table.parts), axis=0)
    _same(criterion.gap(repeated), table, "shared and repeated subsets disagree")
    shuffled = np.random.default_rng(0).permutation(2**n_players)
    _same(criterion.gap(every[:, shuffled]), table.take(shuffled), "the order of subsets matters")
    for code in {0, 2 ** (n_players - 1), 2**n_players - 1}:
        only = np.array([code])
        _same(criterion.gap(every[:, only]), table.take(only), "a subset alone differs")
    _check_mirror(criterion, criterion.gap(every), n_players)
    _check_weights(criterion)


def _check_mirror(criterion: Criterion, gaps: Gaps, n_players: int) -> None:
    """Complements that came for nothing are those of the complements."""
    if gaps.mirror is None:
        return
    complements = keep_of_codes(np.arange(2**n_players)[::-1], n_players)[None]
    _same(criterion.gap(complements), gaps.mirror, "the mirror is not that of the complements")


def _check_weights(criterion: Criterion) -> None:
    for weights in (criterion.weights, *criterion.directions):
        assert len(weights) == len(criterion.weights), "one weight a part"
        assert all(weight >= 0 for weight in weights), "a weight is negative"
        assert any(weight > 0 for weight in weights), "all weights are 0"
    assert criterion.weights in criterion.directions, "its own weights are among the directions"


def _same(got: Gaps, needed: Gaps, message: str) -> None:
    for one, other in ((got.parts, needed.parts), (got.stderr, needed.stderr)):
        assert np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True), message
