"""Whether two results say the same: equal values in equal places, arrays and unknown numbers included."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, NaN being equal to NaN; of dataclasses all fields that are compared.

    Args:
        one: A value.
        other: Another.

    Example:
        >>> same({"a": np.array([1.0, np.nan])}, {"a": np.array([1.0, np.nan])}), same((1.0,), (2.0,))
        (True, False)
    """
    if one is other:
        return True
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return _same_arrays(one, other)
    if is_dataclass(one) and type(one) is type(other):
        compared = (field.name for field in fields(one) if field.compare)
        return all(same(getattr(one, name), getattr(other, name)) for name in compared)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if _is_sequence(one) and _is_sequence(other):
        return len(one) == len(other) and all(map(same, one, other))
    # Dataclasses of two kinds; they may compare by this very function.
    plain = not (is_dataclass(one) or is_dataclass(other))
    return plain and (bool(one == other) or (_is_nan(one) and _is_nan(other)))


def _same_arrays(one: Any, other: Any) -> bool:
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN alone
