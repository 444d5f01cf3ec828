"""Explanations in a run of MLflow: `from onlyif.interop.mlflow import log_to_mlflow`."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from onlyif.core.errors import ExtraError, SettingError
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.storage import save
from onlyif.explanation.summary import summary


def log_to_mlflow(
    explanations: Explanations,
    *,
    run: Any = None,
    folder: str = "explanations",
    title: str = "Explanations",
) -> Mapping[str, float]:
    """Explanations as artifacts and metrics of a run: the page, a model-card section, and their files.

    The files are those of `onlyif.save`: downloaded, `onlyif.load` reads them. A tracker that is none of
    MLflow's takes the same: the file of `to_html`, and the numbers of `summary(...).metrics`.

    Args:
        explanations: At least one.
        run: A run, or its id; None is the active one.
        folder: Where they go among the run's artifacts; metrics begin with it too.
        title: What the page is called.

    Returns:
        The metrics.

    Raises:
        ExtraError: if mlflow is not installed.
        SettingError: if there is no explanation, or no run.

    Example:
        with mlflow.start_run():
            log_to_mlflow(found)
    """
    try:
        mlflow: Any = import_module("mlflow")
    except ModuleNotFoundError as error:
        raise ExtraError("log_to_mlflow needs mlflow, which is not installed: pip install mlflow") from error
    told = summary(explanations)
    metrics = {f"{folder}/{name}": value for name, value in told.metrics.items()}
    chosen = mlflow.active_run() if run is None else run
    if chosen is None:
        raise SettingError("no run is active: begin one, with mlflow.start_run():, or name one with run=")
    name = chosen if isinstance(chosen, str) else chosen.info.run_id
    with TemporaryDirectory() as held:
        stem = Path(held) / "explanations"
        explanations.to_html(stem, title=title)
        stem.with_suffix(".md").write_text(told.to_markdown(), "utf-8")
        save(explanations, stem)
        mlflow.log_artifacts(held, artifact_path=folder, run_id=name)
    mlflow.log_metrics(metrics, run_id=name)
    return metrics
