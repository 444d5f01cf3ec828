"""Models whose margin is a sum over columns, known by their exact class, and the links to their outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.models.linear import AFFINE_MODELS, is_plain
from onlyif.models.links import ExpLink, IdentityLink, Link, OneVersusRestLink, SoftmaxLink, TwoClassLink
from onlyif.models.outputs import HeadKind

GENERALISED_LINEAR = frozenset({"GammaRegressor", "PoissonRegressor", "TweedieRegressor"})
# The logarithm of the joint probability of a class and a row is a sum over columns.
NAIVE_BAYES = frozenset({"BernoulliNB", "CategoricalNB", "ComplementNB", "GaussianNB", "MultinomialNB"})
# Probabilities of two classes are of one margin m: of m, or of -m / 2 and m / 2 in older versions.
PROBABILITIES = (TwoClassLink(), TwoClassLink(2.0), SoftmaxLink(), OneVersusRestLink())


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
    if kind is HeadKind.VALUE and is_plain(model, AFFINE_MODELS):
        return AdditiveModel(model.predict, (IdentityLink(),))
    if kind is HeadKind.VALUE and is_plain(model, GENERALISED_LINEAR):

        def linear(rows: Any) -> Float64[np.ndarray, "r"]:
            table = rows if getattr(rows, "format", "") else np.asarray(rows, dtype=np.float64)
            margins: np.ndarray = table @ model.coef_ + model.intercept_
            return margins

        return AdditiveModel(linear, (ExpLink(), IdentityLink()))
    if kind is HeadKind.MARGIN and is_plain(model, AFFINE_MODELS):
        return AdditiveModel(model.decision_function, (IdentityLink(),))
    if kind is HeadKind.PROBABILITY and is_plain(model, AFFINE_MODELS):
        return AdditiveModel(model.decision_function, PROBABILITIES)
    if kind is HeadKind.PROBABILITY and is_plain(model, NAIVE_BAYES):
        return AdditiveModel(model.predict_joint_log_proba, (SoftmaxLink(),))
    return None
