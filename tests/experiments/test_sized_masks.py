"""The experiment on sets by size: its own measure of gaps, and its tables, on what is known by hand."""

import importlib
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn


@pytest.fixture
def sized(monkeypatch):
    pytest.importorskip("captum")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("sized_masks")


def test_gaps_and_rankings_are_those_of_plain_lines(sized):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2, bias=False))
    net[1].weight.data = torch.stack([torch.linspace(-1, 1, 64), torch.zeros(64)])
    image, black = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    judge = sized.Judge(net, image, 0, black)
    keep = sized.highest(torch.arange(64.0).view(8, 8), 5)
    assert keep.flatten().nonzero().flatten().tolist() == [59, 60, 61, 62, 63]

    def answer(members):
        return torch.sigmoid((torch.linspace(-1, 1, 64) * members.flatten()).sum()).item()

    full, nothing = answer(torch.ones(64)), 0.5
    suf, nec = judge.gaps(keep[None])
    assert suf.item() == pytest.approx(abs(full - answer(keep.float())), abs=1e-6)
    assert nec.item() == pytest.approx(abs(answer(1 - keep.float()) - nothing), abs=1e-6)
    # The last patches raise the answer most: hiding them brings it back to 1/2, as no patch at all does.
    best = sized.greedy(judge)[0.0]
    assert (best > 0).sum() == 17 and judge.rows > 0


def test_the_best_other_method_is_chosen_on_development_images(sized):
    def frame(gaps):
        rows = [
            {"method": method, "share": 0.1, "α": 1.0, "gap": gap, "regions": 2, "rows": 10, "seconds": 0.5,
             "image": image, "overlap_seed": 1.0, "overlap_blur": 0.25}
            for method, values in gaps.items() for image, gap in enumerate(values)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    ours = dict.fromkeys(sized.OURS, (0.1, 0.2))
    told = sized.report(
        "made up",
        frame({"a": (0.3, 0.3), "b": (0.1, 0.2), **ours}),
        frame({"a": (0.0, 0.0), "b": (0.3, 0.1995), **ours}),
    )
    assert "| 1 | 10% | b | 0.250 | 0.150 (100%) | 0.150 (100%) |" in told
    assert "| ours, regions | 2 | 2 | 1.00 | 0.25 | 10 | 0.5 |" in told
