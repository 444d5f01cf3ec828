"""stdout of any encoding, and with nothing on it but results."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from onlyif.cli.streams import Results, printable

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["größe", "大"])
MODEL = """\
import atexit, os, subprocess, sys
os.write(1, b"by number\\n")
print("by name")
atexit.register(print, "at exit")

def predict(table):
    subprocess.run([sys.executable, "-S", "-c", "print('by a child')"])
    return table.to_numpy()[:, 0]
"""


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"Dsuf +/- \\xe9 \\u5927"),
        ("cp1252", b"Dsuf \xb1 \xe9 \\u5927"),
        ("utf-8", "Δsuf ± é 大".encode()),
    ],
)
def test_a_text_is_written_in_any_encoding(encoding, written):
    held = io.BytesIO()
    results = Results(io.TextIOWrapper(held, encoding, newline="\n"))
    results.write("Δsuf ± é 大")
    results.flush()
    assert held.getvalue() == written + b"\n"
    assert results.holds("Δsuf") == (encoding == "utf-8")


def test_half_of_a_pair_can_be_written_too():
    assert printable("a\ud800", io.TextIOWrapper(io.BytesIO(), "utf-8")) == "a\\ud800"


def _run(folder, *options, **environment):
    FRAME.head(2).to_csv(folder / "rows.csv", index=False)
    FRAME.to_csv(folder / "train.csv", index=False)
    (folder / "ours.py").write_text(MODEL)
    command = ["explain", "--model-from", "ours:predict", "--data", "rows.csv", "--background", "train.csv"]
    return subprocess.run(
        [sys.executable, "-c", "from onlyif.cli.main import run; run()", *command, *options],
        cwd=folder,
        capture_output=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def test_json_is_alone_on_stdout_whatever_prints_and_whatever_the_encoding(tmp_path):
    done = _run(tmp_path, "--json", PYTHONIOENCODING="cp1252")
    assert done.returncode == 0
    assert json.loads(done.stdout.decode("ascii"))["explanations"][0]["names"] == ["größe", "大"]
    for text in (b"by number", b"by name", b"by a child", b"at exit"):
        assert text in done.stderr


def test_a_table_is_printed_in_ascii(tmp_path):
    done = _run(tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert b"Dsuf" in done.stdout and b"gr\\xf6\\xdfe" in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")  # noqa: PTH110
def test_a_full_disk_behind_stdout_is_an_error(tmp_path):
    from onlyif.cli.main import main

    with open("/dev/full", "w") as full:  # noqa: PTH123
        results = Results(full)
        results.write("text")
        with pytest.raises(OSError, match="No space"):
            results.flush()
        results.let_go()
    assert main(["show", str(tmp_path)]) == 5
