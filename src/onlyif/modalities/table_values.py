"""Single values of a table: missing or not, their places on a line, and floats back as what they were."""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import singledispatch
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onlyif.core.errors import InputError

EXACT_INTEGER = 2**53
MISSING = "missing"
Values = NDArray[Any]
Plain = type[bool] | type[int] | type[float]


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def some(items: Sequence[Any], limit: int = 8) -> str:
    """The first few of many items, for a message."""
    shown = ", ".join(repr(item) for item in items[:limit])
    return f"[{shown}]" if len(items) <= limit else f"[{shown}, ... {len(items)} in all]"


def check_finite(name: str, values: Values, role: str = "rows") -> None:
    """Refuse infinite numbers.

    Args:
        name: The column's name.
        values: Its values.
        role: What their table is, for the message.

    Raises:
        InputError: if a value is infinite.
    """
    bad = np.flatnonzero(np.isinf(values))
    if bad.size:
        raise InputError(
            f"column {name!r} holds {values[bad[0]]} in row {bad[0]} of the {role} "
            f"({bad.size} infinite values in all); need finite numbers, or NaN for missing"
        )


def as_numbers(name: str, values: Values, dtype: np.dtype[Any], *, copies: bool = True) -> Values:
    """Float64 numbers as another dtype; whole ones rounded to the nearest.

    Args:
        name: The column's name.
        values: The numbers.
        dtype: The dtype.
        copies: Whether numbers that have the dtype already are copied too.

    Raises:
        InputError: if a missing value stands where the dtype has none.
    """
    if dtype.kind not in "biu":
        return values.astype(dtype, copy=copies)
    if np.isnan(values).any():
        raise InputError(f"{name} is {dtype}, which has no missing values, and was to be filled with NaN")
    if dtype.kind == "b":
        return values >= 0.5
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -EXACT_INTEGER), min(limits.max, EXACT_INTEGER)
    return np.rint(values).clip(low, high).astype(dtype)


def as_codes(name: str, values: Values, count: int) -> Values:
    """Codes of levels as integers.

    Raises:
        InputError: if a value is no code of a level.
    """
    codes = np.nan_to_num(values, nan=-1.0).astype(np.int64)
    wrong = (codes != values) | (codes < 0) | (codes >= count)
    if wrong.any():
        raise InputError(
            f"column {name!r} has levels, coded 0 to {count - 1}, and was to be filled with "
            f"{values[wrong][0]}; choose a reference that draws whole values of it"
        )
    return codes


@singledispatch
def position(value: object) -> float | None:
    """A comparable number for a value that has one."""
    return None


@position.register
def _(value: bool) -> float | None:
    return None


@position.register
def _(value: Real) -> float | None:
    return float(value)


@position.register
def _(value: Decimal) -> float | None:
    return float(value)


@position.register
def _(value: np.datetime64) -> float | None:
    return float((value - np.datetime64(0, "s")) / np.timedelta64(1, "s"))


@position.register
def _(value: np.timedelta64) -> float | None:
    return float(value / np.timedelta64(1, "s"))


@position.register
def _(value: date) -> float | None:
    return float((value - date(1970, 1, 1)).days) * 86_400


@position.register
def _(value: datetime) -> float | None:
    return value.timestamp()


@position.register
def _(value: time) -> float | None:
    return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond * 1e-6
