"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of data sets that the user names in ONLYIF_DATA."""
    named = os.environ.get("ONLYIF_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("needs the data sets: name their folder in the environment variable ONLYIF_DATA")
    return Path(named)
