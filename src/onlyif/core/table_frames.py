"""Data frames of pandas and polars: mixed columns to coded tensors and back.

What both have in common is read through narwhals. Making a frame with exactly
the old dtypes needs each library's own constructors: narwhals knows neither
pandas' nullable dtypes nor its column index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import narwhals as nw
import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.table_columns import (
    EXACT_INTEGER,
    Column,
    check_finite,
    is_missing,
    level_codes,
    level_column,
    number_column,
    some,
)
from onlyif.core.table_forms import Form, Values, as_codes, as_numbers


@final
@dataclass(frozen=True, eq=False)
class PandasForm(Form):
    """A pandas data frame; its index is not kept.

    Args:
        empty: The background without its rows.
        columns: What its columns hold.
        levels: A native array of the distinct values of each column that has levels.
    """

    empty: Any
    columns: tuple[Column, ...]
    levels: tuple[Any, ...]

    @override
    def encode(self, data: Any) -> Float64[Tensor, "r c"]:
        return _encode(conform(data, self.empty, "rows"), self.columns)

    @override
    def decode(self, batch: Float64[Tensor, "r c"]) -> Any:
        values = batch.detach().cpu().numpy().T.copy()
        dtypes = list(self.empty.dtypes)
        library = nw.get_native_namespace(self.empty)
        if all(dtype == np.float64 for dtype in dtypes):
            frame = library.DataFrame(values.T, copy=False)
        else:
            parts = zip(self.columns, values, dtypes, self.levels, strict=True)
            native = {i: _pandas_column(library, *part) for i, part in enumerate(parts)}
            frame = library.DataFrame(native, copy=False)
        frame.columns = self.empty.columns
        return frame


@final
@dataclass(frozen=True, eq=False)
class PolarsForm(Form):
    """A polars data frame.

    Args:
        empty: The background without its rows.
        columns: What its columns hold.
        levels: A series of the distinct values of each column that has levels.
    """

    empty: Any
    columns: tuple[Column, ...]
    levels: tuple[Any, ...]

    @override
    def encode(self, data: Any) -> Float64[Tensor, "r c"]:
        return _encode(conform(data, self.empty, "rows"), self.columns)

    @override
    def decode(self, batch: Float64[Tensor, "r c"]) -> Any:
        values = batch.detach().cpu().numpy().T.copy()
        library = nw.get_native_namespace(self.empty)
        parts = zip(self.columns, values, self.empty.dtypes, self.levels, strict=True)
        return library.DataFrame([_polars_column(library, *part) for part in parts])


def fit_frame(frames: Sequence[Any]) -> PandasForm | PolarsForm:
    """Learn the form of data frames, the first of which is the background.

    Raises:
        InputError: unless the others have the background's columns, order, dtypes and category levels.
    """
    background = checked_frame(frames[0], "background")
    parts = [background, *(conform(other, background, "rows") for other in frames[1:])]
    whole = nw.concat([nw.from_native(part, eager_only=True) for part in parts])
    columns = tuple(_learn(str(name), whole[:, i]) for i, name in enumerate(whole.columns))
    levels = tuple(
        None if column.levels is None else whole[:, i][list(column.levels.first)].to_native()
        for i, column in enumerate(columns)
    )
    empty = whole.head(0).to_native()
    if nw.dependencies.is_polars_dataframe(background):
        return PolarsForm(empty, columns, levels)
    return PandasForm(empty, columns, tuple(None if level is None else level.array for level in levels))


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


def row_names(data: Any) -> tuple[str, ...] | None:
    """The index labels of a pandas frame or series, None for other tables."""
    if nw.dependencies.is_pandas_series(data):
        return (str(data.name),)
    return tuple(str(label) for label in data.index) if nw.dependencies.is_pandas_dataframe(data) else None


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
                f"column {name!r} holds the unseen category level {series[name]!r}; known: {some(known)}"
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
        raise InputError(
            f"the {role} lack columns {some(lacking)} of the background and have {some(extra)} besides; "
            f"need {some(needed)}"
        )
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


def _encode(frame: Any, columns: Sequence[Column]) -> Float64[Tensor, "r c"]:
    table = nw.from_native(frame, eager_only=True)
    coded = np.empty(table.shape)
    for i, column in enumerate(columns):
        series = table[:, i]
        if column.levels is None:
            coded[:, i] = _read_numbers(series)
            check_finite(column.name, coded[:, i])
        else:
            coded[:, i] = level_codes(column, column.levels, _read_values(series))
    return torch.from_numpy(coded)


def _learn(name: str, series: nw.Series[Any]) -> Column:
    dtype = series.dtype
    if type(series.to_native().dtype).__name__ == "SparseDtype":
        raise InputError(f"column {name!r} is sparse; need dense columns: use frame.sparse.to_dense()")
    if _is_number(series):
        plain = bool if dtype == nw.Boolean else int if dtype.is_integer() else float
        has_nan = plain is float and bool(series.is_nan().any())
        return number_column(name, _read_numbers(series), plain, missing_is_null=not has_nan)
    ranks: dict[Any, int] | None = {} if dtype in (nw.Categorical, nw.Enum) else None
    if dtype == nw.Enum and series.implementation is not nw.Implementation.POLARS:
        # So narwhals names the ordered categories of pandas. Those of polars are mostly nominal.
        ranks = {level: rank for rank, level in enumerate(series.to_native().dtype.categories)}
    return level_column(name, _read_values(series), series.to_list(), ranks, typed=dtype == nw.Object)


def _is_number(series: nw.Series[Any]) -> bool:
    """Whether float64 holds every value, and NaN only one kind of missing value."""
    dtype = series.dtype
    if dtype == nw.Boolean:
        return True
    if not dtype.is_numeric() or dtype.is_decimal():
        return False
    if dtype.is_integer():
        known = series.drop_nulls()
        return len(known) == 0 or max(abs(int(known.min())), abs(int(known.max()))) <= EXACT_INTEGER
    if series.implementation is nw.Implementation.POLARS:
        return not (bool(series.is_null().any()) and bool(series.is_nan().any()))
    return isinstance(series.to_native().dtype, np.dtype) or not bool(series.is_nan().any())


def _read_numbers(series: nw.Series[Any]) -> Values:
    return series.cast(nw.Float64).to_numpy().astype(np.float64)


def _read_values(series: nw.Series[Any]) -> list[Any]:
    # numpy has every unit of time exactly, Python objects have not.
    return list(series.to_numpy()) if series.dtype.is_temporal() else series.to_list()


def _pandas_column(library: Any, column: Column, values: Values, dtype: Any, levels: Any) -> Any:
    if levels is not None:
        codes = as_codes(column.name, values, len(levels))
        return library.Series(levels.take(codes), dtype=dtype, copy=False)
    if isinstance(dtype, np.dtype):
        return as_numbers(column.name, values, dtype)
    whole = values if column.plain is float else np.rint(values)
    return library.Series(whole, copy=False).astype(dtype)


def _polars_column(library: Any, column: Column, values: Values, dtype: Any, levels: Any) -> Any:
    if levels is not None:
        return levels.gather(as_codes(column.name, values, len(levels))).alias(column.name)
    whole = library.Series(column.name, values if column.plain is float else np.rint(values))
    return (whole.fill_nan(None) if column.missing_is_null else whole).cast(dtype)
