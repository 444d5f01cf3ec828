"""PNS as a criterion: its parts, its weights, single players, and searches over it."""

import numpy as np
import pytest

from onlyif.core.errors import SettingError
from onlyif.criteria.causation import PNSCriterion
from oracles.causal_cases import Settings, case_of, every_subset, stacked


def _criterion(weights=(0.5, 0.5), **settings):
    test, x, change, _ = case_of(Settings(**{"seed": 2, "b": 2, "n": 5, "threshold": 0.1} | settings))
    return PNSCriterion(test, x, change, weights)


def test_the_gap_is_one_minus_half_of_pns():
    criterion = _criterion(b=3)
    found = criterion.test.table(criterion.x, criterion.change)
    gaps = criterion.all_gaps(3)
    np.testing.assert_allclose(gaps.parts @ [0.5, 0.5], 1 - found.pns_halved, rtol=1e-7)
    np.testing.assert_allclose(1 - gaps.parts[..., 0], found.pn * found.p_changed, rtol=1e-7)
    np.testing.assert_allclose(1 - gaps.parts[..., 1], found.ps * found.p_unchanged, rtol=1e-7)
    assert gaps.model_rows == found.model_rows


def test_gaps_carry_the_errors_of_their_parts():
    criterion = _criterion(most_masks=0, t=20)
    subset = every_subset(3)
    found = criterion.test.measure(criterion.x, subset, criterion.change)
    gaps = criterion.gap(subset)
    assert np.array_equal(gaps.stderr, found.stderr.parts)
    assert bool((gaps.stderr > 0).any())


def test_singles_are_the_single_players():
    criterion = _criterion(b=3, owner=(0, 1, 2, 3))
    table = criterion.test.table(criterion.x, criterion.change)
    np.testing.assert_allclose(
        stacked(criterion.singles().values), stacked(table.values)[:, [1, 2, 4, 8]], atol=1e-12
    )


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_modules_can_be_left_out(weights):
    assert _criterion(weights).weights == weights


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-0.1, 1.0)])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(SettingError, match="at least 0 and not both 0"):
        _criterion(weights)
