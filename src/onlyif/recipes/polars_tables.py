"""Reading and casting tables with polars."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from onlyif.core.errors import InputError
from onlyif.recipes.table_limits import need_cells

Opened = tuple[list[str], Callable[[], Any]]


def read_csv(file: Path, text: Sequence[str]) -> Any:
    """A CSV file, with some columns kept as the text they are."""
    kinds = dict.fromkeys(text, pl.String())
    return pl.read_csv(file, schema_overrides=kinds, infer_schema_length=None)


def as_text(columns: Sequence[str], like: Any) -> list[str]:
    """The columns that must be read as text, because another table holds no numbers there."""
    if like is None:
        return []
    return [name for name in columns if name in like.columns and not _plain(like.schema[name])]


def cast_like(table: Any, like: Any, file: str) -> Any:
    """The table with the types of another one in the columns that both have.

    Raises:
        InputError: if a value would change by it.
    """
    shared = [_cast(table[name], like.schema[name], file) for name in table.columns if name in like.columns]
    return table.with_columns(shared)


def _plain(kind: Any) -> bool:
    return bool(kind.is_numeric())


def _cast(values: Any, kind: Any, file: str) -> Any:
    if values.dtype == kind:
        return values
    try:
        made = _converted(values, kind)
    except (pl.exceptions.PolarsError, KeyError) as error:
        raise _misfit(values, kind, file) from error
    whole = kind.is_integer() and not (made.cast(pl.Float64) == values.cast(pl.Float64)).all()
    if whole or made.null_count() > values.null_count():
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
    return InputError(
        f"column {values.name!r} of {file} does not fit the background's type {kind}: got {got}"
    )


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
