"""Columns of plain values as a data frame of the user's own library."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import narwhals as nw

from onlyif.core.extras import missing

LIBRARIES: tuple[Literal["pandas", "polars", "pyarrow"], ...] = ("pandas", "polars", "pyarrow")
DTYPES = {str: nw.String(), int: nw.Int64(), float: nw.Float64(), bool: nw.Boolean()}


def frame(columns: Mapping[str, type], rows: Sequence[Sequence[object]], backend: str) -> Any:
    """A native data frame.

    Args:
        columns: Names of the columns and the type of their values: str, int, float or bool.
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
    schema = {name: DTYPES[kind] for name, kind in columns.items()}
    return nw.from_dict(data, schema, backend=usable[0]).to_native()
