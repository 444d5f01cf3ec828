"""Rows of a background set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.errors import InputError, SettingError
from onlyif.references.base import Plan
from onlyif.references.marginal import MarginalReference, fit_marginal, fresh_marginal


def _numbered(count):
    return np.repeat(np.arange(count, dtype=np.float64)[:, None], 2, axis=1)


def _drawn(reference, plan):
    draws = reference.draw(np.zeros((2, 2)), np.zeros((1, 3, 2), dtype=bool), plan)
    assert draws.values.shape[:2] == (1, 1)
    return draws.values[0, 0, :, 0].tolist(), draws.weights.ravel()


def test_without_a_seed_the_atoms_are_the_rows_in_order():
    values, weights = _drawn(MarginalReference(_numbered(7)), Plan(7, 2, 6, None))
    assert values == [2, 3, 4, 5]
    assert weights.tolist() == [1 / 7] * 4


@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 30), st.integers(0, 3))
def test_any_part_is_that_part_of_the_whole(count, total, cut, seed):
    reference, cut = MarginalReference(_numbered(count)), min(cut, total)
    whole, _ = _drawn(reference, Plan(total, 0, total, seed))
    part, weights = _drawn(reference, Plan(total, cut, total, seed)) if cut < total else ([], np.zeros(0))
    assert part == whole[cut:]
    assert np.all(weights == 1 / total)


def test_each_round_takes_every_row_once_in_another_order():
    values, _ = _drawn(MarginalReference(_numbered(50)), Plan(150, 0, 150, 3))
    rounds = [values[:50], values[50:100], values[100:]]
    assert all(sorted(one) == list(range(50)) for one in rounds)
    assert rounds[0] != rounds[1] != rounds[2]


def test_a_sample_has_distinct_rows_depends_on_the_seed_and_says_so():
    samples = [fit_marginal(_numbered(426), 100, seed) for seed in (0, 0, 1)]
    rows = [set(sample.rows[:, 0].tolist()) for sample in samples]
    assert [len(one) for one in rows] == [100] * 3
    assert rows[0] == rows[1] != rows[2]
    assert "100 rows drawn with seed 1 from 426 background rows" in samples[2].law.sentence


@pytest.mark.parametrize("n_rows", [None, 90, 100])
def test_all_rows_when_there_are_few_or_when_asked(n_rows):
    reference = fit_marginal(_numbered(90), n_rows)
    assert np.array_equal(reference.rows, _numbered(90))
    assert "all 90 background rows" in reference.law.sentence
    assert fresh_marginal(_numbered(90), n_rows) is None


@pytest.mark.parametrize(("count", "expected"), [(426, 100), (150, 50)])
def test_the_fresh_sample_shares_no_row_with_the_first(count, expected):
    first, fresh = fit_marginal(_numbered(count)), fresh_marginal(_numbered(count))
    assert len(fresh.rows) == expected
    assert not set(first.rows[:, 0].tolist()) & set(fresh.rows[:, 0].tolist())
    assert f"{expected} other rows" in fresh.law.sentence


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_are_refused(count):
    with pytest.raises(InputError, match=f"at least 2 background rows, got {count}"):
        fit_marginal(_numbered(count))


def test_bad_settings_and_shapes_are_refused():
    with pytest.raises(SettingError, match="n_rows >= 1"):
        fit_marginal(_numbered(5), 0)
    with pytest.raises(InputError, match="got none"):
        MarginalReference(_numbered(0))
    with pytest.raises(InputError, match=r"rows have shape \(2,\), got instances of shape \(3,\)"):
        MarginalReference(_numbered(5)).draw(
            np.zeros((1, 3)), np.zeros((1, 1, 3), dtype=bool), Plan(5, 0, 5, None)
        )
