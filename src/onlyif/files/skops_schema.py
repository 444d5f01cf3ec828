"""The records of a .skops file: audited one by one, and written anew.

skops asks only whether the *names* in a file are trusted, and lets one record
stand for another by its number. Here every record is checked against the list
for its own kind, numbers are dropped, and what skops is given afterwards is the
rewritten file: exactly the records that were checked, and nothing else.
"""

import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.files.skops_types import ALLOWED, KEY_TYPES, PARTIAL_FUNCTIONS
from onlyif.files.tree_arrays import MAX_TEXT

Record = dict[str, Any]
# A file may unpack to so much, and to so many times its own size on the disk.
FREE_BYTES, MAX_RATIO, MAX_BYTES = 2**26, 64, 2**31
MAX_VALUES = 2 * 10**6
_MAX_DEPTH = 120
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BLOCK = 2**20


@final
@dataclass(frozen=True, eq=False)
class Archive:
    """The files inside a .skops file that its records ask for.

    Args:
        source: The opened archive.
        most: Most bytes that all mentions of its files may unpack to.
        trust: Names that the user trusts.
        kept: Contents by name, as they will be written anew.
        found: Names of types and functions that were found.
        untrusted: Those that are neither allowed nor trusted.
        taken: Bytes of every mention of a file so far.
    """

    source: zipfile.ZipFile
    most: int
    trust: frozenset[str]
    kept: dict[str, bytes] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    untrusted: set[str] = field(default_factory=set)
    taken: list[int] = field(default_factory=lambda: [0])

    def content(self, record: Record) -> bytes:
        """The bytes of the file that a record names.

        Raises:
            StorageError: if it names none, or the files are too large together.
        """
        name = record.get("file")
        if not isinstance(name, str):
            raise StorageError("a record of the .skops file names no file; the file is damaged")
        if name not in self.kept:
            self.kept[name] = self.read(name)
        self.take(len(self.kept[name]))
        return self.kept[name]

    def take(self, size: int) -> None:
        """Count bytes that will be held.

        Raises:
            StorageError: if they are too many for a file of this size.
        """
        self.taken[0] += size
        if self.taken[0] > self.most:
            raise StorageError(
                f"the .skops file unpacks to more than {self.most} bytes, too many for its size"
            )

    def read(self, name: str, most: int = MAX_BYTES) -> bytes:
        """The bytes of one file of the archive, by its name.

        Args:
            name: Its name.
            most: Most bytes it may have.

        Raises:
            StorageError: if it is missing, damaged or too large.
        """
        most = min(most, self.most - self.taken[0])
        try:
            info = self.source.getinfo(name)
            if info.compress_type not in _METHODS:
                raise StorageError(
                    "the .skops file is not packed by deflate; save it with ZIP_DEFLATED or none"
                )
            parts, left = [], most
            if info.file_size <= most:
                with self.source.open(info) as stream:
                    while part := stream.read(_BLOCK):
                        parts.append(part)
                        left -= len(part)
            if info.file_size > most or left < 0:
                raise StorageError(
                    f"{name[:60]!r} in the .skops file unpacks to more than {most} bytes, too many"
                )
            return b"".join(parts)
        except StorageError:
            raise
        except Exception as error:  # the errors of zipfile, zlib and the disk have no common base
            raise StorageError(
                f"the .skops file is damaged: {name[:60]!r} cannot be read ({error})"
            ) from error

    def array(self, record: Record) -> np.ndarray:
        """The array of an array record that is stored as a file; its bytes are not copied.

        Raises:
            StorageError: if it is damaged or holds objects.
        """
        data = self.content(record)
        try:
            shape, by_columns, kind, start = _header(data)
            size = math.prod(shape)
            if kind.hasobject or not kind.itemsize or size * kind.itemsize != len(data) - start:
                raise StorageError(
                    f"an array in the .skops file is damaged: {shape} of {kind} in {len(data)} bytes"
                )
            flat: np.ndarray = np.frombuffer(data, kind, size, start)
            return flat.reshape(shape, order="F" if by_columns else "C")
        except StorageError:
            raise
        except Exception as error:  # a damaged header may raise anything, from the tokenizer too
            raise StorageError(f"an array in the .skops file is damaged ({error})") from error


def _header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    stream = io.BytesIO(data[: 2**14])
    version = np.lib.format.read_magic(stream)
    one = version == (1, 0)
    reader = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
    shape, by_columns, kind = reader(stream)
    if not all(type(n) is int and n >= 0 for n in shape):
        raise StorageError(f"an array in the .skops file has the shape {shape}; the file is damaged")
    return shape, by_columns, kind, stream.tell()


def opened_archive(source: zipfile.ZipFile, size: int, trust: frozenset[str]) -> Archive:
    """The files inside a .skops file.

    Args:
        source: The opened archive.
        size: Bytes of the whole file.
        trust: Names that the user trusts.
    """
    return Archive(source, min(MAX_BYTES, FREE_BYTES + MAX_RATIO * size), trust)


def read_schema(archive: Archive) -> Any:
    """The records, as plain values.

    Raises:
        StorageError: if they are no JSON, or too many.
    """
    text = archive.read("schema.json", MAX_TEXT)
    # Counted before they are made: a value takes a hundred times the bytes of its text.
    if sum(text.count(mark) for mark in (b"{", b"[", b",")) > MAX_VALUES:
        raise StorageError(f"the .skops file holds more than {MAX_VALUES} records; the file is damaged")
    return json.loads(text)


Hooks = dict[tuple[str, str], Callable[[Record, Archive], None]]


def audit(value: Any, archive: Archive, hooks: Hooks, depth: int = 0) -> Any:
    """The records with every one checked and unnumbered.

    Args:
        value: A record, or what one holds.
        archive: Takes up the files that are asked for and the names that are not trusted.
        hooks: Further checks by kind and name of a record; they may change it.
        depth: Levels above this one.

    Raises:
        StorageError: if a record is malformed.
    """
    if depth > _MAX_DEPTH:
        raise StorageError(f"the .skops file nests deeper than {_MAX_DEPTH} levels")
    if isinstance(value, list):
        return [audit(item, archive, hooks, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    rewritten = {
        key: audit(item, archive, hooks, depth + 1)
        for key, item in value.items()
        if key != "__id__" or "__loader__" not in value
    }
    if "__loader__" in value:
        _check_record(rewritten, archive, hooks)
    return rewritten


def name_of(record: Record) -> str:
    """The full name of the type or function that a record names.

    Raises:
        StorageError: if it names none.
    """
    parts = record.get("__module__"), record.get("__class__")
    if not all(isinstance(part, str) for part in parts):
        raise StorageError("a record of the .skops file has no type; the file is damaged")
    return f"{parts[0]}.{parts[1]}"


def _check_record(record: Record, archive: Archive, hooks: Hooks) -> None:
    loader, name = record["__loader__"], name_of(record)
    if not isinstance(loader, str):
        raise StorageError("a record of the .skops file is of no kind; the file is damaged")
    if loader == "MethodNode":
        name = f"{name}.{record.get('content', {}).get('func')}"
    archive.found.add(name)
    if name not in ALLOWED.get(loader, frozenset()) and name not in archive.trust:
        archive.untrusted.add(name)
    if loader == "FunctionNode" and "content" in record:
        raise StorageError("the .skops file is of a format before 1, which this library does not read")
    _check_shape(loader, record, archive)
    hook = hooks.get((loader, name))
    if hook is not None:
        hook(record, archive)


def _check_shape(loader: str, record: Record, archive: Archive) -> None:
    if loader == "DictNode":
        _check_keys(record, archive)
    elif loader == "PartialNode":
        function = record.get("content", {}).get("func", {})
        archive.found.add(name_of(function))
        if name_of(function) not in PARTIAL_FUNCTIONS | archive.trust:
            archive.untrusted.add(f"functools.partial of {name_of(function)}")
    elif loader == "NdArrayNode" and record.get("type") == "numpy":
        archive.array(record)
    elif "file" in record:
        archive.content(record)


def _check_keys(record: Record, archive: Archive) -> None:
    """Types of keys are called with the keys: only plain types may be."""
    kinds, content = record.get("key_types"), record.get("content")
    if not isinstance(kinds, dict) or kinds.get("__loader__") != "ListNode" or not isinstance(content, dict):
        raise StorageError("a dictionary in the .skops file is damaged")
    for kind in kinds.get("content", []):
        archive.found.add(name_of(kind))
        if kind.get("__loader__") != "TypeNode" or name_of(kind) not in KEY_TYPES | archive.trust:
            archive.untrusted.add(f"keys of type {name_of(kind)}")


def rewritten_file(schema: Record, archive: Archive) -> bytes:
    """A .skops file of the audited records and the files that they ask for."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        while archive.kept:  # each is let go as it is written
            target.writestr(*archive.kept.popitem())
        target.writestr("schema.json", json.dumps(schema))
    return buffer.getvalue()
