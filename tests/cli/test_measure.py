"""Results measured from the command line: verdicts on further rows against plain loops, and refusals."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import onlyif
from onlyif.cli.main import main

CODE = """\
def predict(table):
    return (2 * table["a"] + table["b"] * table["c"]).to_numpy()

def other(table):
    return 1.5 * predict(table)
"""
EXPLAIN = (
    "explain",
    "--model-from",
    "judged_code:predict",
    "--data",
    "rows.csv",
    "--background",
    "train.csv",
)
FURTHER = ("measure", "results", "--further", "further.csv", "--json")


def frame(seed, n):
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 3)), columns=list("abc"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with tables, a model and the results of a run."""
    folder = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "judged_code.py").write_text(CODE)
        for name, table in {"rows": frame(0, 3), "train": frame(1, 30), "further": frame(2, 40)}.items():
            table.to_csv(f"{name}.csv", index=False)
        assert main([*EXPLAIN, "--epsilon", "0.7", "--out", "results", "--quiet"]) == 0
    yield folder
    sys.modules.pop("judged_code", None)


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)


def strict(capsys):
    return json.loads(capsys.readouterr().out)


def mean_kept(row, further, kept):
    mixed = further.copy()
    mixed[list(kept)] = row[list(kept)].to_numpy()
    values = (2 * mixed["a"] + mixed["b"] * mixed["c"]).to_numpy()
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.usefixtures("here")
def test_sets_are_judged_on_further_rows_as_a_plain_loop_does(capsys):
    assert main([*FURTHER, "--out", "judged"]) == 0
    told, found = strict(capsys), onlyif.load_folder("results")
    further, rows = pd.read_csv("further.csv"), pd.read_csv("rows.csv")
    assert len(told["verdicts"]) == 6
    for one in told["verdicts"]:
        item = found[one["row"]]
        assert one["names"] == list(item.sets[one["set"]].names)
        row = rows.iloc[one["row"]]
        if one["set"] == "sufficient":
            kept, stderr = mean_kept(row, further, one["names"])
            gap = abs(item.prediction - kept)
            assert one["fresh_gap"]["stderr"] == pytest.approx(stderr)
        else:
            hidden, _ = mean_kept(row, further, set("abc") - set(one["names"]))
            gap = abs(hidden - mean_kept(row, further, ())[0])
        assert one["fresh_gap"]["value"] == pytest.approx(gap)
        margin = 1.6448536 * one["fresh_gap"]["stderr"]
        wanted = "holds" if gap + margin <= 0.7 else "does not hold" if gap - margin > 0.7 else "cannot tell"
        assert one["verdict"] == wanted and one["epsilon"] == 0.7
    assert len({one["verdict"] for one in told["verdicts"]}) > 1
    judged = onlyif.load_folder("judged")
    assert [item.sufficient.names for item in judged] == [item.sufficient.names for item in found]
    assert judged[0].notes[-1] == "Verdicts are on 40 rows of further.csv."
    counts = told["sets"]["sufficient"]["verdicts"]
    assert counts == dict(onlyif.summary(judged).sets[0].verdicts) and sum(counts.values()) == 3


@pytest.mark.usefixtures("here")
def test_results_are_summed_up_alone_as_text_and_as_a_card(capsys):
    assert main(["measure", "results", "results"]) == 0
    assert capsys.readouterr().out.startswith("6 rows, 6 of them informative")
    assert main(["measure", "results", "--markdown"]) == 0
    assert capsys.readouterr().out == onlyif.summary(onlyif.load_folder("results")).to_markdown()
    assert main(["measure", "results", "--json"]) == 0
    told = strict(capsys)
    assert told["n_rows"] == 3 and set(told["players"]) == set("abc")
    assert told["verdicts"][0]["fresh_gap"] is None
    assert main([*FURTHER[:4]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[-7].split()) == "row set columns ε gap gap on further rows verdict"


@pytest.mark.usefixtures("here")
def test_files_may_have_moved_and_rows_of_the_background_are_told(capsys):
    shutil.copy("rows.csv", "moved.csv")
    assert main([*FURTHER[:3], "train.csv", "--json", "--data", "moved.csv"]) == 0
    told = capsys.readouterr()
    assert "30 of 30 rows of train.csv are rows of the background too" in told.err
    # All of the run's own background: the gaps are those that it reported.
    for one in json.loads(told.out)["verdicts"]:
        assert one["fresh_gap"]["value"] == pytest.approx(one["gap"]["value"])


@pytest.mark.usefixtures("here")
def test_what_did_not_make_the_results_is_refused(capsys):
    pd.read_csv("rows.csv").assign(a=lambda table: table["a"] + 1).to_csv("shifted.csv", index=False)
    frame(5, 4).drop(columns="b").to_csv("less.csv", index=False)
    for name, line in {"causes": 'criterion = "pns"', "drawn": 'reference = "gaussian"'}.items():
        shutil.copytree("results", name)
        with Path(name, "run.toml").open("a") as run:
            run.write(f"{line}\n")
    further = ["--further", "further.csv"]
    for code, words, said in (
        (2, ["results", *further, "--data", "shifted.csv"], "file data"),
        (2, ["results", "--data", "rows.csv"], "--data has no use without --further"),
        (2, ["results", "--json", "--markdown"], "leave one out"),
        (2, ["causes", *further], "holds causes"),
        (2, ["drawn", *further], "--reference gaussian"),
        (2, ["results", *further, "--model", "m.onnx"], "either the file"),
        (3, ["results", "--further", "less.csv"], "lacks columns of train.csv: 'b'"),
        (5, ["results", "--further", "none.csv"], "no file none.csv"),
        (5, ["nowhere"], "no folder"),
    ):
        assert main(["measure", *words]) == code, words
        assert said in capsys.readouterr().err, words


@pytest.mark.usefixtures("here")
def test_reasons_for_a_decision_are_judged_by_further_rows_that_are_decided_otherwise(tmp_path, capsys):
    (tmp_path / "labels.py").write_text(
        "class Model:\n"
        "    classes_ = [0, 1]\n"
        "    def predict_proba(self, table):\n"
        "        import numpy as np\n"
        "        one = 1 / (1 + np.exp(-(2 * table['a'] + table['b']).to_numpy()))\n"
        "        return np.stack([1 - one, one], 1)\n"
        "    def predict(self, table):\n"
        "        return self.predict_proba(table).argmax(1)\n"
        "def make():\n"
        "    return Model()\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        asked = ["explain", "--model-from", "labels:make", *EXPLAIN[3:], "--against", "other decisions"]
        assert main([*asked, "--out", "reasons", "--quiet"]) == 0
        capsys.readouterr()
        assert main(["measure", "reasons", "--further", "further.csv", "--json", "--quiet"]) == 0
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("labels", None)
    table, rows = pd.read_csv("further.csv"), pd.read_csv("rows.csv")

    def model(frame):
        return 1 / (1 + np.exp(-(2 * frame["a"] + frame["b"]).to_numpy()))

    for one in strict(capsys)["verdicts"]:
        if one["set"] == "sufficient":
            row = rows.iloc[[one["row"]]]
            yes = model(row)[0] > 0.5
            others = table[(model(table) > 0.5) != yes].copy()
            others[one["names"]] = row[one["names"]].to_numpy()[0]
            means = [1 - model(each).mean() if not yes else model(each).mean() for each in (row, others)]
            gap = (means[1] <= 0.5) + abs(means[0] - means[1]) / 2
            assert one["fresh_gap"]["value"] == pytest.approx(gap)
