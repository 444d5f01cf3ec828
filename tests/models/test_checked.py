"""Bad answers of a model, each with a plain error; faults are found by a probe and lived with on request."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from onlyif.core.errors import InputError, ModelError
from onlyif.modalities.table import fit_schema
from onlyif.models.base import ANY_ROWS, NETWORK_ROWS, Meaning, Predictor
from onlyif.models.checked import CheckedPredictor, Fault, apart_in_a_large_call, checked, probe
from onlyif.models.detect import detect
from onlyif.models.function import FunctionPredictor
from onlyif.models.outputs import DIGITS_SINGLE, AutoOutput

ROWS = np.arange(24.0).reshape(8, 3)


def _raises_at(row):
    def function(batch):
        if bool((batch[:, 0] == ROWS[row, 0]).any()):
            raise KeyError("no such city")
        return batch.sum(1)

    return function


def _nan_at(row, value):
    def function(batch):
        return np.where(batch[:, 0] == ROWS[row, 0], value, batch.sum(1))

    return function


@pytest.mark.parametrize("row", [0, 3, 7])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named_with_its_row(row, value):
    with pytest.raises(ModelError, match=rf"a function answered {value} for row {row} of a call of 8 rows"):
        CheckedPredictor(FunctionPredictor(_nan_at(row, value))).predict(ROWS)


@pytest.mark.parametrize("row", range(8))
def test_a_model_that_raises_midway_is_told_with_the_row_and_the_cause(row):
    with pytest.raises(ModelError, match=f"raised KeyError at row {row} of a call of 8 rows") as told:
        CheckedPredictor(FunctionPredictor(_raises_at(row))).predict(ROWS)
    assert isinstance(told.value.__cause__, KeyError)


def test_a_model_that_raises_only_for_large_calls_has_no_row():
    def function(batch):
        if len(batch) > 4:
            raise ValueError("too many")
        return batch.sum(1)

    with pytest.raises(ModelError, match="raised ValueError in a call of 8 rows: too many"):
        CheckedPredictor(FunctionPredictor(function)).predict(ROWS)


def test_what_lightgbm_says_of_categories_comes_with_what_to_do():
    def function(batch):
        raise ValueError("train and valid dataset categorical_feature do not match.")

    with pytest.raises(ModelError, match=r"do not match\. Columns of texts .*astype\('category'\)"):
        CheckedPredictor(FunctionPredictor(function)).predict(ROWS)


def test_our_own_errors_and_interrupts_pass():
    def interrupted(batch):
        raise KeyboardInterrupt

    def refused(batch):
        raise InputError("not this")

    with pytest.raises(KeyboardInterrupt):
        CheckedPredictor(FunctionPredictor(interrupted)).predict(ROWS)
    with pytest.raises(InputError, match="not this"):
        CheckedPredictor(FunctionPredictor(refused)).predict(ROWS)


SHAPES = {
    "answered with 7 rows to 8 rows": lambda batch: batch[1:],
    "answered with 1 rows to 8 rows": lambda batch: batch.sum(0, keepdims=True),
    "0 dimensions": lambda batch: batch.sum(),
    "3 dimensions": lambda batch: batch[:, :, None],
    "with a list that is not numeric": lambda batch: ["yes"] * len(batch),
    "0 outputs a row; need at least 1": lambda batch: batch[:, :0],
    "NoneType that is not numeric": lambda batch: None,
}


@pytest.mark.parametrize("said", SHAPES)
def test_an_answer_of_a_wrong_shape_or_kind_is_refused(said):
    with pytest.raises(ModelError, match=said):
        CheckedPredictor(FunctionPredictor(SHAPES[said])).predict(ROWS)


def test_a_changing_number_of_outputs_is_refused():
    predictor = checked(FunctionPredictor(lambda batch: batch[:, : 1 + len(batch) // 8]), ROWS)
    assert predictor.n_outputs == 1
    with pytest.raises(ModelError, match="2 outputs a row; need 1"):
        predictor.predict(ROWS)
    labelled = FunctionPredictor(lambda batch: batch, described=Meaning("a model", "value", ("a", "b")))
    with pytest.raises(ModelError, match="3 outputs a row; need 2"):
        CheckedPredictor(labelled).predict(ROWS)


def test_right_answers_pass_unchanged():
    inner = FunctionPredictor(lambda batch: batch * 2)
    predictor = checked(inner, ROWS)
    assert np.array_equal(predictor.predict(ROWS), ROWS * 2)
    assert predictor.meaning == inner.meaning
    assert probe(predictor, ROWS).notes == probe(inner, ROWS).notes == ()


def _adds_column(frame):
    total = frame["a"] + frame["b"]
    frame["total"] = total
    return total


def _fills_missing(frame):
    frame["b"] = frame["b"].fillna(0.0)
    return frame["b"]


def _sorts(array):
    answer = array.sum(axis=1)
    array.sort(axis=1)
    return answer


def _in_place(tensor):
    return tensor.mul_(2).sum(1)


FRAME = pd.DataFrame({"a": [3.0, 1.0], "b": [np.nan, 2.0]})
CHANGES = [
    (_adds_column, FRAME.fillna(1.0)),
    (_fills_missing, FRAME),
    (_sorts, np.array([[3.0, 1.0], [2.0, 5.0]])),
    (_in_place, torch.ones(2, 2)),
]


@pytest.mark.parametrize(("function", "table"), CHANGES)
def test_a_model_that_changes_its_input_is_found_and_lived_with_on_request(function, table):
    schema = fit_schema(table)
    predictor = detect(function, schema, AutoOutput())
    batch = schema.encode(table)
    with pytest.raises(ModelError, match=r"changes the input it is given .*tolerate CHANGES_INPUT"):
        probe(predictor, batch)
    (note,) = probe(predictor, batch, {Fault.CHANGES_INPUT}).notes
    assert "changes the input it is given (each call gets a copy)" in note
    assert np.array_equal(schema.encode(table), batch, equal_nan=True)


class _OwnPredictor(Predictor):
    def predict(self, batch):
        answer = batch.sum(1, keepdims=True)
        batch[...] = 0
        return answer

    @property
    def meaning(self):
        return Meaning("their own", "value")


def test_a_predictor_of_the_users_own_is_watched_too():
    with pytest.raises(ModelError, match="their own changes the input"):
        probe(_OwnPredictor(), ROWS.copy())


class _Noisy(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def forward(self, batch):
        return batch + self.draw(batch)


GENERATOR = np.random.default_rng(0)
RANDOM = {
    "torch": lambda batch: batch + torch.rand(len(batch), 1),
    "torch, one number": lambda batch: batch + torch.rand(1),
    "numpy": lambda batch: batch + np.random.random(),
    "own generator": lambda batch: batch + GENERATOR.random(),
    "module": nn.Sequential(_Noisy(torch.rand_like)),
    "module, one number": _Noisy(lambda batch: torch.rand(1)),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_a_model_that_answers_differently_each_time_is_found_and_lived_with_on_request(kind):
    predictor = detect(RANDOM[kind], fit_schema(torch.from_numpy(ROWS)), AutoOutput())
    state = torch.get_rng_state()
    with pytest.raises(ModelError, match=r"answers differently each time \(two calls .*tolerate RANDOM"):
        probe(predictor, ROWS)
    (note,) = probe(predictor, ROWS, {Fault.RANDOM}).notes
    assert "answers differently each time (two calls with the same 8 rows differ by up to" in note
    assert torch.equal(torch.get_rng_state(), state)
    assert len(probe(predictor, ROWS, set(Fault)).notes) == 1


def test_a_model_whose_answers_depend_on_the_other_rows_is_found():
    predictor = FunctionPredictor(lambda batch: batch - batch.mean(0))
    with pytest.raises(ModelError, match=r"changes by up to 1\.5 with the other rows of the call"):
        probe(predictor, ROWS)


def test_a_model_whose_shape_depends_on_the_call_is_found():
    predictor = FunctionPredictor(lambda batch: batch[:, : 1 + len(batch) // 8])
    with pytest.raises(ModelError, match=r"shapes \(8, 2\), \(8, 2\), and \(4, 1\) for every second row"):
        probe(predictor, ROWS)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_are_enough(rows):
    assert probe(FunctionPredictor(lambda batch: batch * 2), ROWS[:rows]).notes == ()


def test_a_tensor_is_probed_as_an_array_is():
    batch = torch.from_numpy(ROWS)
    assert probe(FunctionPredictor(lambda tensor: tensor.softmax(1)), batch).notes == ()
    with pytest.raises(ModelError, match="changes the input"):
        probe(FunctionPredictor(_in_place), batch)
    assert apart_in_a_large_call(FunctionPredictor(lambda tensor: tensor.softmax(1)), batch, 501) == 0
    bad = FunctionPredictor(lambda tensor: torch.where(tensor == 6, torch.nan, tensor))
    with pytest.raises(ModelError, match="nan for row 2"):
        CheckedPredictor(bad).predict(batch)


def test_rounding_is_no_fault():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    model = LogisticRegression().fit(ROWS, np.arange(8) % 2)
    for one in (net, model):
        assert probe(detect(one, fit_schema(ROWS), AutoOutput()), ROWS).notes == ()


STEP = 2.0**-23  # between neighbours of 1 in single precision


def _single(batch):
    return batch.astype(np.float32)


ROUNDED = {
    "single precision": lambda batch: _single(batch).sum(1) * np.float32(1 + STEP * (len(batch) % 8 > 0)),
    "held in double": lambda batch: np.float64(
        _single(batch).sum(1) * np.float32(1 + STEP * (len(batch) % 8 > 0))
    ),
    "counted in single": lambda batch: batch.sum(1) * 0.3 * (1 + 3.7 * STEP * (len(batch) % 8 > 0)),
}


@pytest.mark.parametrize("kind", ROUNDED)
def test_rounding_in_single_precision_is_not_called_random(kind):
    """What differs with the size of a call by the last digits of single precision."""
    predictor = checked(FunctionPredictor(ROUNDED[kind]), ROWS)
    found = probe(predictor, ROWS + 0.1)
    assert (found.notes, found.digits) == ((), DIGITS_SINGLE)


@pytest.mark.parametrize("shift", [1e-7, 1e-4, 1.0])
def test_what_is_no_rounding_is_found_in_double_precision(shift):
    calls = iter(range(1, 1000))
    predictor = FunctionPredictor(lambda batch: batch.sum(1) / 3 + shift * next(calls))
    with pytest.raises(ModelError, match="two calls with the same 8 rows"):
        probe(predictor, ROWS)


def test_digits_go_by_the_dtype_of_the_answers():
    for dtype, digits in ((torch.float64, 30), (torch.float32, 20), (torch.bfloat16, 7), (torch.int64, 30)):
        answers = FunctionPredictor(lambda batch, dtype=dtype: torch.as_tensor(batch).sum(1).to(dtype))
        for rows in (ROWS, torch.from_numpy(ROWS)):
            predictor = checked(answers, rows)
            assert predictor.meaning.digits == digits
            assert predictor.predict(rows)[:, 0].tolist() == answers.function(rows).tolist()


@pytest.mark.parametrize("raised", [SystemExit, SystemExit(0), BaseException("panic")])
def test_a_model_that_would_end_the_program_is_an_error_of_the_model(raised):
    def function(batch):
        raise raised

    for ask in (
        CheckedPredictor(FunctionPredictor(function)).predict,
        lambda b: probe(FunctionPredictor(function), b),
    ):
        with pytest.raises(ModelError, match="at row 0 of a call of 8 rows") as told:
            ask(ROWS)
        assert type(told.value.__cause__) in (SystemExit, BaseException)


def test_a_model_that_answers_otherwise_in_large_calls_is_found():
    predictor = CheckedPredictor(FunctionPredictor(lambda batch: batch.sum(1) + 0.5 * (len(batch) > 500)))
    assert probe(predictor, ROWS).notes == ()
    assert apart_in_a_large_call(predictor, ROWS, 500) == 0
    assert apart_in_a_large_call(predictor, ROWS, 501) == pytest.approx(0.5)


WIDE = np.random.default_rng(0).normal(size=(3, 200))


@pytest.mark.parametrize(
    ("function", "table", "rows"),
    [
        (lambda array: np.tanh(array @ WIDE).sum(1), ROWS, NETWORK_ROWS),
        (lambda array: np.tanh(array @ WIDE[:, 0]), ROWS, ANY_ROWS),
        (lambda frame: np.tanh(frame.to_numpy() @ WIDE).sum(1), pd.DataFrame(ROWS), ANY_ROWS),
    ],
    ids=["layer", "sum", "layer on a frame"],
)
def test_the_memory_of_its_calls_tells_how_large_they_are_best(function, table, rows):
    predictor = detect(function, fit_schema(table), AutoOutput())
    assert probe(predictor, ROWS).rows_a_call == rows
    assert probe(predictor, ROWS[:1]).rows_a_call == ANY_ROWS
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        assert probe(predictor, ROWS).rows_a_call == ANY_ROWS
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_one_row_may_answer_without_its_dimension():
    weights = np.arange(6.0).reshape(3, 2)
    for k in (1, 2):
        wanted = ROWS @ weights[:, :k]
        for squeeze in (np.squeeze, lambda answer: torch.from_numpy(answer).squeeze()):
            predictor = checked(FunctionPredictor(lambda b, k=k, s=squeeze: s(b @ weights[:, :k])), ROWS)
            assert np.array_equal(predictor.predict(ROWS[:1]), wanted[:1])
            assert np.array_equal(predictor.predict(ROWS), wanted)
