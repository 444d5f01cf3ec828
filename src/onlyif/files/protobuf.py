"""The wire format of Protocol Buffers, as far as an ONNX file uses it.

Messages are looked at, never copied: a value is a number or a view of the bytes it lies in.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

from onlyif.core.errors import StorageError

Value: TypeAlias = int | memoryview

_VARINT, _WIDE, _BYTES, _NARROW = 0, 1, 2, 5


def fields(message: memoryview, dull: re.Pattern[bytes] | None = None) -> Iterator[tuple[int, Value]]:
    """The number and the value of each field, in order of the bytes.

    Args:
        message: One whole message.
        dull: Whole fields that are passed over unseen, where there may be millions of them.

    Raises:
        StorageError: if it is cut short or no such message.

    Example:
        >>> list(fields(memoryview(bytes([8, 150, 1]))))
        [(1, 150)]
    """
    at = 0
    while at < len(message):
        passed = None if dull is None else dull.match(message, at)
        if passed is not None:
            at = passed.end()
            continue
        key, at = _varint(message, at)
        kind, number = key & 7, key >> 3
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind not in {_WIDE, _BYTES, _NARROW} or not number:
            raise StorageError(f"no field of a known kind at byte {at}; the file is cut short or damaged")
        length = {_WIDE: 8, _NARROW: 4}.get(kind, 0)
        if kind == _BYTES:
            length, at = _varint(message, at)
        if length > len(message) - at:
            raise StorageError(f"{length} bytes wanted, {len(message) - at} left; the file is cut short")
        yield number, message[at : at + length]
        at += length


def varints(packed: memoryview) -> Iterator[int]:
    """Numbers that stand one after the other, unsigned as they are written.

    Args:
        packed: The bytes of a packed field.
    """
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for position, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value & (2**64 - 1), at + position + 1
    raise StorageError("a number goes on after its end; the file is cut short or damaged")
