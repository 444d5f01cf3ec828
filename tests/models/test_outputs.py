"""Choosing what is explained, and reading what models answer."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.errors import ModelError, SettingError
from onlyif.models.outputs import (
    AutoOutput,
    Head,
    HeadKind,
    Heads,
    LogitOutput,
    MarginOutput,
    ProbabilityOutput,
    ValueOutput,
    as_outputs,
)

PROBABILITY = Head(HeadKind.PROBABILITY, lambda p: p, ("no", "yes"))
MARGIN = Head(HeadKind.MARGIN, lambda p: p, ("yes",), 0.0)
VALUE = Head(HeadKind.VALUE, lambda p: p)


def test_each_output_picks_its_head_and_auto_the_first():
    heads = Heads("a model", (MARGIN, VALUE, PROBABILITY))
    assert AutoOutput().choose(heads) is MARGIN
    assert ProbabilityOutput().choose(heads) is PROBABILITY
    assert MarginOutput().choose(heads) is MARGIN
    assert ValueOutput().choose(heads) is VALUE
    meaning = heads.meaning(MARGIN)
    assert (meaning.model, meaning.output, meaning.labels, meaning.threshold) == (
        "a model",
        "margin",
        ("yes",),
        0.0,
    )


@pytest.mark.parametrize("output", [ValueOutput(), LogitOutput()])
def test_what_a_model_does_not_offer_is_refused_with_what_it_offers(output):
    kind = "value" if output == ValueOutput() else "probability"
    have = (PROBABILITY, MARGIN) if kind == "value" else (MARGIN, VALUE)
    offered = " and ".join(head.kind.value for head in have)
    with pytest.raises(SettingError, match=f"a model offers no {kind}; it offers {offered}"):
        output.choose(Heads("a model", have))


def test_a_model_with_no_head_is_refused():
    with pytest.raises(SettingError, match="predicts nothing"):
        Heads("a model", ())


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(1e-9, 0.4))
def test_log_odds_are_those_of_the_clipped_probability(probabilities, clip):
    head = LogitOutput(clip).choose(Heads("a model", (PROBABILITY,)))
    held = np.clip(probabilities, clip, 1 - clip)
    got = head.ask(np.array(probabilities))
    np.testing.assert_allclose(got[:, 0], np.log(held / (1 - held)), rtol=1e-6, atol=1e-9)
    assert head.labels == PROBABILITY.labels


@pytest.mark.parametrize("clip", [0.0, 0.5, -1.0])
def test_a_clip_out_of_range_is_refused(clip):
    with pytest.raises(SettingError, match="0 < clip < 1/2"):
        LogitOutput(clip)


ANSWERS = {
    "list": [1.0, 2.0],
    "whole": np.array([1, 2]),
    "bool": np.array([True, False]),
    "single": np.array([[1.5, 2.0], [0.0, 1.0]], dtype="f4"),
    "series": pd.Series([1.0, 2.0], index=[5, 3]),
    "frame": pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}),
    "polars": pl.Series([1.0, 2.0]),
    "objects": np.array([1.0, 2], dtype=object),
    "big-endian": np.array([1.0, 2.0], dtype=">f8"),
    "negative strides": np.arange(6.0).reshape(2, 3)[:, ::-1],
    "read-only": np.broadcast_to(np.array([1.0, 2.0]), (2, 2)),
    "tensor": torch.tensor([1.0, 2.0], requires_grad=True),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_whatever_holds_numbers_becomes_a_table(kind):
    answer = ANSWERS[kind]
    got = as_outputs(answer)
    plain = answer.detach().numpy() if kind == "tensor" else np.asarray(answer)
    np.testing.assert_array_equal(got, plain.astype(float).reshape(len(plain), -1))
    assert type(got) is np.ndarray
    assert got.dtype == (np.float32 if kind in ("single", "tensor") else np.float64)


BAD = {
    "str that is not numeric": "yes",
    "not numeric": np.array(["no", "yes"]),
    "NoneType that is not numeric": None,
    "0 dimensions": 3.0,
    "3 dimensions, shape \\(1, 2, 2\\)": np.ones((1, 2, 2)),
    "complex numbers": np.ones(2, dtype=complex),
    "list that is not numeric": [[1.0], [1.0, 2.0]],
    "dict that is not numeric": {"a": 1},
}


@pytest.mark.parametrize("said", BAD)
def test_what_holds_no_numbers_is_refused(said):
    with pytest.raises(ModelError, match=said):
        as_outputs(BAD[said])


MASKED = {
    "array": np.ma.array([1.0, 2.0], mask=[False, True]),
    "array with nothing masked": np.ma.array([1.0, 2.0]),
    "list": [np.ma.array([1.0], mask=[True]), np.ma.array([2.0])],
    "list of numbers": [1.0, np.ma.masked],
}


@pytest.mark.parametrize("kind", MASKED)
def test_masked_answers_are_refused(kind):
    with pytest.raises(ModelError, match="masked"):
        as_outputs(MASKED[kind])


def test_a_bare_number_is_the_answer_to_one_row_only():
    for answer in (3.0, np.float32(3), torch.tensor(3.0), np.array(3)):
        assert as_outputs(answer, 1).tolist() == [[3.0]]
        with pytest.raises(ModelError, match="0 dimensions"):
            as_outputs(answer, 2)
    assert as_outputs([1.0, 2.0], 1).tolist() == [[1.0, 2.0]]
    assert as_outputs([1.0, 2.0], 2).tolist() == [[1.0], [2.0]]


def test_log_odds_of_one_row_without_its_dimension():
    head = LogitOutput().choose(Heads("a model", (Head(HeadKind.PROBABILITY, np.squeeze),)))
    assert head.ask(np.array([[0.5, 0.5]])).tolist() == [[0.0, 0.0]]


def test_long_doubles_are_taken():
    assert as_outputs(np.array([1.5], dtype=np.longdouble)).dtype == np.float64
