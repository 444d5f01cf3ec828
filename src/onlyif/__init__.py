"""Sufficient and necessary explanations of predictions, and what lies in between.

`explain` is the door; `save`, `load` and `summary` work on what it returns.
"""

from onlyif.core.errors import (
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
from onlyif.door import explain
from onlyif.explanation.causal import CausalExplanation
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.cause import Cause
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.explained import explanation_text, summary
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.selection import Gap, Selection
from onlyif.explanation.storage import load, load_folder, save
from onlyif.predictors.checked import Fault
from onlyif.recipes.boundaries import ScottBoundary, TypicalBoundary
from onlyif.recipes.causation import PNS
from onlyif.recipes.references import Baseline, Empirical, Gaussian, Marginal, Replacement
from onlyif.recipes.samples import BackgroundRows, NearestRows
from onlyif.recipes.thresholds import NoiseThreshold, SpreadThreshold
from onlyif.recipes.tree_paths import TreePaths
from onlyif.version import __version__

__all__ = [
    "PNS",
    "BackgroundRows",
    "Baseline",
    "Basis",
    "CausalExplanation",
    "CausalExplanations",
    "Cause",
    "Certificate",
    "Continuum",
    "Empirical",
    "Explanation",
    "Explanations",
    "ExtraError",
    "Fault",
    "Gap",
    "Gaussian",
    "InputError",
    "Interrupted",
    "LimitError",
    "Marginal",
    "ModelError",
    "NearestRows",
    "NoiseThreshold",
    "OnlyIfError",
    "OnlyIfWarning",
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
