"""Parsed JSON as checked objects, and back: nothing is lost, invented or read as something else."""

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from onlyif.core.errors import StorageError
from onlyif.core.labels import Row

T = TypeVar("T")


def plain(value: Any) -> Any:
    """A value as strict JSON can hold it: not a number and the infinities become words.

    Args:
        value: Numbers, texts, lists, mappings, dataclasses or structs of them.

    Example:
        >>> plain((0.5, float("-inf")))
        [0.5, '-inf']
    """
    return _finite(msgspec.to_builtins(value))


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case _:
            return value


def converted(document: Any, kind: type[T], where: str) -> T:
    """What `plain` made, as it was.

    Args:
        document: The parsed JSON.
        kind: A struct or a dataclass.
        where: The file and the place in it, for messages.

    Raises:
        StorageError: if an entry is missing, unknown, or of another type, saying which.
    """
    try:
        # Words for numbers are read by the loose rules; that nothing else was loose is seen below.
        made = msgspec.convert(document, kind, strict=False)
        apart = _difference(document, plain(made), "$")
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        raise StorageError(f"{where}: {error}; the file was changed") from error
    if apart:
        raise StorageError(f"{where}: {apart}; the file was changed or comes from a newer onlyif")
    return made


def _difference(document: Any, read: Any, path: str) -> str:
    """The first place where a document is not what was read of it; "" where there is none."""
    match document, read:
        case dict(), dict():
            for key in [*document, *read]:
                if (key in document) != (key in read):
                    return f"{'unknown' if key in document else 'missing'} entry {key!r} - at `{path}`"
            pairs = [(document[key], read[key], f"{path}.{key}") for key in document]
        case list(), list() if len(document) == len(read):
            pairs = [
                (one, other, f"{path}[{i}]")
                for i, (one, other) in enumerate(zip(document, read, strict=True))
            ]
        case int(), int() if abs(document) >= 2**63:
            return f"Expected a whole number of 64 bits, got {str(document)[:40]} - at `{path}`"
        case _:
            pairs = []
            if isinstance(document, str) != isinstance(read, str) or document != read:
                return f"Expected another kind of value, got {str(document)[:40]!r} - at `{path}`"
    return next((told for one, other, at in pairs if (told := _difference(one, other, at))), "")


def plain_row(row: Row) -> Any:
    """The label of a row as strict JSON can hold it, with its type.

    Example:
        >>> plain_row(7), plain_row(date(2020, 1, 2)), plain_row(("a", 1))
        (7, {'date': '2020-01-02'}, {'tuple': ['a', 1]})
    """
    match row:
        case datetime():
            return {"datetime": row.isoformat()}
        case date():
            return {"date": row.isoformat()}
        case tuple():
            return {"tuple": [plain_row(part) for part in row]}
        case _:
            return row


def row_of(value: Any, where: str) -> Row:
    """What `plain_row` made, as it was.

    Args:
        value: The parsed JSON.
        where: The place of it, for messages.

    Raises:
        StorageError: if it is no label.
    """
    try:
        row = _row(value)
    except (ValueError, RecursionError):
        row = None
    if row is None:
        raise StorageError(f"{where}: 'row' must be the label of a row, got {str(value)[:60]!r}")
    return row


def _row(value: Any) -> Row | None:
    match value:
        case str() | int() | float():
            return value
        case {"datetime": str(text)} if len(value) == 1:
            return datetime.fromisoformat(text)
        case {"date": str(text)} if len(value) == 1:
            return date.fromisoformat(text)
        case {"tuple": list(parts)} if len(value) == 1:
            read = tuple(_row(part) for part in parts)
            return None if None in read else read
        case _:
            return None


def need(mapping: Mapping[str, object], names: tuple[str, ...], what: str, where: str) -> None:
    """Refuse a mapping that lacks one of the names.

    Args:
        mapping: The entries.
        names: Those that are needed.
        what: What the mapping holds, for the message.
        where: The place of it, likewise.

    Raises:
        StorageError: naming what is missing.
    """
    missing = [name for name in names if name not in mapping]
    if missing:
        raise StorageError(
            f"{where}: need the {what} {', '.join(missing)}, got {', '.join(mapping) or 'none'}"
        )
