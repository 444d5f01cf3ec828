"""The command line from end to end, in this process and in one of its own."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

import onlyif
from onlyif.cli import main as cli
from onlyif.cli.main import main
from onlyif.core.errors import LimitError

FRAME = pd.DataFrame(
    {
        "age": np.random.default_rng(0).normal(40.0, 10.0, 60),
        "zip": np.random.default_rng(1).choice(["01", "02", "10"], 60),
        "job": pd.Categorical(np.random.default_rng(2).choice(list("abc"), 60)),
    }
)
LABEL = np.where((FRAME["age"] > 40) | (FRAME["job"] == "b"), "rich", "poor")
CODE = """\
import os
calls = 0

def predict(table):
    global calls
    calls += 1
    if calls == int(os.environ.get("STOP_AT", "-1")):
        raise KeyboardInterrupt
    return (table["age"] + 3 * (table["job"] == "b")).to_numpy()

def slow(table):
    import time
    time.sleep(0.3)
    return predict(table)

def make():
    return predict

def fail():
    raise RuntimeError("no such luck")

def nan(table):
    return table["age"].to_numpy() * float("nan")
"""


@pytest.fixture(scope="module")
def model():
    encoded = make_column_transformer((OneHotEncoder(), ["zip", "job"]), remainder="passthrough")
    return make_pipeline(encoded, LogisticRegression(max_iter=1000)).fit(FRAME, LABEL)


@pytest.fixture
def folder(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    skops.io.dump(model, "model.skops")
    FRAME.to_parquet("train.parquet")
    FRAME.head(40).to_csv("rows.csv", index=False)
    (tmp_path / "own_code.py").write_text(CODE)
    sys.modules.pop("own_code", None)
    yield tmp_path
    sys.modules.pop("own_code", None)


MODEL = ("explain", "model.skops")
TABLES = ("--data", "rows.csv", "--background", "train.parquet")
BASE = (*MODEL, *TABLES)
OWN = ("explain", "--model-from", "own_code:predict", *TABLES)


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no strict JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_is_what_the_library_says(folder, capsys, model):
    assert main([*BASE, "--rows", "3,0", "--json", "--size", "2", "--seed", "5"]) == 0
    captured = capsys.readouterr()
    found = strict(captured.out)
    expected = onlyif.explain(model, FRAME.iloc[[3, 0]], background=FRAME, size=2, seed=5)
    assert found["complete"] is True
    assert [item["row"] for item in found["explanations"]] == [3, 0]
    for item, one in zip(found["explanations"], expected, strict=True):
        assert item["prediction"] == one.prediction
        assert item["target_label"] == one.target_label
        assert tuple(item["sufficient"]["names"]) == one.sufficient.names
        assert tuple(item["necessary"]["players"]) == one.necessary.players
        assert item["unified"]["sufficiency"]["value"] == one.unified.sufficiency.value
        assert tuple(item["continuum"]["breakpoints"]) == one.continuum.breakpoints
        assert item["shapley"] == one.shapley.tolist()


def test_one_row_is_told_in_full_and_many_in_a_table(folder, capsys):
    assert main([*BASE, "--rows", "0"]) == 0
    assert "HOW CERTAIN IS THIS" in capsys.readouterr().out
    assert main([*BASE, "--rows", "0-2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("row")
    assert sum("sufficient  " in line for line in out.splitlines()) == 3
    assert all(len(line) <= 120 for line in out.splitlines())
    assert main([*BASE, "--rows", "0-2", "--details"]) == 0
    assert capsys.readouterr().out.count("HOW CERTAIN IS THIS") == 3


def test_lines_fit_a_narrow_terminal(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*BASE, "--rows", "0-2"]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--reference", "empirical", "--background-rows", "20"], "20"),
        (["--reference", "marginal", "--background-rows", "all"], "all 60"),
        (["--background-rows", "7"], "7 rows drawn"),
        (["--reference", "baseline"], "median"),
        (["--baseline", "one.csv"], "given baseline row"),
    ],
)
def test_references(folder, capsys, options, told):
    FRAME.iloc[[7]].to_csv("one.csv", index=False)
    assert main([*BASE, "--rows", "0", "--json", *options]) == 0
    (item,) = strict(capsys.readouterr().out)["explanations"]
    assert told in item["provenance"]["reference"]


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (["--target", "rich"], "target_label", "rich"),
        (["--target", "0"], "target_label", "poor"),
        (["--alpha", "0.25"], "alpha", 0.25),
        (["--epsilon", "0.125"], "epsilon", 0.125),
        (["--size", "1", "--exact-size"], "exact_size", True),
    ],
)
def test_questions(folder, capsys, options, field, value):
    assert main([*BASE, "--rows", "0", "--json", *options]) == 0
    (item,) = strict(capsys.readouterr().out)["explanations"]
    assert item[field] == value


@pytest.mark.parametrize(
    ("options", "field", "said"),
    [
        (["--search", "greedy"], "search", "greedy"),
        (["--search", "beam"], "search", "beam"),
        (["--distance", "logit"], "distance", "logit"),
        (["--distance", "discrete"], "distance", ""),
        (["--output", "margin"], "output", "margin"),
    ],
)
def test_methods(folder, capsys, options, field, said):
    assert main([*BASE, "--rows", "0", "--json", *options]) == 0
    (item,) = strict(capsys.readouterr().out)["explanations"]
    assert said in item["provenance"][field]


def test_groups(folder, capsys):
    (folder / "groups.toml").write_text('[groups]\nwho = ["age", "job"]\n')
    assert main([*BASE, "--rows", "0", "--json", "--groups", "groups.toml"]) == 0
    assert strict(capsys.readouterr().out)["explanations"][0]["names"] == ["who", "zip"]


def test_label_columns_are_dropped(folder, capsys):
    FRAME.assign(label=LABEL).head(5).to_csv("all.csv", index=False)
    arguments = [*MODEL, "--data", "all.csv", "--background", "train.parquet", "--rows", "0"]
    assert main([*arguments, "--drop", "label"]) == 0
    assert "label" not in capsys.readouterr().out
    assert main([*arguments, "--drop", "label", "--drop", "lable"]) == 3
    assert "cannot drop 'lable'" in capsys.readouterr().err


def _write(name, content):
    Path(name).write_bytes(content)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([*BASE, "--rows", "99"], 2, "asks for row 99"),
        ([*BASE, "--alpha", "2"], 2, "--alpha must lie in"),
        ([*BASE, "--size", "9"], 2, "size"),
        ([*BASE, "--target", "7", "--rows", "0"], 2, "--target must be an output number from 0 to 1"),
        ([*BASE, "--target", "other", "--rows", "0"], 2, "unknown target 'other'"),
        ([*BASE, "--resume"], 2, "name it with --out"),
        ([*BASE, "--plots"], 2, "name a folder with --out"),
        ([*BASE, "--exact-size"], 2, "needs --size"),
        ([*BASE, "--max-rows", "0"], 2, "--max-rows must be at least 1"),
        (
            [*BASE, "--reference", "gaussian", "--background-rows", "9"],
            2,
            "has no use with --reference gaussian",
        ),
        (
            [*BASE, "--reference", "marginal", "--baseline", "rows.csv"],
            2,
            "has no use with --reference marginal",
        ),
        ([*BASE, "--model-from", "own_code:predict"], 2, "either the file of a MODEL or --model-from"),
        (["explain", *TABLES], 2, "either the file of a MODEL or --model-from"),
        (["explain", "model.skops", "--data", "rows.csv"], 2, "need a background: name a table"),
        (
            ["explain", "model.skops", "--data", "rows.csv", "--reference", "empirical"],
            2,
            "with --background",
        ),
        (["explain", "--model-from", "own_code", *TABLES], 2, "takes package.module:name"),
        (["explain", "--model-from", "no_code:predict", *TABLES], 2, "no module 'no_code'"),
        (["explain", "--model-from", "own_code:nothing", *TABLES], 2, "has no 'nothing'"),
        (["explain", "--model-from", "own_code:fail", *TABLES], 4, "raised RuntimeError: no such luck"),
        (["explain", "--model-from", "own_code:nan", *TABLES], 4, "nan"),
        ([*MODEL, "--data", "none.csv", "--background", "train.parquet"], 5, "no file none.csv"),
        ([*MODEL, "--data", "cut.parquet", "--background", "train.parquet"], 5, "cut short"),
        ([*MODEL, "--data", "other.csv", "--background", "train.parquet"], 3, "lacks columns"),
        ([*MODEL, "--data", "level.csv", "--background", "train.parquet"], 3, "'z' is none of its levels"),
        (["explain", "model.pkl", *TABLES], 5, "is a pickle"),
        (["explain", "none.onnx", *TABLES], 5, "there is no file none.onnx"),
        (["explain", "cut.skops", *TABLES], 5, "cut short"),
        ([*BASE, "--groups", "none.toml"], 5, "cannot read the groups file"),
        (["show", "nowhere"], 5, "no folder"),
        (["show", "."], 5, "no saved explanations"),
    ],
)
def test_bad_input_gives_one_sentence_and_a_code(folder, capsys, arguments, code, said):
    _write("model.pkl", pickle.dumps({}))
    _write("cut.parquet", (folder / "train.parquet").read_bytes()[:500])
    _write("cut.skops", (folder / "model.skops").read_bytes()[:500])
    _write("other.csv", b"age\n1\n")
    _write("level.csv", b"age,zip,job\n1,01,z\n")
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert main([*arguments, "--json"]) == code
    told = strict(capsys.readouterr().out)
    assert told["complete"] is False and told["error"]["code"] == code and said in told["error"]["message"]
    assert told["n_finished"] == 0 and told["explanations"] == []
    assert told["error"]["kind"] == {2: "arguments", 3: "data", 4: "model", 5: "files"}[code]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["explain"],
        ["other"],
        [*BASE, "--size", "x"],
        [*BASE, "--reference", "x"],
        [*BASE, "--background-rows", "0"],
    ],
)
def test_wrong_usage(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: onlyif" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 2
    assert strict(capsys.readouterr().out)["error"]["kind"] == "arguments"


def test_help_and_version(capsys):
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert "examples:" in told
    assert "exit codes:" in told
    assert main(["explain", "--help"]) == 0
    assert "--background" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"onlyif {onlyif.__version__}\n"


@pytest.mark.parametrize(
    ("error", "code"), [(LimitError("too many sets"), 7), (ZeroDivisionError("oops"), 1), (MemoryError(), 7)]
)
def test_other_errors_have_codes_too(folder, capsys, monkeypatch, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr(cli, "prepare", fail)
    assert main([*BASE, "--rows", "0"]) == code
    assert "Traceback" not in capsys.readouterr().err
    assert main([*BASE, "--rows", "0", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_own_code_is_imported_and_said(folder, capsys):
    assert main([*OWN, "--rows", "0", "--json"]) == 0
    captured = capsys.readouterr()
    assert "importing your own code 'own_code'" in captured.err
    found = strict(captured.out)["explanations"]
    assert found[0]["prediction"] == pytest.approx(FRAME["age"][0] + 3 * (FRAME["job"][0] == "b"), abs=1e-12)
    assert str(Path.cwd()) not in sys.path
    assert main(["explain", "--model-from", "own_code:make", *TABLES, "--rows", "0", "--json"]) == 0
    assert strict(capsys.readouterr().out)["explanations"][0]["prediction"] == found[0]["prediction"]


def test_warnings_are_lines_and_quiet_leaves_them_out(folder, capsys, monkeypatch):
    def warn(arguments):
        warnings.warn("take care", UserWarning, stacklevel=1)

    monkeypatch.setattr(cli, "_COMMANDS", {"explain": warn})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main([*BASE]) == 0
        assert capsys.readouterr().err == "onlyif: note: take care\n"
        assert main([*BASE, "--quiet"]) == 0
        assert capsys.readouterr().err == ""


def test_saved_explanations_are_shown_again(folder, capsys):
    assert main([*BASE, "--rows", "0-2", "--out", "results", "--json"]) == 0
    first = strict(capsys.readouterr().out)
    assert main(["show", "results", "--json"]) == 0
    assert strict(capsys.readouterr().out) == first
    assert main(["show", "results", "--rows", "1", "--json"]) == 0
    assert strict(capsys.readouterr().out)["explanations"] == first["explanations"][1:2]


def test_pictures_are_saved(folder, capsys):
    assert main([*BASE, "--rows", "0,4", "--out", "results", "--plots", "--quiet"]) == 0
    pictures = sorted(path.name for path in (folder / "results").glob("*.png"))
    assert pictures == ["row-000000-0.png", "row-000001-4.png"]
    assert (folder / "results" / pictures[0]).read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().err == ""


def _without_times(items):
    return [{key: value for key, value in item.items() if key != "seconds"} for item in items]


def test_a_run_that_was_interrupted_at_once_claims_no_saved_rows(folder, capsys, monkeypatch):
    monkeypatch.setattr(cli.RowsRun, "parts", _interrupted_at_once)
    assert main([*OWN, "--out", "results"]) == 130
    assert capsys.readouterr().err.rstrip().endswith("interrupted after 0 of 40 rows")


def _interrupted_at_once(rows, start, jobs):
    raise KeyboardInterrupt
    yield


def test_trees_need_no_background_of_their_own(folder, capsys):
    skops.io.dump(DecisionTreeRegressor(max_depth=2).fit(FRAME[["age"]], FRAME["age"]), "tree.skops")
    FRAME[["age"]].head(3).to_csv("ages.csv", index=False)
    assert main(["explain", "tree.skops", "--data", "ages.csv", "--reference", "tree-path", "--json"]) == 0
    assert len(strict(capsys.readouterr().out)["explanations"]) == 3


def test_one_saved_explanation_is_counted_as_one(folder, capsys):
    assert main([*BASE, "--rows", "0", "--out", "results"]) == 0
    assert "saved 1 explanation in results" in capsys.readouterr().err


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(folder, capsys, monkeypatch):
    assert main([*OWN, "--json"]) == 0
    whole = strict(capsys.readouterr().out)["explanations"]
    own = [*OWN, "--out", "results", "--json"]
    for stop in range(1, 60):
        sys.modules.pop("own_code", None)
        monkeypatch.setenv("STOP_AT", str(stop))
        code = main([*own, "--resume"])
        captured = capsys.readouterr()
        assert code == 130
        if captured.out and strict(captured.out)["explanations"]:
            break
    found = strict(captured.out)
    assert found["complete"] is False
    assert 0 < len(found["explanations"]) < 40
    assert (
        f"interrupted after {len(found['explanations'])} of 40 rows; they are saved in results"
        in captured.err
    )
    monkeypatch.delenv("STOP_AT")
    assert main(own) == 2
    assert "go on with --resume" in capsys.readouterr().err
    assert main([*own, "--resume"]) == 0
    resumed = strict(capsys.readouterr().out)["explanations"]
    assert _without_times(resumed) == _without_times(whole)
    stored = found["explanations"]
    assert resumed[: len(stored)] == stored  # with their seconds: they were not computed again


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: ["--seed", "1"], "setting seed"),
        (lambda folder: ["--rows", "0"], "the rows"),
        (lambda folder: FRAME.head(50).to_parquet("train.parquet") or [], "file background"),
        (lambda folder: FRAME.tail(40).to_csv("rows.csv", index=False) or [], "file data"),
        (lambda folder: _write("own_code.py", CODE.replace("3 *", "4 *").encode()) or [], "file model-from"),
    ],
)
def test_another_run_does_not_go_on_here(folder, capsys, change, said):
    own = [*OWN, "--out", "results", "--quiet"]
    assert main([*own, "--rows", "0-1"]) == 0
    more = change(folder)
    rows = [] if "--rows" in more else ["--rows", "0-1"]
    assert main([*own, *rows, *more, "--resume"]) == 2
    assert said in capsys.readouterr().err


def test_damaged_folders(folder, capsys):
    own = [*OWN, "--rows", "0-1", "--out", "results", "--quiet"]
    assert main(own) == 0
    (folder / "results" / "run.json").write_text('{"format"')
    assert main([*own, "--resume"]) == 5
    assert "run.json is damaged" in capsys.readouterr().err
    (folder / "results" / "run.json").unlink()
    assert main([*own, "--resume"]) == 5
    assert "results without run.json" in capsys.readouterr().err
    (folder / "file").write_text("")
    assert main([*OWN, "--out", "file", "--rows", "0"]) == 5
    assert "cannot make the folder" in capsys.readouterr().err


def test_a_failed_run_leaves_no_folder(folder, capsys):
    assert main([*BASE, "--rows", "0", "--out", "results", "--target", "nobody"]) == 2
    assert not (folder / "results").exists()


def _start(folder, *arguments):
    command = [sys.executable, "-c", "from onlyif.cli.main import run; run()", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def test_a_process_of_its_own(folder):
    process = _start(folder, *BASE, "--rows", "0,1", "--json")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert len(strict(out)["explanations"]) == 2


def test_ctrl_c_ends_with_130(folder):
    process = _start(
        folder, "explain", "--model-from", "own_code:slow", *TABLES, "--out", "results", "--max-rows", "1000"
    )
    deadline = time.monotonic() + 120
    while not list((folder / "results").glob("*.onlyif.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "go on with --resume" in err
    assert "Traceback" not in err


def test_a_closed_pipe_is_no_error(folder):
    process = _start(folder, *OWN, "--rows", "0-20", "--details")
    process.stdout.close()
    with process.stderr:
        process.stderr.read()
    assert process.wait(timeout=120) == 141


def test_what_it_would_take_is_said_and_nothing_explained(folder, capsys):
    assert main([*BASE, "--rows", "0-2", "--estimate"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 rows of ") and "model rows: " in said and "\nmemory: about " in said
    assert main([*BASE, "--rows", "0-2", "--estimate", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["n_rows"] == 3 and told["asked_rows"] <= told["model_rows"] and told["memory_bytes"] > 0
    assert main([*BASE, "--estimate", "--out", "results"]) == 2
    assert not (folder / "results").exists()


def test_the_time_limit_leaves_rows_out_and_says_so(folder, capsys):
    assert main([*BASE, "--rows", "0-2", "--json", "--time-limit", "1e-9", "--out", "results"]) == 8
    printed = capsys.readouterr()
    assert json.loads(printed.out)["complete"] is False
    assert "after 0 of 3 rows" in printed.err
    assert (
        main([*BASE, "--rows", "0-2", "--json", "--out", "results", "--resume", "--time-limit", "1e6"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert main([*BASE, "--rows", "0", "--time-limit", "0"]) == 2


def test_decisions_are_explained_against_others_and_the_run_goes_on(folder, capsys, model):
    command = [*BASE, "--rows", "0-9", "--against", "other decisions", "--json"]
    assert main([*command, "--out", "results"]) == 0
    whole = strict(capsys.readouterr().out)["explanations"]
    assert [one["target_label"] for one in whole] == list(model.predict(FRAME.iloc[:10]))
    assert {one["target_label"] for one in whole} == {"rich", "poor"}
    found = onlyif.explain(model, FRAME[:10], background=FRAME, against="other decisions")
    assert [one["sufficient"]["names"] for one in whole] == [[*item.sufficient.names] for item in found]
    assert [one["check_rows"] for one in whole] == [item.check_rows for item in found]
    assert "rows decided otherwise than" in whole[0]["provenance"]["against"]
    for file in sorted(Path("results").glob("rows-*"))[-2:]:
        file.unlink()
    assert main([*command, "--out", "results", "--resume"]) == 0
    again = strict(capsys.readouterr().out)["explanations"]
    assert _without_times(again) == _without_times(whole)
    assert main([*command[:-1], "--distance", "logit"]) == 2
    assert main(command[:-1]) == 0
    told = capsys.readouterr().out
    assert "with only these columns kept the decision stays" in told and "holds" in told
    for label in ("rich", "poor"):
        assert f"Rows of target '{label}' are compared with" in told


def test_columns_in_another_order_and_beside_others_are_no_matter_and_noted(folder, capsys, model):
    turned = FRAME.head(3)[["job", "zip", "age"]].assign(label=LABEL[:3], more=1.5)
    turned.to_csv("turned.csv", index=False, sep=";")
    FRAME.assign(label=LABEL).to_csv("train.csv", index=False, sep=";")
    tables = ["--data", "turned.csv", "--background", "train.csv", "--text", "zip", "--delimiter", ";"]
    assert main([*MODEL, *tables, "--json"]) == 0
    told = strict(capsys.readouterr().out)["explanations"]
    found = onlyif.explain(model, FRAME.head(3), background=FRAME)
    assert [one["sufficient"]["names"] for one in told] == [[*item.sufficient.names] for item in found]
    assert told[0]["names"] == ["age", "zip", "job"]
    # Nor is a label that only the background has.
    turned.drop(columns="label").to_csv("turned.csv", index=False, sep=";")
    assert main([*MODEL, *tables, "--json"]) == 0
    again = strict(capsys.readouterr().out)["explanations"]
    assert [one["sufficient"] for one in again] == [one["sufficient"] for one in told]
    # Nor how decimals are written, if that is said.
    turned.to_csv("turned.csv", index=False, sep=";", decimal=",")
    FRAME.assign(label=LABEL).to_csv("train.csv", index=False, sep=";", decimal=",")
    assert main([*MODEL, *tables, "--decimal", ",", "--json"]) == 0
    commas = strict(capsys.readouterr().out)["explanations"]
    assert [one["sufficient"] for one in commas] == [one["sufficient"] for one in told]
    notes = " ".join(told[0]["notes"])
    assert "columns ['label'] of the background, which the model was not fitted on, were ignored" in notes
    assert "another order" in notes and "['label', 'more'] of the rows, which the background has not" in notes


def test_a_run_goes_on_with_more_rows(folder, capsys):
    first = [*OWN, "--out", "results", "--rows", "0-2", "--json"]
    assert main(first) == 0
    before = strict(capsys.readouterr().out)["explanations"]
    assert main([*OWN, "--out", "results", "--rows", "0-4", "--json", "--resume"]) == 0
    told = strict(capsys.readouterr().out)
    assert told["explanations"][:3] == before and (told["n_rows"], told["complete"]) == (5, True)
    # A longer table whose first rows are the same.
    longer = pd.concat([FRAME.head(40), FRAME.tail(2)])
    longer.to_csv("rows.csv", index=False)
    all_rows = ["--out", "results", "--json", "--resume", "--rows"]
    assert main([*OWN, *all_rows, "0-4,40,41"]) == 0
    assert strict(capsys.readouterr().out)["explanations"][:5] == told["explanations"]
    assert main(["show", "results", "--json"]) == 0
    assert strict(capsys.readouterr().out)["n_rows"] == 7
    assert main([*OWN, *all_rows, "0-4"]) == 2
    assert "the rows" in capsys.readouterr().err
    # One value of a row that is finished is another.
    longer.assign(age=[99.0, *longer["age"][1:]]).to_csv("rows.csv", index=False)
    assert main([*OWN, *all_rows, "0-4,40,41,3"]) == 2
    assert "the rows" in capsys.readouterr().err
