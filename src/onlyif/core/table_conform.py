"""Whether rows fit a background: the same kind of frame, columns, order, dtypes and levels."""

from typing import Any

import narwhals as nw

from onlyif.core.errors import InputError
from onlyif.core.labels import Row, row_of
from onlyif.core.table_values import is_missing, some


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
    """Rows checked to have the columns and dtypes of the background.

    A pandas category or polars Enum may list other levels, as long as each value
    present is a level of the background's; the column then takes its levels.

    Raises:
        InputError: for another kind of table, other columns, order, dtypes or levels.
    """
    if nw.dependencies.is_pandas_series(data):
        data = _row_of_series(data, background)
    if type(data) is not type(background):
        needed = f"{type(background).__module__.split('.')[0]} {type(background).__name__}"
        got = f"{type(data).__module__.split('.')[0]} {type(data).__name__}"
        raise InputError(f"the background is a {needed}, the {role} are a {got}; need the same kind of table")
    checked_frame(data, role)
    _check_names(list(data.columns), list(background.columns), role)
    pairs = zip(data.columns, list(data.dtypes), list(background.dtypes), strict=True)
    changed = [
        _conform_column(data[name], background[name], role) for name, got, needed in pairs if got != needed
    ]
    if not changed:
        return data
    columns = [nw.from_native(column, series_only=True) for column in changed]
    return nw.from_native(data, eager_only=True).with_columns(*columns).to_native()


def row_names(data: Any) -> tuple[Row, ...] | None:
    """The index labels of a pandas frame or series, None for other tables."""
    if nw.dependencies.is_pandas_series(data):
        return (row_of(data.name),)
    return tuple(row_of(label) for label in data.index) if nw.dependencies.is_pandas_dataframe(data) else None


def _row_of_series(series: Any, background: Any) -> Any:
    named = nw.dependencies.is_pandas_dataframe(background) and list(series.index) == list(background.columns)
    if not named:
        raise InputError(
            f"got a pandas Series of {len(series)} values; need a data frame: one row is X.iloc[[i]] "
            "(two brackets), one column is series.to_frame()"
        )
    empty = background.iloc[:0]
    for name in background.columns:
        known = getattr(empty[name].dtype, "categories", None)
        if known is not None and not is_missing(series[name]) and series[name] not in known:
            raise InputError(
                f"column {name!r} holds the unseen category level {series[name]!r}; "
                f"known: {some(list(known))}"
            )
    try:
        return series.to_frame().T.astype({name: empty[name].dtype for name in empty.columns})
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the Series does not fit the background's dtypes ({error}); pass the row as X.iloc[[i]]"
        ) from error


def _check_names(got: list[Any], needed: list[Any], role: str) -> None:
    if got == needed:
        return
    lacking = [name for name in needed if name not in got]
    extra = [name for name in got if name not in needed]
    if lacking or extra:
        lack = [f"lack columns {some(lacking)} of the background"] if lacking else []
        have = [f"have columns {some(extra)} that the background has not"] if extra else []
        raise InputError(f"the {role} {' and '.join(lack + have)}; need {some(needed)}")
    raise InputError(
        f"the {role} have the background's columns in another order: got {some(got)}, need {some(needed)}; "
        "reorder with rows[list(background.columns)]"
    )


def _conform_column(got: Any, needed: Any, role: str) -> Any:
    """A category column with the background's levels."""
    column, model = nw.from_native(got, series_only=True), nw.from_native(needed, series_only=True)
    fixed = (nw.Enum,) if column.implementation is nw.Implementation.POLARS else (nw.Enum, nw.Categorical)
    if not (column.dtype in fixed and model.dtype in fixed):
        raise InputError(
            f"column {got.name!r} is {got.dtype} in the {role} and {needed.dtype} in the background; "
            "need the same: cast one of them"
        )
    known = set(needed.dtype.categories)
    unseen = [value for value in column.drop_nulls().unique().to_list() if value not in known]
    if unseen:
        raise InputError(
            f"column {got.name!r} of the {role} holds the unseen category levels {some(unseen)}; "
            f"the background's dtype has {some(sorted(known, key=str))}"
        )
    if column.implementation is nw.Implementation.POLARS:
        return got.cast(needed.dtype)
    return got.astype(needed.dtype)
