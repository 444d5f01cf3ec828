"""Rows in another dtype than the background: taken where nothing is lost, else refused by column and row."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from onlyif.core.errors import InputError
from onlyif.modalities.table import fit_schema, row_labels

TOWNS = ["Rome", "Oslo"]
DAYS = [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)]
FRAMES = {
    "pandas": pd.DataFrame(
        {
            "int": [1, 2],
            "small": np.array([1, 2], dtype=np.int8),
            "float": [0.5, 1.5],
            "single": np.array([0.5, 1.5], dtype=np.float32),
            "flag": [True, False],
            "text": TOWNS,
            "object": pd.Series(TOWNS, dtype=object),
            "level": pd.Categorical(TOWNS),
            "time": DAYS,
        }
    ),
    "polars": pl.DataFrame(
        {
            "int": [1, 2],
            "small": pl.Series([1, 2], dtype=pl.Int8),
            "float": [0.5, 1.5],
            "single": pl.Series([0.5, 1.5], dtype=pl.Float32),
            "flag": [True, False],
            "text": TOWNS,
            "object": TOWNS,
            "level": pl.Series(TOWNS, dtype=pl.Enum(TOWNS)),
            "time": DAYS,
        }
    ),
}
FIRST = FRAMES["polars"].row(0, named=True)
KEPT = [
    ("int", 3.0, 3),
    ("int", np.uint8(3), 3),
    ("int", True, 1),
    ("small", 127, 127),
    ("float", 40, 40.0),
    ("float", np.float32(0.1), float(np.float32(0.1))),
    ("float", None, None),
    ("single", 39.5, 39.5),
    ("flag", 1, True),
    ("flag", np.False_, False),
    ("text", np.str_("Oslo"), "Oslo"),
    ("object", "Oslo", "Oslo"),
    ("level", "Oslo", "Oslo"),
    ("time", dt.date(2024, 1, 2), DAYS[1]),
    ("time", "2024-01-02", DAYS[1]),
]
LOST = [
    ("int", 39.7),
    ("int", "3"),
    ("int", 10**30),
    ("small", 300),
    ("small", -129),
    ("float", "3"),
    ("float", 2**53 + 1),
    ("float", 10**400),
    ("single", 0.1),
    ("single", 1e300),
    ("flag", "False"),
    ("flag", 2),
    ("text", 1234),
    ("level", "Bern"),
    ("level", ["Rome"]),
    ("time", "soon"),
    ("time", 5),
    ("time", dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
]


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize(("column", "given", "kept"), KEPT)
def test_a_value_that_loses_nothing_is_taken(library, column, given, kept):
    background = FRAMES[library]
    row = {**FIRST, column: given}
    schema = fit_schema(background, row)
    back = schema.decode(schema.encode(row))
    assert [str(dtype) for dtype in back.dtypes] == [str(dtype) for dtype in background.dtypes]
    held = back[column][0]
    assert held == kept or (kept is None and (held is None or np.isnan(held)))


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize(("column", "given"), LOST, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("role", ["rows", "baseline"])
def test_a_value_that_would_change_is_refused(library, column, given, role):
    background = FRAMES[library]
    if column == "text" and background[column].dtype == object:
        pytest.skip("this pandas has no type for texts alone: a column of objects takes numbers as they are")
    others = [{**FIRST, column: given}] if role == "rows" else [FIRST, {**FIRST, column: given}]
    with pytest.raises(InputError, match=f"'{column}'") as caught:
        fit_schema(background, *others)
    assert role in str(caught.value)


def test_a_missing_value_where_there_is_none_is_named_with_its_row():
    background = FRAMES["pandas"]
    rows = pd.concat([background, background.assign(int=[np.nan, 3.0])])
    with pytest.raises(InputError, match=r"'int' is missing in row 2 of the rows.*int64"):
        fit_schema(background, rows)
    with pytest.raises(InputError, match="'flag' is missing in row 0"):
        fit_schema(background, {**FIRST, "flag": None})


def test_a_series_of_objects_is_cast_as_a_dictionary_is():
    background = FRAMES["pandas"]
    series = background.iloc[1].copy()
    series["int"] = 39.7
    with pytest.raises(InputError, match=r"'int' holds 39\.7 in row 0"):
        fit_schema(background, series)
    series["int"] = 39.0
    schema = fit_schema(background, series)
    assert schema.decode(schema.encode(series))["int"].tolist() == [39]
    assert row_labels(series) == (1,)


@pytest.mark.parametrize("library", FRAMES)
def test_dictionaries_are_rows_in_any_order(library):
    background = FRAMES[library]
    turned = dict(reversed(FIRST.items()))
    schema = fit_schema(background, [FIRST, turned])
    assert row_labels([FIRST, turned]) == (0, 1)
    assert row_labels(FIRST) == (0,)
    coded = schema.encode([FIRST, turned])
    assert np.array_equal(coded[0], coded[1])
    assert np.array_equal(schema.encode(FIRST), coded[:1])
    with pytest.raises(InputError, match=r"row 1 of the rows lack columns \['int'\]"):
        fit_schema(background, [FIRST, {name: FIRST[name] for name in FIRST if name != "int"}])
    assert fit_schema(background, {**FIRST, "zip": 1}).notes == (
        "columns ['zip'] of the rows, which the background has not, were ignored",
    )


@pytest.mark.parametrize("library", FRAMES)
def test_columns_in_another_order_are_put_in_order_and_noted(library):
    background = FRAMES[library]
    turned = background[list(reversed(background.columns))]
    schema = fit_schema(background, turned)
    assert np.array_equal(schema.encode(turned), schema.encode(background))
    assert any("another order" in note for note in schema.notes)


def test_frames_of_other_dtypes():
    background = FRAMES["pandas"]
    schema = fit_schema(background)
    want = schema.encode(background)
    for column, dtype in {
        "int": "Int64",
        "float": "Float64",
        "text": object,
        "object": "str",
        "level": "str",
        "time": "datetime64[ns]",
        "flag": "boolean",
    }.items():
        assert np.array_equal(schema.encode(background.astype({column: dtype})), want), (column, dtype)
    late = pd.Series([pd.Timestamp(1), pd.Timestamp(2)])
    with pytest.raises(InputError, match="'time'"):
        schema.encode(background.assign(time=late))
    polars = FRAMES["polars"]
    known = fit_schema(polars)
    cast = polars.with_columns(pl.col("int").cast(pl.Float64), pl.col("time").cast(pl.Datetime("ms")))
    assert np.array_equal(known.encode(cast), known.encode(polars))


@pytest.mark.parametrize(
    ("dtype", "kept", "lost"),
    [
        (np.int64, [[3.0, True]], [[3.5, 1.0]]),
        (np.uint8, [[255, 0]], [[300, 0]]),
        (np.uint8, [[1.0, 2]], [[-1, 2]]),
        (np.float32, [[0.5, 2]], [[0.1, 2.0]]),
        (np.float64, [[1, 2]], [[2**53 + 1, 1]]),
        (bool, [[1, 0.0]], [[2, 1]]),
        (bool, [[1, 0]], [[np.nan, 1.0]]),
        (np.int64, [[1, 2.0]], [[None, 1]]),
        (np.int64, [[1, 2.0]], [["1", "2"]]),
        ("<U4", [["a", "long"]], [["a", 5]]),
        ("M8[D]", np.array([[1, 2]]).astype("M8[D]").astype("M8[ns]"), np.array([[1, 2]], dtype="M8[s]")),
    ],
)  # fmt: skip
def test_arrays(dtype, kept, lost):
    background = np.array([[1, 0], [1, 0]]).astype(dtype)
    schema = fit_schema(background, kept)
    assert schema.decode(schema.encode(kept)).dtype.kind == background.dtype.kind
    with pytest.raises(InputError, match=r"column 'x[01]'.* row 0 of the rows"):
        fit_schema(background, lost)


@pytest.mark.parametrize(
    ("dtype", "kept", "lost"),
    [
        (torch.int64, torch.tensor([[39.0]]), torch.tensor([[39.7]])),
        (torch.uint8, torch.tensor([[255]]), torch.tensor([[300]])),
        (torch.bool, torch.tensor([[1]]), torch.tensor([[2.0]])),
        (torch.float32, torch.tensor([[0.5]]).double(), torch.tensor([[0.1]], dtype=torch.float64)),
        (torch.float64, torch.tensor([[3]]), torch.tensor([[2**53 + 1]])),
        (torch.int32, torch.tensor([[True]]), torch.tensor([[float("nan")]])),
    ],
)
def test_tensors(dtype, kept, lost):
    background = torch.ones(2, 1, dtype=dtype)
    schema = fit_schema(background, kept)
    assert schema.decode(schema.encode(kept)).tolist() == kept.tolist()
    for cast in (lambda: fit_schema(background, lost), lambda: schema.encode(lost)):
        with pytest.raises(InputError, match="'x0' holds"):
            cast()


def test_masked_rows_in_lists_are_refused():
    with pytest.raises(InputError, match="masked"):
        fit_schema(np.ones((2, 2)), [np.ma.masked_array([1.0, 2.0], mask=[True, False])])


def test_an_infinite_value_is_counted_in_its_own_table():
    background = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    with pytest.raises(InputError, match="inf in row 1 of the rows"):
        fit_schema(background, pd.DataFrame({"a": [1.0, np.inf]}))
    with pytest.raises(InputError, match="inf in row 0 of the rows"):
        fit_schema(torch.ones(3, 1), torch.tensor([[torch.inf]]))
    with pytest.raises(InputError, match="inf in row 0 of the baseline"):
        fit_schema(np.ones((3, 1)), np.ones((1, 1)), np.array([[np.inf]]))


def test_levels_of_a_baseline_are_known():
    background = pd.DataFrame({"c": pd.Categorical(["a"], categories=["a", "b"])})
    schema = fit_schema(background, background, {"c": "b"})
    assert schema.encode({"c": "b"}).tolist() == [[1.0]]
    assert schema.notes == ()  # notes are about the rows; the baseline is the user's own choice


def test_a_missing_object_is_written_as_the_background_writes_it():
    background = pd.DataFrame({"o": pd.Series(["a", np.nan], dtype=object)})
    schema = fit_schema(background, {"o": None})
    assert schema.notes == ()
    assert schema.encode({"o": None}).tolist() == [[1.0]]
