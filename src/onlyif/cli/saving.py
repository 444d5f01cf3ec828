"""A folder of results: one file a finished block of rows, and what the run was.

`run.json` says which settings, files and rows the results belong to. A run goes
on in the folder only if all of these are the same.
"""

import hashlib
import importlib.util
import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from onlyif.cli.settings import recorded
from onlyif.core.errors import SettingError, StorageError
from onlyif.explanation.explained import Explained
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.storage import load_folder, save, saved_in
from onlyif.version import __version__

RUN_FILE = "run.json"
FORMAT = 1
_FILES = ("model", "data", "background", "baseline", "groups")

Record = dict[str, Any]


@final
@dataclass(frozen=True)
class Folder:
    """Where a run saves what it finishes.

    Args:
        path: The folder.
    """

    path: Path

    def begin(self, record: Mapping[str, Any], *, resume: bool) -> Explained:
        """The explanations that are there already, of this very run.

        Args:
            record: What the run is, from `record_of`.
            resume: Whether the folder may hold results.

        Raises:
            SettingError: if it holds results and `resume` is False, or those of another run.
            StorageError: if it cannot be read or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the folder {self.path}: {error.strerror}") from error
        stored = self._stored()
        held = saved_in(self.path)
        if not resume and (held or stored is not None):
            raise SettingError(
                f"{self.path} holds results already; go on with --resume, or name another folder with --out"
            )
        if stored is None and held:
            raise StorageError(
                f"{self.path} holds results without {RUN_FILE}; name another folder with --out"
            )
        if stored is not None:
            self._compare(stored, record)
        else:
            self._write(record)
        return load_folder(self.path) if held else Explanations(())

    def add(self, part: Explained, first: int) -> None:
        """Save one finished block of rows, whole or not at all.

        Args:
            part: The explanations.
            first: Number of the first of them in the run.
        """
        save(part, self.path / f"rows-{first:06d}")

    def _stored(self) -> Record | None:
        file = self.path / RUN_FILE
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot read {file}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise StorageError(f"{file} is damaged ({error}); name another folder with --out") from error
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise StorageError(f"{file} is of no format that onlyif {__version__} reads")
        return stored

    def _compare(self, stored: Record, record: Mapping[str, Any]) -> None:
        differing = [
            f"{group.removesuffix('s')} {name.replace('_', '-')}"
            for group in ("settings", "files")
            for name in record[group]
            if dict(stored.get(group) or {}).get(name) != record[group][name]
        ]
        if stored.get("rows") != record["rows"]:
            differing.append("the rows")
        if differing:
            raise SettingError(
                f"cannot go on in {self.path}: it holds another run (different: {', '.join(differing)}); "
                "use the same arguments and files, or name another folder with --out"
            )

    def _write(self, record: Mapping[str, Any]) -> None:
        file = self.path / RUN_FILE
        draft = file.with_name(f".{RUN_FILE}.tmp")
        try:
            draft.write_text(json.dumps(record, indent=1), encoding="utf-8")
            draft.replace(file)
        except OSError as error:
            raise StorageError(f"cannot write {file}: {error.strerror}") from error


def record_of(arguments: Namespace, positions: list[int]) -> Record:
    """What a run is: its settings, the digests of its files, its rows."""
    named = {name: getattr(arguments, name) for name in _FILES}
    files = {name: None if path is None else _digest(Path(path)) for name, path in named.items()}
    files["model_from"] = _source_digest(arguments.model_from)
    return {
        "format": FORMAT,
        "onlyif": __version__,
        "settings": json.loads(json.dumps(recorded(arguments))),
        "files": files,
        "rows": positions,
    }


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def _source_digest(text: str | None) -> str | None:
    if text is None:
        return None
    found = importlib.util.find_spec(text.partition(":")[0])
    source = None if found is None else found.origin
    return None if source is None or not Path(source).is_file() else _digest(Path(source))
