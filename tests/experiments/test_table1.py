"""The runner of Table 1: killed runs, bad methods, missing data, a method of one's own, ranks, tuning."""

import csv
import gzip
import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from onlyif.core.errors import SettingError, StorageError
from onlyif.core.whole_files import write_whole
from onlyif.metrics import IROF, grid_segments

pytest.importorskip("captum")

from experiments.table1_measures import Scene, Sizes

from experiments import images, networks, table1, table1_blocks, table1_methods, table1_page, table1_tuning

SIDE = 12
SMALL = Sizes(causes=(0.1, 0.3), perturbations=2, inputs=2, draws=3, steps=3, neighbours=1)


def _idx(path, array, *, packed):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    held = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(held) if packed else held)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for part, packed in (("train", True), ("t10k", False)):
        end = ".gz" if packed else ""
        raw = folder / "FashionMNIST" / "raw"
        _idx(raw / f"{part}-images-idx3-ubyte{end}", random.integers(0, 256, (6, SIDE, SIDE)), packed=packed)
        _idx(raw / f"{part}-labels-idx1-ubyte{end}", np.array([0, 1, 2, 0, 1, 2]), packed=packed)
    wanted = networks.Architecture("lenet5", 1, 3, SIDE)
    network = networks.build_network(wanted, torch.tensor([0.5]), torch.tensor([0.3]))
    networks.save_network(folder / "fashion_lenet5.safetensors", network, wanted, {"accuracy": 0.5})
    return folder


@pytest.fixture(scope="module")
def scene(data):
    test = images.read_images(data, "fashion", "test").sample(4, 0)
    made = table1.scene_of(data, "fashion", test, torch.full((1, SIDE, SIDE), 0.5))
    return Scene(made.network, made.x, made.labels, made.targets, made.mean_image, SMALL)


def _brightness(network, x, targets, seed):
    return x.mean(1)


def _slopes(network, x, targets, seed):
    x = x.requires_grad_()
    return torch.autograd.grad(network(x).gather(1, targets[:, None]).sum(), x)[0].sum(1)


def _method(name, explain, group="published"):
    return table1_blocks.Method(name, explain, "as it is", group)


PLAN = table1.Plan(4, 2, 2, 2, 2)


def _lines(scene, methods, folder, plan=PLAN):
    blocks = table1.run(scene, methods, plan, folder)
    rows = [table1_page.row_of(method, blocks[method.name], plan.counts) for method in methods]
    dropped = ("seconds",)
    return rows, [{k: v for k, v in line.items() if k not in dropped} for line in table1_page.long_rows(rows)]


def test_a_killed_run_ends_in_the_same_table(scene, tmp_path):
    asked = []

    def dying(network, x, targets, seed):
        asked.append(len(x))
        if len(asked) in (2, 4):
            raise KeyboardInterrupt
        return _slopes(network, x, targets, seed)

    whole = [_method("brightness", _brightness), _method("slopes", _slopes)]
    _, wanted = _lines(scene, whole, tmp_path / "whole")
    killed = [whole[0], replace(whole[1], explain=dying)]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            table1.run(scene, killed, PLAN, tmp_path / "killed")
    rows, found = _lines(scene, killed, tmp_path / "killed")
    assert found == wanted
    # A third time nothing is asked.
    before = len(asked)
    assert _lines(scene, killed, tmp_path / "killed")[1] == wanted and len(asked) == before
    assert len(rows[1].values["PNS"]) == 4 and np.isnan(rows[1].values["MS"]).tolist() == [
        False,
        False,
        True,
        True,
    ]


def test_what_a_method_does_wrong_is_counted_and_the_rest_is_finished(scene, tmp_path):
    first = scene.x[0]

    def raises(network, x, targets, seed):
        if any(torch.equal(one, first) for one in x):
            raise RuntimeError("not this one")
        return _brightness(network, x, targets, seed)

    def spoilt(network, x, targets, seed):
        maps = _brightness(network, x, targets, seed)
        maps[0], maps[1] = torch.nan, 1.0
        x.zero_()
        network.head.weight.data.zero_()
        return maps

    methods = [
        _method("raises", raises), _method("spoilt", spoilt),
        _method("flat", lambda n, x, t, s: x[:, :, 0, 0]),
        _method("good", _brightness),
    ]  # fmt: skip
    rows = {row.method.name: row for row in _lines(scene, methods, tmp_path)[0]}
    assert rows["raises"].faults == "1 of 4 raised (RuntimeError: not this one)"
    assert rows["spoilt"].faults.startswith("2 of 4 not finite; 2 of 4 constant")
    assert rows["flat"].faults.startswith(
        "4 of 4 wrong shape (NoMapError: the maps have shape (1, 1); need (1, 12"
    )
    assert rows["good"].faults == "" and [row.ranked for row in rows.values()] == [False, False, False, True]
    assert np.isnan(rows["raises"].values["PNS"]).tolist() == [True, False, False, False]
    np.testing.assert_allclose(rows["raises"].values["PNS"][1:], rows["good"].values["PNS"][1:])
    assert np.isnan(rows["flat"].values["IROF"]).all() and not np.isnan(rows["good"].values["INF"]).any()


def test_a_method_of_ones_own_is_a_row_of_the_page(data, tmp_path, monkeypatch, capsys):
    (tmp_path / "own_explainer.py").write_text(
        "def explain(network, images, targets, seed):\n    return images.mean(1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(table1.SIZES, "fashion", SMALL)
    monkeypatch.setattr(table1_methods, "trivial", lambda mean: {"ones": table1_methods.Ones()})
    folders = [f"--{name}={tmp_path / name}" for name in ("work", "out")]
    ask = [
        "--dataset=fashion",
        "--n=2",
        "--moving=2",
        "--methods",
        "Saliency",
        "--method=own_explainer:explain",
    ]
    table1.main([f"--data={data}", f"--models={data}", *folders, *ask])
    told = capsys.readouterr().out
    assert (
        "own_explainer:explain" in told and "2 of 2 constant" in told and "| MP | 2.9e+07 | not run |" in told
    )
    with (tmp_path / "out" / "table1_fashion.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["method"] for line in lines} == {"ones", "Saliency", "own_explainer:explain"}
    (sensitivity,) = (line for line in lines if (line["method"], line["measure"]) == ("ones", "MS"))
    assert (sensitivity["mean"], sensitivity["rank"], sensitivity["n"]) == ("0", "", "2")
    with pytest.raises(SystemExit, match=r"there is no .*FashionMNIST.raw.t10k-images.*torchvision"):
        table1.main([f"--data={tmp_path}", f"--models={data}", *folders, *ask])
    with pytest.raises(SystemExit, match="Nosuch; need some of: all; ones; Saliency; GuidedBP"):
        table1.main(
            [
                f"--data={data}",
                f"--models={data}",
                *folders,
                "--dataset=fashion",
                "--n=2",
                "--methods",
                "Nosuch",
            ]
        )
    for place in ("no_such_module:explain", "own_explainer", "own_explainer:other"):
        with pytest.raises(SettingError, match="module:function"):
            table1_methods.own_method(place)


def test_ranks_and_wins_are_those_of_paired_differences():
    def row(name, values, group="published", states=("", "", "", "")):
        columns = {column.name: np.full(4, np.nan) for column in table1_page.COLUMNS}
        columns["PNS"] = np.array(values, dtype=float)
        method = table1_blocks.Method(name, _brightness, "", group)
        return table1_page.Row(method, columns, np.array(states), "", np.ones(4), np.ones(4))

    rows = [
        row("first", (4, 6, 8, np.nan)), row("near", (5, 5, 7, 100)), row("behind", (3, 5, 7, 9)),
        row("ones", (9, 9, 9, 9), "trivial"),
        row("failing", (np.nan, 9, 9, 9), states=("raised", "", "", "")),
    ]  # fmt: skip
    # On the three images that all have: means 6, 17/3, 5; the paired errors of the others are 2/3 and 0.
    assert table1_page.ranks(rows, table1_page.COLUMNS[0]) == {
        "first": (1, True),
        "near": (2, True),
        "behind": (3, False),
    }
    told = table1_page.page(rows, "mnist", "head")
    assert "| first | 6 ± 1 (1*) | – | – | – | – | 1 | 1.0 |" in told and "PNS: ones" in told
    assert table1_page.mean_error(np.array([1.0, 3.0, np.nan])) == (2, 2.0, 1.0)
    # Beside the best published one: 1 less, 1 more and 6 more than 4, 6 and 8.
    told = table1_page.page([*rows, row("own", (3, 7, 14, 0), "ours")], "mnist", "head")
    assert "| PNS | first | +2 ± 2 | 3 |" in told


def test_the_setting_with_the_best_mean_rank_is_chosen_and_no_map_is_never_chosen(scene, tmp_path):
    tried = {
        "a": {"no map": 1, "PNS": 1.0, "Δsuf": 0.2, "Δnec": 0.2, "IROF": 0.5},
        "b": {"no map": 1, "PNS": 0.5, "Δsuf": 0.1, "Δnec": 0.1, "IROF": 0.6},
        "c": {"no map": 1, "PNS": 0.5, "Δsuf": 0.1, "Δnec": 0.1, "IROF": 0.6},
        "d": {"no map": 2, "PNS": 2.0, "Δsuf": 0.0, "Δnec": 0.0, "IROF": 0.9},
    }
    assert table1_tuning.best_of(tried) == "b"
    settings = {"flat": lambda n, x, t, s: torch.full_like(x[:, 0], torch.nan), "slopes": _slopes}
    chosen = table1_tuning.choose("one", settings, scene, tmp_path, 3, 2)
    # Slopes ask for one row an image: three images are paid for.
    assert (chosen["setting"], chosen["images"]) == ("slopes", 3)
    assert {label: one["no map"] for label, one in chosen["tried"].items()} == {"flat": 3, "slopes": 0}
    assert table1_tuning.choose("two", settings, scene, tmp_path, 0, 2)["setting"] == "flat"


def test_idx_files_are_read_whole_or_refused(tmp_path):
    array = np.arange(24).reshape(2, 3, 4)
    for packed, name in ((False, "plain"), (True, "packed.gz")):
        _idx(tmp_path / name, array, packed=packed)
        np.testing.assert_array_equal(images.read_idx(tmp_path / name), array)
    for name, held in (
        ("short", bytes([0, 0, 8, 1, 0, 0, 0, 9, 1])),
        ("other", b"PK\3\4"),
        ("no.gz", b"\x1f\x8b"),
    ):
        write_whole(tmp_path / name, held)
        with pytest.raises(StorageError, match=r"cut short|no IDX file|cannot be unpacked"):
            images.read_idx(tmp_path / name)


def test_ways_of_squares_are_listed_beside_gradients_and_measured_by_irof(scene):
    squares = importlib.import_module("experiments.table1_squares")
    page = squares.report(scene, "fashion")
    lines = [line for line in page.splitlines() if "towards" in line]
    assert len(lines) == 2 * len(squares.MORE) and "4 training images of fashion" in page
    maps = torch.rand(scene.x.shape[0], *scene.x.shape[-2:], generator=torch.Generator().manual_seed(0))
    own = squares.irof(maps, scene)
    metric = IROF(grid_segments(SIDE, SIDE, scene.sizes.side))
    wide = maps[:, None].expand(scene.x.shape).double()
    values = metric.measure(wide, scene.predictor, scene.x, scene.targets).values.numpy()
    np.testing.assert_allclose(own, 100 * values)
    assert squares.with_error(np.array([1.0, 3.0])) == "2.0 ± 1.0"
