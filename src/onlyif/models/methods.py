"""Any object with `predict` or `predict_proba`, asked by these methods: what it is called does not matter.

Rankers, survival models, results of statistical packages, served models, networks with `predict`, and
estimators that say of themselves neither that they classify nor that they regress.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from onlyif.models.decisions import Decision
from onlyif.models.outputs import DIGITS_DOUBLE, Head, HeadKind, Heads

DECISION = "decision (1 for the predicted class)"


def method_heads(model: Any, name: str, digits: int = DIGITS_DOUBLE) -> Heads | None:
    """What an object offers by its methods, or None if it has neither of them.

    With `predict_proba` it is a classifier, unless it says that it is a regressor: its probabilities are
    explained, by `predict` only on request (output "value"). With `predict` alone its number is
    explained; where it names its classes or clusters, 1 for the one that it predicts and 0 for the others.

    Args:
        model: The object.
        name: What it is called in results.
        digits: Binary digits of its outputs that can be trusted.
    """
    regressor = getattr(model, "_estimator_type", None) == "regressor"
    predict, probability = _method(model, "predict"), _method(model, "predict_proba")
    classes = () if regressor else _classes(model)
    labels, heads = tuple(str(label) for label in classes), []
    decision = Decision(predict, classes) if predict is not None and classes else None
    exclusive = True if decision else None
    if probability is not None and not regressor:
        heads.append(Head(HeadKind.PROBABILITY, probability, labels, digits=digits, exclusive=exclusive))
    scores = _method(model, "decision_function")
    if scores is not None and (heads or classes):
        own = labels[1:] if len(labels) == 2 else labels
        heads.append(Head(HeadKind.MARGIN, scores, own, 0.0, digits, exclusive=exclusive))
    if decision is not None and not heads:
        decide = partial(decision.one_hot, n_classes=len(classes))
        heads.append(Head(HeadKind.VALUE, decide, labels, digits=digits, name=DECISION, exclusive=True))
    elif predict is not None and not classes:
        heads.append(Head(HeadKind.VALUE, predict, digits=digits))
    return Heads(name, tuple(heads), decision=decision) if heads else None


def _method(model: Any, name: str) -> Callable[[Any], Any] | None:
    """A method of the object itself, told to print no progress where it would."""
    method: Callable[..., Any] | None = getattr(model, name, None)
    if not callable(method):
        return None
    try:
        verbose = inspect.signature(method).parameters.get("verbose")
    except (TypeError, ValueError):  # a compiled method, which says nothing of its arguments
        return method
    silent = verbose is None or verbose.default is None or verbose.default in (False, 0)
    return method if silent else partial(method, verbose=0)


def _classes(model: Any) -> tuple[Any, ...]:
    """The classes that an object names, or the clusters that it found; empty if it names none."""
    named = getattr(model, "classes_", None)
    if named is None:
        found = getattr(model, "labels_", None)
        named = () if found is None else np.unique(found)
    flat = isinstance(named, np.ndarray | list | tuple) and np.ndim(np.asarray(named, dtype=object)) == 1
    return tuple(named) if flat and all(np.ndim(each) == 0 for each in named) else ()
