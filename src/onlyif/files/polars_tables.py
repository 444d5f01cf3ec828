"""Reading and casting tables with polars."""

from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import polars as pl

from onlyif.core.errors import InputError
from onlyif.files.model_columns import Known
from onlyif.files.table_limits import need_cells
from onlyif.files.text_streams import TextTable
from onlyif.modalities.table_conform import cast_column
from onlyif.modalities.table_fit import Sort

Opened = tuple[list[str], Callable[[], Any]]


def read_csv(stream: BufferedReader, text: Sequence[str], held: TextTable) -> Any:
    """A CSV file, with some columns kept as the text they are."""
    kinds = dict.fromkeys(text, pl.String())
    return pl.read_csv(
        stream,
        separator=held.delimiter,
        decimal_comma=held.decimal == ",",
        schema_overrides=kinds,
        infer_schema_length=None,
    )


def as_text(columns: Sequence[str], like: Any) -> list[str]:
    """The columns that must be read as text, because another table holds no numbers there."""
    if like is None:
        return []
    return [name for name in columns if name in like.columns and not _plain(like.schema[name])]


def texts(table: Any) -> dict[str, list[str]]:
    """The distinct values of each column that holds text."""
    held = [name for name, kind in table.schema.items() if kind == pl.String]
    return {name: table[name].drop_nulls().unique().to_list() for name in held}


def numbers(table: Any) -> list[str]:
    """The columns that were read as numbers."""
    return [name for name, kind in table.schema.items() if kind.is_numeric()]


def empty_like(known: Mapping[str, Known]) -> Any:
    """A table without rows whose columns have the types that a model knows."""
    kinds = {name: _kind(one) for name, one in known.items()}
    return pl.DataFrame(schema={name: kind for name, kind in kinds.items() if kind is not None})


def _kind(known: Known) -> Any:
    match known.sort:
        case Sort.LEVEL if all(isinstance(level, str) for level in known.levels):
            return pl.Enum(list(known.levels))
        case Sort.FLAG:
            return pl.Boolean()
        case Sort.TEXT:
            return pl.String()
    return None


def cast_like(table: Any, like: Any, file: str) -> Any:
    """The table with the types of another one in the columns that both have.

    Raises:
        InputError: if a value would change by it.
    """
    shared = [_cast(table[name], like[name], file) for name in table.columns if name in like.columns]
    return table.with_columns(shared)


def _plain(kind: Any) -> bool:
    return bool(kind.is_numeric())


def _cast(values: Any, like: Any, file: str) -> Any:
    kind = like.dtype
    if values.dtype == kind:
        return values
    if kind.is_float() and values.dtype.is_numeric():
        # The text of a decimal is read as what it says in the wanted precision.
        return values.cast(kind)
    if kind.is_numeric():
        return cast_column(values, like, f"file {file}")
    try:
        made = _converted(values, kind)
    except (pl.exceptions.PolarsError, KeyError) as error:
        raise _misfit(values, kind, file) from error
    if made.null_count() > values.null_count():
        raise _misfit(values, kind, file)
    return made


def _converted(values: Any, kind: Any) -> Any:
    if kind == pl.Boolean:
        return values.str.to_lowercase().replace_strict({"true": True, "false": False}, return_dtype=kind)
    if isinstance(kind, pl.Datetime) or kind == pl.Datetime:
        return values.str.to_datetime(time_unit=kind.time_unit, time_zone=kind.time_zone)
    if kind == pl.Date:
        return values.str.to_date()
    return values.cast(kind, strict=True)


def _misfit(values: Any, kind: Any, file: str) -> InputError:
    shown = ", ".join(repr(value) for value in values.drop_nulls().unique().head(3).to_list())
    got = shown or "missing values"
    return InputError(f"column {values.name!r} of {file} does not fit the type {kind}: got {got}")


def open_parquet(file: Path) -> Opened:
    """The column names of a Parquet file, and how to read it."""
    _need_rows(file, pl.scan_parquet(file))
    return list(pl.read_parquet_schema(file)), lambda: pl.read_parquet(file)


def open_feather(file: Path) -> Opened:
    """The column names of a Feather file, and how to read it."""
    _need_rows(file, pl.scan_ipc(file))
    return list(pl.read_ipc_schema(file)), lambda: pl.read_ipc(file)


def _need_rows(file: Path, scan: Any) -> None:
    """Rows are counted off what the file says of itself, before any is read."""
    need_cells(file, scan.select(pl.len()).collect().item(), len(scan.collect_schema()))


BINARY: Mapping[str, Callable[[Path], Opened]] = {"parquet": open_parquet, "feather": open_feather}
