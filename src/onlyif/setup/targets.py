"""Which output is explained: from what a user names, or from the class that the model decides for."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from numbers import Integral, Number
from typing import Any

import numpy as np
from array_api_compat import is_torch_array
from jaxtyping import Float64, Int64

from onlyif.core.arrays import on_host
from onlyif.core.errors import SettingError
from onlyif.core.labels import Labels, plain
from onlyif.core.plain_values import shown
from onlyif.models.base import Meaning
from onlyif.models.decided import decided_numbers

# By how much rows of probabilities may miss a sum of 1: single precision, whatever the model says of itself.
ROUNDING = 1e-4
# Outputs this close are equal, up to their rounding.
EQUAL = 1e-7


def targets_of(
    target: Any,
    outputs: Float64[np.ndarray, "b k"],
    meaning: Meaning,
    decisions: Int64[np.ndarray, "b"] | None,
) -> Int64[np.ndarray, "b"]:
    """The number of the explained output of each row; by default that of the predicted class.

    Args:
        target: A label, an output's number, one of these a row, or None.
        outputs: What the model answers to the rows.
        meaning: What its outputs are.
        decisions: The number of the class that the model decides for, where its outputs are of classes.

    Raises:
        SettingError: if a target is no output of the model, could mean two of them, or there is not
            one a row; or if there is none and no class is predicted.
    """
    n_rows, n_outputs = outputs.shape
    if target is None:
        return _by_default(outputs, meaning, decisions)
    asked = _several(target, meaning)
    if asked is None:
        return np.full(n_rows, _number(target, n_outputs, meaning), dtype=np.int64)
    if len(asked) != n_rows:
        raise SettingError(f"need one target, or one a row: {n_rows} rows, got {len(asked)} targets")
    return np.array([_number(one, n_outputs, meaning) for one in asked], dtype=np.int64)


def are_classes(outputs: Float64[np.ndarray, "r k"], meaning: Meaning) -> bool:
    """Whether several outputs are of classes that exclude each other.

    Where the model's kind does not say so, rows of probabilities that sum to 1 do.

    Args:
        outputs: What the model answers to some rows.
        meaning: What its outputs are.
    """
    if meaning.exclusive is not None:
        return meaning.exclusive
    rounding = max(ROUNDING, 4 * 2.0**-meaning.digits)
    sums = np.abs(outputs.sum(1) - 1)
    return bool((outputs >= -rounding).all()) and bool((sums <= rounding).all())


def _by_default(
    outputs: Float64[np.ndarray, "b k"], meaning: Meaning, decisions: Int64[np.ndarray, "b"] | None
) -> Int64[np.ndarray, "b"]:
    if outputs.shape[1] == 1:
        return np.zeros(len(outputs), dtype=np.int64)
    if decisions is not None and meaning.exclusive is not False:
        return decisions
    named = f": {list(meaning.labels)}" if meaning.labels else ""
    raise SettingError(
        f"{meaning.model} has {outputs.shape[1]} outputs{named}, which are not known to be classes that "
        "exclude each other, so that none of them is predicted; name the one to explain with target=... "
        "(classes: let the model answer with probabilities that sum to 1, or ask for "
        'output="probability" or "margin" where it offers them)'
    )


def _several(target: Any, meaning: Meaning) -> list[Any] | None:
    """One target a row, or None where a single one was given; a label may itself be a tuple.

    Raises:
        SettingError: if it holds several in no order.
    """
    given = on_host(target) if is_torch_array(target) else target
    single = isinstance(given, str | bytes) or (isinstance(given, np.ndarray) and given.ndim == 0)
    if single or Labels(meaning.classes).place(given) is not None:
        return None
    if isinstance(given, AbstractSet | Mapping):
        raise SettingError(f"need one target a row in the order of the rows, got a {type(given).__name__}")
    return list(given) if isinstance(given, Iterable) else None


def _number(target: Any, n_outputs: int, meaning: Meaning) -> int:
    """The output that one target means: a label first, else an output's number."""
    value = plain(target.item() if is_torch_array(target) else target)
    place = _of_label(value, n_outputs, meaning)
    if place is not None:
        return place
    if isinstance(value, str):
        raise SettingError(f"unknown target {shown(value)}; the model's outputs are {list(meaning.labels)}")
    _check_number(value, target, n_outputs, meaning)
    return int(value)


def _of_label(value: Any, n_outputs: int, meaning: Meaning) -> int | None:
    """The output whose label a value is: as the model itself names its classes, or as text."""
    place = Labels(meaning.classes).place(value)
    if place is not None and len(meaning.classes) == n_outputs and meaning.exclusive is not False:
        return place
    if place == 1 and (len(meaning.classes), n_outputs) == (2, 1):
        return 0
    if place is not None and meaning.labels:
        # The outputs are others than one a class: the score of the second of two, or scores of pairs.
        text = str(meaning.classes[place])
        if text in meaning.labels:
            return meaning.labels.index(text)
        raise SettingError(
            f"target {shown(value)} is a class of {meaning.model}, but its {meaning.output} has the outputs "
            f"{list(meaning.labels)}; name one of these"
        )
    # Python writes no number of thousands of digits, and no label is one.
    endless = isinstance(value, int) and value.bit_length() > 1024
    if isinstance(value, str | Number) and not endless and str(value) in meaning.labels:
        return meaning.labels.index(str(value))
    return None


def _check_number(value: Any, target: Any, n_outputs: int, meaning: Meaning) -> None:
    """Refuse what is no number of an output, or could be meant for a label."""
    labels = list(meaning.labels)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise SettingError(
            f"target must be a label, {labels or 'of which this model has none'}, or an output number from 0 "
            f"to {n_outputs - 1}, got {shown(target)}"
        )
    if labels and all(map(_is_number, labels)):
        raise SettingError(f"target {shown(target)} is none of the labels {labels} of the model's outputs")
    if not 0 <= int(value) < n_outputs:
        raise SettingError(f"target must be an output number from 0 to {n_outputs - 1}, got {shown(target)}")


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def disagreements(
    outputs: Float64[np.ndarray, "b k"], meaning: Meaning, decisions: Int64[np.ndarray, "b"]
) -> tuple[tuple[str, ...], ...]:
    """For each row a note where the model's own decision is not for its largest output.

    Args:
        outputs: What the model answers to the rows.
        meaning: What its outputs are.
        decisions: The number of the class that the model decides for.
    """
    spoken = _spoken_for(outputs, meaning)
    if spoken is None:
        return ((),) * len(outputs)
    told = []
    for row, own, largest in zip(outputs, decisions.tolist(), spoken.tolist(), strict=True):
        # Of equal outputs each is the largest.
        tied = len(row) > 1 and bool(row[largest] - row[own] <= EQUAL)
        differs = own != largest and not tied
        told.append((_disagreement(row, own, largest, meaning),) if differs else ())
    return tuple(told)


def _spoken_for(outputs: Float64[np.ndarray, "b k"], meaning: Meaning) -> Int64[np.ndarray, "b"] | None:
    """The class that the outputs alone speak for, where they are of classes."""
    if outputs.shape[1] > 1:
        return outputs.argmax(1) if meaning.exclusive else None
    if not meaning.exclusive or meaning.threshold is None:
        return None
    return decided_numbers(outputs, meaning)


def _disagreement(row: Float64[np.ndarray, "k"], own: int, largest: int, meaning: Meaning) -> str:
    names = [str(label) for label in meaning.classes] or list(meaning.labels)
    predicted, other = (repr(names[n]) if n < len(names) else f"class {n}" for n in (own, largest))
    if len(row) == 1:
        said = f"its {meaning.output} of {row[0]:.4g} speaks for {other}"
    else:
        said = f"{other} has the larger {meaning.output} ({row[largest]:.4g}, against {row[own]:.4g})"
    return f"the model's own predict gives {predicted}, although {said}"
