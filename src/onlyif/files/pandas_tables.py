"""Reading and casting tables with pandas."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from typing import Any

import pandas as pd

from onlyif.core.errors import InputError
from onlyif.core.extras import missing
from onlyif.files.model_columns import Known
from onlyif.files.table_limits import need_bytes, need_cells
from onlyif.files.text_streams import TextTable
from onlyif.modalities.table_conform import cast_column
from onlyif.modalities.table_fit import Sort

# Before 3.1 pandas reads many decimals one unit in the last place off unless told not to.
_EXACT: Mapping[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)

Opened = tuple[list[str], Callable[[], Any]]


def read_csv(stream: BufferedReader, text: Sequence[str], held: TextTable) -> Any:
    """A CSV file, with some columns kept as the text they are; an empty cell is missing, and no word is."""
    kinds = dict.fromkeys(text, str)
    # A word such as NA or None may be a level of the model.
    return pd.read_csv(
        stream,
        sep=held.delimiter,
        decimal=held.decimal,
        encoding="utf-8-sig",
        dtype=kinds,
        index_col=False,
        low_memory=False,
        keep_default_na=False,
        na_values=[""],
        **_EXACT,
    )


def as_text(columns: Sequence[str], like: Any) -> list[str]:
    """The columns that must be read as text, because another table holds no numbers there."""
    if like is None:
        return []
    return [name for name in columns if name in like.columns and not _plain(like[name].dtype)]


def texts(table: Any) -> dict[str, list[str]]:
    """The distinct values of each column that holds text."""
    kinds = table.dtypes.items()
    held = {
        name: table[name]
        for name, kind in kinds
        if pd.api.types.is_string_dtype(kind) or pd.api.types.is_object_dtype(kind)
    }
    return {
        name: [value for value in column.unique() if isinstance(value, str)] for name, column in held.items()
    }


def numbers(table: Any) -> list[str]:
    """The columns that were read as numbers."""
    return [
        name for name, kind in table.dtypes.items() if _plain(kind) and not pd.api.types.is_bool_dtype(kind)
    ]


def empty_like(known: Mapping[str, Known]) -> Any:
    """A table without rows whose columns have the types that a model knows."""
    return pd.DataFrame(
        {name: pd.Series([], dtype=_dtype(one)) for name, one in known.items() if _dtype(one)}
    )


def _dtype(known: Known) -> Any:
    match known.sort:
        case Sort.LEVEL:
            return pd.CategoricalDtype(list(known.levels))
        case Sort.FLAG:
            return "bool"
        case Sort.TEXT:
            return "str"
    return None


def cast_like(table: Any, like: Any, file: str) -> Any:
    """The table with the types of another one in the columns that both have.

    Raises:
        InputError: if a value would change by it.
    """
    shared = {name: _cast(table[name], like[name], file) for name in table.columns if name in like.columns}
    return table.assign(**shared)


def _plain(kind: Any) -> bool:
    """Whether a type holds numbers or booleans, which are read as such anyway."""
    return bool(pd.api.types.is_numeric_dtype(kind)) and not isinstance(kind, pd.CategoricalDtype)


def _cast(values: Any, like: Any, file: str) -> Any:
    kind = like.dtype
    if values.dtype == kind:
        return values
    try:
        made = _converted(values, kind)
    except (ValueError, TypeError, OverflowError, KeyError) as error:
        raise _misfit(values, kind, file, f" ({error})") from error
    lost = made.isna() & values.notna()
    if lost.any():
        raise _misfit(values[lost], kind, file, "")
    return made if made.dtype == kind else cast_column(made, like, f"file {file}")


def _converted(values: Any, kind: Any) -> Any:
    types = pd.api.types
    if isinstance(kind, pd.CategoricalDtype):
        return _levelled(values, kind)
    made = values
    if isinstance(kind, pd.DatetimeTZDtype):
        made = pd.to_datetime(values, utc=True).dt.tz_convert(kind.tz)
    elif types.is_datetime64_dtype(kind):
        made = pd.to_datetime(values)
    elif types.is_timedelta64_dtype(kind):
        made = pd.to_timedelta(values)
    elif types.is_bool_dtype(kind):
        made = _booleans(values)
    elif types.is_object_dtype(kind) and values.isna().any():
        return values.astype(object).where(values.notna(), None)
    if types.is_float_dtype(kind) and types.is_numeric_dtype(made.dtype):
        # The text of a decimal is read as what it says in the wanted precision.
        return made.astype(kind)
    if types.is_numeric_dtype(kind) or (types.is_bool_dtype(kind) and made.isna().any()):
        # Numbers are read as such by then; what they lose on the way, if anything, is looked at one by one.
        return made
    return made.astype(kind)


def _levelled(values: Any, kind: Any) -> Any:
    levels = kind.categories
    if _plain(levels.dtype) and not pd.api.types.is_bool_dtype(levels.dtype):
        found = values if _plain(values.dtype) else pd.to_numeric(values)
    else:
        found = _converted(values, levels.dtype)
    unknown = found[found.notna() & ~found.isin(levels)]
    if len(unknown):
        raise ValueError(f"{unknown.iloc[0]!r} is none of its levels {levels[:8].tolist()}")
    return found.astype(kind)


def _booleans(values: Any) -> Any:
    known = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
    return values.map(
        lambda value: value if pd.isna(value) else known[str(value).lower()], na_action="ignore"
    )


def _misfit(values: Any, kind: Any, file: str, reason: str) -> InputError:
    shown = ", ".join(repr(value) for value in values.dropna().unique()[:3].tolist()) or "missing values"
    return InputError(f"column {values.name!r} of {file} does not fit the type {kind}: got {shown}{reason}")


def open_parquet(file: Path) -> Opened:
    """The column names of a Parquet file, and how to read it."""
    parquet = _arrow("pyarrow.parquet", file)
    names, held = parquet.read_schema(file).names, parquet.read_metadata(file)
    groups = [held.row_group(i) for i in range(held.num_row_groups)]
    values = sum(group.column(j).num_values for group in groups for j in range(group.num_columns))
    need_cells(file, max(held.num_rows, sum(group.num_rows for group in groups)), held.num_columns)
    need_cells(file, values, 1)
    need_bytes(file, sum(group.total_byte_size for group in groups))
    return list(names), lambda: pd.read_parquet(file, engine="pyarrow")


def open_feather(file: Path) -> Opened:
    """The column names of a Feather file, and how to read it."""
    feather, data = (_arrow(f"pyarrow.{module}", file) for module in ("feather", "dataset"))
    with file.open("rb") as stream:
        start = stream.read(6)
    if start == b"ARROW1":  # the first version, before it, is never packed
        held = data.dataset(file, format="feather")
        need_cells(file, held.count_rows(), len(held.schema))
    table = feather.read_table(file)
    return list(table.column_names), table.to_pandas


def _arrow(module: str, file: Path) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise missing("pyarrow", "pandas", f"reading {file.name}") from error


BINARY: Mapping[str, Callable[[Path], Opened]] = {"parquet": open_parquet, "feather": open_feather}
