"""Sufficient and necessary explanations of predictions, and what lies in between.

`explain` is the door; `save`, `load` and `summary` work on what it returns.
"""

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
from onlyif.explain import explain
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.storage import load, load_folder, save
from onlyif.explanation.summary import summary
from onlyif.explanation.text import explanation_text
from onlyif.modalities.base import InstancePlayers, Modality, Queries
from onlyif.modalities.images import Images
from onlyif.models.checked import Fault
from onlyif.references.baseline import Baseline
from onlyif.references.empirical import Empirical
from onlyif.references.function import Replacement
from onlyif.references.gaussian import Gaussian
from onlyif.references.marginal import Marginal
from onlyif.trees.path_reference import TreePaths
from onlyif.version import __version__

__all__ = [
    "PNS",
    "AbsentError",
    "BackgroundRows",
    "Baseline",
    "Basis",
    "Certificate",
    "Continuum",
    "Empirical",
    "Explanation",
    "Explanations",
    "ExtraError",
    "Fault",
    "Gaussian",
    "Images",
    "InputError",
    "InstancePlayers",
    "Interrupted",
    "LimitError",
    "Marginal",
    "Measure",
    "Modality",
    "ModelError",
    "NearestRows",
    "NoiseThreshold",
    "OnlyIfError",
    "OnlyIfWarning",
    "Queries",
    "Replacement",
    "ScottBoundary",
    "Selection",
    "SettingError",
    "SpreadThreshold",
    "StorageError",
    "TreePaths",
    "TypicalBoundary",
    "__version__",
    "explain",
    "explanation_text",
    "load",
    "load_folder",
    "save",
    "summary",
]
