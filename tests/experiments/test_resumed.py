"""What experiments keep part by part, on two parts that are known."""

import importlib
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def resumed(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("resumed")


def test_an_ended_run_goes_on_where_it_was(resumed, tmp_path):
    asked = []

    def made(i):
        asked.append(i)
        if asked == [0, 1]:
            raise KeyboardInterrupt
        return pd.DataFrame({"part": [i, i], "value": [10 * i, 10 * i + 1]})

    folder = tmp_path / "new" / "one"
    with pytest.raises(KeyboardInterrupt):
        resumed.of_each(folder, ["a", "b"], made)
    assert [path.name for path in folder.iterdir()] == ["a.csv"]
    found = resumed.of_each(folder, ["a", "b"], made)
    assert asked == [0, 1, 1]
    assert found.value.tolist() == [0, 1, 10, 11] and found.index.tolist() == [0, 1, 2, 3]
    (folder / "a.csv").write_text("part,value\n7,8\n", "utf-8")
    assert resumed.of_each(folder, ["a", "b"], made).value.tolist() == [8, 10, 11]
    assert asked == [0, 1, 1]
