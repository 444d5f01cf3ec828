"""Shapley values of finished tables."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.answers.shapley import shapley_values
from onlyif.core.subsets import code_of, members
from oracles.cases import players_of, tables
from oracles.shapley import shapley


def _values(*rows):
    return shapley_values(np.array(rows, dtype=np.float64))


@given(tables(st.integers(-20, 20)))
@settings(max_examples=60, deadline=None)
def test_the_mean_over_all_orders_of_arrival(table):
    needed = shapley([Fraction(value) for value in table], players_of(table))
    assert _values(table)[0].tolist() == pytest.approx([float(v) for v in needed], abs=1e-13)


@pytest.mark.parametrize("d", [1, 2, 7, 12])
def test_they_sum_to_the_total_to_the_last_digits(d):
    table = np.random.default_rng(d).random((3, 2**d))
    total = table[:, -1] - table[:, 0]
    np.testing.assert_allclose(shapley_values(table).sum(1), total, rtol=0, atol=1e-14 * 2**d)


def test_additive_games_give_each_player_its_own_share_exactly():
    share = np.array([0.1, 0.3, -0.7, 0.0, 11.0])
    table = np.stack([share[list(members(code))].sum() for code in range(32)])
    np.testing.assert_allclose(shapley_values(table[None])[0], share, rtol=0, atol=1e-14)


@given(tables(st.integers(-9, 9), least=3, most=3))
@settings(max_examples=10, deadline=None)
def test_permuting_players_permutes_the_values(table):
    values = _values(table)[0]
    for order in permutations(range(3)):
        moved = [table[code_of(order[p] for p in members(code))] for code in range(8)]
        np.testing.assert_allclose(_values(moved)[0], values[list(order)], rtol=0, atol=1e-13)


def test_a_batch_is_its_rows():
    table = np.random.default_rng(1).random((4, 16))
    together = shapley_values(table)
    for row, values in zip(table, together, strict=True):
        np.testing.assert_allclose(shapley_values(row[None])[0], values, rtol=0, atol=1e-14)


@pytest.mark.slow
def test_the_exact_explainer_of_shap_agrees():
    """SHAP's own marginal values, from its own masker and model calls."""
    shap = pytest.importorskip("shap", reason="a comparison with shap, which is not installed")
    from onlyif.core.players import column_players
    from onlyif.models.function import FunctionPredictor
    from onlyif.models.readouts import TargetReadout
    from onlyif.references.marginal import MarginalReference
    from onlyif.restrictions.enumerated import EnumeratedRestriction

    rng = np.random.default_rng(0)
    background, x = rng.normal(size=(7, 4)), rng.normal(size=(3, 4))

    def model(rows):
        return np.tanh(rows[:, 0] * rows[:, 1]) + rows[:, 2] * (rows[:, 3] > 0)

    theirs = shap.explainers.Exact(model, shap.maskers.Independent(background))(x)
    restriction = EnumeratedRestriction(
        FunctionPredictor(lambda batch: torch.from_numpy(model(batch.numpy())).unsqueeze(1)),
        MarginalReference(torch.from_numpy(background)),
        column_players(list("abcd")),
    )
    table = restriction.table(torch.from_numpy(x), TargetReadout(np.zeros(3, dtype=np.int64)))
    np.testing.assert_allclose(shapley_values(table.mean), theirs.values, atol=1e-10)
    np.testing.assert_allclose(table.mean[:, 0], theirs.base_values, atol=1e-10)
