"""Universal Binary JSON, as far as XGBoost writes it, to plain Python values.

A file is decoded, checked and handed on as JSON text, so that the library reads
exactly what was checked.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from onlyif.core.errors import StorageError

Json: TypeAlias = Any  # null, booleans, numbers, text, lists and dicts of these

MAX_DEPTH = 64
_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_LETTERS = {b"Z": None, b"T": True, b"F": False}


def decode_ubjson(data: bytes) -> Json:
    """The value that the bytes hold.

    Raises:
        StorageError: if the bytes are cut short or are no such document.

    Example:
        >>> decode_ubjson(bytes([0x7B, 0x55, 1, 0x61, 0x5B, 0x23, 0x55, 1, 0x55, 7, 0x7D]))
        {'a': [7]}
    """
    try:
        value, end = _Reader(data).value(0, 0)
    except (IndexError, ValueError, MemoryError, RecursionError) as error:
        raise StorageError(f"the file is cut short or damaged ({error})") from error
    if data[end:].strip(b"\x00N"):
        raise StorageError(f"the file goes on after its end at byte {end}")
    return value


@final
@dataclass(frozen=True)
class _Reader:
    data: bytes

    def value(self, at: int, depth: int) -> tuple[Json, int]:
        return self.marked(self.data[at : at + 1], at + 1, depth)

    def marked(self, mark: bytes, at: int, depth: int) -> tuple[Json, int]:
        """The value whose type letter has been read already."""
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels of nesting")
        if mark in _NUMBERS:
            numbers, end = self.numbers(mark, 1, at)
            return numbers[0], end
        if mark in _LETTERS:
            return _LETTERS[mark], at
        if mark == b"S":
            return self.text(at)
        if mark == b"C":
            return self.part(at, 1).decode("ascii"), at + 1
        if mark == b"[":
            return self.array(at, depth)
        if mark == b"{":
            return self.object(at, depth)
        raise ValueError(f"unknown type letter {mark!r} at byte {at - 1}")

    def part(self, at: int, length: int) -> bytes:
        if length < 0 or at + length > len(self.data):
            raise ValueError(f"{length} bytes wanted at byte {at} of {len(self.data)}")
        return self.data[at : at + length]

    def numbers(self, mark: bytes, count: int, at: int) -> tuple[list[Json], int]:
        kind = np.dtype(_NUMBERS[mark])
        end = at + count * kind.itemsize
        found = np.frombuffer(self.part(at, count * kind.itemsize), kind)
        if kind == np.dtype(">f4"):
            # The shortest decimals of float32: as text they give the same float32 again.
            return [float(text) for text in found.astype("U32").tolist()], end
        return list(found.tolist()), end

    def length(self, at: int) -> tuple[int, int]:
        found, end = self.value(at, MAX_DEPTH)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise ValueError(f"{found!r} is no length, at byte {at}")
        return found, end

    def text(self, at: int) -> tuple[str, int]:
        length, at = self.length(at)
        return self.part(at, length).decode("utf-8"), at + length

    def array(self, at: int, depth: int) -> tuple[list[Json], int]:
        if self.data[at : at + 1] == b"$":
            mark = self.part(at + 1, 1)
            if mark not in _NUMBERS or self.part(at + 2, 1) != b"#":
                raise ValueError(f"no array of numbers at byte {at}")
            count, at = self.length(at + 3)
            return self.numbers(mark, count, at)
        found: list[Json] = []
        if self.data[at : at + 1] == b"#":
            count, at = self.length(at + 1)
            for _ in range(count):
                item, at = self.value(at, depth + 1)
                found.append(item)
            # XGBoost closes counted arrays nowhere, older versions everywhere.
            return found, at
        while self.part(at, 1) != b"]":
            item, at = self.value(at, depth + 1)
            found.append(item)
        return found, at + 1

    def object(self, at: int, depth: int) -> tuple[dict[str, Json], int]:
        found: dict[str, Json] = {}
        while self.part(at, 1) != b"}":
            key, at = self.text(at)
            if key in found:
                raise ValueError(f"key {key!r} occurs twice")
            found[key], at = self.value(at, depth + 1)
        return found, at + 1
