"""XGBoost: native boosters, and its classes with scikit-learn's conventions."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np
import xgboost
from jaxtyping import Float
from scipy.special import expit, softmax

from onlyif.models.outputs import DIGITS_SINGLE, Head, HeadKind, Heads, as_outputs
from onlyif.models.sklearn_estimator import estimator_heads

SIGMOID, SOFTMAX = ("binary:logistic",), ("multi:softprob",)
RAW_SIGMOID, RAW_SOFTMAX = ("binary:logitraw",), ("multi:softmax",)


@final
@dataclass(frozen=True, eq=False)
class BoosterCall:
    """A native booster as a function of tables: what `booster.predict` answers, with all its trees.

    Args:
        booster: The booster.
        margin: Whether it answers before the objective's link.
    """

    booster: xgboost.Booster
    margin: bool

    def __call__(self, native: Any) -> Any:
        """The booster's answer, one row an instance."""
        matrix = xgboost.DMatrix(native, enable_categorical=True)
        return self.booster.predict(
            matrix,
            output_margin=self.margin,
            validate_features=self.booster.feature_names is not None and matrix.feature_names is not None,
        )


def booster_heads(booster: xgboost.Booster) -> Heads:
    """What a native booster offers, by its objective."""
    objective = booster_objective(booster)
    answer, margin = BoosterCall(booster, margin=False), BoosterCall(booster, margin=True)
    probability: Callable[[Any], Any] | None = None
    if objective in SIGMOID:
        probability = partial(both_classes, answer)
    elif objective in RAW_SIGMOID:
        probability = partial(both_classes, partial(_sigmoid, margin))
    elif objective in SOFTMAX:
        probability = answer
    elif objective in RAW_SOFTMAX:
        probability = partial(_softmax, margin)
    labels = ("0", "1") if objective in SIGMOID + RAW_SIGMOID else ()
    of_classes = probability is not None
    scores = Head(HeadKind.MARGIN, margin, labels[1:], 0.0, DIGITS_SINGLE, exclusive=of_classes)
    usual = (
        Head(HeadKind.VALUE, answer, digits=DIGITS_SINGLE, exclusive=False)
        if probability is None
        else Head(HeadKind.PROBABILITY, probability, labels, digits=DIGITS_SINGLE, exclusive=True)
    )
    return Heads(f"xgboost Booster ({objective})", (usual, scores), notes=_all_trees(booster))


def xgboost_heads(model: Any) -> Heads:
    """What a classifier or regressor with scikit-learn's conventions offers.

    Args:
        model: A fitted XGBClassifier, XGBRegressor or the like.

    Raises:
        SettingError: if it is not fitted or no classifier or regressor.
    """
    heads = estimator_heads(model, "xgboost", DIGITS_SINGLE)
    usual = heads.all[0]
    labels = usual.labels[1:] if len(usual.labels) == 2 else usual.labels
    ask = partial(model.predict, output_margin=True)
    margin = Head(HeadKind.MARGIN, ask, labels, 0.0, DIGITS_SINGLE, exclusive=usual.exclusive)
    return replace(heads, all=(usual, margin))


def _all_trees(booster: xgboost.Booster) -> tuple[str, ...]:
    """A note where early stopping found a best iteration, which `booster.predict` knows nothing of."""
    best, rounds = booster.attr("best_iteration"), booster.num_boosted_rounds()
    if best is None or int(best) + 1 >= rounds:
        return ()
    return (
        f"all {rounds} rounds of the Booster are used, as booster.predict does: its best_iteration {best} is "
        f"not respected; for the best rounds alone pass booster[: {int(best) + 1}]",
    )


def booster_objective(booster: xgboost.Booster) -> str:
    """The name of the booster's objective."""
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


def both_classes(positive: Callable[[Any], Any], native: Any) -> Float[np.ndarray, "r k"]:
    """The probabilities of both classes, from that of the second.

    Args:
        positive: Gives the probability of the second class.
        native: What it is given.
    """
    p = as_outputs(positive(native))
    return np.concatenate([1 - p, p], axis=1)


def _sigmoid(margin: Callable[[Any], Any], native: Any) -> Float[np.ndarray, "r k"]:
    probability: np.ndarray = expit(as_outputs(margin(native)))
    return probability


def _softmax(margin: Callable[[Any], Any], native: Any) -> Float[np.ndarray, "r k"]:
    probability: np.ndarray = softmax(as_outputs(margin(native)), axis=1)
    return probability
