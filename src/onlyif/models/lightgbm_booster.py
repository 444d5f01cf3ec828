"""LightGBM: native boosters, and its classes with scikit-learn's conventions."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import lightgbm
import numpy as np
from jaxtyping import Float
from sklearn.exceptions import NotFittedError

from onlyif.core.errors import SettingError
from onlyif.models.decisions import Decision
from onlyif.models.outputs import Head, HeadKind, Heads, as_outputs

CUSTOM = "custom"


def booster_heads(booster: lightgbm.Booster) -> Heads:
    """What a native booster offers, by its objective, as `booster.predict` answers it."""
    objective = booster_objective(booster)
    heads = _heads(booster.predict, objective)
    return Heads(f"lightgbm Booster ({objective})", heads, notes=_left_out(booster))


def lightgbm_heads(model: Any) -> Heads:
    """What a model with scikit-learn's conventions offers, asked by its own methods and settings.

    Args:
        model: A fitted LGBMClassifier, LGBMRegressor, LGBMRanker or the like.

    Raises:
        SettingError: if it is not fitted.
    """
    name = f"lightgbm {type(model).__name__}"
    try:
        objective = booster_objective(model.booster_)
    except NotFittedError as error:
        raise SettingError(f"{name} is not fitted; call its fit first") from error
    classes = tuple(getattr(model, "classes_", ()))
    labels = tuple(map(str, classes))
    if not labels:
        return Heads(name, _heads(model.predict, objective))
    raw = partial(model.predict_proba, raw_score=True)
    margin = Head(HeadKind.MARGIN, raw, labels[1:] if len(labels) == 2 else labels, 0.0, exclusive=True)
    if objective == CUSTOM and str(model.predict_proba.__module__).startswith("lightgbm."):
        # Of an objective of the user's own it knows no probabilities, and answers with raw scores.
        return Heads(name, (Head(HeadKind.VALUE, raw), margin))
    probability = Head(HeadKind.PROBABILITY, model.predict_proba, labels, exclusive=True)
    return Heads(name, (probability, margin), decision=Decision(model.predict, classes))


def _heads(predict: Callable[..., Any], objective: str) -> tuple[Head, ...]:
    """What a booster's way of predicting gives: one probability for two classes."""
    margin = partial(predict, raw_score=True)
    if objective == "binary":
        probability = Head(HeadKind.PROBABILITY, partial(_both_classes, predict), ("0", "1"), exclusive=True)
        return (probability, Head(HeadKind.MARGIN, margin, ("1",), 0.0, exclusive=True))
    of_classes = objective in ("multiclass", "multiclassova")
    kind = HeadKind.PROBABILITY if of_classes else HeadKind.VALUE
    scores = Head(HeadKind.MARGIN, margin, (), 0.0, exclusive=of_classes)
    return (Head(kind, predict, exclusive=of_classes), scores)


def _left_out(booster: lightgbm.Booster) -> tuple[str, ...]:
    """A note where `booster.predict` leaves trees out."""
    best, rounds = booster.best_iteration, booster.current_iteration()
    if not 0 < best < rounds:
        return ()
    return (
        f"{best} of the {rounds} rounds of the Booster are used, as booster.predict does: those after its "
        "best_iteration are left out",
    )


def booster_objective(booster: lightgbm.Booster) -> str:
    """The name of the booster's objective; "custom" where it has none."""
    found = re.search(r"^objective=(\S+)", booster.model_to_string(num_iteration=1), re.MULTILINE)
    return found.group(1) if found else CUSTOM


def trained_columns(booster: lightgbm.Booster) -> list[str] | None:
    """The names of the columns it was trained on, None where LightGBM made them up.

    LightGBM writes an underscore for each blank.
    """
    names = booster.feature_name()
    return None if names == [f"Column_{i}" for i in range(len(names))] else list(names)


def _both_classes(predict: Callable[[Any], Any], native: Any) -> Float[np.ndarray, "r k"]:
    p = as_outputs(predict(native))
    return np.concatenate([1 - p, p], axis=1)
