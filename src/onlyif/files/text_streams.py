"""Tables as the text of a CSV file, plain or packed, and never more of it than is in proportion to the file.

What a packed file unpacks to is counted while it is read, so that a small one cannot fill the memory.
"""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, final

from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.extras import missing
from onlyif.files.table_limits import need_bytes

EXCEL = ".xlsx"
# How suffixes of plain text say what divides the values of a line.
DIVIDED = {".csv": ",", ".tsv": "\t"}


@final
@dataclass(frozen=True, eq=False)
class TextTable:
    """A table as text: its bytes in UTF-8, what divides them, and which columns are known to be text.

    Args:
        opened: Gives its bytes, from the beginning.
        delimiter: What divides the values of a line.
        texts: Columns whose every value the file calls a text.
        decimal: The decimal mark of its numbers.
    """

    opened: Callable[[], io.BufferedReader]
    delimiter: str
    texts: tuple[str, ...] = ()
    decimal: str = "."


def text_table(file: Path, delimiter: str | None, decimal: str = ".") -> TextTable:
    """What a file holds, as text.

    Args:
        file: A file whose name ends with one of `TEXT_SUFFIXES`.
        delimiter: What divides the values of a line; None for what the suffix says.
        decimal: The decimal mark of its numbers; those of a spreadsheet have none of their own.

    Raises:
        InputError: if values are divided by the decimal mark; if a spreadsheet has several sheets, or a
            cell without a value of its own.
        StorageError: if it is damaged, or larger than is in proportion to the file.
        ExtraError: if openpyxl is needed and not installed.
    """
    name = file.name.lower()
    if name.endswith(EXCEL):
        content, texts = _read_sheet(file)
        return TextTable(lambda: io.BufferedReader(io.BytesIO(content)), ",", texts)
    packed = next((suffix for suffix in PACKED if name.endswith(suffix)), "")
    plain = Path(name.removesuffix(packed)).suffix
    divided = delimiter or DIVIDED[plain]
    if divided == decimal:
        raise InputError(
            f"the values of {file.name} are divided by {divided!r}, which cannot be the decimal mark, too; "
            "say what else divides them, as --delimiter ';'"
        )
    return TextTable(lambda: _opened(file, packed), divided, decimal=decimal)


def _read_sheet(file: Path) -> tuple[bytes, tuple[str, ...]]:
    try:
        spreadsheet = import_module("onlyif.files.spreadsheet")
    except ImportError as error:
        raise missing("openpyxl", "excel", f"reading {file.name}") from error
    content, texts = spreadsheet.sheet_as_csv(file)
    return content, texts


@final
class _Bounded(io.RawIOBase):
    """What a packed file unpacks to; it ends with an error when more was read than there may be."""

    def __init__(self, file: Path, packed: str) -> None:
        self._stack, self._file, self._n_bytes = ExitStack(), file, 0
        self._inner = self._stack.enter_context(PACKED[packed](file))

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        block = self._inner.read(len(buffer))
        self._n_bytes += len(block)
        need_bytes(self._file, self._n_bytes)
        buffer[: len(block)] = block
        return len(block)

    @override
    def close(self) -> None:
        self._stack.close()
        super().close()


def _opened(file: Path, packed: str) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(file, packed)) if packed else file.open("rb")


@contextmanager
def _only_member(file: Path) -> Iterator[Any]:
    with zipfile.ZipFile(file) as archive:
        names = [one for one in archive.namelist() if not one.endswith("/")]
        if len(names) != 1:
            raise InputError(f"{file.name} holds {len(names)} files; need the file of one table in it")
        with archive.open(names[0]) as member:
            yield member


PACKED: Mapping[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zip": _only_member,
}
TEXT_SUFFIXES = (*(f"{plain}{packed}" for plain in DIVIDED for packed in ("", *PACKED)), EXCEL)
