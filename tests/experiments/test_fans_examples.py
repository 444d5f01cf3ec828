"""The examples of the FANS experiments: Example 1 in closed form, Example 2 at and below its threshold."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from onlyif.causation.change import NormChange
from onlyif.causation.neighbourhood import HardEvents


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module("fans_examples")


@pytest.mark.parametrize(("b", "x1", "x2"), [(0.9, 0, 1.5 / 27), (1.4, 2 / 27, 4 / 27), (2.0, 1 / 9, 2 / 9)])
def test_example_1_is_the_papers(script, b, x1, x2):
    rows = [row for row in script.example_1() if (row["events"], row["b"]) == ("HardEvents", b)]
    assert [row[name] for row in rows for name in ("x1", "x2", "x3")] == pytest.approx([x1, x2, 0], abs=1e-6)
    # What the model ignores adds nothing but is compared: a pair with x3 never has less than x1 alone.
    assert rows[0]["x1x3"] == pytest.approx(x1, abs=1e-6)


def test_an_ignored_player_has_no_pns_whatever_the_events(script):
    assert all(row["x3"] == 0 for row in script.example_1())


def test_example_2_needs_a_threshold_below_its_largest_change(script):
    largest = {row["c"]: row["largest PNS"] for row in script.example_2()}
    change = abs(torch.sigmoid(torch.tensor(0.04)) - 0.5).item()
    assert {c: value > 0 for c, value in largest.items()} == {c: c < change for c in largest}


def test_the_explained_input_is_in_the_population(script):
    test = script.example_test(script.STEP, script.GRID, HardEvents(2.0, 0.5))
    found = test.measure(torch.ones(1, 3).double(), np.eye(3, dtype=bool)[None], NormChange())
    assert found.n_sample == 27
    assert bool(found.exact.all())
