"""Runs that are saved: what is compared on --resume, what is said of unfinished ones, one run a folder."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from onlyif.cli.main import main
from onlyif.cli.saving import Folder
from onlyif.explanation import storage
from onlyif.explanation.sealed import sealed_text

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=list("abc"))
MODEL = "import numpy as np\nimport beside\n\ndef predict(table):\n    return beside.answer(table)\n"
BESIDE = "import numpy as np\n\ndef answer(table):\n    return table['a'].to_numpy() * np.load('w.npy')\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.head(4).to_csv("rows.csv", index=False)
    FRAME.to_csv("train.csv", index=False)
    skops.io.dump(LogisticRegression().fit(FRAME, FRAME["a"] > 0), "model.skops")
    Path("ours.py").write_text(MODEL)
    Path("beside.py").write_text(BESIDE)
    np.save("w.npy", 1.0)
    forget()
    yield tmp_path
    forget()


def forget():
    for name in ("ours", "beside"):
        sys.modules.pop(name, None)


TABLES = ("--data", "rows.csv", "--background", "train.csv", "--search", "beam", "--quiet")
OWN = ("explain", "--model-from", "ours:predict", *TABLES, "--out", "o")
BASE = ("explain", "model.skops", *TABLES)


def without_last_rows(count):
    for number in range(4 - count, 4):
        for file in Path("o").glob(f"rows-{number:06d}*"):
            file.unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: Path("beside.py").write_text(BESIDE + "# more\n"), "code beside"),
        (lambda: Path("ours.py").write_text(MODEL + "# more\n"), "file model-from"),
        (lambda: np.save("w.npy", 1.5), "f(x) of row 0"),
        (lambda: FRAME.head(39).to_csv("train.csv", index=False), "file background"),
    ],
)
def test_whatever_decides_an_answer_is_compared(folder, capsys, change, said):
    assert main(OWN) == 0
    without_last_rows(2)
    change()
    forget()
    assert main([*OWN, "--resume"]) == 2
    assert said in capsys.readouterr().err


def test_the_same_run_goes_on_and_rounding_is_no_difference(folder, capsys):
    assert main([*OWN, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    without_last_rows(2)
    forget()
    np.save("w.npy", 1.0 + 2.0**-48)
    assert main([*OWN, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_finished"] == whole["n_finished"] == 4


def test_other_versions_are_another_run(folder, capsys):
    assert main(OWN) == 0
    path = Path("o/run.json")
    content = json.loads(path.read_text())
    content.pop("sha256")
    content["versions"]["numpy"] = "0.1"
    path.write_text(sealed_text(content))
    forget()
    assert main([*OWN, "--resume"]) == 2
    assert "version of numpy: 0.1 there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(settings=3),
        lambda c: c.update(files=[]),
        lambda c: c.update(rows="0"),
        lambda c: c.update(rows=[10**30]),
        lambda c: c.update(answers=[["x"]]),
        lambda c: c.update(answers=[[10**400]]),
        lambda c: c.update(versions=None),
        lambda c: c.update(format=1),
        lambda c: c.pop("code"),
    ],
)
def test_odd_values_in_run_json_are_refused(folder, capsys, change):
    assert main([*BASE, "--rows", "0", "--out", "o"]) == 0
    path = Path("o/run.json")
    content = json.loads(path.read_text())
    content.pop("sha256")
    change(content)
    path.write_text(sealed_text(content))
    assert main([*BASE, "--rows", "0", "--out", "o", "--resume"]) == 5
    assert "run.json" in capsys.readouterr().err


def test_a_changed_run_json_is_noticed(folder, capsys):
    assert main([*BASE, "--rows", "0", "--out", "o"]) == 0
    path = Path("o/run.json")
    path.write_text(path.read_text().replace('"max_rows": 16384', '"max_rows": 16385'))
    for command in ([*BASE, "--rows", "0", "--out", "o", "--resume"], ["show", "o"]):
        assert main(command) == 5
        assert "changed since it was written" in capsys.readouterr().err


@pytest.mark.parametrize("resume", [False, True])
def test_of_two_first_runs_in_one_folder_the_second_is_refused(folder, capsys, monkeypatch, resume):
    real, others = Folder._read, [None]

    def look(self):
        found = real(self)
        if others:  # another run begins here after this one has looked
            others.pop()
            assert main([*BASE, "--out", "o", "--alpha", "0.9"]) == 0
        return found

    monkeypatch.setattr(Folder, "_read", look)
    assert main([*BASE, "--out", "o", "--alpha", "0.1", *(["--resume"] if resume else [])]) == 2
    stored = [json.loads(file.read_text())["explanations"] for file in Path("o").glob("*.onlyif.json")]
    assert {item["settings"]["alpha"] for held in stored for item in held} == {0.9}


def test_an_unfinished_folder_says_so(folder, capsys):
    assert main([*BASE, "--out", "o"]) == 0
    without_last_rows(1)
    capsys.readouterr()
    assert main(["show", "o", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["complete"], shown["n_finished"], shown["n_rows"]) == (False, 3, 4)
    assert main(["show", "o", "--rows", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is False
    assert main(["show", "o", "--quiet"]) == 0
    assert "3 of 4 rows are finished" in capsys.readouterr().out


def test_a_gap_in_a_folder_is_refused(folder, capsys):
    assert main([*BASE, "--out", "o"]) == 0
    for file in Path("o").glob("rows-000001*"):
        file.unlink()
    assert main([*BASE, "--out", "o", "--resume"]) == 5
    assert "from row 1 on are needed" in capsys.readouterr().err


def test_a_full_disk_says_what_was_saved(folder, capsys, monkeypatch):
    real, written = storage._write, []

    def write(path, content):
        written.append(path)
        if len(written) > 4:
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(storage, "_write", write)
    assert main([*BASE, "--out", "o", "--json"]) == 5
    captured = capsys.readouterr()
    assert "after 2 of 4 rows; they are saved in o, go on with --resume" in captured.err
    assert "No space left" in captured.err
    assert (json.loads(captured.out)["complete"], json.loads(captured.out)["n_finished"]) == (False, 2)


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-9])]
)
def test_pictures_of_finished_rows_are_made_again(folder, damage):
    run = [*BASE, "--rows", "0,1", "--out", "o", "--plots"]
    assert main(run) == 0
    pictures = sorted(Path("o").glob("*.png"))
    whole = [file.read_bytes() for file in pictures]
    damage(pictures[1])
    assert main([*run, "--resume"]) == 0
    assert [file.read_bytes() for file in pictures] == whole


@pytest.mark.parametrize("place", ["import", "call", "made"])
def test_code_that_ends_the_program_is_an_error(folder, capsys, place):
    end = "import sys\nsys.exit(0)\n"
    body = {
        "import": end + "def predict(table): ...\n",
        "call": "def predict(table):\n    import sys\n    sys.exit(0)\n",
        "made": "def predict():\n    import sys\n    sys.exit(0)\n",
    }
    Path("ours.py").write_text(body[place])
    assert main(OWN) == 4
    assert "SystemExit" in capsys.readouterr().err
    assert not Path("o").exists()


def test_paths_are_those_of_the_folder_the_command_began_in(folder, tmp_path):
    Path("groups.toml").write_text('[groups]\nboth = ["a", "b"]\n')
    Path("away").mkdir()
    Path("ours.py").write_text(
        "import os\nos.chdir('away')\ndef predict(table): return table['a'].to_numpy()\n"
    )
    assert main([*OWN, "--groups", "groups.toml"]) == 0
    assert (tmp_path / "o" / "run.json").exists()
    assert list((tmp_path / "away").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--search", "exhaustive", "--budget", "10"], "--budget has no use"),
        (["--keep-table"], "--keep-table has no use"),
        (["--details", "--json"], "--details has no use"),
    ],
)
def test_options_without_use_are_refused(folder, capsys, options, said):
    assert main([*BASE, *options]) == 2
    assert said in capsys.readouterr().err


def test_an_option_that_turns_out_to_have_no_use_is_named(folder, capsys):
    loud = [option for option in BASE if option not in ("--quiet", "--search", "beam")]
    assert main([*loud, "--rows", "0", "--distance", "discrete", "--target", "1"]) == 0
    assert "note: --target has no use" in capsys.readouterr().err


def test_what_user_code_prints_is_no_result(folder, capsys):
    Path("ours.py").write_text(
        "print('hello')\ndef predict(table):\n    print('asked')\n    return table['a'].to_numpy()\n"
    )
    assert main([*OWN[:-2], "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["complete"] is True
    assert "hello" in captured.err and "asked" in captured.err


def test_a_block_saved_in_the_moment_of_the_interrupt_is_told(folder, capsys, monkeypatch):
    add = Folder.add

    def interrupted(self, part, first):
        add(self, part, first)
        raise KeyboardInterrupt

    monkeypatch.setattr(Folder, "add", interrupted)
    assert main([*BASE, "--out", "o"]) == 130
    assert (
        "interrupted after 1 of 4 rows; they are saved in o, go on with --resume" in capsys.readouterr().err
    )
