"""Each example runs from an empty folder and prints what it promises; none warns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMISES = {
    "adult_pipeline.py": "empirical conditional reference",
    "breast_cancer.py": "not certified",
    "causes.py": "How often each feature is in the cause",
    "demo.py": "Open this page in a browser",
    "own_reference.py": "Hidden readings are those of simulated machines like this one.",
    "torch_model.py": "training=True",
}


def _run(script: str, folder: Path, **environment: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / script)]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PROMISES)


@pytest.mark.parametrize("script", sorted(set(PROMISES) - {"adult_pipeline.py", "demo.py"}))
def test_an_example_runs(script: str, tmp_path: Path) -> None:
    assert PROMISES[script] in _run(script, tmp_path)


@pytest.mark.slow
def test_the_example_on_adult_runs(tmp_path: Path, data_folder: Path) -> None:
    assert PROMISES["adult_pipeline.py"] in _run("adult_pipeline.py", tmp_path, ONLYIF_DATA=str(data_folder))


def test_the_example_on_adult_is_skipped_without_the_data(tmp_path: Path) -> None:
    assert _run("adult_pipeline.py", tmp_path, ONLYIF_DATA=str(tmp_path)).startswith("skipped")


def test_the_demo_is_one_screen_and_names_its_page(tmp_path: Path) -> None:
    lines = _run("demo.py", tmp_path).splitlines()
    assert lines[1].startswith("  The decision is '")
    assert len(lines) <= 35 and max(map(len, lines)) <= 130
    page = Path(lines[-1].strip())
    assert page == tmp_path / "onlyif-demo" / "report.html"
    assert page.read_text("utf-8").count('<section class="row"') == 50
    assert len(list(tmp_path.glob("onlyif-demo/*.onlyif.json"))) == 1
