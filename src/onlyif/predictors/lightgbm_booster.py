"""LightGBM: native boosters, and its classes with scikit-learn's conventions."""

import re
from functools import partial
from typing import Any

import lightgbm
import torch
from sklearn.exceptions import NotFittedError

from onlyif.core.errors import SettingError
from onlyif.predictors.decisions import Decision
from onlyif.predictors.outputs import Head, HeadKind, Heads, as_outputs


def booster_heads(booster: lightgbm.Booster, labels: tuple[str, ...] = ()) -> Heads:
    """What a native booster offers, by its objective; its best iteration is respected.

    Args:
        booster: The booster.
        labels: Names of the classes, where they are known.
    """
    objective = booster_objective(booster)
    answer, margin = booster.predict, partial(booster.predict, raw_score=True)
    name = f"lightgbm Booster ({objective})"
    if objective == "binary":
        classes = labels or ("0", "1")
        probability = Head(HeadKind.PROBABILITY, partial(_both_classes, booster), classes, exclusive=True)
        return Heads(name, (probability, Head(HeadKind.MARGIN, margin, classes[1:], 0.0, exclusive=True)))
    of_classes = objective in ("multiclass", "multiclassova")
    scores = Head(HeadKind.MARGIN, margin, labels, 0.0, exclusive=of_classes)
    if of_classes:
        return Heads(name, (Head(HeadKind.PROBABILITY, answer, labels, exclusive=True), scores))
    return Heads(name, (Head(HeadKind.VALUE, answer, exclusive=False), scores))


def lightgbm_heads(model: Any) -> Heads:
    """What a classifier or regressor with scikit-learn's conventions offers.

    Args:
        model: A fitted LGBMClassifier, LGBMRegressor or the like.

    Raises:
        SettingError: if it is not fitted.
    """
    name = type(model).__name__
    try:
        booster = model.booster_
    except NotFittedError as error:
        raise SettingError(f"lightgbm {name} is not fitted; call its fit first") from error
    classes = tuple(getattr(model, "classes_", ()))
    heads = booster_heads(booster, tuple(map(str, classes))).all
    return Heads(f"lightgbm {name}", heads, decision=Decision(model.predict, classes) if classes else None)


def booster_objective(booster: lightgbm.Booster) -> str:
    """The name of the booster's objective; "custom" where it has none."""
    found = re.search(r"^objective=(\S+)", booster.model_to_string(num_iteration=1), re.MULTILINE)
    return found.group(1) if found else "custom"


def trained_columns(booster: lightgbm.Booster) -> list[str] | None:
    """The names of the columns it was trained on, None where LightGBM made them up.

    LightGBM writes an underscore for each blank.
    """
    names = booster.feature_name()
    return None if names == [f"Column_{i}" for i in range(len(names))] else list(names)


def _both_classes(booster: lightgbm.Booster, native: Any) -> torch.Tensor:
    p = as_outputs(booster.predict(native))
    return torch.cat([1 - p, p], 1)
