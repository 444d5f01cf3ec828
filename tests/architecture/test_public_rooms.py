"""`onlyif.plots` and `onlyif.metrics` offer names of their files, and say which extra is missing."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import onlyif.metrics
import onlyif.plots

ROOMS = [onlyif.metrics, onlyif.plots]
every_room = pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)

REFUSED = """
import sys

REFUSED = {"torch"}


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Finder())

import onlyif


def check(statement, extra):
    try:
        exec(statement)
    except onlyif.ExtraError as error:
        assert f"pip install 'onlyif[{extra}]'" in str(error), error
    else:
        raise AssertionError(f"{statement} went on")


for line in (
    "import onlyif.metrics",
    "import onlyif.metrics.infidelity",
    "from onlyif.metrics import Infidelity",
    "import onlyif.amortised.search",
):
    check(line, "torch")
from onlyif.plots import plot_explanation, plot_masks

for name in [name for name in sys.modules if name.startswith(("matplotlib", "onlyif.plots"))]:
    del sys.modules[name]
REFUSED.add("matplotlib")
for line in ("import onlyif.plots", "import onlyif.plots.plane", "from onlyif.plots import plot_plane"):
    check(line, "plots")
"""
LIGHT = """
import sys
import onlyif.metrics, onlyif.plots
assert dir(onlyif.plots) == sorted(onlyif.plots.__all__), dir(onlyif.plots)
assert not {"matplotlib", "torch"} & set(sys.modules)
from onlyif.plots import plot_explanation, plot_masks
assert not {"torch"} & set(sys.modules)
"""


@every_room
def test_each_name_is_that_of_its_file_and_known_to_type_checkers(room):
    tree = ast.parse(Path(room.__file__).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    files = {
        name.name: node.module for node in imports for name in node.names if room.__name__ in node.module
    }
    assert sorted(files) == room.__all__
    for name, file in files.items():
        assert getattr(room, name) is vars(import_module(file))[name], name
    # A file named as what it offers would take its place once it is imported.
    assert not {path.stem for path in Path(room.__file__).parent.glob("*.py")} & set(room.__all__)


@every_room
def test_other_names_are_refused(room):
    with pytest.raises(AttributeError, match="has no attribute 'wrong'"):
        room.wrong


@pytest.mark.parametrize("code", [REFUSED, LIGHT], ids=["missing extras", "nothing is loaded early"])
def test_in_a_process_of_its_own(code):
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
