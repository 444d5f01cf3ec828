"""Models whose margin is a sum over columns, known by their exact class, and the links to their outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.models.linear import AFFINE_MODELS, is_plain
from onlyif.models.links import (
    ExpLink,
    IdentityLink,
    Link,
    NetworkLink,
    OneVersusRestLink,
    SigmoidLink,
    SoftmaxLink,
    TwoClassLink,
)
from onlyif.models.outputs import HeadKind

GENERALISED_LINEAR = frozenset({"GammaRegressor", "PoissonRegressor", "TweedieRegressor"})
# The logarithm of the joint probability of a class and a row is a sum over columns.
NAIVE_BAYES = frozenset({"BernoulliNB", "CategoricalNB", "ComplementNB", "GaussianNB", "MultinomialNB"})
# Probabilities of two classes are of one margin m: of m, or of -m / 2 and m / 2 in older versions.
PROBABILITIES = (TwoClassLink(), TwoClassLink(2.0), SoftmaxLink(), OneVersusRestLink())
VALUES = (ExpLink(), IdentityLink())
# What enters the first layer is a sum over columns; the layers behind it are a link.
NETWORKS = frozenset({"MLPClassifier", "MLPRegressor"})
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda sums: sums,
    "logistic": SigmoidLink().outputs,
    "relu": lambda sums: np.maximum(sums, 0.0),
    "tanh": np.tanh,
}


@final
@dataclass(frozen=True, eq=False)
class AdditiveModel:
    """A model whose margin is a sum of what each column adds.

    Args:
        margins: From rows as the model takes them to their margins.
        links: From margins to the output, one of these: which, the model's own answers show.
    """

    margins: Callable[[Any], Any]
    links: tuple[Link, ...]


def additive_model(model: Any, kind: HeadKind) -> AdditiveModel | None:
    """A model whose margin is a sum over columns; None for one that is not known to be such.

    Args:
        model: A fitted model, no pipeline.
        kind: Which of its outputs is explained.
    """
    of_values = kind is HeadKind.VALUE
    if is_plain(model, AFFINE_MODELS):
        ask = model.predict if of_values else model.decision_function
        return AdditiveModel(ask, PROBABILITIES if kind is HeadKind.PROBABILITY else (IdentityLink(),))
    if is_plain(model, GENERALISED_LINEAR):
        return AdditiveModel(_linear(model.coef_[:, None], np.atleast_1d(model.intercept_)), VALUES)
    if is_plain(model, NAIVE_BAYES):
        return AdditiveModel(model.predict_joint_log_proba, (SoftmaxLink(),))
    # Networks of single precision round otherwise, layer by layer.
    if is_plain(model, NETWORKS) and model.coefs_[0].dtype == np.float64:
        weights, biases = tuple(model.coefs_[1:]), tuple(model.intercepts_[1:])
        activation, lasts = ACTIVATIONS[model.activation], VALUES if of_values else PROBABILITIES
        links = tuple(NetworkLink(weights, biases, activation, last) for last in lasts)
        return AdditiveModel(_linear(model.coefs_[0], model.intercepts_[0]), links)
    return None


def _linear(weights: Float64[np.ndarray, "c k"], intercept: Float64[np.ndarray, "_"]) -> Callable[[Any], Any]:
    """From dense or sparse rows to products with weights."""

    def margins(rows: Any) -> Any:
        table = rows if getattr(rows, "format", "") else np.asarray(rows, dtype=np.float64)
        return table @ weights + intercept

    return margins
