"""Sampled restricted predictions: values, errors, splitting and coverage."""

from math import sqrt
from statistics import fmean

import numpy as np
import pytest
import torch

from onlyif.core.errors import LimitError, SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.subsets import keep_of_codes, members
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import DecisionReadout, TargetReadout
from onlyif.references.base import Plan
from onlyif.references.gaussian import GaussianReference
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.sampled import SampledRestriction
from oracles.cases import Watched, watched_row
from oracles.gaussian import random_gaussian, restricted_linear
from oracles.restriction import restricted, stderr_of_mean

GROUPED = Players(np.array([0, 1, 1, 2]), ("a", "bc", "d"))
B, C, N = 2, 4, 60


def _gaussian(seed=0):
    root = np.random.default_rng(seed).normal(size=(C, C))
    return GaussianReference(np.arange(C) / 2, root @ root.T + np.eye(C))


def _marginal(seed=0):
    return MarginalReference(
        torch.randn(40, C, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )


def _x(seed=1):
    return torch.randn(B, C, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _slow(reference, x, target, kept, i):
    """Mean, standard error and paired standard error of one subset of one instance, one row at a time."""
    owner = GROUPED.index.tolist()

    def outputs(held):
        keep = np.array([[[p in held for p in owner]]])
        rows = reference.draw(x[i : i + 1], keep, Plan(N, 0, N, 7)).values[0, 0].tolist()
        share = [1 / N] * N
        return restricted(
            lambda row: watched_row(row, target), x[i].tolist(), rows, share, kept=held, group_of=owner
        )

    (mean, values), (_, base) = outputs(kept), outputs(set())
    return mean, stderr_of_mean(values), stderr_of_mean([a - b for a, b in zip(values, base, strict=True)])


@pytest.mark.parametrize("make", [_gaussian, _marginal])
def test_means_and_errors_are_those_of_the_plain_formulas(make):
    reference, x, target = make(), _x(), np.array([0, 1])
    restriction = SampledRestriction(Watched(), reference, GROUPED, n_draws=N, seed=7)
    found = restriction.table(x, TargetReadout(target))
    for i in range(B):
        for code in range(8):
            needed = _slow(reference, x, int(target[i]), set(members(code)), i)
            got = [column[i, code].item() for column in (found.mean, found.stderr, found.stderr_from_base)]
            assert got == pytest.approx(needed, abs=1e-10), (i, code)


@pytest.mark.parametrize("make", [_gaussian, _marginal])
@pytest.mark.parametrize("max_rows", [1, 7, 59, 60, 61, 500])
def test_splitting_changes_nothing(make, max_rows):
    x, readout = _x(), TargetReadout(np.array([0, 1]))
    whole = SampledRestriction(Watched(), make(), GROUPED, N, 1_000_000, 3).table(x, readout)
    model = Watched()
    split = SampledRestriction(model, make(), GROUPED, N, max_rows, 3).table(x, readout)
    for name in ("mean", "stderr", "stderr_from_base"):
        np.testing.assert_allclose(getattr(split, name), getattr(whole, name), rtol=1e-12, atol=1e-12)
    assert max(model.calls) <= max_rows
    assert sum(model.calls) == split.model_rows * B


def test_more_subsets_than_one_pass_takes():
    """Twelve players: two passes, each with base draws of its own, and every row counted."""
    players = column_players([f"c{i}" for i in range(12)])
    rows = torch.randn(9, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    readout, calls = TargetReadout(np.array([0])), []

    def model(batch):
        calls.append(len(batch))
        return batch.prod(1) + batch.sum(1)

    def ask(max_rows, n_draws=5):
        calls.clear()
        predictor = FunctionPredictor(model)
        restriction = SampledRestriction(predictor, MarginalReference(rows), players, n_draws, max_rows)
        return restriction, restriction.table(rows[:1], readout), sum(calls)

    restriction, small, asked = ask(20)
    _, large, asked_once = ask(10**6)
    assert asked == small.model_rows == (2**12 + 2) * 5
    assert asked_once == large.model_rows == (2**12 + 1) * 5
    codes = np.array([0, 3, 2047, 2048, 2049, 3500, 4095])
    single = restriction.predict(rows[:1], keep_of_codes(codes, 12)[None], readout)
    for name in ("mean", "stderr", "stderr_from_base"):
        np.testing.assert_allclose(getattr(small, name), getattr(large, name), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(
            getattr(single, name), getattr(small, name)[:, codes], rtol=1e-12, atol=1e-12
        )


def test_seeds_draw_alike_and_differently():
    x, readout = _x(), TargetReadout(np.array([0, 0]))
    tables = [
        SampledRestriction(Watched(), _gaussian(), GROUPED, 10, seed=seed).table(x, readout).mean
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(tables[0], tables[1])
    assert not np.isclose(tables[0][:, :-1], tables[2][:, :-1]).any()


def test_errors_of_differences_are_paired():
    """f(x) + noise that is shared: the difference from f_0 is known exactly, the values are not."""
    model = FunctionPredictor(lambda batch: 10 * batch[:, 0] + batch[:, 1])
    restriction = SampledRestriction(
        model,
        GaussianReference(np.zeros(2), np.eye(2)),
        column_players(["a", "b"]),
        50,
    )
    found = restriction.table(torch.tensor([[1.0, 2.0]]).double(), TargetReadout(np.array([0])))
    only_b = 0b10
    assert found.stderr[0, only_b] > 0.5
    assert found.stderr_from_base[0, only_b] < 0.5
    assert found.stderr_from_base[0, 0] == 0
    assert found.stderr[0, 3] < 1e-12
    assert found.stderr_from_base[0, 3] == pytest.approx(found.stderr[0, 0], rel=1e-7)


def test_intervals_of_95_percent_cover_the_truth_as_often_as_they_say():
    """Over 400 seeds, for every subset: f_S itself and its difference from f_0."""
    mean, covariance = random_gaussian(3, 4)
    weights, rng = np.array([1.0, -2.0, 0.5]), np.random.default_rng(0)
    x = mean + rng.normal(size=3) * np.sqrt(np.diag(covariance))
    reference = GaussianReference(mean, covariance)
    truth = np.array(
        [restricted_linear(mean, covariance, weights, x, list(members(code))) for code in range(8)]
    )
    model = FunctionPredictor(lambda batch: batch @ torch.from_numpy(weights))
    readout, rows = TargetReadout(np.array([0])), torch.from_numpy(x).unsqueeze(0)
    tables = [
        SampledRestriction(model, reference, column_players(list("abc")), 100, seed=seed).table(rows, readout)
        for seed in range(400)
    ]
    means = np.array([one.mean[0] for one in tables])
    errors, paired = (
        np.array([getattr(one, name)[0] for one in tables]) for name in ("stderr", "stderr_from_base")
    )
    slack = 1e-9 * np.abs(truth).max()
    inside = np.abs(means - truth) <= 1.96 * errors + slack
    inside_paired = np.abs(means - means[:, :1] - (truth - truth[0])) <= 1.96 * paired + slack
    # One binomial standard deviation is 1.1 %; a t-interval of 99 degrees of freedom covers 94.7 %.
    for code in range(1, 7):
        assert 0.91 <= inside[:, code].mean() <= 0.985, code
        assert 0.91 <= inside_paired[:, code].mean() <= 0.985, code
    assert 0.91 <= inside[:, 0].mean() <= 0.985
    assert inside[:, 7].all()
    assert inside_paired[:, 0].all()


def test_errors_shrink_as_the_root_of_the_draws():
    readout = TargetReadout(np.array([0, 0]))
    few, many = (
        fmean(
            SampledRestriction(Watched(), _gaussian(), GROUPED, n, seed=seed)
            .table(_x(), readout)
            .stderr[0, 0]
            .item()
            for seed in range(20)
        )
        for n in (50, 5000)
    )
    assert few / many == pytest.approx(sqrt(100), rel=0.2)


def test_decisions_have_unknown_errors_only_where_outputs_vary():
    restriction = SampledRestriction(Watched(), _gaussian(), GROUPED, 10)
    found = restriction.table(_x(), DecisionReadout())
    assert np.isnan(found.stderr[:, :-1]).all()
    assert set(found.mean.flatten().tolist()) <= {0.0, 1.0}


def test_bad_settings_and_tables_too_large_are_refused():
    with pytest.raises(SettingError, match="n_draws >= 2 for its errors, got 1"):
        SampledRestriction(Watched(), _gaussian(), GROUPED, 1)
    with pytest.raises(SettingError, match="max_rows must be at least 1, got 0"):
        SampledRestriction(Watched(), _gaussian(), GROUPED, 2, 0)
    many = column_players([f"c{i}" for i in range(28)])
    restriction = SampledRestriction(Watched(), MarginalReference(torch.zeros(3, 28)), many, 2)
    with pytest.raises(LimitError, match=r"2\^28 subsets"):
        restriction.table(torch.zeros(1, 28), TargetReadout(np.array([0])))


def test_the_method_names_draws_and_seed():
    method = SampledRestriction(Watched(), _gaussian(), GROUPED, 33, seed=5).method
    assert (method.exact, method.rows) == (False, 33)
    assert "33 draws with seed 5" in method.sentence
