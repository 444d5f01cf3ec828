"""Rows as the background has them: its columns in its order, its dtypes and levels, where nothing is lost."""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from onlyif.core.errors import InputError
from onlyif.core.labels import Row, row_of
from onlyif.modalities.table_fit import Sort, Wanted, fitted, misfit, wanted_by_dtype
from onlyif.modalities.table_values import is_missing, some


def checked_frame(frame: Any, role: str) -> Any:
    """The frame itself, if it can be explained.

    Raises:
        InputError: unless it is a pandas or polars frame with rows and distinctly named columns.
    """
    known = nw.dependencies.is_pandas_dataframe(frame) or nw.dependencies.is_polars_dataframe(frame)
    if not known:
        kind = f"{type(frame).__module__.split('.')[0]} {type(frame).__name__}"
        hint = "use .collect()" if type(frame).__name__ == "LazyFrame" else "convert it with .to_pandas()"
        raise InputError(f"the {role} are a {kind}; need a pandas or polars data frame: {hint}")
    names = [str(name) for name in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"column names must be distinct, got {repeated} more than once in the {role}")
    if not names:
        raise InputError(f"got a table with no columns as {role}; need at least one")
    if len(frame) == 0:
        raise InputError(f"got 0 rows as {role}; need at least one")
    return frame


def conform(data: Any, background: Any, role: str) -> Any:
    """Rows with the columns, order, dtypes and levels of the background.

    Whatever loses nothing by it is taken: a dictionary or a pandas Series as one row, a list of
    dictionaries as rows, columns in another order or beside others, which are left out, and values of other
    dtypes that the background's dtypes hold exactly.

    Args:
        data: The rows.
        background: A frame with the columns and dtypes that are wanted.
        role: What the rows are, for messages.

    Raises:
        InputError: for another kind of table, columns that are not there, or a value that would change.
    """
    named = _named_rows(data, background, role)
    if named is not None:
        return _frame_of(named, background, role)
    if nw.dependencies.is_pandas_dataframe(data) != nw.dependencies.is_pandas_dataframe(background) or not (
        nw.dependencies.is_into_dataframe(data)
    ):
        raise InputError(
            f"the background is a {_kind(background)}, the {role} are a {_kind(data)}; need the same kind of "
            "table (one row may be a dictionary)"
        )
    checked_frame(data, role)
    _check_names(list(data.columns), list(background.columns), role)
    if list(data.columns) != list(background.columns):
        data = data[list(background.columns)]
    pairs = zip(data.columns, list(data.dtypes), list(background.dtypes), strict=True)
    changed = [
        cast_column(data[name], background[name], role) for name, got, needed in pairs if got != needed
    ]
    if not changed:
        return data
    columns = [nw.from_native(column, series_only=True) for column in changed]
    return nw.from_native(data, eager_only=True).with_columns(*columns).to_native()


def column_notes(data: Any, background: Any, role: str) -> tuple[str, ...]:
    """What `conform` does to the columns of a table, each a sentence for the reader.

    Args:
        data: The table.
        background: A frame with the columns that are wanted.
        role: What the table is.
    """
    names, wanted = _names_in(data), [str(name) for name in background.columns]
    shared, extra = [name for name in names if name in wanted], [name for name in names if name not in wanted]
    ordered = nw.dependencies.is_into_dataframe(data) and shared != wanted
    return (*([order_note(role)] if ordered else []), *extra_notes(extra, role, "the background has not"))


def order_note(role: str, whose: str = "background") -> str:
    """A sentence on columns that were put in order.

    Args:
        role: What the table is.
        whose: What has them in another order.
    """
    return f"the columns of the {role} are in another order than those of the {whose} and were put in it"


def extra_notes(names: Sequence[str], role: str, why: str) -> tuple[str, ...]:
    """A sentence on columns that were left out, if there are any.

    Args:
        names: The columns.
        role: What their table is.
        why: What is so of these columns, as "the background has not".
    """
    return (f"columns {some(names)} of the {role}, which {why}, were ignored",) if names else ()


def _names_in(data: Any) -> list[str]:
    """The names of a table's columns, or of a row's values, where it has any."""
    if nw.dependencies.is_pandas_series(data):
        return [str(label) for label in data.index]
    if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        return [str(name) for name in dict.fromkeys(name for row in data for name in row)]
    named = data if isinstance(data, Mapping) else getattr(data, "columns", ())
    return [str(name) for name in named]


def row_names(data: Any) -> tuple[Row, ...] | None:
    """The index labels of a pandas frame or series, None for other tables."""
    if nw.dependencies.is_pandas_series(data):
        return (row_of(data.name),)
    return tuple(row_of(label) for label in data.index) if nw.dependencies.is_pandas_dataframe(data) else None


def _kind(table: Any) -> str:
    return f"{type(table).__module__.split('.')[0]} {type(table).__name__}"


def _named_rows(data: Any, background: Any, role: str) -> list[dict[str, Any]] | None:
    """Rows whose values have names, each by the text of its names; None for another kind of table."""
    if nw.dependencies.is_pandas_series(data):
        labels = [str(label) for label in data.index]
        if len(set(labels)) < len(labels) or not set(labels) & {str(name) for name in background.columns}:
            raise InputError(
                f"got a pandas Series of {len(data)} values as {role}; need a data frame: one row is "
                "X.iloc[[i]] (two brackets), one column is series.to_frame()"
            )
        rows = [dict(zip(labels, data.tolist(), strict=True))]
    elif isinstance(data, Mapping):
        rows = [{str(name): value for name, value in data.items()}]
    elif isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        rows = [{str(name): value for name, value in row.items()} for row in data]
    else:
        return None
    needed = [str(name) for name in background.columns]
    for i, row in enumerate(rows):
        _check_names(list(row), needed, role if len(rows) == 1 else f"values of row {i} of the {role}")
    return rows


def _frame_of(rows: Sequence[Mapping[str, Any]], background: Any, role: str) -> Any:
    library = nw.get_native_namespace(background)
    made = {}
    for i, name in enumerate(background.columns):
        needed = background[name]
        made[i] = _refitted([row[str(name)] for row in rows], needed, role)
    frame = library.DataFrame(made) if nw.dependencies.is_pandas_dataframe(background) else None
    if frame is None:
        return library.DataFrame([column.alias(str(background.columns[i])) for i, column in made.items()])
    frame.columns = background.columns
    return frame


def _check_names(got: list[Any], needed: list[Any], role: str) -> None:
    lacking = [name for name in needed if name not in got]
    if lacking:
        raise InputError(f"the {role} lack columns {some(lacking)} of the background; need {some(needed)}")


def cast_column(got: Any, needed: Any, role: str) -> Any:
    """A column of a frame in the dtype of another one.

    Args:
        got: The column, a Series of pandas or polars.
        needed: A Series of the same library with the dtype that is wanted.
        role: What the column's table is, for messages.

    Raises:
        InputError: if a value would change by it.
    """
    have, want = nw.from_native(got, series_only=True), nw.from_native(needed, series_only=True)
    if type(have.dtype) is type(want.dtype) and isinstance(want.dtype, nw.Datetime | nw.Duration):
        return _other_unit(got, needed, role)
    made = _refitted(got.to_list(), needed, role)
    if want.implementation is nw.Implementation.POLARS:
        return made
    made.index = got.index
    return made.rename(got.name)


def _refitted(values: list[Any], needed: Any, role: str) -> Any:
    """Values as a column of the background's dtype."""
    library, wanted = nw.get_native_namespace(needed), _wanted(needed, role)
    polars = nw.dependencies.is_polars_series(needed)
    made = fitted(values, wanted, role)
    if polars and wanted.sort is Sort.REAL:
        # Null and NaN are two things there.
        made = [
            old if isinstance(old, float) and new is None else new
            for old, new in zip(values, made, strict=True)
        ]
    if wanted.sort is Sort.ANY:
        made = [
            _missing_as(needed, old) if new is None else new for old, new in zip(values, made, strict=True)
        ]
    if wanted.sort in {Sort.MOMENT, Sort.SPAN}:
        return _times(made, needed, role)
    try:
        if polars:
            return library.Series(needed.name, made, dtype=needed.dtype, strict=True)
        return library.Series(made, dtype=needed.dtype, name=needed.name)
    except _errors_of(library) as error:
        raise InputError(
            f"column {str(needed.name)!r} of the {role} does not fit the type {needed.dtype} ({error})"
        ) from error


def _errors_of(library: Any) -> tuple[type[Exception], ...]:
    found = getattr(getattr(library, "exceptions", None), "PolarsError", None)
    own = () if found is None else (found,)
    return (ValueError, TypeError, OverflowError, *own)


def _missing_as(needed: Any, value: Any) -> Any:
    """How the background writes a missing value among objects: None, NaN or NA."""
    known = [held for held in needed.to_list() if is_missing(held)]
    return known[0] if known else value


def _times(values: list[Any], needed: Any, role: str) -> Any:
    """Moments or spans, read by the library and then put in the background's unit."""
    library = nw.get_native_namespace(needed)
    if all(value is None for value in values):
        values = [None] * len(values)
    try:
        if nw.dependencies.is_polars_series(needed):
            read = library.Series(needed.name, [_plain_time(value) for value in values])
            read = read.cast(needed.dtype) if read.dtype == library.Null else read
        else:
            read = library.Series(values, name=needed.name)
            read = read.astype(needed.dtype) if read.isna().all() else read
    except _errors_of(library) as error:
        raise InputError(
            f"column {str(needed.name)!r} of the {role} mixes times of different kinds ({error})"
        ) from error
    if type(nw.from_native(read, series_only=True).dtype) is not type(
        nw.from_native(needed, series_only=True).dtype
    ):
        raise misfit(str(needed.name), values[0], 0, role, f"times as {needed.dtype}")
    return _other_unit(read, needed, role)


def _plain_time(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _other_unit(got: Any, needed: Any, role: str) -> Any:
    """Times in the background's unit and time zone."""
    have, want = (nw.from_native(one, series_only=True) for one in (got, needed))
    zones = [getattr(one.dtype, "time_zone", None) for one in (have, want)]
    if (zones[0] is None) != (zones[1] is None):
        raise InputError(
            f"column {str(needed.name)!r} is {got.dtype} in the {role} and {needed.dtype} in the background; "
            "need both with a time zone or both without"
        )
    polars = nw.dependencies.is_polars_series(needed)
    cast = got.cast(needed.dtype) if polars else got.astype(needed.dtype)
    back = cast.cast(got.dtype) if polars else cast.astype(got.dtype)
    old, new = (nw.from_native(one, series_only=True) for one in (got, back))
    lost = [i for i, (a, b) in enumerate(zip(_ticks(old), _ticks(new), strict=True)) if a != b]
    if lost:
        raise misfit(str(needed.name), got.to_list()[lost[0]], lost[0], role, f"times as {needed.dtype}")
    return cast


def _ticks(series: nw.Series[Any]) -> list[Any]:
    """Whole numbers of the series' own unit; None where a value is missing."""
    return [None if np.isnat(value) else int(value.astype(np.int64)) for value in series.to_numpy()]


def _wanted(needed: Any, role: str) -> Wanted:
    """What the values of a column must be."""
    series = nw.from_native(needed, series_only=True)
    name, said, dtype = str(needed.name), str(needed.dtype), series.dtype
    native = needed.dtype
    if isinstance(native, np.dtype) and native.kind in "biufO":
        return wanted_by_dtype(name, native)
    # A Categorical of polars grows with its values, one of pandas does not.
    grows = series.implementation is nw.Implementation.POLARS
    if dtype == nw.Enum or (dtype == nw.Categorical and not grows):
        return Wanted(name, Sort.LEVEL, said, levels={level: level for level in native.categories.to_list()})
    if dtype.is_integer():
        bits = int("".join(filter(str.isdigit, type(dtype).__name__)))
        signed = type(dtype).__name__.startswith("Int")
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        return Wanted(name, Sort.WHOLE, said, low=low, high=high)
    if dtype.is_float():
        return Wanted(name, Sort.REAL, said, real=np.float32 if dtype == nw.Float32 else np.float64)
    for sort, kinds in _SORTS.items():
        if dtype in kinds:
            return Wanted(name, sort, said)
    raise InputError(
        f"column {name!r} is {said} in the background and of another type in the {role}; need the same: "
        "cast one of them"
    )


_SORTS: Mapping[Sort, tuple[Any, ...]] = {
    Sort.FLAG: (nw.Boolean,),
    Sort.TEXT: (nw.String, nw.Categorical),
    Sort.MOMENT: (nw.Datetime,),
    Sort.DAY: (nw.Date,),
    Sort.CLOCK: (nw.Time,),
    Sort.SPAN: (nw.Duration,),
    Sort.ANY: (nw.Object,),
}
