"""Size and time of a fresh install, and of the import, beside other libraries, in one run.

    python benchmarks/install.py [LIBRARY ...]

Each stands in an environment of its own. Sizes are those of what pip installs, without pip itself.
Times of the import are medians of nine fresh processes, interleaved between the libraries, with quartiles.
"""

import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARIES = {
    "onlyif": (str(ROOT), "onlyif"),
    "shap": ("shap", "shap"),
    "shapiq": ("shapiq", "shapiq"),
    # The build of torch for processors alone, which is the smallest there is.
    "captum": ("captum torch==2.13.0", "captum"),
}
ROUNDS = 9


def size(folder):
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def site(environment):
    return next((environment / "lib").glob("python3*/site-packages"))


def installed(name, folder):
    """An environment with one library, its size without what was there before, and the seconds it took."""
    environment = folder / name
    venv.create(environment, with_pip=True)
    before = size(site(environment))
    wanted, _ = LIBRARIES[name]
    started = time.perf_counter()
    command = [environment / "bin/python", "-m", "pip", "install", "-qq", "--no-compile", *wanted.split()]
    subprocess.run(command, check=True)
    return environment, size(site(environment)) - before, time.perf_counter() - started


def seconds(environment, module):
    started = time.perf_counter()
    subprocess.run([environment / "bin/python", "-W", "ignore", "-c", f"import {module}"], check=True)
    return time.perf_counter() - started


def main(names):
    with tempfile.TemporaryDirectory() as made:
        found = {name: installed(name, Path(made)) for name in names}
        for environment, *_ in found.values():
            subprocess.run([environment / "bin/python", "-c", "pass"], check=True)
        for name in names:  # once for the files to be compiled and in memory
            seconds(found[name][0], LIBRARIES[name][1])
        times = {name: [] for name in names}
        for _ in range(ROUNDS):
            for name in names:
                times[name].append(seconds(found[name][0], LIBRARIES[name][1]))
        print(f"{'library':10} {'install':>10} {'pip':>8} {'import (quartiles)':>28}")
        for name in names:
            low, middle, high = statistics.quantiles(times[name], n=4)
            _, taken, pip = found[name]
            print(
                f"{name:10} {taken / 2**20:6.0f} MiB {pip:6.0f} s {middle:10.2f} s ({low:.2f} to {high:.2f})"
            )


if __name__ == "__main__":
    main(sys.argv[1:] or list(LIBRARIES))
