"""Files that are there whole or not at all, whatever happens while they are written.

Every file of this library is written here: as a draft beside its place, flushed to the disk, then moved
into place. A draft has a random name and is made exclusively, so that no link or file of another's is
followed or overwritten. Its writer holds a lock on it: a draft that nobody locks was left by a process
that was killed, and the next writer in that folder removes it.
"""

import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from onlyif.core.errors import SettingError

if sys.platform != "win32":
    import fcntl

_DRAFT = re.compile(r"\..*\.[0-9a-f]{16}\.onlyif\.tmp", re.DOTALL)
# What is left of a name in that of its draft, so that the longest name a folder takes has a draft too.
_SHOWN = 40
# Folders of some file systems cannot be flushed, links cannot be made, locks cannot be held.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LOCKS = _UNSUPPORTED | {errno.ENOLCK, errno.EBADF}


def checked_path(path: str | os.PathLike[str]) -> Path:
    """A path that can name a file or folder.

    Raises:
        SettingError: if it is neither, or empty, or holds what no name of a file can.

    Example:
        >>> checked_path("results/people").name
        'people'
    """
    given: Any = path
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str):
        raise SettingError(f"need a path as text or pathlib.Path, got {type(given).__name__} {given!r}"[:200])
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise SettingError(f"the path {text!r} cannot be a name of a file here: {error}") from error
    if not encoded or b"\0" in encoded:
        raise SettingError(f"need the path of a file or folder, got {text!r}")
    return Path(text)


def suffixed(path: str | os.PathLike[str], suffix: str) -> Path:
    """The path of a file that is named with or without its suffix.

    Args:
        path: The stem, or the whole name.
        suffix: What the name ends with.

    Raises:
        SettingError: if it cannot name a file.

    Example:
        >>> suffixed("people", ".json").name, suffixed("people.json", ".json").name
        ('people.json', 'people.json')
    """
    given = checked_path(path)
    if given.name in {"", ".."}:
        raise SettingError(f"need the path of a file, got {os.fspath(path)!r}, which names a folder")
    return given.with_name(given.name.removesuffix(suffix) + suffix)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in place of one that is there: at any moment the old one or the new one, never a part.

    Args:
        path: The file. A link there is replaced, not followed.
        content: All of it.

    Raises:
        OSError: if it cannot be written; what was there before is there still.
    """
    with _drafted(path, content) as draft:
        draft.replace(path)
    _flush_folder(path.parent)


def create_whole(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet: of two who try at once, one succeeds.

    Raises:
        FileExistsError: if something of that name is there.
        OSError: if it cannot be written.
    """
    with _drafted(path, content) as draft:
        _move_new(draft, path, content)
    _flush_folder(path.parent)


def remove_drafts(folder: Path) -> None:
    """Remove the drafts that killed processes left in a folder; those being written stay.

    Args:
        folder: The folder. Only plain files that bear a draft's name, belong to this user
            and are locked by nobody are removed.
    """
    for found in list(folder.iterdir()):
        if _DRAFT.fullmatch(found.name):
            _remove_if_left(found)


def _move_new(draft: Path, path: Path, content: bytes) -> None:
    if sys.platform == "win32":
        draft.rename(path)  # which refuses there to replace a file
        return
    try:
        path.hardlink_to(draft)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        # Without links a kill may leave a part of the file, but still only one of two makes it.
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _drafted(path: Path, content: bytes) -> Iterator[Path]:
    """A draft with the content on the disk; removed at the end unless it was moved into place."""
    draft, descriptor = _new_draft(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform != "win32":
                yield draft  # the lock is held until the draft has its place
        if sys.platform == "win32":
            yield draft  # an open file cannot be moved there
    finally:
        draft.unlink(missing_ok=True)


def _new_draft(path: Path) -> tuple[Path, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    # Neither is known everywhere; O_EXCL alone follows no link at the end of a path.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        draft = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(8)}.onlyif.tmp")
        descriptor = os.open(draft, flags, 0o666)
        try:
            _lock(descriptor)
            # A cleaner may have taken the file for one that was left, in the moment before it was locked.
            if draft.exists() and os.path.samestat(os.fstat(descriptor), draft.lstat()):
                return draft, descriptor
        except BaseException:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise


def _remove_if_left(draft: Path) -> None:
    """Remove a draft unless its writer is alive, or nothing can be told about it."""
    if sys.platform == "win32":
        with suppress(OSError):  # a file that is open cannot be removed there
            draft.unlink()
        return
    # Gone, a link, or another's: it is left as it is.
    with suppress(OSError):
        descriptor = os.open(draft, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(status, draft.lstat()):
                    draft.unlink()
        finally:
            os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Put the new name on the disk too."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:  # a folder may be written to and not be read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)
