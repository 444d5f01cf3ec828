"""Options in a TOML file make the same run, the command line has the last word, bad files are refused."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onlyif.cli.arguments import parsed, parser
from onlyif.cli.config import arguments_of, config_text
from onlyif.cli.main import main
from onlyif.core.errors import SettingError, StorageError

CODE = "def predict(table):\n    return (table['age'] + 3 * table['late']).to_numpy()\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model and tables; tests of this file write into folders of their own in it."""
    place = tmp_path_factory.mktemp("config")
    (place / "model_of_config.py").write_text(CODE)
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"age": draw.normal(40, 9, 20), "late": draw.integers(0, 4, 20), "id": range(20)})
    table.to_csv(place / "rows.csv", index=False)
    return place


@pytest.fixture(autouse=True)
def _inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def values(capsys):
    """What was explained, without what differs from run to run."""
    document = json.loads(capsys.readouterr().out)
    return [
        (row["row"], row["sufficient"], row["necessary"], row["alpha"]) for row in document["explanations"]
    ]


def test_a_run_writes_the_options_that_make_it_again(capsys):
    named = ["--model-from", "model_of_config:predict", "--data", "rows.csv", "--background", "rows.csv"]
    asked = [*named, "--rows", "0-2", "--drop", "id", "--alpha", "0.25", "--background-rows", "all", "--json"]
    assert main(["explain", *asked, "--out", "first"]) == 0
    before = values(capsys)
    written = tomllib.loads(Path("first/run.toml").read_text("utf-8"))
    assert written == {
        "model-from": "model_of_config:predict",
        "data": "rows.csv",
        "background": "rows.csv",
        "rows": "0-2",
        "drop": ["id"],
        "alpha": 0.25,
        "background-rows": "all",
    }
    assert main(["explain", "--config", "first/run.toml", "--out", "second", "--json"]) == 0
    assert values(capsys) == before
    records = [json.loads(Path(name, "run.json").read_text("utf-8")) for name in ("first", "second")]
    assert records[0] == records[1]
    # The command line has the last word.
    assert main(["explain", "--config", "first/run.toml", "--rows", "1", "--alpha", "0.75", "--json"]) == 0
    assert [(str(row), alpha) for row, *_, alpha in values(capsys)] == [("1", 0.75)]


def test_every_option_that_a_run_may_have_comes_back_from_its_text():
    defaults = parser().parse_args(["explain", "--data", ""])
    argv = ["explain", "a \u007f 'model'.json", "--data", 'ta"ble.csv', "--drop", "Ünïcode \U0001f600"]
    argv += ["--drop", "b=c", "--exact-size", "--size", "3", "--epsilon", "1e-3", "--delimiter", "tab"]
    argv += ["--costs", "age=2.5", "--order", "region=country", "--plots", "--tolerate", "random"]
    given = parser().parse_args([*argv, "--keep-table", "--target", "label:1"])
    Path("odd.toml").write_text(config_text(given, defaults), "utf-8")
    again = vars(parsed(["explain", "--config", "odd.toml"]))
    assert again.pop("config") == "odd.toml"
    assert again == {name: value for name, value in vars(given).items() if name != "config"}


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("data = ", SettingError, "needs a TOML file"),
        ("data = 2020-01-01", SettingError, "data needs text, a number"),
        ("model = 3", SettingError, "model needs the name of a file, got 3"),
        ('config = "b.toml"', SettingError, "put all options into one"),
        (None, StorageError, "cannot read absent.toml"),
    ],
)
def test_bad_files_are_refused_with_what_is_wrong(text, error, said):
    name = "absent.toml" if text is None else "bad.toml"
    if text is not None:
        Path(name).write_text(text, "utf-8")
    with pytest.raises(error, match=said):
        arguments_of(name)


def test_errors_of_a_file_are_errors_of_the_command(capsys):
    Path("wrong.toml").write_text('data = "rows.csv"\ncolour = "red"\n', "utf-8")
    assert main(["explain", "--config", "wrong.toml"]) == 2
    assert "unrecognized arguments: --colour=red" in capsys.readouterr().err
    assert main(["explain", "--config", "absent.toml", "--json"]) == 5
    told = capsys.readouterr()
    assert "cannot read absent.toml" in told.err and json.loads(told.out)["error"]["code"] == 5
