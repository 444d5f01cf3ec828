"""Digests of what a run reads: the files that are named, and the user's own code."""

import hashlib
import os
import sys
import sysconfig
from argparse import Namespace
from collections.abc import Iterator
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
    folders: dict[str, str] = {}
    names = dict.fromkeys((name.partition(".")[0], name))
    named = [place for one in names for place in _place(sys.modules.get(one), folders)]
    # Of what is installed, only the package that was named is the user's own.
    own = tuple(f"{place.parent}{os.sep}" for place in named if place.stem == "__init__")
    around = (f"{here.resolve()}{os.sep}", *(f"{place.parent}{os.sep}" for place in named))
    libraries = tuple(
        f"{Path(sysconfig.get_path(name)).resolve()}{os.sep}" for name in ("stdlib", "platstdlib")
    )

    def is_own(place: Path, loaded: str) -> bool:
        where = str(place)
        if place in named or where.startswith(own):
            return True
        installed = where.startswith(libraries) or any(part in _INSTALLED for part in place.parts)
        return where.startswith(around) and not installed and loaded.partition(".")[0] != "onlyif"

    return {
        loaded: _digest(place)
        for loaded, module in sorted(sys.modules.items())
        for place in _place(module, folders)
        if is_own(place, loaded)
    }


def _place(module: Any, folders: dict[str, str]) -> Iterator[Path]:
    """The file of what stands for a module, if it has one; a lazy one is not loaded by asking.

    A program has thousands of modules in few folders, so that links are followed once a folder.
    """
    file = getattr(module, "__dict__", {}).get("__file__")
    if not isinstance(file, str) or not os.path.isfile(file):  # noqa: PTH113 - faster than a Path
        return
    folder, name = os.path.split(file)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    place = Path(folders[folder], name)
    yield place.resolve() if place.is_symlink() else place


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()
