"""Tables are explained where torch is not installed: whatever model, from the first line to the picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# The import of torch fails, as where it is not installed; what follows runs in a process of its own.
WITHOUT = """
import sys


class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NoTorch())

import lightgbm
import numpy as np
import pandas as pd

import onlyif

random = np.random.default_rng(0)
mixed = pd.DataFrame(
    {
        "age": random.normal(40.0, 10.0, 40),
        "job": pd.Categorical(random.choice(list("abc"), 40)),
        "zip": random.choice(["01", "02"], 40),
    }
)
numbers = pd.DataFrame({"age": mixed["age"], "hours": random.integers(10, 60, 40), "year": range(40)})
label = np.where((mixed["age"] > 40) | (mixed["job"] == "b"), "rich", "poor")
boosted = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1).fit(numbers, label)
"""
EXPLAINED = """
import polars
from sklearn.compose import make_column_transformer
import xgboost
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from onlyif import plots

encoded = make_column_transformer((OneHotEncoder(), ["zip", "job"]), remainder="passthrough")
classes = [
    (make_pipeline(encoded, LogisticRegression(max_iter=1000)).fit(mixed, label), mixed),
    (boosted, numbers),
    (RandomForestClassifier(3, max_depth=3, random_state=0).fit(numbers, label), numbers),
    (xgboost.XGBClassifier(n_estimators=3).fit(numbers, label == "rich"), numbers),
]
values = [
    (boosted.booster_, numbers),
    (RandomForestRegressor(3, max_depth=3, random_state=0).fit(numbers, numbers["age"]), numbers),
    (LinearRegression().fit(numbers, numbers["age"] - numbers["hours"]), numbers),
    (lambda table: table[:, 0] - table[:, 1], numbers.to_numpy()),
    (lambda table: (table["job"] == "b").to_numpy() + 0.1 * table["age"].to_numpy(), polars.DataFrame(
        {"age": mixed["age"].to_numpy(), "job": list(mixed["job"])}
    )),
]
PICTURES = {
    "sne": (plots.plot_explanation, plots.plot_continuum, plots.plot_plane),
    "pns": (plots.plot_causes, plots.plot_path),
}
settings = [
    {"keep_table": True}, {"search": "beam"}, {"search": "greedy"}, {"reference": "baseline"},
    {"reference": "empirical"}, {"criterion": "pns", "search": "greedy"},
    {"criterion": onlyif.PNS(sample=onlyif.NearestRows(20), c=onlyif.NoiseThreshold())},
]
for model, table in [*classes, *values]:
    gaussian = [{"reference": "gaussian"}] if table is numbers else []
    discrete = [{"distance": "discrete"}] if hasattr(model, "classes_") else []
    for chosen in [*settings, *gaussian, *discrete]:
        assert len(onlyif.explain(model, table[:2], background=table, seed=1, **chosen)) == 2
    if model is boosted:
        by_cover = {"reference": "tree-path", "output": "margin"}
        assert len(onlyif.explain(model, table[:2], background=table, **by_cover)) == 2
    for criterion in ("sne", "pns"):
        found = onlyif.explain(model, table[:2], background=table, criterion=criterion)
        assert onlyif.explanation_text(found[0])
        assert onlyif.summary(found)
        assert len(found.to_frame()) >= 2
        assert str(onlyif.load(onlyif.save(found, "found"))[0]) == str(found[0])
        if table is mixed:
            for draw in PICTURES[criterion]:
                draw(found[0]).figure.savefig("found.png")
            plots.plot_summary(found).figure.savefig("found.png")
assert "torch" not in sys.modules
"""
OTHER_DATA = """
from extending.own_criterion import Priced
from extending.sentences import Sentences

texts = ["not a good film", "a good film", "bad"]
images = random.random((3, 1, 4, 4))
kinds = [
    (lambda batch: [text.count("good") - text.count("bad") for text in batch], texts,
     {"modality": Sentences()}),
    (lambda batch: batch.mean((1, 2, 3)), images, {"background": images, "modality": onlyif.Images(2)}),
]
for model, data, settings in kinds:
    for criterion in ("sne", "pns", Priced()):
        found = onlyif.explain(model, data[:2], **settings, criterion=criterion)
        assert onlyif.explanation_text(found[0])
        assert str(onlyif.load(onlyif.save(found, "found"))[0]) == str(found[0])
assert "torch" not in sys.modules
"""
DEMO = """
import runpy

demo = runpy.run_path(sys.argv[1])
demo["main"].__globals__["N_ROWS"] = 1
demo["main"]()
assert "torch" not in sys.modules
"""
COMMANDS = """
from onlyif.cli.main import main

boosted.booster_.save_model("model.txt")
numbers.to_csv("rows.csv", index=False)
explain = ["explain", "model.txt", "--data", "rows.csv", "--background", "rows.csv", "--rows", "0-2"]
assert main([*explain, "--out", "results"]) == 0
assert main([*explain, "--out", "causes", "--criterion", "pns"]) == 0
assert main([*explain, "--out", "results", "--resume", "--json"]) == 0
assert main(["show", "results"]) == 0
assert main(["show", "causes", "--json"]) == 0
assert main([*explain, "--out", "pictures", "--plots"]) == 0
assert "torch" not in sys.modules
"""


TESTS = Path(__file__).parents[1]


def _run(code: str, folder: Path, *arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_tables_are_explained_without_torch(tmp_path: Path) -> None:
    _run(WITHOUT + EXPLAINED, tmp_path)


def test_other_data_are_explained_without_torch(tmp_path: Path) -> None:
    _run(WITHOUT + OTHER_DATA, tmp_path)


def test_the_command_line_runs_without_torch(tmp_path: Path) -> None:
    _run(WITHOUT + COMMANDS, tmp_path)


@pytest.mark.slow
def test_the_demo_runs_without_torch(tmp_path: Path) -> None:
    _run(WITHOUT + DEMO, tmp_path, str(TESTS.parent / "examples" / "demo.py"))
