"""Which models are affine in the columns of a table, and with which coefficients.

The coefficients are measured by asking the model at a few points, so that scalers
in a pipeline need no formula of their own, and then compared with the model on
background rows. Only models whose every part is affine by its name are asked:
agreement on some rows alone would be a guess.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.core.arrays import doubled
from onlyif.models.base import Predictor
from onlyif.models.outputs import DIGITS_DOUBLE
from onlyif.models.own_methods import own_methods

AFFINE_STEPS = frozenset({"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"})
AFFINE_MODELS = frozenset(
    {
        "ARDRegression",
        "BayesianRidge",
        "ElasticNet",
        "ElasticNetCV",
        "HuberRegressor",
        "Lars",
        "LarsCV",
        "Lasso",
        "LassoCV",
        "LassoLars",
        "LassoLarsCV",
        "LassoLarsIC",
        "LinearDiscriminantAnalysis",
        "LinearRegression",
        "LinearSVC",
        "LinearSVR",
        "LogisticRegression",
        "LogisticRegressionCV",
        "OrthogonalMatchingPursuit",
        "PassiveAggressiveClassifier",
        "PassiveAggressiveRegressor",
        "Perceptron",
        "QuantileRegressor",
        "Ridge",
        "RidgeCV",
        "RidgeClassifier",
        "RidgeClassifierCV",
        "SGDClassifier",
        "SGDRegressor",
        "TheilSenRegressor",
    }
)
TOLERANCE = 1e-9
ROUNDING = 16  # times the last digit of answers in single precision


@final
@dataclass(frozen=True, eq=False)
class Affine:
    """f(x) = x · weights + intercept.

    Args:
        weights: One column an output.
        intercept: One number an output.
    """

    weights: Float64[np.ndarray, "c k"]
    intercept: Float64[np.ndarray, "k"]


def affine_of(model: Any, predictor: Predictor, background: Float64[np.ndarray, "rows c"]) -> Affine | None:
    """The coefficients of an affine model, or None if it is not known to be one.

    Args:
        model: The user's model.
        predictor: The same with its chosen output.
        background: Rows to compare on.
    """
    if not _is_affine_by_name(model) or not bool(np.isfinite(background).all()):
        return None
    centre, scale = background.mean(0), np.maximum(background.std(0), 1e-6)
    points = np.concatenate([centre[None], centre + np.diag(scale)])
    answers = doubled(predictor.predict(points))
    weights = (answers[1:] - answers[0]) / scale[:, None]
    affine = Affine(weights, answers[0] - centre @ weights)
    wanted = doubled(predictor.predict(background))
    got = background @ affine.weights + affine.intercept
    spread = max(float(np.abs(wanted).max()), 1e-12)
    digits = predictor.meaning.digits
    tolerance = TOLERANCE if digits >= DIGITS_DOUBLE else ROUNDING * 2.0**-digits
    return affine if float(np.abs(got - wanted).max()) <= tolerance * spread else None


def _is_affine_by_name(model: Any) -> bool:
    steps = getattr(model, "steps", None)
    if not isinstance(steps, list):
        return is_plain(model, AFFINE_MODELS)
    *before, (_, last) = steps
    scalers = all(isinstance(step, str) or step is None or is_plain(step, AFFINE_STEPS) for _, step in before)
    return is_plain(model, {"Pipeline"}) and scalers and _is_affine_by_name(last)


def is_plain(part: Any, names: Collection[str]) -> bool:
    """Whether it is one of scikit-learn's own, with no method replaced.

    Args:
        part: A model or a step of one.
        names: The names of the classes that it may be of.
    """
    kind = type(part)
    return kind.__module__.startswith("sklearn.") and kind.__name__ in names and not own_methods(part)
