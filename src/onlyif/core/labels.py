"""Labels of any type: which of them a value is."""

from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite, isnan
from typing import Any, TypeAlias, final

import numpy as np

_MISSING = object()
# The label of a row, as the user's own table has it.
Row: TypeAlias = str | int | float | date | tuple[Any, ...]


@final
@dataclass(frozen=True, eq=False)
class Labels:
    """Some distinct labels, in order.

    A value is a label if both are equal, whatever their types: 1, 1.0 and numpy's 1 are one label,
    "1" is another. True and False stand for 1 and 0 only where the labels are no other numbers.

    Args:
        values: The labels: numbers, text, bytes, dates, tuples, whatever can be hashed.

    Example:
        >>> labels = Labels((1, 2, 3))
        >>> labels.place(np.int64(1)), labels.place(3.0), labels.place(0), labels.place("1")
        (0, 2, None, None)
    """

    values: tuple[Any, ...]

    def place(self, value: Any) -> int | None:
        """The number of the label that a value is, or None."""
        wanted = plain(value)
        held = [plain(label) for label in self.values]
        if isinstance(wanted, bool) and not all(_is_binary(label) for label in held):
            return None
        try:
            return {label: i for i, label in reversed([*enumerate(held)])}.get(wanted)
        except TypeError:  # what cannot be hashed is no label
            return None


def plain(value: Any) -> Any:
    """A value without numpy's type, so that equal ones are equal and hash alike.

    Args:
        value: Anything; arrays of no dimension are their one value.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]").item() if not np.isnat(value) else _MISSING
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, float) and isnan(value):  # NaN is no label, not even of itself
        return _MISSING
    return value


def row_of(label: Any) -> Row:
    """The label of a row: of the index's own type where that is a number, text, a date or a tuple of these.

    Whatever else an index may hold (periods, intervals, missing labels) becomes text.

    Example:
        >>> row_of(np.int64(7)), row_of(("a", np.int32(1))), row_of(np.float64("nan"))
        (7, ('a', 1), 'nan')
    """
    value = label.item() if isinstance(label, np.generic) and not isinstance(label, np.datetime64) else label
    if isinstance(value, tuple):
        return tuple(row_of(part) for part in value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    # Nanoseconds fit into no datetime of Python.
    fits = isinstance(value, int | date) and not getattr(value, "nanosecond", 0) and str(value) != "NaT"
    return value if fits else str(value)


def _is_binary(label: Any) -> bool:
    return isinstance(label, bool | int | float) and label in {0, 1}
