"""Tables from files: CSV (also packed), spreadsheets, Parquet and Feather.

A CSV file says nothing of types, and a spreadsheet is read as one. Where another table of the same
columns does (the background a model was trained on), the file is read with that one's types: text stays
text, so that "01234" keeps its zero, and the rest is cast where nothing is lost by it.
"""

import csv
import io
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from onlyif.core.errors import InputError, OnlyIfError, StorageError
from onlyif.core.extras import missing
from onlyif.core.players import duplicates
from onlyif.files.model_columns import Known
from onlyif.files.text_streams import TEXT_SUFFIXES, TextTable, text_table
from onlyif.modalities.table_fit import Sort

_PARQUET = (".parquet", ".pq")
_FEATHER = (".feather", ".arrow", ".ipc")
MOST_NAMED = 8
_MISSING_WORDS = frozenset({"na", "n/a", "#n/a", "#na", "nan", "-nan", "none", "null", "nil", "<na>", "nat"})


def read_table(
    path: str | Path,
    like: Any = None,
    known: Mapping[str, Known] | None = None,
    delimiter: str | None = None,
    decimal: str = ".",
) -> Any:
    """The table in a file, as a pandas frame, or a polars frame where pandas is not installed.

    Args:
        path: The file; its suffix says what it is.
        like: A frame whose column types a CSV file is read with, or None.
        known: What is known of columns that `like` has not. The types of all others are those of
            their content, where it leaves no doubt.
        delimiter: What divides the values of a line of a CSV file; None for what its suffix says.
        decimal: The decimal mark of its numbers, a point or a comma.

    Raises:
        StorageError: if the file is missing, cut short or damaged.
        InputError: if it has no rows, repeated column names, lines of other lengths, or
            values that do not fit the types of `like`, or that may be numbers or text.
        ExtraError: if no package that reads it is installed.
    """
    file = Path(path)
    kind = _kind(file)
    _need_file(file)
    frames = _frames()
    if kind == "csv":
        with _told(file):
            held = text_table(file, delimiter, decimal)
        table = _read_csv(file, like, known or {}, held)
    else:
        with _told(file):
            names, read = frames.BINARY[kind](file)
            _need_distinct(file, names)
            table = read()
    if not len(table):
        raise InputError(f"{file.name} has no rows; need at least one")
    return table


def is_csv(path: str | Path) -> bool:
    """Whether a table file says nothing of types.

    Args:
        path: The file, which must be there.

    Raises:
        StorageError: if it is missing or of no known kind.
    """
    file = Path(path)
    kind = _kind(file)
    _need_file(file)
    return kind == "csv"


def csv_columns(path: str | Path, delimiter: str | None = None) -> list[str]:
    """The column names of a CSV file, after all of its lines were checked.

    Args:
        path: The file.
        delimiter: What divides the values of a line; None for what its suffix says.
    """
    file = Path(path)
    with _told(file):
        return _checked_csv(file, text_table(file, delimiter))[0]


def _read_csv(file: Path, like: Any, known: Mapping[str, Known], held: TextTable) -> Any:
    frames = _frames()
    columns, zeros = _checked_csv(file, held)
    known = {**{name: Known(Sort.TEXT) for name in held.texts}, **known}
    typed = [] if like is None else [name for name in columns if name in like.columns]
    told = {name: one for name, one in known.items() if name in columns and name not in typed}
    model = frames.empty_like(told)
    with _told(file):
        text = frames.as_text(columns, like) + frames.as_text(columns, model)
        text += [name for name, one in told.items() if one.sort is Sort.FLAG]
        with held.opened() as stream:
            table = frames.read_csv(stream, text, held)
    table = frames.cast_like(table, model, file.name)
    free = {*columns} - {*typed}
    if held.decimal != ".":
        _need_commas(file, table, free - {name for name, one in told.items() if one.sort is not Sort.REAL})
    _need_no_doubt(file, table, free, told, zeros)
    return table if like is None else frames.cast_like(table, like, file.name)


def _need_no_doubt(
    file: Path, table: Any, free: set[str], told: Mapping[str, Known], zeros: Mapping[str, str]
) -> None:
    """Refuse columns whose cells may be numbers or text, where nothing says which of them."""
    frames = _frames()
    for name, held in frames.texts(table).items():
        odd = [value for value in held if not _is_number(value)]
        number = name in told and told[name].sort is Sort.REAL
        if name in free and odd and (number or (name not in told and _words_for_missing(odd, held))):
            raise InputError(
                f"column {name!r} of {file.name} holds {odd[0]!r} among numbers, and only an empty cell is "
                f"missing: empty such cells if it is, or keep the column as text with --text {name!r}"
            )
    for name in frames.numbers(table):
        if name in free and name not in told and name in zeros:
            raise InputError(
                f"column {name!r} of {file.name} holds {zeros[name]!r}, whose leading zero a number has not: "
                f"keep the column as text with --text {name!r}, or as a number with --number {name!r}"
            )


def _need_commas(file: Path, table: Any, free: set[str]) -> None:
    """Refuse numbers with a decimal point, which would be text where the mark is a comma."""
    for name, held in _frames().texts(table).items():
        points = [value for value in held if "." in value and _is_number(value)]
        if name in free and points:
            raise InputError(
                f"column {name!r} of {file.name} holds {points[0]!r}, which is no number with a decimal "
                f"comma: leave out --decimal, or keep the column as text with --text {name!r}"
            )


def _words_for_missing(odd: Sequence[str], held: Sequence[str]) -> bool:
    return len(odd) < len(held) and all(value.strip().lower() in _MISSING_WORDS for value in odd)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def need_columns(table: Any, needed: Sequence[str], files: tuple[str, str]) -> None:
    """Refuse a table that lacks columns of the background; more of them, or another order, are no matter.

    Args:
        table: The rows to explain.
        needed: The columns of the background that are used.
        files: Names of both, for the error.

    Raises:
        InputError: naming the columns, with what to drop.
    """
    have = {str(column) for column in table.columns}
    less = [name for name in needed if name not in have]
    if less:
        advice = f"if the model does not use them, add {_drops(less)}"
        raise InputError(f"{files[0]} lacks columns of {files[1]}: {listed(less)}; {advice}")


def listed(names: Sequence[str]) -> str:
    """Names for a message: the first few, quoted, and how many more."""
    shown = ", ".join(repr(name) for name in names[:MOST_NAMED])
    return shown + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _drops(names: Sequence[str]) -> str:
    return " ".join(f"--drop {name!r}" if " " in name else f"--drop {name}" for name in names[:MOST_NAMED])


def _kind(file: Path) -> str:
    name = file.name.lower()
    for kind, suffixes in (("csv", TEXT_SUFFIXES), ("parquet", _PARQUET), ("feather", _FEATHER)):
        if name.endswith(suffixes):
            return kind
    known = ", ".join((*TEXT_SUFFIXES, *_PARQUET, *_FEATHER))
    raise StorageError(f"{file.name} is no table of a known kind; need a file named {known}")


def _need_file(file: Path) -> None:
    if file.is_dir():
        raise StorageError(f"{file} is a folder; need the file of a table")
    if not file.exists():
        raise StorageError(f"there is no file {file}; need the file of a table")
    if not file.stat().st_size:
        raise StorageError(f"{file.name} is empty; need the file of a table")


def _frames() -> Any:
    for library in ("pandas", "polars"):
        if find_spec(library) is not None:
            return import_module(f"onlyif.files.{library}_tables")
    raise missing("pandas or polars", "pandas", "reading tables from files")


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Any error of a reader as one sentence."""
    try:
        yield
    except OnlyIfError:
        raise
    except ImportError as error:
        raise missing("pyarrow", "pandas", f"reading {file.name}") from error
    except Exception as error:  # the readers' exceptions have no common base
        reason = " ".join(str(error).split())[:200]
        raise StorageError(f"{file.name} is cut short, damaged or of another kind: {reason}") from error


def _checked_csv(file: Path, held: TextTable) -> tuple[list[str], dict[str, str]]:
    """The column names, after every line proved as long as the first; and columns with a number like 007."""
    zeros: dict[str, str] = {}
    try:
        with io.TextIOWrapper(held.opened(), encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True, delimiter=held.delimiter)
            header = next(lines, [])
            _need_header(file, header, held.delimiter)
            for fields in lines:
                if fields and len(fields) != len(header):
                    raise InputError(
                        f"line {lines.line_num} of {file.name} has {len(fields)} values, the header has "
                        f"{len(header)} names; the file is cut short or damaged"
                    )
                for name, cell in zip(header, fields, strict=False):
                    if cell[:1] == "0" and cell[1:].isdecimal():
                        zeros.setdefault(name, cell)
    except UnicodeDecodeError as error:
        raise InputError(f"{file.name} is no text in UTF-8 ({error}); save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"line {lines.line_num} of {file.name} is no CSV: {error}") from error
    except StorageError:
        raise
    except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError) as error:
        raise StorageError(f"{file.name} is cut short or damaged: {error}") from error
    return header, zeros


def _need_header(file: Path, header: Sequence[str], delimiter: str) -> None:
    _need_distinct(file, header)
    others = [mark for mark in ",;\t|" if mark in header[0]]
    if len(header) == 1 and others:
        said = "'tab'" if others[0] == "\t" else f"'{others[0]}'"
        raise InputError(
            f"{file.name} is not divided by {delimiter!r}: its first line is {header[0][:60]!r}; say what "
            f"divides it with --delimiter, as --delimiter {said}"
        )
    if "" in header:
        raise InputError(
            f"column {header.index('') + 1} of {file.name} has no name; "
            "name it, or save the table without its index"
        )


def _need_distinct(file: Path, names: Sequence[str]) -> None:
    if not names:
        raise InputError(f"{file.name} has no columns")
    if len(set(names)) != len(names):
        raise InputError(f"{file.name} has columns of the same name: {listed(duplicates(names))}")
