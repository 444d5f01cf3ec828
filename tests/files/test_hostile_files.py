"""Damaged and crafted model files, read and asked elsewhere: an answer or an error of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "oracles" / "hostile_files.py"
FORMATS = ["xgboost", "lightgbm", "skops", "onnx"]
# Each part in a process of its own, so that one takes a minute at most.
PARTS = [(first, first + 150) for first in range(0, 1500, 150)]


def check(names, first, last, folder, seconds):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), ",".join(names), str(first), str(last), str(folder)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"exit {done.returncode} at {lines[-1]!r}: {done.stderr[-1500:]}"
    told = [line for line in lines if line.split(" ")[0] in FORMATS]
    assert len(told) == (last - first) * len(names)
    assert any(line.endswith("StorageError") for line in lines)


def test_a_few_changed_files(tmp_path):
    check(FORMATS, 0, 4, tmp_path, 300)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "last"), PARTS)
@pytest.mark.parametrize("name", FORMATS)
def test_many_changed_files(name, first, last, tmp_path):
    check([name], first, last, tmp_path, 900)
