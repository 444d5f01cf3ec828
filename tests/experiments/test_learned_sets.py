"""The experiment on the learned explainer: its own measure of gaps, on what is known by hand."""

import importlib
from pathlib import Path

import pytest
import torch
from torch import nn


@pytest.fixture
def learned_sets(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("learned_sets")


def test_gaps_are_those_of_plain_lines(learned_sets):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    net[1].weight.data = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    x, black = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
    sets = torch.tensor([[[True, False], [False, True]]])

    def answer(total):
        return torch.sigmoid(torch.tensor(total)).item()

    kept, hidden = abs(answer(5.0) - answer(10.0)), abs(answer(5.0) - 0.5)
    for alpha in (0.0, 0.25, 1.0):
        wanted = alpha * kept + (1 - alpha) * hidden
        assert learned_sets.measured(net, x, black, alpha, sets) == pytest.approx([wanted], abs=1e-6)
