"""Background rows weighted by closeness."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import InputError, SettingError
from onlyif.references.base import Plan
from onlyif.references.empirical import fit_empirical
from oracles.closeness import weights

NAN = math.nan
ORDERED = np.array([True, True, False, False])


def _table(seed, n=12):
    """Two ordered columns (one with missing values), two unordered, all with repeats."""
    rng = np.random.default_rng(seed)
    rows = np.c_[rng.normal(size=n) * 50, rng.integers(0, 5, n), rng.integers(0, 3, n), rng.integers(0, 2, n)]
    rows[rng.random(n) < 0.2, 1] = NAN
    return rows.astype(np.float64)


def _subsets(c):
    return ((np.arange(2**c)[:, None] >> np.arange(c)) & 1).astype(bool)[None]


def _atoms(reference, x, keep):
    return reference.draw(x, keep, Plan(len(reference.rows), 0, len(reference.rows), None)).weights


@given(st.integers(0, 1000), st.sampled_from([None, 0.03, 0.3]))
@settings(max_examples=15, deadline=None)
def test_weights_are_those_of_the_slow_loop(seed, width):
    rows, x, keep = _table(seed), _table(seed + 1, n=2), _subsets(4)
    got = _atoms(fit_empirical(rows, ordered=ORDERED, bandwidth=width), x, keep)
    for i in range(2):
        for j in range(16):
            kept = np.flatnonzero(keep[0, j]).tolist()
            slow = weights(rows.tolist(), x[i].tolist(), kept, ORDERED.tolist(), width)
            np.testing.assert_allclose(got[i, j], slow, rtol=1e-7, atol=1e-12)


def test_sampled_rows_follow_the_weights_with_the_error_they_should_have():
    reference, x, keep = fit_empirical(_table(1), ordered=ORDERED), _table(2, n=2), _subsets(4)
    exact = _atoms(reference, x, keep)
    n = 4000
    drawn = reference.draw(x, keep, Plan(n, 0, n, seed=3)).values
    for row, place in enumerate(reference.rows):
        share = (drawn[..., 0] == place[0]).mean(2)
        assert np.all(np.abs(share - exact[..., row]) < 5 * np.sqrt(exact[..., row] / n) + 5 / n)


def test_the_mean_of_few_draws_is_within_its_standard_error_as_often_as_it_should_be():
    reference, x = fit_empirical(_table(4, 40)[:, :1]), np.zeros((1, 1))
    keep = np.array([[[True]]])
    w = _atoms(reference, x, keep).ravel()
    mean = (w * reference.rows[:, 0]).sum()
    spread = np.sqrt((w * np.square(reference.rows[:, 0] - mean)).sum())
    n = 60
    means = [reference.draw(x, keep, Plan(n, 0, n, seed)).values.mean() for seed in range(400)]
    inside = np.mean([abs(one - mean) < 1.96 * spread / math.sqrt(n) for one in means])
    assert abs(inside - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 400)


def test_splitting_draws_atoms_or_subsets_changes_nothing(monkeypatch):
    reference, x, keep = fit_empirical(_table(1), ordered=ORDERED), _table(2, n=3), _subsets(4)
    whole = reference.draw(x, keep, Plan(2500, 0, 2500, 5)).values
    part = reference.draw(x[1:2], keep[:, 3:9], Plan(9999, 900, 1100, 5)).values
    assert np.array_equal(part, whole[1:2, 3:9, 900:1100], equal_nan=True)
    atoms = _atoms(reference, x, keep)
    np.testing.assert_allclose(reference.draw(x, keep, Plan(12, 4, 9, None)).weights, atoms[:, :, 4:9])
    monkeypatch.setattr("onlyif.references.empirical._BLOCK_ENTRIES", 1)
    np.testing.assert_allclose(_atoms(reference, x, keep), atoms)
    assert np.array_equal(reference.draw(x, keep, Plan(2500, 0, 2500, 5)).values, whole, equal_nan=True)


def test_one_subset_each_agrees_with_shared_subsets():
    reference, x, keep = fit_empirical(_table(1), ordered=ORDERED), _table(2, n=2), _subsets(4)
    own = np.concatenate([keep, keep[:, ::-1]])
    shared, got = _atoms(reference, x, keep), _atoms(reference, x, own)
    np.testing.assert_allclose(got[0], shared[0])
    np.testing.assert_allclose(got[1], shared[1, ::-1])


def test_nothing_kept_is_uniform_and_equal_rows_share_the_weight_when_the_width_is_small():
    rows = np.array([[1.0, 0.0], [1.0, 9.0], [4.0, 5.0], [2.0, 1.0]])
    keep = np.array([[[False, False], [True, False]]])
    got = _atoms(fit_empirical(rows, bandwidth=1e-12), rows[:1], keep)[0]
    np.testing.assert_allclose(got[0], np.full(4, 0.25))
    np.testing.assert_allclose(got[1], np.array([0.5, 0.5, 0.0, 0.0]))


def test_far_from_everything_the_weights_still_sum_to_one():
    reference = fit_empirical(_table(3), ordered=ORDERED, bandwidth=1e-3)
    x = np.array([[1e9, -4e7, 99.0, 99.0]])
    np.testing.assert_allclose(_atoms(reference, x, _subsets(4)).sum(2), np.ones((1, 16)))


@pytest.mark.parametrize("value", [3.0, 8.0])
def test_a_constant_column_says_nothing(value):
    rows = np.concatenate([_table(0)[:, :1], np.full((12, 1), 3.0)], 1)
    x = np.array([[1.0, value]])
    keep = np.array([[[False, False], [False, True]]])
    got = _atoms(fit_empirical(rows), x, keep)
    np.testing.assert_allclose(got, np.full((1, 2, 12), 1 / 12))


def test_positions_stand_for_codes_that_are_no_numbers_themselves():
    years = np.array([1950.0, 2000.0, 1951.0, NAN])
    reference = fit_empirical(
        np.array([[0.0], [1.0], [2.0], [3.0]]),
        positions=lambda codes: years[codes.astype(int)],
        bandwidth=0.05,
    )
    got = _atoms(reference, np.array([[0.0], [3.0]]), np.array([[[True]]]))[:, 0]
    near = math.exp(-((1 / 50) ** 2) / (2 * 0.05**2))
    np.testing.assert_allclose(got[0], np.array([1, 0, near, 0]) / (1 + near), atol=1e-7)
    np.testing.assert_allclose(got[1], np.array([0.0, 0.0, 0.0, 1.0]), atol=1e-7)


def test_effective_sample_size_counts_rows():
    rows = np.array([[1.0], [1.0], [1.0], [9.0], [5.0]])
    reference = fit_empirical(rows, bandwidth=1e-6)
    x = np.array([[1.0], [9.0]])
    got = reference.effective_sample_size(x, np.array([[[False], [True]]]))
    np.testing.assert_allclose(got, np.array([[5.0, 3.0], [5.0, 1.0]]))


def test_a_conditional_mean_comes_nearer_to_the_truth_with_more_rows():
    """X ~ N(0, equicorrelated .8): E[X_2 | x_0, x_1] is known; the error should fall with N."""
    rng, sigma = np.random.default_rng(0), 0.8 + 0.2 * np.eye(3)
    x = rng.multivariate_normal(np.zeros(3), sigma, 40)
    truth = x[:, :2] @ np.linalg.inv(sigma[:2, :2]) @ sigma[:2, 2]
    keep, errors = np.array([[[True, True, False]]]), []
    for n in (100, 10_000):
        rows = rng.multivariate_normal(np.zeros(3), sigma, n)
        got = _atoms(fit_empirical(rows), x, keep)[:, 0] @ rows[:, 2]
        errors.append(float(np.mean((got - truth) ** 2)))
    assert errors[0] < 0.1
    assert errors[1] < errors[0] / 3


def test_a_sample_of_rows_is_said():
    reference = fit_empirical(_table(0, 300), ordered=ORDERED, n_rows=50, seed=4)
    assert len(reference.rows) == 50
    assert "50 rows drawn with seed 4 from 300 background rows" in reference.law.sentence
    assert "bandwidth 0.2" in fit_empirical(_table(0), ordered=ORDERED, bandwidth=0.2).law.sentence


def test_a_second_sample_shares_no_row_with_the_first():
    first, second = (fit_empirical(_table(0, 120), n_rows=50, skip=skip) for skip in (0, 50))
    last = fit_empirical(_table(0, 120), n_rows=50, skip=100)
    rows = [set(sample.rows[:, 0].tolist()) for sample in (first, second, last)]
    assert [len(one) for one in rows] == [50, 50, 20]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    assert "20 other rows drawn with seed 0 from 120" in last.law.sentence
    with pytest.raises(SettingError, match="leave at least 2 of 120 background rows, got 119"):
        fit_empirical(_table(0, 120), skip=119)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="at least 2 background rows to compare with, got 1"):
        fit_empirical(_table(0, 1))
    with pytest.raises(InputError, match="got inf"):
        fit_empirical(np.array([[0.0], [math.inf]]))
    with pytest.raises(SettingError, match="bandwidth must be above 0"):
        fit_empirical(_table(0), bandwidth=0.0)
    with pytest.raises(SettingError, match="n_rows >= 1"):
        fit_empirical(_table(0), n_rows=0)
    with pytest.raises(InputError, match="4 columns, got rows of shape"):
        _atoms(fit_empirical(_table(0)), np.zeros((1, 2)), np.ones((1, 1, 2), dtype=bool))


def test_a_column_with_no_value_at_all_says_nothing():
    rows = np.array([[NAN, 0.0], [NAN, 1.0], [NAN, 2.0]])
    x, keep = np.array([[NAN, 0.0], [5.0, 0.0]]), np.array([[[True, False]]])
    got = _atoms(fit_empirical(rows), x, keep)
    np.testing.assert_allclose(got, np.full((2, 1, 3), 1 / 3))
