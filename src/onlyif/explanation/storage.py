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
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations, collected, joined
from onlyif.explanation.older import read_causes, read_sets
from onlyif.explanation.sealed import SEAL, need_seal, parsed, sealed_text
from onlyif.explanation.stored import FORMAT, Array, Arrays, plain_explanations, read_explanations

SUFFIX = ".onlyif.json"
_TENSORS = re.compile(r"\.[0-9a-f]{16}\.safetensors")
READERS: Mapping[int, Callable[[Mapping[str, Any], Arrays, str], Explanations]] = {
    1: read_sets,
    2: read_causes,
    # The same entries, with a digest of them.
    3: read_sets,
    4: read_causes,
    FORMAT: read_explanations,
}
_UNSEALED = frozenset({1, 2})


def save(explanations: Explanation | Explanations, path: str | os.PathLike[str]) -> Path:
    """Save explanations as `<path>.onlyif.json` and `<path>.<digest>.safetensors`.

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
    plain, arrays = plain_explanations(collected(explanations))
    packed = pack_arrays(arrays)
    digest = hashlib.sha256(packed).hexdigest()
    beside = target.with_name(f"{_stem(target)}.{digest[:16]}.safetensors")
    whole = {"format": FORMAT, "tensors": {"file": beside.name, "sha256": digest}, **plain}
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


def load(path: str | os.PathLike[str]) -> Explanations:
    """Load explanations that `save` wrote.

    Args:
        path: The stem, or the path of the JSON file.

    Raises:
        StorageError: if a file is missing, cut short, changed since it was written, or of a
            newer format.
    """
    target = suffixed(path, SUFFIX)
    document = _parsed(target)
    number, tensors = document.pop("format", None), document.pop("tensors", None)
    if type(number) is not int or not isinstance(tensors, dict):
        raise StorageError(f"{target}: need a 'format', a whole number, and 'tensors'; the file was changed")
    if number not in READERS:
        raise StorageError(
            f"{target} has format {number}, this onlyif reads formats {sorted(READERS)}: "
            "it needs a newer version of onlyif"
        )
    if number not in _UNSEALED:
        need_seal({"format": number, "tensors": tensors, **document}, str(target))
        document.pop(SEAL)
    return READERS[number](document, _arrays(target, tensors), str(target))


def load_folder(folder: str | os.PathLike[str]) -> Explanations:
    """All explanations saved in one folder, joined in the order of `saved_in`.

    Args:
        folder: The folder.

    Raises:
        StorageError: if there are none, or one of them cannot be read.
        SettingError: if they are by several criteria.
    """
    stems = saved_in(folder)
    if not stems:
        raise StorageError(f"{Path(folder)} holds no saved explanations: need files named *{SUFFIX}")
    return joined(load(stem) for stem in stems)


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


def _parsed(target: Path) -> dict[str, Any]:
    try:
        text = target.read_bytes().decode("utf-8", "surrogatepass")
        content = parsed(text)
    except FileNotFoundError as cause:
        raise StorageError(f"no saved explanations: {target} does not exist") from cause
    except OSError as cause:
        raise StorageError(f"cannot read {target}: {cause}") from cause
    except (ValueError, RecursionError) as cause:
        raise StorageError(f"{target} is cut short or no JSON: {cause}") from cause
    if not isinstance(content, dict):
        raise StorageError(f"{target}: need a JSON object, got {type(content).__name__}")
    return content


def _arrays(target: Path, tensors: Mapping[str, Any]) -> Arrays:
    name, digest = tensors.get("file"), tensors.get("sha256")
    if len(tensors) != 2 or not (isinstance(name, str) and isinstance(digest, str)):
        raise StorageError(f"{target}: tensors: need the texts 'file' and 'sha256', got {sorted(tensors)}")
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
