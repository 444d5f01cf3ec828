"""Data sets of scikit-learn as files, and scripts by which shells complete the command."""

import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine

from onlyif.cli import completion
from onlyif.cli import main as cli
from onlyif.cli.arguments import parser
from onlyif.cli.colours import coloured, takes_colours
from onlyif.cli.main import main
from onlyif.files.models import read_model


def test_a_data_set_is_written_whole_and_its_model_is_read_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", "wine", "--model"]) == 0
    assert capsys.readouterr().out.split() == ["wine/train.csv", "wine/rows.csv", "wine/model.skops"]
    train, rows = pd.read_csv("wine/train.csv"), pd.read_csv("wine/rows.csv")
    loaded = load_wine(as_frame=True)
    whole = loaded.data.assign(cultivar=loaded.target_names[loaded.target])
    both = pd.concat([train, rows]).sort_values([*whole.columns]).reset_index(drop=True)
    pd.testing.assert_frame_equal(both, whole.sort_values([*whole.columns]).reset_index(drop=True))
    model = read_model("wine/model.skops", [])
    assert [*model.feature_names_in_] == [*loaded.data.columns]
    assert (model.predict(rows.drop(columns="cultivar")) == rows["cultivar"]).mean() > 0.9
    assert main(["dataset", "diabetes", "--out", "there"]) == 0
    both = pd.concat([pd.read_csv("there/train.csv"), pd.read_csv("there/rows.csv")])
    assert sorted(both["progression"]) == sorted(load_diabetes().target) and both["age"].max() > 70


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["dataset", "wine", "--out", str(tmp_path / "file" / "in")]) == 5
    assert "cannot write into" in capsys.readouterr().err


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_scripts_of_shells_know_commands_and_files(shell, capsys):
    pytest.importorskip("shtab", reason="needs shtab: pip install 'onlyif[completion]'")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(
        word in script for word in ("measure", "dataset", "--background", "--against", "breast-cancer")
    )
    assert {"bash": "compgen -d", "zsh": "_files", "fish": "__fish_complete_directories"}[shell] in script


def test_without_shtab_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(cli.sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 6
    assert "onlyif[completion]" in capsys.readouterr().err


def test_every_command_has_examples_and_exit_codes_in_its_help():
    commands = parser()._subparsers._group_actions[0].choices
    assert {*commands} == {"explain", "show", "report", "measure", "dataset", "doctor", "completion"}
    for name, command in commands.items():
        assert "examples:\n" in command.format_help() and f"onlyif {name} " in command.epilog
        assert "exit codes:" in command.epilog


def test_colours_are_for_terminals_alone_and_change_no_letter(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert takes_colours(Terminal()) and not takes_colours(object())
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as told:
            told.setenv(name, value)
            assert not takes_colours(Terminal())
    text = "row  f(x)\n0    {a}: holds\n     {b}: does not hold\n     {c}: cannot tell\n! careful"
    shown = coloured(text)
    assert [shown.count(f"\x1b[{colour}m") for colour in (1, 31, 32, 33)] == [1, 1, 1, 2]
    plain = shown.replace("\x1b[0m", "")
    for colour in (1, 31, 32, 33):
        plain = plain.replace(f"\x1b[{colour}m", "")
    assert plain == text
