"""Arrays, lists and tensors as tables."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from onlyif.core.errors import InputError
from onlyif.modalities.table import fit_schema, row_labels
from onlyif.modalities.table_columns import ColumnKind

ARRAYS = {
    "float64": np.array([[1.5, np.nan], [3.0, 4.0]]),
    "float32": np.array([[0.1, np.nan]], dtype="f4"),
    "float16": np.array([[0.1, 2.0]], dtype="f2"),
    "int": np.array([[2**53, 2], [3, -4]]),
    "big int": np.array([[2**60 + 1, 2], [2**60, -4]]),
    "uint8": np.array([[255, 0]], dtype="u1"),
    "bool": np.array([[True, False]]),
    "string": np.array([["a", "bb"], ["c", "a"]]),
    "object": np.array([["a", 1, None], [None, 1.0, True]], dtype=object),
    "day": np.array([["2020-01-01", "NaT"]], dtype="M8[D]"),
    "column-major": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.array([[1.5, 2.5]], dtype=">f8"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array_comes_back_exactly(name):
    array = ARRAYS[name]
    schema = fit_schema(array)
    back = schema.decode(schema.encode(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    assert [type(v) for v in back.flat] == [type(v) for v in array.flat]
    assert not np.shares_memory(back, array)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
def test_tensor_comes_back_exactly(dtype):
    tensor = torch.tensor([[1, 0, 3], [0, 5, 6]]).to(dtype)
    schema = fit_schema(tensor)
    coded = schema.encode(tensor)
    back = schema.decode(coded)
    assert coded.dtype == np.float64
    assert back.dtype == dtype
    assert torch.equal(back, tensor)


def test_nothing_is_shared_with_what_the_model_gets():
    for table in (torch.ones(2, 1).double(), np.ones((2, 1))):
        schema = fit_schema(table)
        batch = schema.encode(table)
        batch[0] = 7.0
        assert table[0, 0] == 1.0
        schema.decode(batch)[0, 0] = 9.0
        assert batch[0, 0] == 7.0


@given(st.lists(st.sampled_from(["a", "b", None, 1, 1.0, True, 2.5]), min_size=1, max_size=9))
def test_lists_of_mixed_values_keep_value_and_type(values):
    rows = [["text", value] for value in values]
    schema = fit_schema(rows)
    back = schema.decode(schema.encode(rows))
    assert back.tolist() == rows
    assert [type(value) for value in back[:, 1]] == [type(value) for value in values]


def test_a_column_of_whole_numbers_beyond_doubles_has_ordered_levels():
    schema = fit_schema(ARRAYS["big int"])
    assert schema.kinds == (ColumnKind.ORDERED, ColumnKind.NUMBER)
    assert schema.text(schema.encode(ARRAYS["big int"])[0]) == (str(2**60 + 1), "2")


def test_names():
    assert fit_schema(np.ones((1, 2))).columns == ("x0", "x1")
    assert fit_schema(torch.ones(1, 2), names=["a", "b"]).columns == ("a", "b")
    assert row_labels(np.ones((2, 1))) == (0, 1)
    with pytest.raises(InputError, match="3 names for 2 columns"):
        fit_schema(np.ones((1, 2)), names=["a", "b", "c"])
    with pytest.raises(InputError, match=r"must be distinct, got \['a'\] more than once"):
        fit_schema(np.ones((1, 2)), names=["a", "a"])


def test_rows_are_cast_to_the_background_where_nothing_is_lost():
    schema = fit_schema(np.array([[0.5, 1.0]]))
    assert np.array_equal(schema.encode(np.array([[1, 2]])), [[1.0, 2.0]])
    whole = fit_schema(np.array([[1, 2]]))
    assert whole.encode([[3.0, 4.0]]).tolist() == [[3.0, 4.0]]
    with pytest.raises(InputError, match=r"'x0' holds 0\.5 in row 0 of the rows"):
        whole.encode(np.array([[0.5, 1.0]]))
    with pytest.raises(InputError, match="'x0' holds 'a' in row 0 of the rows"):
        schema.encode(np.array([["a", "b"]]))
    longer = fit_schema(np.array([["a"]]), np.array([["long"]]))
    assert longer.decode(longer.encode(np.array([["long"]]))).tolist() == [["long"]]


BAD = {
    r"1-D array of 3 values.*\.reshape\(1, -1\)": lambda: np.ones(3),
    "1-D tensor of 3 values": lambda: torch.ones(3),
    "3-D array of shape": lambda: np.ones((2, 2, 2)),
    "3-D tensor of shape": lambda: torch.ones(2, 2, 2),
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "0 rows": lambda: np.ones((0, 2)),
    "got 0 rows as": lambda: torch.ones(0, 2),
    "no columns": lambda: np.ones((2, 0)),
    "sparse with dtype complex128": lambda: csr_matrix(np.eye(2, dtype=complex)),
    "need a dense tensor": lambda: torch.eye(2).to_sparse(),
    "real numbers, got torch.complex64": lambda: torch.ones(1, 1, dtype=torch.complex64),
    "dtype complex128": lambda: np.ones((1, 1), dtype=complex),
    "masked array": lambda: np.ma.masked_array([[1.0]], mask=[[True]]),
    "structured array": lambda: np.zeros(2, dtype=[("a", "f8")]),
    "'x1' holds inf in row 0": lambda: np.array([[1.0, np.inf]]),
    "'x0' holds -inf": lambda: torch.tensor([[-torch.inf]]),
    "are dictionaries": dict,
    "of type NoneType": lambda: None,
    "integers beyond 2": lambda: torch.tensor([[2**60]]),
    "cannot be told apart": lambda: np.array([[{1}]], dtype=object),
}


@pytest.mark.parametrize("said", BAD)
def test_arrays_that_cannot_be_used_are_refused(said):
    with pytest.raises(InputError, match=said):
        fit_schema(BAD[said]())


def test_rows_of_another_width_are_refused():
    for table in (np.ones, torch.ones):
        with pytest.raises(InputError, match=r"got rows of 3 columns.* a background of 2"):
            fit_schema(table((1, 2)), table((1, 3)))
    with pytest.raises(InputError, match=r"got rows of 3 columns.* a background of 2"):
        fit_schema(np.ones((1, 2))).encode(np.ones((1, 3)))


def test_infinite_rows_are_refused_too():
    with pytest.raises(InputError, match="'x0' holds inf in row 1"):
        fit_schema(np.ones((1, 1))).encode(np.array([[0.0], [np.inf]]))
