"""The one sheet of a spreadsheet as the text of a CSV file: its columns get their types as those do."""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from onlyif.core.errors import InputError
from onlyif.files.table_limits import need_bytes, need_cells

_MIDNIGHT = time()


def sheet_as_csv(file: Path) -> tuple[bytes, tuple[str, ...]]:
    """The cells of the one sheet as CSV in UTF-8, and the columns that hold texts alone.

    Args:
        file: The file.

    Raises:
        InputError: if there are several sheets, or a cell without a value of its own.
        StorageError: if it holds more than is in proportion to its size.
    """
    with zipfile.ZipFile(file) as archive:
        need_bytes(file, sum(part.file_size for part in archive.infolist()))
    with (
        closing(load_workbook(file, read_only=True, data_only=True)) as values,
        closing(load_workbook(file, read_only=True)) as formulas,
    ):
        header, *rows = [*_rows(file, values, formulas)] or [[]]
    width = max(map(len, (header, *rows)))
    columns = [*zip(*(_filled(row, width) for row in rows), strict=True)]
    texts = [
        str(name)
        for name, held in zip(header, columns, strict=False)
        if {type(one) for one in held if one is not None} == {str}
    ]
    text = io.StringIO(newline="")
    filled = [header, *(_filled(row, len(header)) for row in rows)]
    csv.writer(text).writerows([_written(value) for value in row] for row in filled)
    return text.getvalue().encode(), tuple(texts)


def _filled(row: Sequence[Any], width: int) -> list[Any]:
    return [*row, *[None] * (width - len(row))]


def _rows(file: Path, values: Any, formulas: Any) -> Iterator[list[Any]]:
    """The values of each row that has any, without the empty cells at its end."""
    if len(values.sheetnames) != 1:
        raise InputError(
            f"{file.name} has the sheets {', '.join(map(repr, values.sheetnames))}; need one: save the sheet "
            "that is meant as a file of its own"
        )
    sheets = [book.worksheets[0] for book in (values, formulas)]
    for sheet in sheets:
        sheet.reset_dimensions()  # what a file says of its size may be wrong
    widest = 0
    for row, (cells, said) in enumerate(zip(*(sheet.iter_rows() for sheet in sheets), strict=True), 1):
        widest = max(widest, len(cells))
        need_cells(file, row, widest)
        found = [
            _value(f"row {row}, column {place} of {file.name}", *pair)
            for place, pair in enumerate(zip(cells, said, strict=False), 1)
        ]
        while found and found[-1] is None:
            found.pop()
        if found:
            yield found


def _value(where: str, cell: Any, formula: Any) -> Any:
    """The value of a cell.

    Raises:
        InputError: if it holds an error, or a formula that nothing has computed.
    """
    if cell.data_type == "e":
        raise InputError(f"{where} holds the error {cell.value!r}; empty the cell if its value is missing")
    if cell.value is None and formula.data_type == "f":
        raise InputError(
            f"{where} holds a formula whose value was not saved; save the file anew in a spreadsheet program"
        )
    return cell.value


def _written(value: Any) -> str:
    """A value as a CSV file has it; a moment at midnight is a day."""
    match value:
        case None:
            return ""
        case datetime() if value.time() == _MIDNIGHT:
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value)
