"""Columns of plain values as a data frame of the user's own library."""

from collections.abc import Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from typing import Any, Literal

import narwhals as nw

from onlyif.core.extras import missing

LIBRARIES: tuple[Literal["pandas", "polars", "pyarrow"], ...] = ("pandas", "polars", "pyarrow")
DTYPES = {str: nw.String(), int: nw.Int64(), float: nw.Float64(), bool: nw.Boolean()}


def frame(columns: Mapping[str, type], rows: Sequence[Sequence[object]], backend: str) -> Any:
    """A native data frame.

    Args:
        columns: Names of the columns and the type of their values: str, int, float or bool; object for
            the labels of rows, which stay as they are where the library has a column for them.
        rows: One value a column for each row.
        backend: "pandas", "polars" or "pyarrow"; anything else, or a library that is not
            installed here, means the first of them that is.

    Raises:
        ExtraError: if none of them is installed.

    Example:
        >>> frame({"name": str, "size": int}, [("age", 1)], "polars").rows()
        [('age', 1)]
    """
    usable = sorted(filter(find_spec, LIBRARIES), key=lambda library: library != backend)
    if not usable:
        raise missing("pandas or polars", "pandas", "a data frame of results")
    data = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
    typed = {name: DTYPES[kind] for name, kind in columns.items() if kind is not object}
    table = nw.from_dict({name: data[name] for name in typed}, typed, backend=usable[0])
    labels = [_labels(name, data[name], usable[0]) for name, kind in columns.items() if kind is object]
    return table.with_columns(*labels).select(*columns).to_native()


def _labels(name: str, values: list[Any], library: Literal["pandas", "polars", "pyarrow"]) -> Any:
    """A column of labels of rows: of their own type if they share one, else as they are, or as text."""
    kinds = {type(value) for value in values}
    if kinds == {int} and all(abs(value) < 2**63 for value in values):
        return nw.new_series(name, values, nw.Int64(), backend=library)
    if len(kinds) == 1 and all(issubclass(kind, float | bool | date) for kind in kinds):
        return nw.new_series(name, values, backend=library)
    if kinds <= {str} or library != "pandas":
        return nw.new_series(name, list(map(str, values)), nw.String(), backend=library)
    return nw.new_series(name, values, nw.Object(), backend=library)
