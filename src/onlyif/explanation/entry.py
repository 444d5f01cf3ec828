"""One JSON object being read: each key is taken once, with its type, and none is left over."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NoReturn, TypeGuard, final

from onlyif.core.errors import StorageError
from onlyif.core.labels import Row

SPECIAL: Mapping[str, float] = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def plain_number(value: float) -> float | str:
    """A float as strict JSON can hold it: not a number and the infinities become words.

    Example:
        >>> plain_number(0.5), plain_number(float("-inf"))
        (0.5, '-inf')
    """
    return value if math.isfinite(value) else str(value)


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


def _row(value: Any) -> Row | None:
    """What `plain_row` made, as it was; None for anything else."""
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


@final
@dataclass(frozen=True)
class Entry:
    """One JSON object of a saved file.

    Every reader raises a `StorageError` that names the file, the place in it and what was
    needed there, if the key is missing or its value of another type.

    Args:
        content: The parsed object.
        where: The file, and the place in it, for messages.
        taken: The keys that were read so far.

    Example:
        >>> Entry.of({"size": 3}, "file.json").count("size")
        3
    """

    content: Mapping[str, Any]
    where: str
    taken: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, content: object, where: str) -> "Entry":
        """The entry of a parsed value.

        Raises:
            StorageError: if the value is no object.
        """
        if not isinstance(content, dict):
            raise StorageError(f"{where}: need a JSON object, got {type(content).__name__}")
        return cls(content, where)

    def inner(self, key: str) -> "Entry":
        """The object under a key."""
        return Entry.of(self._value(key), f"{self.where}: {key}")

    def entries(self, key: str) -> list["Entry"]:
        """The list of objects under a key."""
        return [Entry.of(value, f"{self.where}: {key}[{i}]") for i, value in enumerate(self.values(key))]

    def values(self, key: str) -> list[Any]:
        """The list under a key, as it stands."""
        value = self._value(key)
        return value if isinstance(value, list) else self._refuse(key, "a list")

    def text(self, key: str) -> str:
        """The text under a key."""
        value = self._value(key)
        return value if isinstance(value, str) else self._refuse(key, "a text")

    def row(self, key: str) -> Row:
        """The label of a row under a key."""
        try:
            row = _row(self._value(key))
        except (ValueError, RecursionError):
            row = None
        return self._refuse(key, "the label of a row") if row is None else row

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts under a key."""
        held = self.values(key)
        return tuple(held) if all(isinstance(value, str) for value in held) else self._refuse(key, "texts")

    def count(self, key: str) -> int:
        """The whole number of 64 bits under a key."""
        value = self._value(key)
        return value if _is_count(value) else self._refuse(key, "a whole number")

    def counts(self, key: str) -> tuple[int, ...]:
        """The list of whole numbers under a key."""
        held = self.values(key)
        return tuple(held) if all(map(_is_count, held)) else self._refuse(key, "numbers")

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value(key)
        return value if isinstance(value, bool) else self._refuse(key, "true or false")

    def number(self, key: str) -> float:
        """The number under a key, or one of the words "nan", "inf" and "-inf"."""
        value = self._value(key)
        value = SPECIAL.get(value, value) if isinstance(value, str) else value
        if type(value) is int and abs(value) < 2**1023:
            return float(value)
        return value if type(value) is float else self._refuse(key, "a number")

    def known(self, key: str) -> bool:
        """Whether the value under a key is not null; a null counts as read."""
        if key in self.content and self.content[key] is None:
            self.taken.add(key)
            return False
        return True

    def done(self) -> None:
        """Raise if a key was not read: it would silently be lost.

        Raises:
            StorageError: naming the unknown keys.
        """
        unknown = sorted(set(self.content) - self.taken)
        if unknown:
            raise StorageError(
                f"{self.where}: unknown entries {unknown}; the file was changed or comes from a newer onlyif"
            )

    def _value(self, key: str) -> Any:
        if key not in self.content:
            raise StorageError(f"{self.where}: the entry {key!r} is missing; the file was changed")
        self.taken.add(key)
        return self.content[key]

    def _refuse(self, key: str, needed: str) -> NoReturn:
        raise StorageError(f"{self.where}: {key!r} must be {needed}, got {str(self.content[key])[:60]!r}")


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and -(2**63) <= value < 2**63
