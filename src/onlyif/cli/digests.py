"""Digests of what a run reads: the files that are named, and the user's own code."""

import hashlib
import sys
import sysconfig
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from onlyif.core.errors import StorageError
from onlyif.files.models import model_parts

_TABLES = ("data", "background", "baseline", "groups")
_INSTALLED = ("site-packages", "dist-packages")


def file_digests(arguments: Namespace) -> dict[str, str]:
    """The digest of every file that the arguments name, and of the files that belong to the model's.

    Raises:
        StorageError: if one cannot be read.
    """
    found = {
        name: _digest(Path(getattr(arguments, name)))
        for name in _TABLES
        if getattr(arguments, name) is not None
    }
    if arguments.model is not None:
        first, *others = model_parts(arguments.model)
        found["model"] = _digest(first)
        found |= {f"model ({part.name})": _digest(part) for part in others}
    return found


def code_digests(text: str | None, here: Path) -> dict[str, str]:
    """The digest of the module of --model-from and of the user's own modules that are loaded with it.

    Args:
        text: What --model-from names.
        here: The folder that the command was started in.

    Raises:
        StorageError: if one cannot be read.
    """
    if text is None:
        return {}
    name = text.partition(":")[0]
    named = [*_places(sys.modules.get(name.partition(".")[0])), *_places(sys.modules.get(name))]
    # Of what is installed, only the package that was named is the user's own.
    own = [place.parent for place in named if place.stem == "__init__"]
    around = [here.resolve(), *(place.parent for place in named)]
    return {
        loaded: _digest(place)
        for loaded, module in sorted(sys.modules.items())
        for place in _places(module)
        if place in named
        or _is_in(place, own)
        or (_is_in(place, around) and not _is_installed(place) and loaded.partition(".")[0] != "onlyif")
    }


def _places(module: Any) -> Iterator[Path]:
    """The file of what stands for a module, if it has one; a lazy one is not loaded by asking."""
    file = getattr(module, "__dict__", {}).get("__file__")
    if isinstance(file, str) and Path(file).is_file():
        yield Path(file).resolve()


def _is_in(place: Path, folders: Sequence[Path]) -> bool:
    return any(folder in place.parents for folder in folders)


def _is_installed(place: Path) -> bool:
    libraries = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    return any(part in _INSTALLED for part in place.parts) or _is_in(place, libraries)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()
