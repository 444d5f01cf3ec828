"""A run of MLflow holds page, card, files and numbers; of a stand-in too, for MLflow is rarely installed."""

import math
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import onlyif
from onlyif.core.errors import ExtraError, SettingError
from onlyif.explanation.explanations import Explanations
from onlyif.interop.mlflow import log_to_mlflow
from onlyif.testing.explanations import example_explanations


@pytest.fixture
def tracker(tmp_path, monkeypatch):
    """The three functions that are called, with MLflow's own signatures, and what they were given."""
    held = SimpleNamespace(run=SimpleNamespace(info=SimpleNamespace(run_id="r1")), metrics={}, at=tmp_path)

    def log_artifacts(local_dir, artifact_path=None, run_id=None):
        shutil.copytree(local_dir, tmp_path / run_id / artifact_path)

    def log_metrics(metrics, step=None, synchronous=None, run_id=None):
        held.metrics[run_id] = metrics

    module = SimpleNamespace(
        active_run=lambda: held.run, log_artifacts=log_artifacts, log_metrics=log_metrics
    )
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return held


def test_page_card_files_and_numbers_are_logged(tracker):
    found = example_explanations()
    metrics = log_to_mlflow(found, title="Declined")
    place = tracker.at / "r1" / "explanations"
    _check(place, found)
    assert tracker.metrics["r1"] == metrics
    told = onlyif.summary(found)
    assert metrics["explanations/rows"] == 3
    assert metrics["explanations/sufficient/size"] == told.sets[0].size.value
    verdicts = told.sets[0].verdicts
    assert metrics["explanations/sufficient/holds"] == verdicts["holds"] / sum(verdicts.values())
    assert all(map(math.isfinite, metrics.values()))
    log_to_mlflow(found, run="r2", folder="march")
    assert set(tracker.metrics["r2"]) == {name.replace("explanations/", "march/", 1) for name in metrics}


def _check(place, found):
    assert "Declined" in (place / "explanations.html").read_text("utf-8")
    assert (place / "explanations.md").read_text("utf-8") == onlyif.summary(found).to_markdown()
    assert onlyif.load(place / "explanations") == found


def test_without_mlflow_a_run_or_an_explanation_it_is_said(tracker, monkeypatch):
    with pytest.raises(SettingError, match="at least one explanation"):
        log_to_mlflow(Explanations(()))
    tracker.run = None
    with pytest.raises(SettingError, match=r"mlflow\.start_run"):
        log_to_mlflow(example_explanations())
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ExtraError, match="pip install mlflow"):
        log_to_mlflow(example_explanations())


def test_a_real_run_holds_the_same(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow, which brings some fifty packages")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    found = example_explanations()
    with mlflow.start_run() as run:
        metrics = log_to_mlflow(found, title="Declined")
    _check(Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id)) / "explanations", found)
    assert mlflow.get_run(run.info.run_id).data.metrics == metrics
