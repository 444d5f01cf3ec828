"""Conditionals of a fitted Gaussian."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from onlyif.core.errors import InputError, SettingError
from onlyif.references.base import Plan
from onlyif.references.gaussian import GaussianReference, fit_gaussian, ledoit_wolf
from oracles.gaussian import conditional, random_gaussian


def _setup(seed, c=4, b=3, m=6):
    mean, covariance = random_gaussian(c, seed)
    x = mean + np.random.default_rng(seed + 1).normal(size=(b, c)) * np.sqrt(np.diag(covariance))
    keep = np.random.default_rng(seed).random((1, m, c)) < 0.5
    keep[0, 0], keep[0, 1] = False, True
    return GaussianReference(mean, covariance), x, keep


def _oracle(reference, x, keep):
    kept, hidden = np.flatnonzero(keep).tolist(), np.flatnonzero(~keep).tolist()
    return hidden, *conditional(reference.mean, reference.covariance, x, kept)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_conditional_is_the_textbook_formula(seed):
    reference, x, keep = _setup(seed)
    means, covariances = reference.conditional(x, keep)
    scale = np.sqrt(reference.covariance.diagonal())
    for i in range(len(x)):
        for j in range(keep.shape[1]):
            hidden, mean, covariance = _oracle(reference, x[i], keep[0, j])
            size = scale[hidden]
            np.testing.assert_allclose(means[i, j, hidden] / size, mean / size, atol=1e-8)
            got = covariances[0, j][hidden][:, hidden] / np.outer(size, size)
            np.testing.assert_allclose(got, covariance / np.outer(size, size), atol=1e-8)
            assert np.array_equal(means[i, j, keep[0, j]], x[i, keep[0, j]])
            assert not covariances[0, j][keep[0, j]].any()


def test_draws_have_the_mean_and_covariance_of_the_conditional_law():
    reference, x, keep = _setup(5)
    n = 20_000
    values = reference.draw(x, keep, Plan(n, 0, n, seed=1)).values
    for i in range(len(x)):
        for j in range(keep.shape[1]):
            hidden, mean, covariance = _oracle(reference, x[i], keep[0, j])
            if not hidden:
                continue
            drawn = values[i, j][:, hidden]
            spread = np.sqrt(np.diag(covariance))
            assert np.all(np.abs(drawn.mean(0) - mean) < 5 * spread / math.sqrt(n))
            seen = np.cov(drawn.T, ddof=0).reshape(covariance.shape) / np.outer(spread, spread)
            np.testing.assert_allclose(
                seen, covariance / np.outer(spread, spread), atol=5 * 1.5 / math.sqrt(n)
            )


def test_the_mean_of_few_draws_is_within_its_standard_error_as_often_as_it_should_be():
    reference, x, _ = _setup(2, b=1)
    keep = np.array([[[True, False, True, False]]])
    hidden, mean, covariance = _oracle(reference, x[0], keep[0, 0])
    n, inside = 50, []
    for seed in range(400):
        drawn = reference.draw(x, keep, Plan(n, 0, n, seed)).values[0, 0][:, hidden]
        inside.append(np.abs(drawn.mean(0) - mean) < 1.96 * np.sqrt(np.diag(covariance) / n))
    assert np.all(np.abs(np.mean(inside, 0) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 400))


def test_one_subset_each_agrees_with_shared_subsets():
    reference, x, keep = _setup(3)
    shared = reference.draw(x, keep, Plan(9, 0, 9, 4)).values
    own = np.repeat(keep, 3, axis=0)
    own[1] = own[1, ::-1]
    values = reference.draw(x, own, Plan(9, 0, 9, 4)).values
    np.testing.assert_allclose(values[[0, 2]], shared[[0, 2]])
    np.testing.assert_allclose(values[1], shared[1, ::-1])


def test_splitting_draws_or_subsets_changes_nothing(monkeypatch):
    reference, x, keep = _setup(7)
    whole = reference.draw(x, keep, Plan(700, 0, 700, 2)).values
    part = reference.draw(x, keep, Plan(5000, 250, 600, 2)).values
    np.testing.assert_allclose(part, whole[:, :, 250:600], rtol=1e-12, atol=1e-12)
    monkeypatch.setattr("onlyif.references.gaussian._BLOCK_ENTRIES", 1)
    np.testing.assert_allclose(reference.draw(x, keep, Plan(700, 0, 700, 2)).values, whole)


def test_independent_columns_ignore_what_is_kept_and_strong_ones_follow_it():
    keep = np.array([[[True, False, False]]])
    covariance = np.array([[1.0, 0.0, 0.999], [0.0, 1.0, 0.0], [0.999, 0.0, 1.0]])
    mean, spread = GaussianReference(np.zeros(3), covariance).conditional(np.array([[2.0, 7.0, 7.0]]), keep)
    np.testing.assert_allclose(mean[0, 0], np.array([2.0, 0.0, 1.998]))
    np.testing.assert_allclose(spread[0, 0].diagonal(), np.array([0.0, 1.0, 1 - 0.999**2]))


@given(st.integers(3, 40), st.integers(2, 6), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_shrinkage_is_that_of_scikit_learn(n, c, seed):
    rows = np.random.default_rng(seed).normal(size=(n, c)) @ np.random.default_rng(seed + 1).normal(
        size=(c, c)
    )
    standard = (rows - rows.mean(0)) / rows.std(0)
    theirs = LedoitWolf(assume_centered=True).fit(standard)
    assert ledoit_wolf(standard) == pytest.approx(theirs.shrinkage_, abs=1e-9)
    fitted = fit_gaussian(rows)
    expected = theirs.covariance_ * np.outer(rows.std(0), rows.std(0))
    np.testing.assert_allclose(fitted.covariance, expected, atol=1e-9)


def test_two_rows_or_one_column_leave_nothing_to_shrink():
    assert ledoit_wolf(np.array([[1.0, -1.0], [-1.0, 1.0]])) == 0
    assert ledoit_wolf(np.array([[-1.0], [1.0], [1.0], [-1.0]]) * (1 + 1e-16)) == 0


def test_shrinkage_may_be_given_and_the_sentence_says_which():
    rows = np.random.default_rng(0).normal(size=(60, 3)) * np.array([1, 10, 100])
    np.testing.assert_allclose(fit_gaussian(rows, 0.0).covariance, np.cov(rows.T, ddof=0))
    halved = fit_gaussian(rows, 0.5).covariance
    plain = np.cov(rows.T, ddof=0)
    np.testing.assert_allclose(halved, 0.5 * plain + 0.5 * np.diag(np.diag(plain)))
    assert "60 background rows, correlations shrunk by 0.5 as given" in fit_gaussian(rows, 0.5).law.sentence
    intensity = ledoit_wolf((rows - rows.mean(0)) / rows.std(0))
    assert f"shrunk by {intensity:.3g} by Ledoit-Wolf" in fit_gaussian(rows).law.sentence


def _rows():
    return np.random.default_rng(1).normal(size=(30, 3))


def test_bad_backgrounds_are_refused_by_name():
    names = ("age", "pay", "tax")
    with pytest.raises(InputError, match="at least 2 background rows to be fitted, got 1"):
        fit_gaussian(_rows()[:1])
    rows = _rows()
    rows[3, 1] = np.nan
    with pytest.raises(InputError, match=r"missing or infinite .* columns \['pay'\]"):
        fit_gaussian(rows, columns=names)
    rows[:, 1] = 4
    with pytest.raises(InputError, match=r"constant background columns \['pay'\]"):
        fit_gaussian(rows, columns=names)
    with pytest.raises(InputError, match=r"needs numbers, got other columns \['tax'\]"):
        fit_gaussian(_rows(), columns=names, numeric=np.array([True, True, False]))
    with pytest.raises(SettingError, match=r"shrinkage must lie in \[0, 1\].* got 1.5"):
        fit_gaussian(_rows(), 1.5)


def test_a_singular_covariance_names_the_columns_that_cause_it():
    rows = _rows()
    rows[:, 2] = 3 * rows[:, 0] + 1
    with pytest.raises(InputError, match=r"singular .* columns \['age', 'tax'\] determine one another"):
        fit_gaussian(rows, 0.0, ("age", "pay", "tax"))
    fit_gaussian(rows, 0.01, ("age", "pay", "tax"))
    with pytest.raises(InputError, match="singular"):
        fit_gaussian(_rows()[:3], 0.0)


def test_bad_parameters_are_refused():
    unit = np.eye(2)
    with pytest.raises(SettingError, match=r"mean of 3 columns .* got shape \(2, 2\)"):
        GaussianReference(np.zeros(3), unit)
    with pytest.raises(SettingError, match="symmetric"):
        GaussianReference(np.zeros(2), np.array([[1.0, 0.5], [0.1, 1.0]]))
    with pytest.raises(SettingError, match="finite"):
        GaussianReference(np.array([0.0, np.nan]), unit)
    with pytest.raises(InputError, match=r"positive variances, got none in columns \['x1'\]"):
        GaussianReference(np.zeros(2), np.array([[1.0, 0.0], [0.0, 0.0]]))


def test_a_missing_value_may_be_hidden_but_not_kept():
    reference = GaussianReference(np.zeros(2), np.eye(2), columns=("age", "pay"))
    x = np.array([[1.0, 2.0], [np.nan, 2.0]])
    hidden = reference.draw(x, np.array([[[False, True]]]), Plan(4, 0, 4, 0))
    assert np.isfinite(hidden.values[:, :, :, 0]).all()
    with pytest.raises(InputError, match="row 1 has no finite number in column 'age'"):
        reference.draw(x, np.array([[[True, True]]]), Plan(4, 0, 4, 0))
    with pytest.raises(InputError, match="2 columns, got rows of"):
        reference.draw(np.zeros((1, 3)), np.ones((1, 1, 3), dtype=bool), Plan(4, 0, 4, 0))


def test_it_has_no_atoms():
    reference = GaussianReference(np.zeros(2), np.eye(2))
    assert reference.law.n_atoms is None
    assert reference.law.depends_on_x
    with pytest.raises(SettingError, match="give a seed"):
        reference.draw(np.zeros((1, 2)), np.ones((1, 1, 2), dtype=bool), Plan(4, 0, 4, None))
