"""Model rows by size and by weight, on a network whose sets are known."""

import importlib
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

SIDE = 8


@pytest.fixture
def load(monkeypatch):
    pytest.importorskip("captum")
    pytest.importorskip("skimage")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module


class Square(nn.Module):
    """The logit of class 0 is how bright the upper left quarter is."""

    def forward(self, x):
        inner = x[:, 0, : SIDE // 2, : SIDE // 2].mean((1, 2))
        return torch.stack([8 * (inner - 0.5), torch.zeros_like(inner)], 1)


def test_rows_are_those_that_the_network_was_given_and_sets_have_the_size_of_the_mask(load):
    rows, methods = load("sized_rows"), load("sized_methods")
    image, black = torch.ones(1, SIDE, SIDE), torch.zeros(1, SIDE, SIDE)
    network = Square().eval()
    judge, counted = methods.Judge(network, image, 0, black), rows.Counted(network).eval()
    assert counted(image.expand(3, -1, -1, -1)).shape == (3, 2) and counted.rows == 3

    found = pd.DataFrame(rows.of_one(counted, judge, 0.1)).assign(image=0)
    # No row of the judge is counted, and each of the network's is somebody's.
    assert counted.rows == 3 + found["rows"].sum()
    for _, here in found.groupby("α"):
        assert here["size"].nunique() == 1 and len(here) == 9
        whole = here[here.way == "pixels, 1"].iloc[0]
        assert here[here.way == "pixels, 0.25"].iloc[0]["rows"] < 0.3 * whole["rows"] + 2
        # The decisive pixels are 16; no other set of this size has a smaller gap.
        assert whole.gap == pytest.approx(float(best_gap(judge, int(whole["size"]), whole["α"])), abs=0.03)
    page = rows.report("by hand", 0.1, found)
    assert "| 0.5 | by weight | 1 of 1 |" in page and "100%" in page


def best_gap(judge, size, alpha):
    """Of the sets that begin with decisive pixels."""
    order = torch.cat([torch.arange(SIDE**2).view(SIDE, SIDE)[: SIDE // 2, : SIDE // 2].flatten()])
    rest = torch.tensor([k for k in range(SIDE**2) if k not in order.tolist()])
    keep = torch.zeros(SIDE**2, dtype=torch.bool)
    keep[torch.cat([order, rest])[:size]] = True
    return judge.unified(keep.view(1, SIDE, SIDE), alpha)


def test_masks_that_are_empty_are_told_and_not_compared(load):
    rows = load("sized_rows")
    made = pd.DataFrame({
        "α": 1.0, "image": [0, 1, 1], "way": ["by weight", "by weight", "pixels, 1"], "rows": [440, 440, 243],
        "size": [0, 5, 5], "gap": [0.7, 0.2, 0.1],
    })  # fmt: skip
    page = rows.report("by hand", 2.0, made)
    assert "| 1 | by weight | 1 of 2 | 5 | 440 | 0.200 | 100% |" in page
    assert "| 1 | pixels, 1 | 1 of 2 | 5 | 243 | 0.100 | 100% |" in page
