"""Fixtures for all tests, and how examples of property tests are drawn."""

import os
import random
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

REASON = (
    "compares with Quantus, which is licensed under GPLv3 and not among the default checks; see make quantus"
)

# The same examples on every machine and in every order of tests: `make test` checks, `make hunt` searches.
settings.register_profile("checks", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("hunt", deadline=None, print_blob=True)
settings.load_profile("checks")
# Hypothesis mixes constants from whatever local modules are imported so far into its examples, which
# would depend on the order of tests and on how they are divided among processes.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants


# The many processes that tests start read what is compiled once, also where the environment keeps nothing.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--shuffle SEED` runs the tests in a random order."""
    parser.addoption("--shuffle", type=int, default=None, help="seed of a random order of the tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A random order of files, and of the tests in each, where one is asked for."""
    seed = config.getoption("--shuffle")
    if seed is None:
        return
    made, files = random.Random(seed), {}
    for item in items:
        files.setdefault(str(item.path), []).append(item)
    shuffled = list(files.values())
    made.shuffle(shuffled)
    for one in shuffled:
        made.shuffle(one)
    items[:] = [item for one in shuffled for item in one]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of data sets that the user names in ONLYIF_DATA."""
    named = os.environ.get("ONLYIF_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("needs the data sets: name their folder in the environment variable ONLYIF_DATA")
    return Path(named)


@pytest.fixture
def quantus():
    """The library Quantus, where it is installed."""
    return pytest.importorskip("quantus", reason=REASON)
