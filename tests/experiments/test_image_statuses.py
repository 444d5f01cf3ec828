"""How many explanations say nothing: counted on networks of which it is known."""

import importlib
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

SIDE = 10


@pytest.fixture
def statuses(monkeypatch):
    pytest.importorskip("captum")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("image_statuses")


class Looks(nn.Module):
    """The logit of class 0 is how bright the upper rows are; with a slope of 0 nothing is looked at."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        upper = self.slope * (x[:, 0, :3].mean((1, 2)) - 0.5)
        return torch.stack([upper, torch.zeros_like(upper)], 1)


def test_what_a_network_looks_at_is_explained_and_a_constant_answer_is_said(statuses):
    x, mean = torch.zeros(1, 1, SIDE, SIDE), torch.zeros(1, SIDE, SIDE)
    x[:, :, :3] = 1.0
    sees = statuses.of_one(Looks(8.0).eval(), x, mean).set_index("way")
    assert list(sees.index) == ["explain", "FANS", "SufficientNecessaryMask, sizes"]
    assert not sees[["constant", "empty", "everything", "missing"]].to_numpy().any()
    blind = statuses.of_one(Looks(0.0).eval(), x, mean).set_index("way")
    # Whatever comes out of a network that looks at nothing, its reader is told.
    assert blind.said.all(), blind


def test_nothing_is_counted_and_the_silent_ones_apart(statuses):
    line = {"data": "d", "way": "w", "constant": False, "empty": False, "everything": False, "missing": False}
    rows = [
        {**line, "said": False},
        {**line, "constant": True, "said": True},
        {**line, "constant": True, "empty": True, "said": False},
        {**line, "everything": True, "said": False},
        {**line, "missing": True, "said": False},
    ]
    assert "| d | w | 5 | 2 | 1 | 1 | 3 |" in statuses.report(pd.DataFrame(rows))
