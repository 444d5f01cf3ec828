"""Help, and what is wrong with the arguments alone, is said without loading large libraries."""

import json
import subprocess
import sys

# Those that a finder of ours refuses are never loaded, whoever asks for them.
SCRIPT = """\
import json, sys

REFUSED = set(json.loads(sys.argv[1]))

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Refusing())

from onlyif.cli.main import main

for code, arguments in json.loads(sys.argv[2]):
    assert main(arguments) == code, arguments
"""
LIBRARIES = ["torch", "scipy", "sklearn", "pandas", "polars", "pyarrow", "matplotlib", "lightgbm", "xgboost"]
EXPLAIN = ["explain", "model.json", "--data", "rows.csv"]
COMMANDS = ["explain", "show", "report", "measure", "dataset", "doctor", "completion"]
TOLD = [["--help"], ["--version"], ["doctor"], *([name, "--help"] for name in COMMANDS)]
WRONG = [
    [],
    ["--wrong"],
    ["wrong"],
    [*EXPLAIN, "--alpha", "two"],
    [*EXPLAIN, "--search", "wrong"],
    [*EXPLAIN, "--b", "wrong"],
    [*EXPLAIN, "--resume"],
    [*EXPLAIN, "--budget", "9", "--search", "exhaustive"],
    [*EXPLAIN, "--details", "--json"],
]


def test_arguments_are_read_without_large_libraries(tmp_path):
    codes = [*((0, told) for told in TOLD), *((2, wrong) for wrong in WRONG)]
    command = [sys.executable, "-c", SCRIPT, json.dumps(LIBRARIES), json.dumps(codes)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
