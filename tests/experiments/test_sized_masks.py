"""The experiment on sets by size: its measures, the other methods and its tables, on what is known."""

import importlib
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

SIDE = 12


@pytest.fixture
def load(monkeypatch):
    pytest.importorskip("captum")
    pytest.importorskip("skimage")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module


def ramp():
    """The logit of class 0 is a sum of pixels with weights that rise from -1 to 1; that of class 1 is 0."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2, bias=False))
    net[1].weight.data = torch.stack([torch.linspace(-1, 1, 64), torch.zeros(64)])
    return net


def test_gaps_and_rankings_are_those_of_plain_lines(load):
    methods = load("sized_methods")
    image, black = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    judge = methods.Judge(ramp(), image, 0, black)
    keep = methods.highest(torch.arange(64.0).view(8, 8), 5)
    assert keep.flatten().nonzero().flatten().tolist() == [59, 60, 61, 62, 63]

    def answer(members):
        return torch.sigmoid((torch.linspace(-1, 1, 64) * members.flatten()).sum()).item()

    full, nothing = answer(torch.ones(64)), 0.5
    suf, nec = judge.gaps(keep[None])
    assert suf.item() == pytest.approx(abs(full - answer(keep.float())), abs=1e-6)
    assert nec.item() == pytest.approx(abs(answer(1 - keep.float()) - nothing), abs=1e-6)
    # The last patches raise the answer most: hiding them brings it back to 1/2, as no patch at all does.
    best = methods.greedy(judge)[0.0]
    assert (best > 0).sum() == 17 and judge.rows > 0


def test_sets_of_regions_are_filled_in_the_order_of_the_best_sets(load):
    methods = load("sized_methods")
    # Regions of 1, 2, 3 and 4 pixels.
    index = torch.tensor([[0, 1, 1, 2, 2], [2, 3, 3, 3, 3]])
    best = [
        (torch.tensor([False, False, False, True]), 0.4),
        (torch.tensor([True, True, False, False]), 0.1),
        (torch.tensor([True, True, True, False]), 0.2),
        (torch.tensor([True, True, True, True]), 0.0),
    ]

    def pixels(size):
        return methods.filled(best, index, size).flatten().nonzero().flatten().tolist()

    # Nothing fits: the first best set, cut in the order of rows.
    assert pixels(2) == [6, 7]
    # Regions 0 and 1 have the smallest gap of what fits, a third comes in with the next larger set.
    assert pixels(3) == [0, 1, 2]
    assert pixels(5) == [0, 1, 2, 3, 4]
    # Four pixels of region 3 would fit as well, with a larger gap; of all four regions the last is cut.
    assert pixels(4) == [0, 1, 2, 3]
    assert pixels(8) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert pixels(10) == list(range(10))


class Corner(nn.Module):
    """The logit of class 0 is how bright the upper left quarter is."""

    def forward(self, x):
        inner = x[:, 0, : SIDE // 2, : SIDE // 2].mean((1, 2))
        return torch.stack([8 * (inner - 0.5), torch.zeros_like(inner)], 1)


def test_beams_find_the_superpixels_that_decide(load):
    methods, curves = load("sized_methods"), load("curve_methods")
    image = torch.zeros(1, SIDE, SIDE)
    image[0, : SIDE // 2, : SIDE // 2] = 1
    black = torch.zeros_like(image)
    scene = curves.Scene(Corner().eval(), image[None], torch.tensor([0]), black, image[None], 0)
    judge = methods.Judge(scene.network, image, 0, black)
    sets, rows = methods.beam(scene, judge)
    sizes = {share: round(share * SIDE**2) for share in methods.SHARES}
    assert {key: int(one.sum()) for key, one in sets.items()} == {
        (share, alpha): sizes[share] for share in methods.SHARES for alpha in methods.ALPHAS
    }
    # No more than what was asked for, but for the sets next to both ends.
    assert 0 < rows <= methods.BEAM.budget + 2 * 45
    for (share, _), one in sets.items():
        inside = one[: SIDE // 2, : SIDE // 2].sum()
        assert int(inside) == sizes[share] or share > 0.1
    assert judge.rows == 2


def test_gaps_that_beams_choose_by_are_those_of_the_judge(load, monkeypatch):
    methods, curves = load("sized_methods"), load("curve_methods")
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 3)).eval().requires_grad_(False)
    net[1].weight.data = torch.randn(3, SIDE**2, generator=generator) / 4
    net[1].bias.data.zero_()
    image, black = torch.rand(1, SIDE, SIDE, generator=generator), torch.zeros(1, SIDE, SIDE)
    judge = methods.Judge(net, image, 2, black)
    scene = curves.Scene(net, image[None], torch.tensor([2]), black, image[None], 0)
    seen, filled = [], methods.filled
    monkeypatch.setattr(methods, "filled", lambda *given: seen.append(given) or filled(*given))
    methods.beam(scene, judge)
    of_alpha = dict(zip(methods.ALPHAS, seen[:: len(methods.SHARES)], strict=True))
    for alpha, (best, index, _) in of_alpha.items():
        found = judge.unified(torch.stack([keep[index] for keep, _ in best]), alpha)
        assert [gap for _, gap in best] == pytest.approx(found.tolist(), abs=1e-5)
        assert [int(keep.sum()) for keep, _ in best][:2] == [1, 2]
        # The last one is everything.
        assert bool(best[-1][0].all())


def _one(load):
    sized, curves, methods = load("sized_masks"), load("curve_methods"), load("sized_methods")
    image = torch.zeros(1, SIDE, SIDE)
    image[0, : SIDE // 2, : SIDE // 2] = 1
    black = torch.zeros_like(image)
    scene = curves.Scene(Corner().eval(), image[None], torch.tensor([0]), black, image[None], 0)
    return sized, methods, sized.OneImage(scene, methods.Judge(scene.network, image, 0, black))


def test_causes_are_measured_set_by_set_once_where_no_alpha_counts(load):
    sized, methods, image = _one(load)
    measured = load("measured_causes")
    wide = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    wide[: SIDE // 2, : SIDE // 2] = True
    narrow = torch.zeros_like(wide)
    narrow[0, 0] = True
    every = {(share, alpha): narrow for share in sized.SHARES for alpha in sized.ALPHAS}
    apart = every | {(0.2, 1.0): wide}
    plain = sized.cause_records(methods.Found("Occlusion", every, 3, 0.5), image)
    assert [row["method"] for row in plain] == ["Occlusion"] * 5
    rows = sized.cause_records(methods.Found("greedy on patches", apart, 3, 0.5), image)
    assert len(rows) == 15 and {row["method"] for row in rows} == {
        f"greedy on patches, α = {alpha}" for alpha in ("0", "0.5", "1")
    }
    found = {(row["method"][-1], row["share"]): row for row in rows}
    alone = measured.probabilities_of(
        torch.stack([narrow, wide])[None], sized.differentiable_module(Corner(), nn.Softmax(1)),
        image.scene.x, image.scene.target, measured.Closeness(),
    ).pns[0]  # fmt: skip
    assert found["1", 0.2]["PNS"] == pytest.approx(alone[1]) and found["1", 0.2]["size"] == 36
    assert found["0", 0.2]["PNS"] == pytest.approx(alone[0]) == found["1", 0.1]["PNS"]
    assert alone[1] > alone[0] + 0.1 and found["1", 0.2]["rows"] == 3
    # Under several x' it is the mean of what each tells, by whatever probability.
    told = [
        measured.probabilities_of(
            wide[None, None], sized.differentiable_module(Corner(), nn.Softmax(1)), image.scene.x,
            image.scene.target, measured.Closeness(number=number),
        ) for number in range(3)
    ]  # fmt: skip
    under = sized.cause_records(methods.Found("greedy on patches", apart, 3, 0.5), image, 3)[-1]
    for key, each in (("PNS", "pns"), ("PN", "pn"), ("PS", "ps")):
        values = [float(getattr(one, each)[0, 0]) for one in told]
        assert under[key] == pytest.approx(sum(values) / 3)
    assert len({float(one.pns[0, 0]) for one in told}) == 3


def test_two_images_of_each_part_are_kept_and_read_again(load, tmp_path, monkeypatch):
    """All from the command's own loop, on a tiny network, with short searches."""
    sized, images = load("sized_masks"), load("images")
    bright = torch.zeros(6, 1, SIDE, SIDE)
    bright[:, :, : SIDE // 2, : SIDE // 2] = torch.linspace(0.8, 1, 6).view(-1, 1, 1, 1)
    data = images.Images(bright, torch.zeros(6, dtype=torch.int64), ("bright", "dark"))
    asked = []

    def others(scene, judge):
        asked.append(scene.x)
        keep = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        keep[0] = True
        sets = {(share, alpha): keep for share in sized.SHARES for alpha in sized.ALPHAS}
        yield load("sized_methods").Found("Occlusion", sets, 7, 0.25)

    monkeypatch.setattr(sized, "load_network", lambda *_: Corner().eval())
    monkeypatch.setattr(sized, "read_images", lambda *_: data)
    monkeypatch.setattr(sized, "other_sets", others)
    monkeypatch.setattr(sized, "OURS", {"ours, pixels": "pixels"})
    told, explain = [], sized.onlyif.explain

    def listening(*given, **named):
        criterion = named["criterion"]
        told.append((criterion if criterion == "sne" else type(criterion).__name__, named["reference"]))
        return explain(*given, **named)

    monkeypatch.setattr(sized.onlyif, "explain", listening)
    given = Namespace(
        models=None, network=None, name="mnist", data=None, out=tmp_path, criteria=["sne", "pns"], overlaps=0,
        measured=1,
    )  # fmt: skip
    black = torch.zeros(1, SIDE, SIDE)
    first = sized.all_images(given, "test", 2, black, bright)
    # Both criteria share the sets of the others.
    assert len(asked) == 2 and [criterion for criterion, _ in told] == ["sne", "PNS"] * 2
    # Causes are looked for with other x' than they are measured with.
    (_, mean), (_, uniform) = told[:2]
    fresh = load("onlyif.references.baseline").uniform_baseline((1, SIDE, SIDE), seed=4711)
    assert not torch.as_tensor(mean.value).any()
    ends = uniform.rows.flatten(1)
    assert len(ends) == 100 and len(ends.unique(dim=0)) == 100 and ends.min() > 0 and ends.max() < 1
    assert not (ends == torch.from_numpy(fresh).flatten()).all(1).any()
    names = {f"{folder}/mnist/test_{i}.csv" for folder in ("sized_masks", "sized_causes") for i in (0, 1)}
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")} == names
    again = sized.all_images(given, "test", 2, black, bright)
    assert len(asked) == 2 and all(first[name].equals(again[name]) for name in first)
    (tmp_path / "sized_causes" / "mnist" / "test_1.csv").unlink()
    anew = sized.all_images(given, "test", 2, black, bright)
    assert len(asked) == 3
    assert np.allclose(anew["pns"].PNS, first["pns"].PNS)
    # Ours by plain lines: the gap of the top row that "Occlusion" has, and ours at most that.
    x = asked[0][0]

    def f(image):
        return Corner()(image[None]).softmax(1)[0, 0]

    kept = torch.where(torch.arange(SIDE).view(-1, 1) == 0, x, black)
    rows = first["sne"][(first["sne"].image == 0) & (first["sne"]["α"] == 1)]
    gap = (f(kept) - f(x)).abs().item()
    assert rows[rows.method == "Occlusion"].gap.tolist() == pytest.approx([gap] * 5, abs=1e-6)
    mine = rows[rows.method == "ours, pixels"].set_index("share")
    assert mine.gap[0.2] < gap and mine["size"].tolist() == [round(s * SIDE**2) for s in sized.SHARES]
    causes = first["pns"].groupby("method").PNS.mean()
    assert causes["ours, pixels"] > causes["Occlusion"]
    # Development images have no sets of ours.
    chosen = sized.all_images(given, "train", 1, black, bright)
    assert {tuple(frame.method.unique()) for frame in chosen.values()} == {("Occlusion",)}


def frame(gaps, value="gap", **more):
    rows = [
        {"method": method, "share": 0.1, value: one, "regions": 2, "rows": 10, "seconds": 0.5, "image": image,
         **more}
        for method, values in gaps.items() for image, one in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_best_other_method_is_chosen_on_development_images(load):
    sized = load("sized_masks")
    ours = dict.fromkeys(sized.OURS, (0.1, 0.2))
    more = {"α": 1.0, "overlap_seed": 1.0, "overlap_blur": 0.25}
    told = sized.report(
        "made up",
        frame({"a": (0.3, 0.3), "b": (0.1, 0.2), **ours}, **more),
        frame({"a": (0.0, 0.0), "b": (0.3, 0.1995), **ours}, **more),
    )
    assert "| α | size | best other | its gap |" in told and "of each size and α" in told
    assert "| 1 | 10% | b | 0.250 | 0.150 (100%) | 0.150 (100%) |" in told
    assert "| ours, regions | 2 | 2 | 1.00 | 0.25 | 10 | 0.5 |" in told


def test_of_causes_the_highest_is_the_best(load):
    sized = load("sized_masks")
    ours = dict.fromkeys(sized.OURS, (0.4, 0.2))
    told = sized.report(
        "made up",
        frame({"a": (0.3, 0.3), "b": (0.1, 0.2)}, "PNS"),
        frame({"a": (0.1, 0.2005), "b": (0.9, 0.9), **ours}, "PNS"),
        sized.CRITERIA["pns"],
    )
    assert "| size | best other | its PNS |" in told and "of each size was" in told
    assert "| 10% | a | 0.150 | 0.300 (100%) | 0.300 (100%) |" in told
    assert "| a | 2 | 2 | 10 | 0.5 |" in told
    worse = sized.report(
        "made up", frame({"a": (0.3, 0.3)}, "PNS"), frame({"a": (0.1, 0.3), **ours}, "PNS"),
        sized.CRITERIA["pns"],
    )  # fmt: skip
    assert "| 10% | a | 0.200 | 0.300 (50%) | 0.300 (50%) |" in worse
