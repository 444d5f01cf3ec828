"""Values put where another type is wanted, if nothing is lost by it; refused by name if something would be.

1 fits where numbers with decimals are, 39.0 where whole ones are, a text where a category has that
level; 39.7, a missing value or 300 in eight bits do not fit where whole numbers are, and "False" is no
boolean. Nothing is rounded, cut, wrapped around or read as true.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Real
from typing import Any, final

import numpy as np

from onlyif.core.errors import InputError
from onlyif.core.plain_values import plain, shown
from onlyif.modalities.table_values import Values, is_missing

_NONE: Any = object()


class Sort(Enum):
    """What a column's type takes, in words."""

    FLAG = "true or false"
    WHOLE = "whole numbers"
    REAL = "numbers"
    TEXT = "text"
    LEVEL = "its known levels"
    MOMENT = "dates with times"
    DAY = "dates"
    CLOCK = "times of day"
    SPAN = "spans of time"
    ANY = "any values"


@final
@dataclass(frozen=True, eq=False)
class Wanted:
    """The type of a column, as far as single values must fit it.

    Args:
        name: The column's name.
        sort: What it takes.
        said: The type in the user's library.
        missing: Whether it can hold a missing value.
        low: The least whole number.
        high: The largest whole number.
        real: The numpy type of real numbers.
        levels: Its levels, each by itself.
    """

    name: str
    sort: Sort
    said: str
    missing: bool = True
    low: int = -(2**63)
    high: int = 2**63 - 1
    real: Any = np.float64
    levels: Mapping[Hashable, Any] | None = None


def fitted(values: Sequence[Any], wanted: Wanted, role: str) -> list[Any]:
    """The values as the wanted type takes them; None where one is missing.

    Args:
        values: Single values, of any library.
        wanted: The type.
        role: What the table is, for the message.

    Raises:
        InputError: if a value would change by it.
    """
    made: list[Any] = []
    for row, value in enumerate(values):
        if is_missing(value) and not isinstance(value, np.ma.MaskedArray):
            if not wanted.missing:
                raise _missing(wanted, role, row)
            made.append(None)
            continue
        one = _FITS[wanted.sort](plain(value), wanted)
        if one is _NONE:
            raise misfit(wanted.name, value, row, role, _needed(wanted))
        made.append(one)
    return made


def exact_cast(values: Values, dtype: np.dtype[Any], names: Sequence[str], role: str) -> Values:
    """An array of numbers in another numeric dtype.

    Args:
        values: One row an instance.
        dtype: The dtype.
        names: The columns' names.
        role: What the table is, for the message.

    Raises:
        InputError: if a value would change by it.
    """
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
    if np.can_cast(values.dtype, dtype, "safe") and not (values.dtype.kind in "iu" and dtype.kind == "f"):
        return cast
    for row, (old, new) in enumerate(zip(values.tolist(), cast.tolist(), strict=True)):
        for name, was, is_now in zip(names, old, new, strict=True):
            # Python compares whole numbers and floats exactly, numpy by way of floats.
            if was != is_now and not (was != was and is_now != is_now):  # noqa: PLR0124 - NaN alone
                wanted = wanted_by_dtype(name, dtype)
                if was != was:  # noqa: PLR0124 - NaN alone
                    raise _missing(wanted, role, row)
                raise misfit(name, was, row, role, _needed(wanted))
    return cast


def wanted_by_dtype(name: str, dtype: np.dtype[Any]) -> Wanted:
    """What a column of a numpy dtype takes."""
    said = str(dtype)
    match dtype.kind:
        case "b":
            return Wanted(name, Sort.FLAG, said, missing=False)
        case "i" | "u":
            limits = np.iinfo(dtype)
            return Wanted(name, Sort.WHOLE, said, missing=False, low=int(limits.min), high=int(limits.max))
        case "f":
            return Wanted(name, Sort.REAL, said, real=dtype.type)
        case "U" | "T":
            return Wanted(name, Sort.TEXT, said, missing=False)
    return Wanted(name, Sort.ANY, said)


def misfit(name: str, value: Any, row: int, role: str, needed: str) -> InputError:
    """The error for a value that a column cannot take.

    Args:
        name: The column's name.
        value: The value.
        row: Its row in its table.
        role: What the table is.
        needed: What the column takes.
    """
    return InputError(
        f"column {name!r} holds {shown(value)} in row {row} of the {role}; "
        f"need {needed}, as in the background: nothing is rounded or read as something else"
    )


def _missing(wanted: Wanted, role: str, row: int) -> InputError:
    return InputError(
        f"column {wanted.name!r} is missing in row {row} of the {role}; need {wanted.sort.value} "
        f"({wanted.said}, which has no missing values), as in the background"
    )


def _needed(wanted: Wanted) -> str:
    if wanted.levels is not None:
        known = [shown(level) for level in wanted.levels]
        return f"a known level, one of [{', '.join(known[:8])}{', ...' if len(known) > 8 else ''}]"
    exactly = " that it holds exactly" if wanted.sort is Sort.REAL else ""
    short = wanted.sort is Sort.WHOLE and wanted.high < 2**53
    within = f" from {wanted.low} to {wanted.high}" if short else ""
    return f"{wanted.sort.value}{within}{exactly} ({wanted.said})"


def _flag(value: Any, wanted: Wanted) -> Any:
    return bool(value) if isinstance(value, Real) and value in (0, 1) else _NONE


def _whole(value: Any, wanted: Wanted) -> Any:
    if not isinstance(value, Real | Decimal) or value - value != 0 or value % 1 != 0:
        return _NONE
    number = int(value)  # type: ignore[arg-type] # whole, so that any number of Python gives it
    return number if wanted.low <= number <= wanted.high else _NONE


def _real(value: Any, wanted: Wanted) -> Any:
    if not isinstance(value, Real | Decimal):
        return _NONE
    try:
        with np.errstate(over="ignore"):
            number = float(wanted.real(value))
    except OverflowError:
        return _NONE
    return number if number == value else _NONE


def _text(value: Any, wanted: Wanted) -> Any:
    return str.__str__(value) if isinstance(value, str) else _NONE


def _level(value: Any, wanted: Wanted) -> Any:
    try:
        return (wanted.levels or {}).get(value, _NONE)
    except TypeError:  # a list, say, is no level
        return _NONE


def _moment(value: Any, wanted: Wanted) -> Any:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return _NONE
    if isinstance(value, datetime | np.datetime64):
        return value
    return datetime.combine(value, time()) if isinstance(value, date) else _NONE


def _day(value: Any, wanted: Wanted) -> Any:
    moment = _moment(value, wanted)
    if isinstance(moment, np.datetime64):
        moment = moment.astype("datetime64[us]").item()
    whole = isinstance(moment, datetime) and moment.time() == time() and moment.tzinfo is None
    return moment.date() if whole else _NONE


def _clock(value: Any, wanted: Wanted) -> Any:
    return value if isinstance(value, time) else _NONE


def _span(value: Any, wanted: Wanted) -> Any:
    return value if isinstance(value, timedelta | np.timedelta64) else _NONE


def _any(value: Any, wanted: Wanted) -> Any:
    return value


_FITS = {
    Sort.FLAG: _flag,
    Sort.WHOLE: _whole,
    Sort.REAL: _real,
    Sort.TEXT: _text,
    Sort.LEVEL: _level,
    Sort.MOMENT: _moment,
    Sort.DAY: _day,
    Sort.CLOCK: _clock,
    Sort.SPAN: _span,
    Sort.ANY: _any,
}
