"""The closed form for a linear model under a Gaussian."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.subsets import keep_of_codes
from onlyif.models.readouts import TargetReadout
from onlyif.references.base import Plan
from onlyif.references.gaussian import GaussianReference
from onlyif.restrictions.linear_gaussian import LinearGaussianRestriction
from oracles.gaussian import random_gaussian, restricted_linear


def _setup(c, seed, k=2, index=None, max_bytes=2**31):
    mean, covariance = random_gaussian(c, seed)
    rng, b = np.random.default_rng(seed + 1), 3
    weights = rng.normal(size=(c, k)) / np.sqrt(np.diag(covariance))[:, None]
    x = mean + rng.normal(size=(b, c)) * np.sqrt(np.diag(covariance))
    reference = GaussianReference(mean, covariance)
    index = np.arange(c) if index is None else np.array(index)
    players = Players(index, tuple(f"p{i}" for i in range(int(index.max()) + 1)))
    made = LinearGaussianRestriction(weights, rng.normal(size=k), reference, players, max_bytes)
    return made, x, TargetReadout(np.arange(b) % k)


def _slow_table(restriction, x, readout):
    gaussian, d = restriction.reference, restriction.players.count
    kept = restriction.players.spread(keep_of_codes(np.arange(2**d), d))
    return [
        [
            restricted_linear(
                gaussian.mean, gaussian.covariance, restriction.weights, row, np.flatnonzero(cols).tolist()
            )[k]
            + restriction.intercept[k]
            for cols in kept
        ]
        for row, k in zip(x, readout.target.tolist(), strict=True)
    ]


@given(st.integers(1, 6), st.integers(0, 1000), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_table_is_the_textbook_formula_for_every_subset(c, seed, k):
    restriction, x, readout = _setup(c, seed, k)
    got = restriction.table(x, readout)
    np.testing.assert_allclose(got.mean, _slow_table(restriction, x, readout), rtol=1e-7, atol=1e-7)
    assert not got.stderr.any() and not got.stderr_from_base.any()
    assert got.model_rows == restriction.method.rows == 0
    assert restriction.method.exact


@pytest.mark.parametrize(
    "index", [[1, 0, 1, 2, 0, 1], [0, 0, 0, 0, 0, 0], [2, 2, 1, 1, 0, 0], [3, 2, 1, 0, 4, 4]]
)
def test_columns_of_one_player_are_kept_together_whatever_their_order(index):
    restriction, x, readout = _setup(6, 3, index=index)
    expected = _slow_table(restriction, x, readout)
    np.testing.assert_allclose(restriction.table(x, readout).mean, expected, rtol=1e-8, atol=1e-8)


@given(st.integers(1, 7), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_predict_agrees_with_the_table(c, seed):
    restriction, x, readout = _setup(c, seed)
    codes = np.random.default_rng(seed).integers(2**c, size=9)
    got = restriction.predict(x, keep_of_codes(codes, c)[None], readout)
    np.testing.assert_allclose(got.mean, restriction.table(x, readout).mean[:, codes], rtol=1e-8, atol=1e-8)


def test_one_subset_each_and_small_blocks_change_nothing(monkeypatch):
    restriction, x, readout = _setup(4, 8)
    codes = np.array([[0, 3, 5], [15, 1, 2], [7, 7, 8]])
    keep = np.stack([keep_of_codes(row, 4) for row in codes])
    table = restriction.table(x, readout).mean
    expected = np.take_along_axis(table, codes, axis=1)
    np.testing.assert_allclose(restriction.predict(x, keep, readout).mean, expected, rtol=1e-7)
    monkeypatch.setattr("onlyif.restrictions.linear_gaussian._BLOCK_ENTRIES", 1)
    monkeypatch.setattr("onlyif.restrictions.linear_gaussian._BLOCK_BYTES", 1)
    np.testing.assert_allclose(restriction.predict(x, keep, readout).mean, expected, rtol=1e-7)
    np.testing.assert_allclose(restriction.table(x, readout).mean, table, rtol=1e-7)


def test_everything_kept_is_the_model_and_nothing_kept_its_mean():
    restriction, x, readout = _setup(5, 1)
    table = restriction.table(x, readout).mean
    outputs = x @ restriction.weights + restriction.intercept
    at_mean = restriction.reference.mean @ restriction.weights + restriction.intercept
    np.testing.assert_allclose(table[:, -1], outputs[np.arange(3), readout.target])
    np.testing.assert_allclose(table[:, 0], at_mean[readout.target])


def test_draws_from_the_reference_have_the_mean_of_the_closed_form():
    restriction, x, readout = _setup(4, 6)
    keep, n = keep_of_codes(np.arange(16), 4)[None], 4000
    values = restriction.reference.draw(x, keep, Plan(n, 0, n, 0)).values
    mixed = np.where(keep[:, :, None], x[:, None, None], values)
    outputs = (mixed @ restriction.weights + restriction.intercept)[np.arange(3), ..., readout.target]
    error = outputs.std(2) / n**0.5
    assert np.all(np.abs(outputs.mean(2) - restriction.table(x, readout).mean) <= 5 * error + 1e-7)


def test_a_table_that_would_not_fit_is_refused_before_it_starts():
    columns = [f"x{i}" for i in range(40)]
    gaussian = GaussianReference(np.zeros(40), np.eye(40))
    players = column_players(columns)
    restriction = LinearGaussianRestriction(np.ones((40, 1)), np.zeros(1), gaussian, players)
    with pytest.raises(
        LimitError, match=r"1 rows over 2\^40 subsets needs .* GiB, the limit max_bytes is 2 GiB"
    ):
        restriction.table(np.zeros((1, 40)), TargetReadout(np.array([0])))


def test_the_limit_counts_the_rows():
    restriction, x, readout = _setup(6, 0, max_bytes=40_000)
    assert restriction.table(x, readout).mean.shape == (3, 64)
    with pytest.raises(LimitError, match="100 rows over"):
        restriction.table(np.repeat(x[:1], 100, axis=0), TargetReadout(np.zeros(100, dtype=np.int64)))


def test_bad_input_is_refused():
    restriction, x, readout = _setup(3, 0)
    x[1, 2] = np.nan
    with pytest.raises(InputError, match="row 1 has a value that is missing"):
        restriction.table(x, readout)
    with pytest.raises(InputError, match="3 columns, got rows of shape"):
        restriction.table(x[:, :2], readout)
    with pytest.raises(SettingError, match="3 columns; got weights of 2"):
        LinearGaussianRestriction(np.ones((2, 1)), np.zeros(1), restriction.reference, restriction.players)
    with pytest.raises(SettingError, match="one intercept an output, got 1 columns"):
        LinearGaussianRestriction(np.ones((3, 1)), np.zeros(2), restriction.reference, restriction.players)
