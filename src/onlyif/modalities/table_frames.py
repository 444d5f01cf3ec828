"""Data frames of pandas and polars: mixed columns to coded arrays and back.

What both have in common is read through narwhals. Making a frame with exactly
the old dtypes needs each library's own constructors: narwhals knows neither
pandas' nullable dtypes nor its column index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import narwhals as nw
import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.arrays import Array, doubled
from onlyif.core.errors import InputError
from onlyif.modalities.table_columns import Column, level_codes, level_column, number_column
from onlyif.modalities.table_conform import checked_frame, column_notes, conform
from onlyif.modalities.table_forms import Form
from onlyif.modalities.table_values import EXACT_INTEGER, Values, as_codes, as_numbers, check_finite


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
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r c"]:
        return _encode(conform(data, self.empty, "rows"), self.columns, exact=exact)

    @override
    def column_notes(self, data: Any, role: str) -> tuple[str, ...]:
        return column_notes(data, self.empty, role)

    @override
    def decode(self, batch: Float64[Array, "r c"]) -> Any:
        values = doubled(batch).T.copy()
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
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r c"]:
        return _encode(conform(data, self.empty, "rows"), self.columns, exact=exact)

    @override
    def column_notes(self, data: Any, role: str) -> tuple[str, ...]:
        return column_notes(data, self.empty, role)

    @override
    def decode(self, batch: Float64[Array, "r c"]) -> Any:
        values = doubled(batch).T.copy()
        library = nw.get_native_namespace(self.empty)
        parts = zip(self.columns, values, self.empty.dtypes, self.levels, strict=True)
        return library.DataFrame([_polars_column(library, *part) for part in parts])


def fit_frame(frames: Sequence[Any], roles: Sequence[str]) -> PandasForm | PolarsForm:
    """Learn the form of data frames, the first of which is the background.

    Args:
        frames: The background, and what is to fit it: frames, Series or dictionaries.
        roles: What each is, for messages.

    Raises:
        InputError: unless the others have the background's columns, and values that its dtypes hold.
    """
    background = checked_frame(frames[0], roles[0])
    others = zip(frames[1:], roles[1:], strict=True)
    parts = [background, *(conform(other, background, role) for other, role in others)]
    tables = [nw.from_native(part, eager_only=True) for part in parts]
    for table, role in zip(tables, roles, strict=True):
        for i, name in enumerate(table.columns):
            if table[:, i].dtype.is_float():
                check_finite(str(name), _read_numbers(table[:, i]), role)
    whole = nw.concat(tables)
    series = [_glued(tables, i, whole[:, i]) for i in range(whole.shape[1])]
    columns = tuple(_learn(str(name), each) for name, each in zip(whole.columns, series, strict=True))
    levels = tuple(
        None if column.levels is None else each[list(column.levels.first)].to_native()
        for column, each in zip(columns, series, strict=True)
    )
    empty = whole.head(0).to_native()
    if nw.dependencies.is_polars_dataframe(background):
        return PolarsForm(empty, columns, levels)
    return PandasForm(empty, columns, tuple(None if level is None else level.array for level in levels))


def _glued(tables: Sequence[nw.DataFrame[Any]], i: int, whole: nw.Series[Any]) -> nw.Series[Any]:
    """Column i of all tables, with each missing value as it is written there.

    Where a column of objects holds nothing but missing values in one frame, pandas 2 makes NaN of them as
    it puts frames together. Columns on their own it leaves alone.
    """
    if whole.implementation is nw.Implementation.POLARS or whole.to_native().dtype != object:
        return whole
    library = nw.get_native_namespace(whole)
    glued = library.concat([table[:, i].to_native() for table in tables], ignore_index=True)
    return nw.from_native(glued, series_only=True)


def _encode(frame: Any, columns: Sequence[Column], *, exact: bool) -> Float64[np.ndarray, "r c"]:
    table = nw.from_native(frame, eager_only=True)
    coded = np.empty(table.shape)
    for i, column in enumerate(columns):
        series = table[:, i]
        if column.levels is None:
            if not _holds(column, series):
                raise InputError(
                    f"column {column.name!r} holds numbers or missing values that no known row has"
                )
            coded[:, i] = _read_numbers(series)
            check_finite(column.name, coded[:, i])
        else:
            coded[:, i] = level_codes(column, column.levels, _read_values(series), exact=exact)
    return coded


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


def _holds(column: Column, series: nw.Series[Any]) -> bool:
    """Whether numbers of this column say what is in a series, and which kind of missing it has."""
    if not _is_number(series):
        return False
    if series.implementation is not nw.Implementation.POLARS or not series.dtype.is_float():
        return True
    other = series.is_nan() if column.missing_is_null else series.is_null()
    return not bool(other.any())


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
