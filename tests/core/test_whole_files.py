"""Files are there whole or not at all, and nothing of another's is followed, overwritten or removed."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from onlyif.core import whole_files
from onlyif.core.errors import SettingError
from onlyif.core.whole_files import checked_path, create_whole, remove_drafts, suffixed, write_whole

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks and links of POSIX")
DRAFT = ".x.0123456789abcdef.onlyif.tmp"
KILLED = """\
import os, signal
from pathlib import Path
from onlyif.core.whole_files import write_whole
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
write_whole(Path("x"), b"new")
"""


def names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("write", [write_whole, create_whole])
def test_what_is_written_is_there_and_no_draft_is_left(tmp_path, write):
    write(tmp_path / "x", b"content")
    assert (tmp_path / "x").read_bytes() == b"content"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("write", [write_whole, create_whole])
@pytest.mark.parametrize("failing", ["fsync", "replace", "link"])
def test_a_failure_leaves_what_was_there_and_no_draft(tmp_path, monkeypatch, write, failing):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    name = "x" if write is write_whole else "y"
    (tmp_path / "x").write_bytes(b"old")
    used = {write_whole: {"fsync", "replace"}, create_whole: {"fsync", "link"}}
    if failing in used[write]:
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path / name, b"new")
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x").read_bytes() == b"old"


def test_a_name_as_long_as_the_folder_takes_has_a_draft_too(tmp_path):
    name = "é" * 127
    write_whole(tmp_path / name, b"content")
    assert names(tmp_path) == [name]


@posix
@pytest.mark.parametrize("write", [write_whole, create_whole])
def test_the_folder_is_flushed_too(tmp_path, monkeypatch, write):
    flushed, real = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (flushed.append(os.fstat(descriptor)), real(descriptor))
    )
    write(tmp_path / "x", b"content")
    assert os.path.samestat(flushed[0], (tmp_path / "x").stat())
    assert os.path.samestat(flushed[-1], tmp_path.stat())


@posix
def test_links_are_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    drawn = iter(["0" * 16, "1" * 16])
    monkeypatch.setattr(whole_files.secrets, "token_hex", lambda _: next(drawn))
    (folder / f".x.{'0' * 16}.onlyif.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_whole(folder / "x", b"new")
    (folder / "x").symlink_to(victim)
    write_whole(folder / "x", b"new")
    assert (victim.read_bytes(), (folder / "x").read_bytes()) == (b"secret", b"new")
    assert not (folder / "x").is_symlink()


def test_of_many_who_create_a_file_at_once_one_succeeds(tmp_path):
    started, refused = threading.Barrier(8), []

    def create(number):
        started.wait()
        try:
            create_whole(tmp_path / "x", bytes([number]))
        except FileExistsError:
            refused.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(range(8)) - set(refused)
    assert (tmp_path / "x").read_bytes() == bytes([winner])
    assert names(tmp_path) == ["x"]


@posix
def test_a_file_is_created_once_where_links_cannot_be_made(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    create_whole(tmp_path / "x", b"first")
    with pytest.raises(FileExistsError):
        create_whole(tmp_path / "x", b"second")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert names(tmp_path) == ["x"]


@posix
def test_the_draft_of_a_killed_process_is_removed_later(tmp_path):
    code = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False).returncode
    assert code < 0
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".x.") and left.name.endswith(".onlyif.tmp")
    remove_drafts(tmp_path)
    assert names(tmp_path) == []


def test_a_draft_that_is_being_written_stays(tmp_path, monkeypatch):
    real, seen = Path.replace, []

    def look(draft, target):
        remove_drafts(tmp_path)
        seen.append(draft.exists())
        return real(draft, target)

    if sys.platform != "win32":
        monkeypatch.setattr(Path, "replace", look)
        write_whole(tmp_path / "x", b"content")
        assert seen == [True]
        assert names(tmp_path) == ["x"]


@posix
def test_only_left_drafts_of_ours_are_removed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    kept = [".x.tmp", ".x.12.tmp", "x.0123456789abcdef.onlyif.tmp", ".x.0123456789abcdeg.onlyif.tmp"]
    for name in kept:
        (folder / name).write_bytes(b"")
    (folder / DRAFT.replace("x", "link")).symlink_to(victim)
    (folder / DRAFT.replace("x", "folder")).mkdir()
    (folder / DRAFT).write_bytes(b"")
    remove_drafts(folder)
    assert DRAFT not in names(folder)
    assert len(names(folder)) == len(kept) + 2
    assert victim.read_bytes() == b"secret"


@pytest.mark.parametrize("path", ["", "a\0b", pytest.param("a\ud800b", marks=posix)])
def test_what_can_be_no_path_is_refused(path):
    with pytest.raises(SettingError):
        checked_path(path)


@pytest.mark.parametrize("path", ["..", "/", ".", "a/.."])
def test_a_folder_is_no_file(path):
    with pytest.raises(SettingError, match="names a folder"):
        suffixed(path, ".json")
