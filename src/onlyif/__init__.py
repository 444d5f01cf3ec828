"""Sufficient and necessary explanations of predictions, and what lies in between.

`explain` is the door; `save`, `load` and `summary` work on what it returns. The rooms `plots`, `metrics` and
`interop` are loaded when they are first named; so is what trains a learned explainer, for it needs torch.
"""

from importlib import import_module
from typing import Any

from onlyif.answers.own import ComparedSets, OwnCriterion
from onlyif.causation.boundaries import ScottBoundary, TypicalBoundary
from onlyif.causation.samples import BackgroundRows, NearestRows
from onlyif.causation.settings import PNS
from onlyif.causation.thresholds import NoiseThreshold, SpreadThreshold
from onlyif.core.errors import (
    AbsentError,
    ExtraError,
    InputError,
    Interrupted,
    LimitError,
    ModelError,
    OnlyIfError,
    OnlyIfWarning,
    SettingError,
    StorageError,
)
from onlyif.criteria.distances import AbsoluteDistance, DiscreteDistance, LogitDistance, SideDistance
from onlyif.explain import explain
from onlyif.explainer import Explainer
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.storage import load, load_folder, save
from onlyif.explanation.summary import summary
from onlyif.explanation.text import explanation_text
from onlyif.modalities.base import Call, InstancePlayers, Modality, Queries
from onlyif.modalities.ego_graphs import Graph
from onlyif.modalities.graphs import Graphs
from onlyif.modalities.images import Images
from onlyif.models.checked import Fault
from onlyif.references.baseline import Baseline
from onlyif.references.empirical import Empirical
from onlyif.references.gaussian import Gaussian
from onlyif.references.marginal import Marginal
from onlyif.references.replacement import Replacement
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import BackwardGreedySearch, ForwardGreedySearch
from onlyif.setup.forecast import Forecast
from onlyif.trees.path_reference import TreePath
from onlyif.version import __version__

_ROOMS = ("interop", "metrics", "plots")
# What needs torch, and where it is: loaded when it is first named.
_LATE = {
    "LearnedExplainer": "amortised.learned",
    "estimate_training": "setup.learning",
    "train_explainer": "setup.learning",
}
__all__ = [
    "PNS",
    "AbsentError",
    "AbsoluteDistance",
    "BackgroundRows",
    "BackwardGreedySearch",
    "Baseline",
    "Basis",
    "BeamSearch",
    "Call",
    "Certificate",
    "ComparedSets",
    "Continuum",
    "DiscreteDistance",
    "Empirical",
    "ExhaustiveSearch",
    "Explainer",
    "Explanation",
    "Explanations",
    "ExtraError",
    "Fault",
    "Forecast",
    "ForwardGreedySearch",
    "Gaussian",
    "Graph",
    "Graphs",
    "Images",
    "InputError",
    "InstancePlayers",
    "Interrupted",
    "LimitError",
    "LogitDistance",
    "Marginal",
    "Measure",
    "Modality",
    "ModelError",
    "NearestRows",
    "NoiseThreshold",
    "OnlyIfError",
    "OnlyIfWarning",
    "OwnCriterion",
    "Queries",
    "Replacement",
    "ScottBoundary",
    "Selection",
    "SettingError",
    "SideDistance",
    "SpreadThreshold",
    "StorageError",
    "TreePath",
    "TypicalBoundary",
    "__version__",
    "explain",
    "explanation_text",
    "load",
    "load_folder",
    "save",
    "summary",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_LATE, *_ROOMS])
