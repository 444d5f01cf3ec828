"""The tables of the threshold-curve experiment, against sets made by hand."""

import importlib
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from onlyif.metrics.curves import Curve, ThresholdCurves


@pytest.fixture
def curves(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("curve_tables")


def test_as_many_of_the_highest_pixels_are_in_as_asked(curves):
    scores = torch.tensor([[[0.1, 0.4], [0.3, 0.2]], [[0.0, 0.0], [0.0, 0.7]]])
    found = curves.ranked(scores, torch.tensor([[0, 1, 3, 4], [1, 2, 3, 4]]))
    assert found[0].int().tolist() == [[[0, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 1], [1, 1]], [[1, 1], [1, 1]]]
    assert found[1].sum((1, 2)).tolist() == [1, 2, 3, 4]
    assert bool(found[1, :, 1, 1].all())


def test_ties_do_not_go_to_the_first_pixels(curves):
    found = curves.ranked(torch.zeros(1, 20, 20), torch.tensor([[100, 200]]))[0]
    assert found.sum((1, 2)).tolist() == [100, 200]
    assert bool((found[1] | ~found[0]).all())
    assert 30 < int(found[0, :10].sum()) < 70


def test_the_least_size_at_no_larger_gap(curves):
    size, gap = torch.tensor([4, 0, 10]), torch.tensor([0.2, 0.9, 0.0], dtype=torch.float64)
    counts = torch.tensor([[0, 2, 8, 20, 4], [0, 2, 8, 20, 0], [0, 2, 8, 20, 10]])
    gaps = torch.tensor([[0.9, 0.3, 0.2, 0.0, 0.3], [0.9] * 5, [0.9, 0.8, 0.0005, 0.0, 0.001]])
    gaps = gaps.double().mul(1e4).round() / 1e4
    row = curves.against((size, gap), (counts, gaps))
    assert row["its least size"] == [8, 0, 8]
    assert row["its gap at our size"] == [0.3, 0.9, 0.001]
    unmet = curves.against((size[:1], gap[:1]), (counts[:1], gaps[:1] + 1))
    assert unmet["its least size"] == [20]


def test_only_nonempty_sets_are_compared_and_with_the_best_of_all_others(curves):
    made = {
        "α": 1.0,
        "method": ["random"] * 3 + ["Saliency"] * 3 + ["ours, sufficient (α = 1)"] * 3,
        "image": [0, 1, 2] * 3,
        "our size": [4, 0, 10] * 3,
        "our gap": [0.2, 0.9, 0.0] * 3,
        "its least size": [8, 0, 5, 6, 0, 20, 1, 1, 1],
        "its gap at our size": [0.3, 0.9, 0.004, 0.4, 0.9, 0.5, 0.0, 0.0, 0.0],
    }
    rows = pd.DataFrame(made)
    table = curves.smallest_table(rows, 20).set_index("method")
    assert list(table.index) == ["random", "Saliency"]
    line = table.loc["random"]
    assert line["images"] == "2"
    assert line["our size"] == curves.with_error(torch.tensor([0.2, 0.5]))
    assert line["its least size at our gap"] == curves.with_error(torch.tensor([0.4, 0.25]))
    assert line["ours is smaller"] == "0.500 ± 0.500"
    assert line["its gap - ours"] == curves.with_error(torch.tensor([0.1, 0.004]))
    found = pd.DataFrame({"method": ["random", "ours"], "necessary: with one of <= half": ["0.1", "0.2"]})
    said = curves.answers(found, rows, 20)
    assert "random 0.1." in said
    # images 0 and 2: 4 < 6, and 10 > 5; the ratios are 1.5 and 0.5
    assert "on 0.500 ± 0.500 of 2 images; the best other set is 1.00 times" in said
    assert "Of all 3 images ours is empty on 1 and everything on 0," in said
    assert "Of all 3 images ours is empty on 1 and everything on 1," in curves.answers(found, rows, 10)


def test_only_thresholds_beyond_count(curves):
    t = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
    necessity = torch.tensor([[0.0, 0.0, 0.05, 0.2], [0.0, 0.0, 0.3, 0.2], [0.0, 0.0, 0.09, 0.09]]).double()
    size = torch.tensor([[1.0, 0.9, 0.6, 0.1], [1.0, 0.9, 0.4, 0.1], [1.0, 0.9, 0.4, 0.2]]).double()
    made = ThresholdCurves(Curve(t, 0 * necessity + 1), Curve(t, necessity), Curve(t, size), 1e-3, 100)
    line = curves.found_beyond({"by hand": made}).iloc[0]
    assert line["necessary: images with one"] == curves.with_error(torch.tensor([1.0, 0.0, 1.0]))
    assert line["necessary: with one of <= half"] == curves.with_error(torch.tensor([0.0, 0.0, 1.0]))
    assert line["necessary: share of t"] == curves.with_error(torch.tensor([0.5, 0.0, 1.0]))
    assert line["necessary: least size"] == curves.with_error(torch.tensor([0.6, 0.2]))
    assert line["sufficient: images with one"] == "0.000 ± 0.000"
    assert line["sufficient: least size"] == "none"


def test_rows_by_size_rank_the_pixels_that_the_network_looks_at(monkeypatch):
    pytest.importorskip("captum")
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    curves, methods = (importlib.import_module(name) for name in ("mask_curves", "curve_methods"))

    class Corner(nn.Module):
        def forward(self, x):
            inner = 8 * (x[:, 0, :5, :5].mean((1, 2)) - 0.5)
            return torch.stack([inner, torch.zeros_like(inner)], 1)

    x, black = torch.zeros(2, 1, 12, 12), torch.zeros(1, 12, 12)
    x[0, 0, :5, :5], x[1, 0, :5, :5] = 1.0, 0.9
    scene = methods.Scene(Corner().eval(), x, torch.zeros(2, dtype=torch.long), black, x, 0)
    setting = curves.Setting("corner", scene.network, scene, Path(), 0.5, 5.0)
    found = {name: scores for name, scores, _ in curves.by_size(setting)}
    wanted = [
        f"by size, {kind}, α = {alpha}" for kind in ("regions", "pixels") for alpha in ("0", "0.5", "1")
    ]
    assert list(found) == wanted
    for name, scores in found.items():
        assert scores.shape == (2, 12, 12)
        for one in scores:
            # 20 % of the pixels are as many as count, and 3 more.
            assert one[:5, :5].min() > one.flatten().kthvalue(144 - 35).values, name
