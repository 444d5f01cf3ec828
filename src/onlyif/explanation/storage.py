"""Explanations saved and loaded: JSON for what is read, safetensors for arrays, no code in either.

One save writes two files beside each other:

    <stem>.onlyif.json                 settings, texts, sets, certificates; the other file's name, a digest
    <stem>.<digest>.safetensors        all arrays; its SHA-256 is in the JSON

Both are written under temporary names and moved into place, the arrays first and
the JSON last. Since the arrays' name holds their digest, a crash at any moment
leaves either the old explanations or the new ones, never a mixture.
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as pack_arrays

from onlyif.core.errors import StorageError
from onlyif.core.whole_files import checked_path, remove_drafts, suffixed, write_whole
from onlyif.explanation import causal_format
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.entry import Entry
from onlyif.explanation.explained import Explained, OneExplained, joined_alike, many
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.formats import FORMAT, Array, Arrays, plain_explanations, read_format_1
from onlyif.explanation.sealed import SEAL, need_seal, parsed, sealed_text

SUFFIX = ".onlyif.json"
_TENSORS = re.compile(r"\.[0-9a-f]{16}\.safetensors")
READERS: Mapping[int, Callable[[Entry, Arrays], Explained]] = {
    1: read_format_1,
    2: causal_format.read_format_2,
    # The same entries, with a digest of them.
    FORMAT: read_format_1,
    causal_format.FORMAT: causal_format.read_format_2,
}
_UNSEALED = frozenset({1, 2})


def save(explanations: OneExplained | Explained, path: str | os.PathLike[str]) -> Path:
    """Write explanations as `<path>.onlyif.json` and `<path>.<digest>.safetensors`.

    Args:
        explanations: One or many.
        path: The stem, with or without ".onlyif.json". Its folder is made where it is missing;
            explanations saved there before are replaced.

    Returns:
        The path of the JSON file, which `load` takes.

    Raises:
        StorageError: if the files cannot be written.
    """
    target = suffixed(path, SUFFIX)
    number, plain, arrays = _plain(many(explanations))
    packed = pack_arrays(arrays)
    digest = hashlib.sha256(packed).hexdigest()
    beside = target.with_name(f"{_stem(target)}.{digest[:16]}.safetensors")
    whole = {"format": number, "tensors": {"file": beside.name, "sha256": digest}, **plain}
    text = sealed_text(whole)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(beside, packed)
        _write(target, text.encode("utf-8", "surrogatepass"))
        _remove_stale(target, beside)
        remove_drafts(target.parent)
    except OSError as cause:
        raise StorageError(f"cannot write the explanations {target}: {cause}") from cause
    return target


def load(path: str | os.PathLike[str]) -> Explained:
    """Read explanations that `save` wrote.

    Args:
        path: The stem, or the path of the JSON file.

    Raises:
        StorageError: if a file is missing, cut short, changed since it was written, or of a
            newer format.
    """
    target = suffixed(path, SUFFIX)
    entry = _parsed(target)
    number = entry.count("format")
    if number not in READERS:
        raise StorageError(
            f"{target} has format {number}, this onlyif reads formats {sorted(READERS)}: "
            "it needs a newer version of onlyif"
        )
    if number not in _UNSEALED:
        need_seal(entry.content, str(target))
        entry.text(SEAL)
    return READERS[number](entry, _arrays(target, entry.inner("tensors")))


def load_folder(folder: str | os.PathLike[str]) -> Explained:
    """All explanations saved in one folder, joined in the order of `saved_in`.

    Args:
        folder: The folder.

    Raises:
        StorageError: if there are none, or one of them cannot be read.
        SettingError: if some hold sets and others causes.
    """
    stems = saved_in(folder)
    if not stems:
        raise StorageError(f"{Path(folder)} holds no saved explanations: need files named *{SUFFIX}")
    return joined_alike(load(stem) for stem in stems)


def saved_in(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The JSON files of all explanations saved in one folder; numbers in names count as numbers.

    Raises:
        StorageError: if it is no folder.
    """
    place = checked_path(folder)
    try:
        if not place.is_dir():
            raise StorageError(f"{place} is no folder: need one with saved explanations (files *{SUFFIX})")
        found = [file for file in place.iterdir() if file.name.endswith(SUFFIX)]
    except OSError as cause:
        if isinstance(cause, StorageError):
            raise
        raise StorageError(f"cannot read the folder {place}: {cause}") from cause
    return tuple(sorted(found, key=_natural))


def _plain(found: Explained) -> tuple[int, dict[str, Any], dict[str, Array]]:
    """The number of the format, values for strict JSON, and named arrays."""
    match found:
        case CausalExplanations():
            return causal_format.FORMAT, causal_format.plain_causes(found), {}
        case Explanations():
            return FORMAT, *plain_explanations(found)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]


def _stem(target: Path) -> str:
    return target.name.removesuffix(SUFFIX)


def _write(path: Path, content: bytes) -> None:
    write_whole(path, content)


def _remove_stale(target: Path, current: Path) -> None:
    stem = _stem(target)
    for other in target.parent.iterdir():
        named = other.name.startswith(stem) and _TENSORS.fullmatch(other.name[len(stem) :])
        if named and other.name != current.name:
            other.unlink()


def _parsed(target: Path) -> Entry:
    try:
        text = target.read_bytes().decode("utf-8", "surrogatepass")
        content = parsed(text)
    except FileNotFoundError as cause:
        raise StorageError(f"no saved explanations: {target} does not exist") from cause
    except OSError as cause:
        raise StorageError(f"cannot read {target}: {cause}") from cause
    except (ValueError, RecursionError) as cause:
        raise StorageError(f"{target} is cut short or no JSON: {cause}") from cause
    return Entry.of(content, str(target))


def _arrays(target: Path, entry: Entry) -> Arrays:
    name, digest = entry.text("file"), entry.text("sha256")
    entry.done()
    stem = _stem(target)
    if not (name.startswith(stem) and _TENSORS.fullmatch(name[len(stem) :])):
        raise StorageError(
            f"{target} names the tensor file {name!r}, need {stem}.<digest>.safetensors; "
            "if the files were renamed, give them their old names"
        )
    arrays = target.with_name(name)
    try:
        packed = arrays.read_bytes()
    except OSError as cause:
        raise StorageError(f"{target} needs {arrays}, which cannot be read: {cause}") from cause
    if hashlib.sha256(packed).hexdigest() != digest:
        raise StorageError(
            f"{arrays} is cut short or not the file that belongs to {target} (its SHA-256 differs); "
            "copy both files again, or save the explanations again"
        )
    return _unpacked(packed, arrays)


def _unpacked(packed: bytes, arrays: Path) -> dict[str, Array]:
    try:
        return dict(parse_arrays(packed))
    except (SafetensorError, ValueError, KeyError) as cause:
        raise StorageError(f"{arrays} is no readable safetensors file: {cause}") from cause
