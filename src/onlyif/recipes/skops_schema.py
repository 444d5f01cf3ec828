"""The records of a .skops file: audited one by one, and written anew.

skops asks only whether the *names* in a file are trusted, and lets one record
stand for another by its number. Here every record is checked against the list
for its own kind, numbers are dropped, and what skops is given afterwards is the
rewritten file: exactly the records that were checked, and nothing else.
"""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.recipes.skops_types import ALLOWED, KEY_TYPES, PARTIAL_FUNCTIONS

Record = dict[str, Any]
MAX_BYTES = 4 * 2**30
_MAX_DEPTH = 120


@final
@dataclass(frozen=True, eq=False)
class Archive:
    """The files inside a .skops file that its records ask for.

    Args:
        source: The opened archive.
        trust: Names that the user trusts.
        kept: Contents by name, as they will be written anew.
        untrusted: Names found that are neither allowed nor trusted.
        sizes: Bytes of every mention of a file so far.
    """

    source: zipfile.ZipFile
    trust: frozenset[str]
    kept: dict[str, bytes] = field(default_factory=dict)
    untrusted: set[str] = field(default_factory=set)
    sizes: list[int] = field(default_factory=list)

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
        self.sizes.append(len(self.kept[name]))
        if sum(self.sizes) > MAX_BYTES:
            raise StorageError(f"the .skops file unpacks to more than {MAX_BYTES // 2**30} GiB")
        return self.kept[name]

    def read(self, name: str) -> bytes:
        """The bytes of one file of the archive, by its name.

        Raises:
            StorageError: if it is missing, damaged or too large.
        """
        try:
            info = self.source.getinfo(name)
            if info.file_size > MAX_BYTES:
                raise StorageError(f"{name} in the .skops file unpacks to {info.file_size} bytes, too many")
            return self.source.read(info)
        except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError) as error:
            raise StorageError(
                f"the .skops file is damaged: {name[:60]!r} cannot be read ({error})"
            ) from error
        except Exception as error:  # zlib and lzma errors have no common base
            raise StorageError(f"the .skops file is damaged: {name[:60]!r}: {error}") from error

    def array(self, record: Record) -> np.ndarray:
        """The array of an array record that is stored as a file.

        Raises:
            StorageError: if it is damaged or holds objects.
        """
        data = self.content(record)
        try:
            stream = io.BytesIO(data)
            version = np.lib.format.read_magic(stream)
            reader = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                version, np.lib.format.read_array_header_2_0
            )
            shape, _, kind = reader(stream)
            size = int(np.prod([int(n) for n in shape], dtype=object)) * kind.itemsize
            if kind.hasobject or size != len(data) - stream.tell():
                raise StorageError(
                    f"an array in the .skops file is damaged: {shape} of {kind} in {len(data)} bytes"
                )
            found: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
            return found
        except (ValueError, EOFError, OSError, TypeError, SyntaxError, MemoryError) as error:
            raise StorageError(f"an array in the .skops file is damaged ({error})") from error


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
        if kind.get("__loader__") != "TypeNode" or name_of(kind) not in KEY_TYPES | archive.trust:
            archive.untrusted.add(f"keys of type {name_of(kind)}")


def rewritten_file(schema: Record, archive: Archive) -> bytes:
    """A .skops file of the audited records and the files that they ask for."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in archive.kept.items():
            target.writestr(name, content)
        target.writestr("schema.json", json.dumps(schema))
    return buffer.getvalue()
