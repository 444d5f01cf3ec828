"""Sparseness against loops, closed forms and Quantus."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import oracles.metrics as oracle
from onlyif.metrics.controls import sanity_maps
from onlyif.metrics.sparseness import Sparseness
from onlyif.models.function import FunctionPredictor

NOTHING = FunctionPredictor(lambda batch: batch.sum(1))


def _measured(maps):
    maps = torch.as_tensor(maps, dtype=torch.float64)
    return (
        Sparseness().measure(maps, NOTHING, maps, torch.zeros(len(maps), dtype=torch.int64)).values.tolist()
    )


@given(st.lists(st.floats(-1e3, 1e3).filter(lambda s: s == 0 or abs(s) > 1e-3), min_size=1, max_size=12))
def test_it_is_the_formula_and_the_mean_difference_of_pairs(values):
    found = _measured([values])[0]
    assert found == pytest.approx(oracle.gini(values), abs=1e-9)
    if any(values):
        assert found == pytest.approx(oracle.pairwise_gini(values), abs=1e-9)


def test_closed_forms_and_who_wins():
    """Equal entries have 0, a single one 1 - 1/D, whatever it says of the model; zeros have 0."""
    single = torch.zeros(1, 8)
    single[0, 5] = -3
    assert _measured(single) == pytest.approx([1 - 1 / 8])
    trivial = sanity_maps(torch.zeros(1, 1, 50, 40), 0)
    assert _measured(trivial["ones"]) == pytest.approx([0], abs=1e-12)
    assert _measured(trivial["zeros"]) == [0]
    # Uniform noise has 1/3.
    assert _measured(trivial["random"]) == pytest.approx([1 / 3], abs=0.02)


def test_descending_order_would_turn_the_sign():
    """Why equation 19 is read in ascending order."""
    values = np.array([3.0, 1.0, 0.5])
    D, share = 3, values / values.sum()
    descending = 1 - 2 * sum(s * (D - d + 0.5) / D for d, s in enumerate(share, 1))
    assert descending == pytest.approx(-oracle.gini(values))
    assert oracle.gini(values) > 0


def test_quantus_agrees_up_to_its_1e_7(images, quantus):
    metric = quantus.Sparseness(normalise=False, disable_warnings=True)
    theirs = metric.evaluate_batch(images.x.numpy(), np.abs(images.maps.numpy()))
    np.testing.assert_allclose(_measured(images.maps), theirs, atol=1e-6)
