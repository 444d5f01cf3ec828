"""The tables of the experiment on learned masks of faces, against masks made by hand."""

import importlib
from pathlib import Path

import pandas as pd
import pytest
import torch


@pytest.fixture
def faces(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("faces_masks")


def test_regions_do_not_overlap_and_lie_inside_the_image(faces):
    boxes = torch.stack([faces.region_box(name) for name in faces.REGIONS])
    assert int(boxes.sum(0).max()) == 1
    drawn = sum((b - t) * (r - left) for each in faces.REGIONS.values() for t, b, left, r in each)
    assert int(boxes.sum()) == drawn


def test_a_mask_on_the_mouth_has_all_its_area_there(faces):
    masks = torch.stack([faces.region_box("mouth"), 0.5 * faces.region_box("mouth")]).repeat(2, 1, 1)
    masks[2:] += 0.25 * (1 - masks[2:].sign())
    found = faces.Found("by hand", torch.tensor([1.0, 1.0, 0.0, 0.0]), masks, 0)
    table = faces.region_table([found]).set_index(["α", "measure"])
    assert table.loc[("1", "share of the area"), "mouth"] == "1.000 ± 0.000"
    assert table.loc[("1", "share of the area"), "eyes"] == "0.000 ± 0.000"
    assert table.loc[("1", "covered"), "mouth"] == "0.750 ± 0.250"
    assert table.loc[("0", "covered"), "elsewhere"] == "0.250 ± 0.000"
    inside, outside = float(masks[0].sum()), 0.25 * (64 * 64 - float(masks[0].sum()))
    shares = pd.Series([inside / (inside + outside), 0.5 * inside / (0.5 * inside + outside)])
    assert table.loc[("0", "share of the area"), "mouth"] == faces.with_error(shares)


def test_an_empty_mask_has_no_shares_but_covers_nothing(faces):
    found = faces.Found("empty", torch.ones(3), torch.zeros(3, 64, 64), 0)
    table = faces.region_table([found]).set_index(["α", "measure"])
    assert table.loc[("1", "share of the area"), "mouth"] == "none"
    assert table.loc[("1", "covered"), "mouth"] == "0.000 ± 0.000"


def test_mean_and_standard_error_by_hand(faces):
    assert faces.with_error(pd.Series([1.0, 3.0, float("nan")])) == "2.000 ± 1.000"
    assert faces.with_error(pd.Series([1.0])) == "none"


def test_differences_are_paired_by_face(faces):
    rows = pd.DataFrame(
        {
            "method": ["one network for all α"] * 3 + ["one network per α"] * 3,
            "alpha": 1.0,
            "face": [0, 1, 2, 0, 1, 2],
            "objective": [0.5, 1.5, 2.5, 0.25, 1.25, 2.25],
        }
    )
    assert faces.conditioned_against_separate(rows) == ["α = 1: 0.250 ± 0.000"]


def test_half_of_balanced_images_smile_and_none_comes_twice(faces, monkeypatch):
    images = importlib.import_module("images")
    x = torch.arange(40.0).view(40, 1, 1, 1).expand(40, 1, 2, 2)
    chosen = faces.balanced(images.Images(x, (torch.arange(40) < 10).long(), ("no", "yes")), 12)
    assert chosen.labels.tolist() == [0, 1] * 6
    assert len(set(chosen.x[:, 0, 0, 0].tolist())) == 12
    assert bool(((chosen.x[:, 0, 0, 0] < 10).long() == chosen.labels).all())


def test_as_many_of_the_highest_pixels_are_cut_as_the_area(faces):
    masks = torch.tensor([[[0.1, 0.4], [0.3, 0.2]], [[0.9, 0.9], [0.9, 0.3]], [[0.0, 0.0], [0.0, 0.0]]])
    assert faces.cut(masks).tolist() == [[[0, 1], [0, 0]], [[1, 1], [1, 0]], [[0, 0], [0, 0]]]
