"""What is no path and what is no explanation, at the doors of storage: our own errors."""

import subprocess
import sys

import pytest

import onlyif
from onlyif.testing.explanations import example_explanations

# Without the checks of types that tests run with: these are what a user gets.
SLIPS = """\
import onlyif
from onlyif.testing.explanations import example_explanations
found = example_explanations()
slips = {
    "save(None)": lambda: onlyif.save(None, "a"),
    "save(list)": lambda: onlyif.save([found[0]], "a"),
    "save to None": lambda: onlyif.save(found, None),
    "save to a number": lambda: onlyif.save(found, 3),
    "save to bytes": lambda: onlyif.save(found, b"a"),
    "load(None)": lambda: onlyif.load(None),
    "load_folder(3)": lambda: onlyif.load_folder(3),
}
for name, slip in slips.items():
    try:
        slip()
    except onlyif.SettingError as error:
        continue
    except Exception as error:
        print(name, type(error).__name__)
    else:
        print(name, "was taken")
"""


def test_other_kinds_are_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SLIPS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", "a\0b", "..", "/"])
def test_what_names_no_file_is_refused(path):
    with pytest.raises(onlyif.SettingError):
        onlyif.save(example_explanations(), path)
    with pytest.raises(onlyif.SettingError):
        onlyif.load(path)


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_names_no_folder_is_refused(path):
    with pytest.raises(onlyif.SettingError):
        onlyif.load_folder(path)


def test_a_name_that_no_folder_takes_is_refused(tmp_path):
    long = tmp_path / ("x" * 300)
    for use in (onlyif.load, onlyif.load_folder, lambda path: onlyif.save(example_explanations(), path)):
        with pytest.raises(onlyif.StorageError, match="xxx"):
            use(long)
