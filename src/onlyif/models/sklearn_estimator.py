"""scikit-learn estimators and pipelines: classifiers, regressors, outlier detectors.

Estimators of other libraries that keep scikit-learn's conventions are asked here
too, XGBoost's among them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

from onlyif.core.errors import SettingError
from onlyif.models.base import NETWORK_ROWS
from onlyif.models.decisions import Decision, several_labels
from onlyif.models.methods import DECISION, method_heads
from onlyif.models.outputs import DIGITS_DOUBLE, DIGITS_SINGLE, Head, HeadKind, Heads

LIBRARIES = frozenset({"sklearn", "xgboost", "lightgbm"})


NETWORKS = (MLPClassifier, MLPRegressor)


def estimator_heads(model: Any, library: str = "sklearn", digits: int = DIGITS_DOUBLE) -> Heads:
    """What a fitted estimator offers.

    Args:
        model: The estimator, or a pipeline that ends in one.
        library: Where it comes from, for its name in results.
        digits: Binary digits of its outputs that can be trusted.

    Raises:
        SettingError: if it is not fitted, has several labels a row, or predicts nothing.
    """
    name, digits = f"{library} {_final(model)}", min(digits, _digits(model))
    heads = _heads(model, name, digits)
    # Behind the steps of a pipeline each call costs so much that fewer are better.
    return replace(heads, rows_a_call=NETWORK_ROWS) if isinstance(model, NETWORKS) else heads


def _heads(model: Any, name: str, digits: int) -> Heads:
    _check_fitted(model, name)
    if is_classifier(model):
        return _classifier_heads(model, name, digits)
    scores = getattr(model, "decision_function", None)
    if is_outlier_detector(model) and scores is not None:
        head = Head(HeadKind.MARGIN, scores, ("inlier",), 0.0, digits, exclusive=True)
        return Heads(name, (head,), decision=Decision(model.predict, (-1, 1)))
    predict = getattr(model, "predict", None)
    if predict is not None and is_regressor(model):
        return Heads(name, (Head(HeadKind.VALUE, predict, digits=digits, exclusive=False),))
    heads = method_heads(model, name, digits)
    if heads is None:
        raise SettingError(f"{name} has neither predict nor predict_proba; pass a function instead")
    return heads


def _classifier_heads(model: Any, name: str, digits: int) -> Heads:
    classes = getattr(model, "classes_", None)
    if classes is None:
        return _unnamed_classes(model, name, digits)
    if isinstance(classes, list) and isinstance(classes[0], np.ndarray):
        raise SettingError(f"{name}: {several_labels('it has several targets of classes')}")
    labels, decision = tuple(str(label) for label in classes), Decision(model.predict, tuple(classes))
    heads = []
    probability, scores = getattr(model, "predict_proba", None), getattr(model, "decision_function", None)
    if probability is not None:
        heads.append(Head(HeadKind.PROBABILITY, probability, labels, digits=digits, exclusive=True))
    if scores is not None:
        heads.append(_scores(model, scores, labels, digits))
    if not heads:
        decide = partial(decision.one_hot, n_classes=len(classes))
        heads.append(Head(HeadKind.VALUE, decide, labels, digits=digits, name=DECISION, exclusive=True))
    return Heads(name, tuple(heads), decision=decision)


def _unnamed_classes(model: Any, name: str, digits: int) -> Heads:
    """What a classifier offers that names no classes."""
    heads = method_heads(model, name, digits)
    if heads is None or heads.all[0].kind is HeadKind.VALUE:
        raise SettingError(
            f"{name} has no classes_ and no predict_proba; pass a function that returns one number a class"
        )
    return heads


def _scores(model: Any, ask: Callable[[Any], Any], labels: tuple[str, ...], digits: int) -> Head:
    """The scores of classes, one for two of them; or of every pair of classes, which exclude nothing."""
    last = getattr(model, "steps", [("", model)])[-1][1]
    in_pairs = len(labels) > 2 and getattr(last, "decision_function_shape", "ovr") == "ovo"
    if in_pairs:
        pairs = tuple(f"{one} vs {other}" for one, other in combinations(labels, 2))
        return Head(HeadKind.MARGIN, ask, pairs, 0.0, digits, exclusive=False)
    own = labels[1:] if len(labels) == 2 else labels
    return Head(HeadKind.MARGIN, ask, own, 0.0, digits, exclusive=True)


def _final(model: Any) -> str:
    """The name of an estimator; of a pipeline with that of its last step."""
    steps = getattr(model, "steps", None)
    return f"{type(model).__name__} to {_final(steps[-1][1])}" if steps else type(model).__name__


def _digits(model: Any) -> int:
    """What the last step of a pipeline adds up in: XGBoost in single precision."""
    steps = getattr(model, "steps", None)
    if steps:
        return _digits(steps[-1][1])
    inner = getattr(model, "best_estimator_", None)
    if inner is not None:
        return _digits(inner)
    return DIGITS_SINGLE if type(model).__module__.startswith("xgboost.") else DIGITS_DOUBLE


def _check_fitted(model: Any, name: str) -> None:
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        # A class of the user's own may keep what it learned, or need not learn, under any names.
        if type(_last(model)).__module__.partition(".")[0] in LIBRARIES:
            raise SettingError(f"{name} is not fitted; call its fit first") from error
    except TypeError:
        # Without fit it is an estimator by name only, that came trained.
        return


def _last(model: Any) -> Any:
    """The last step of a pipeline, else the model itself."""
    steps = getattr(model, "steps", None)
    return _last(steps[-1][1]) if steps else model
