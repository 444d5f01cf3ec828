"""h-Shap against a slow recursion, and against what it must be for additive and symmetric models."""

import importlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from oracles.hshap import scores as slow


@pytest.fixture
def hshap(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("hshap")


def model(batch):
    hidden = torch.tanh(
        batch.double().flatten(1) @ torch.linspace(-1, 2, 2 * 8 * 8).double().view(-1, 1).sin()
    )
    return torch.cat([hidden, hidden.square() - batch.double().sum((1, 2, 3)).unsqueeze(1) / 50], 1)


@pytest.mark.parametrize("min_size", [1, 2, 3, 4])
@pytest.mark.parametrize("threshold", [0.0, 0.01])
def test_scores_are_those_of_a_slow_recursion(hshap, min_size, threshold):
    image, baseline = torch.rand(2, 2, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    found = hshap.HShap(model, baseline, min_size, threshold).scores(image, 1).numpy()
    needed = slow(
        lambda z: float(model(torch.as_tensor(z).unsqueeze(0))[0, 1]),
        image.numpy(),
        baseline.numpy(),
        min_size,
        threshold,
    )
    np.testing.assert_allclose(found, needed, atol=1e-12)
    assert found.any()


def test_rows_of_a_call_are_bounded_and_change_nothing(hshap):
    image, baseline = torch.rand(2, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    rows = []

    def counted(batch):
        rows.append(len(batch))
        return model(batch)

    found = hshap.HShap(counted, baseline, 2, max_rows=5).scores(image, 0)
    torch.testing.assert_close(found, hshap.HShap(model, baseline, 2).scores(image, 0))
    assert max(rows) == 5


def test_shapley_values_of_a_known_game(hshap):
    weights, both = (1.0, 2.0, -3.0, 0.0), 6.0
    game = {
        who: sum(w for w, here in zip(weights, who, strict=True) if here) + both * (who[0] and who[2])
        for who in product((False, True), repeat=4)
    }
    assert hshap.shapley_values(game) == pytest.approx([4.0, 2.0, 0.0, 0.0])


def test_a_quadrant_that_alone_matters_gets_all(hshap):
    image = torch.ones(1, 8, 8)
    found = hshap.HShap(lambda z: z[:, :, :4, 4:].mean((1, 2, 3)).unsqueeze(1), torch.zeros(1, 8, 8), 4)
    needed = torch.zeros(8, 8).double()
    needed[:4, 4:] = 1.0
    torch.testing.assert_close(found.scores(image, 0), needed)
