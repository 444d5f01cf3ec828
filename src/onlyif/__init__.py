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
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.selection import Gap, Selection
from onlyif.explanation.storage import load, load_folder, save
from onlyif.explanation.summary import summary
from onlyif.explanation.text import explanation_text
from onlyif.predictors.checked import Fault
from onlyif.recipes.references import Baseline, Empirical, Gaussian, Marginal, Replacement
from onlyif.recipes.tree_paths import TreePaths
from onlyif.version import __version__

__all__ = [
    "Baseline",
    "Basis",
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
    "OnlyIfError",
    "OnlyIfWarning",
    "Replacement",
    "Selection",
    "SettingError",
    "StorageError",
    "TreePaths",
    "__version__",
    "explain",
    "explanation_text",
    "load",
    "load_folder",
    "save",
    "summary",
]
