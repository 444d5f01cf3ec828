"""What an explanation says of f(x) is what the model answers, or it is refused."""

import re

import numpy as np
import pytest

import onlyif
from onlyif.core.errors import ModelError
from onlyif.models.checked import Fault

ROWS = np.random.default_rng(0).normal(size=(40, 5))


def _in_large_calls(table):
    return table[:, 0] + (len(table) > 500)


class _Drifts:
    """Answers that are equal at first and move on with every row that is asked for later."""

    def __init__(self):
        self.asked = 0

    def __call__(self, table):
        self.asked += len(table)
        return table[:, 0] + max(0, self.asked - 400)


KINDS = {
    "all sets": {},
    "some sets": {"search": "beam", "budget": 20_000},
    "decisions": {"distance": "discrete"},
    "causes": {"criterion": "pns"},
    "some causes": {"criterion": "pns", "search": "greedy"},
}


def _two(ask):
    def classes(table):
        p = (ask(table) > 0.5).astype(float)
        return np.stack([1 - p, p], 1)

    return classes


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_answers_otherwise_in_large_calls_is_asked_in_smaller_ones(kind):
    """What is explained is then the function that answers single rows, to the last set."""
    small = _two(lambda table: table[:, 0]) if kind == "decisions" else lambda table: table[:, 0]
    model = _two(_in_large_calls) if kind == "decisions" else _in_large_calls
    row = np.zeros((2, 5)) - 0.1
    found = onlyif.explain(model, row, background=ROWS, **KINDS[kind])
    plain = onlyif.explain(small, row, background=ROWS, **KINDS[kind])
    for one, other in zip(found, plain, strict=True):
        assert one.prediction == other.prediction
        (note,) = set(one.notes) - set(other.notes)
        assert int(re.search(r"calls of (\d+) rows", note)[1]) <= 500
        sets = ("cause",) if "criterion" in KINDS[kind] else ("sufficient", "necessary", "unified")
        assert [str(getattr(one, name)) for name in sets] == [str(getattr(other, name)) for name in sets]


def test_rows_that_are_many_are_answered_as_single_ones():
    rows = np.random.default_rng(1).normal(size=(140, 2))
    changes = lambda table: table[:, 0] + (len(table) > 100)  # noqa: E731 - by one where calls are large
    found = onlyif.explain(changes, rows, background=ROWS[:3, :2], max_rows=400)
    assert [one.prediction for one in found] == pytest.approx(rows[:, 0].tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_drifts_is_refused(kind):
    model = _two(_Drifts()) if kind == "decisions" else _Drifts()
    row = np.zeros((1, 5)) - 0.1
    with pytest.raises(ModelError, match="tolerate RANDOM"):
        onlyif.explain(model, row, background=ROWS, **KINDS[kind])


def test_it_is_lived_with_on_request_and_noted():
    row = np.zeros((1, 5))
    found = onlyif.explain(_in_large_calls, row, background=ROWS, tolerate=(Fault.RANDOM,))[0]
    (note,) = found.notes
    assert "row 0: 0 when asked for it alone, 1 when it was explained" in note
    assert "tolerated" in note


def test_rounding_is_no_other_answer():
    def single(table):
        table = table.astype(np.float32)
        return (table @ np.arange(5, dtype=np.float32)) * np.float32(1 + 2.0**-23 * (len(table) % 4))

    for kind in ("all sets", "some sets", "causes"):
        assert onlyif.explain(single, ROWS[:3], background=ROWS, **KINDS[kind])[0].notes == ()
