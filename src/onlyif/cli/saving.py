"""A folder of results: one file a finished block of rows, and what the run was.

`run.json` says which run the results belong to. It is made before the first of them, by one process only,
and a run goes on in the folder only if it is the same one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from onlyif.cli.record import Record, differences, rows_of
from onlyif.core.errors import SettingError, StorageError
from onlyif.core.whole_files import checked_path, create_whole, remove_drafts, write_whole
from onlyif.explanation.explanations import Explanations, joined
from onlyif.explanation.sealed import parsed, sealed_text
from onlyif.explanation.storage import SUFFIX, load, save, saved_in

RUN_FILE = "run.json"


@final
@dataclass(frozen=True)
class Folder:
    """Where a run saves what it finishes.

    Args:
        path: The folder, as it was named.
        place: The same from the root, so that code of the user's may change the working folder.
    """

    path: Path
    place: Path

    @classmethod
    def named(cls, path: str) -> "Folder":
        """The folder that a path names now.

        Raises:
            SettingError: if it is none.
        """
        given = checked_path(path)
        return cls(given, given.absolute())

    def begin(self, record: Mapping[str, Any], *, resume: bool) -> Explanations:
        """The explanations that are there already, of this very run.

        Args:
            record: What the run is, from `record_of`.
            resume: Whether the folder may hold results.

        Raises:
            SettingError: if it holds results and `resume` is False, or those of another run.
            StorageError: if it cannot be read or written.
        """
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            remove_drafts(self.place)
        except OSError as error:
            raise StorageError(f"cannot make the folder {self.path}: {error.strerror}") from error
        # Looked at in the opposite order in which a run makes them, since another may begin here now.
        held = saved_in(self.place)
        stored = self._read()
        if not resume and (held or stored is not None):
            raise self._taken()
        if stored is None and held:
            raise StorageError(
                f"{self.path} holds results without {RUN_FILE}; name another folder with --out"
            )
        if stored is None and not self._created(record):
            if not resume:
                raise self._taken()
            stored = self._read()
        if stored is not None:
            self._compare(stored, record)
            self._lengthen(stored, record)
        return self.held()

    def add(self, part: Explanations, first: int) -> None:
        """Save one finished block of rows, whole or not at all.

        Args:
            part: The explanations.
            first: Number of the first of them in the run.
        """
        save(part, self.place / f"rows-{first:06d}")

    def note(self, name: str, text: str) -> None:
        """Write a text beside the results, whole or not at all.

        Args:
            name: The name of the file.
            text: What is in it.

        Raises:
            StorageError: if it cannot be written.
        """
        try:
            write_whole(self.place / name, text.encode("utf-8"))
        except OSError as error:
            raise StorageError(f"cannot write {self.path / name}: {error.strerror}") from error

    def rows(self) -> int | None:
        """How many rows the run in the folder has in all; None where no run is told.

        Raises:
            StorageError: if what tells it is damaged.
        """
        stored = self._read()
        return None if stored is None else rows_of(stored, str(self.path / RUN_FILE))

    def stored(self) -> Record:
        """What the run in the folder is.

        Raises:
            StorageError: if no run is told, or what tells it is damaged.
        """
        stored = self._read()
        if stored is None:
            raise StorageError(
                f"{self.path} holds no {RUN_FILE}: need a folder that onlyif explain --out made"
            )
        return stored

    def _read(self) -> Record | None:
        file = self.path / RUN_FILE
        try:
            stored = parsed((self.place / RUN_FILE).read_bytes().decode("utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot read {file}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise StorageError(f"{file} is damaged ({error}); name another folder with --out") from error
        if not isinstance(stored, dict):
            raise StorageError(f"{file} is damaged (it holds no object); name another folder with --out")
        return stored

    def _compare(self, stored: Record, record: Mapping[str, Any]) -> None:
        differing = differences(stored, record, str(self.path / RUN_FILE))
        if differing:
            raise SettingError(
                f"cannot go on in {self.path}: it holds another run (different: {', '.join(differing)}); "
                "use the same arguments, files, code and versions, or name another folder with --out"
            )

    def _lengthen(self, stored: Record, record: Mapping[str, Any]) -> None:
        """Write down that the run has more rows than it had."""
        if len(record["rows"]) > len(stored["rows"]):
            try:
                write_whole(self.place / RUN_FILE, sealed_text(record).encode("utf-8", "surrogatepass"))
            except OSError as error:
                raise StorageError(f"cannot write {self.path / RUN_FILE}: {error.strerror}") from error

    def _created(self, record: Mapping[str, Any]) -> bool:
        """Write what the run is; False if another run has done so in this moment."""
        try:
            create_whole(self.place / RUN_FILE, sealed_text(record).encode("utf-8", "surrogatepass"))
        except FileExistsError:
            return False
        except OSError as error:
            raise StorageError(f"cannot write {self.path / RUN_FILE}: {error.strerror}") from error
        return True

    def _taken(self) -> SettingError:
        return SettingError(
            f"{self.path} holds results already; go on with --resume, or name another folder with --out"
        )

    def held(self) -> Explanations:
        """What is saved: the first rows, without a gap.

        Raises:
            StorageError: if a block is missing, damaged or cannot be read.
        """
        found: Explanations = Explanations(())
        for file in saved_in(self.place):
            if file.name != f"rows-{len(found):06d}{SUFFIX}":
                raise StorageError(
                    f"{self.path} holds {file.name} where the explanations from row {len(found)} on are "
                    "needed: some are missing, or it is of no run; name another folder with --out"
                )
            part = load(file)
            found = joined([found, part]) if len(found) else part
        return found
