"""Frames of pandas and polars come back from their codes exactly as they were."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal

from onlyif.core.errors import InputError
from onlyif.modalities.table import fit_schema, row_labels
from onlyif.modalities.table_columns import ColumnKind

DAY = dt.date(2020, 3, 1)
NOON = dt.datetime(2021, 3, 4, 12, 30)
STAMPS = [pd.Timestamp("2020-01-01"), pd.Timestamp("2021-03-04 05:06:07.123456789"), pd.NaT]

# name -> (values, dtype); each has its missing value where the dtype has one
PANDAS = {
    "float64": ([1.5, -0.25, np.nan], "float64"),
    "float32": ([1.5, 0.1, np.nan], "float32"),
    "int8": ([-128, 3, 127], "int8"),
    "int64": ([2**53, -(2**53), 0], "int64"),
    "uint8": ([0, 255, 3], "uint8"),
    "bool": ([True, False, True], "bool"),
    "Int64": ([1, None, 3], "Int64"),
    "Float64": ([1.5, None, 3], "Float64"),
    "boolean": ([True, None, False], "boolean"),
    "int64[pyarrow]": ([1, None, 3], "int64[pyarrow]"),
    "double[pyarrow]": ([1.5, None, 3], "double[pyarrow]"),
    "bool[pyarrow]": ([True, None, False], "bool[pyarrow]"),
    "str": (["a", None, "b"], "str"),
    "string[pyarrow]": (["a", None, "b"], "string[pyarrow]"),
    "string[python]": (["a", None, "b"], "string[python]"),
    "object": (["a", None, "b"], object),
    "mixed": (["a", 1, 1.0, True, None, float("nan"), pd.NA], object),
    "category": (["a", None, "b"], pd.CategoricalDtype(["z", "b", "a"])),
    "ordered": (["a", None, "b"], pd.CategoricalDtype(["z", "b", "a"], ordered=True)),
    "numbered": ([1, None, 3], pd.CategoricalDtype([3, 2, 1])),
    "big": ([2**60, 2**60 + 1, 5], "int64"),
    "huge": ([2**63 + 1, 2**63 + 3, 5], "uint64"),
    "Big": ([2**60, 2**60 + 1, None], "Int64"),
    "ns": (STAMPS, "datetime64[ns]"),
    "zone": (
        [pd.Timestamp("2020-01-01", tz="Europe/Rome"), pd.Timestamp("2020-06-01", tz="Europe/Rome"), pd.NaT],
        "datetime64[ms, Europe/Rome]",
    ),
    "far": (np.array(["9020-01-01", "1000-01-01", "NaT"], dtype="M8[s]"), "datetime64[s]"),
    "delta": ([pd.Timedelta(3, "D"), pd.Timedelta(1, "us"), pd.NaT], "timedelta64[us]"),
    "date": ([DAY, None, dt.date(2021, 1, 1)], object),
    "date32": ([DAY, None, dt.date(2021, 1, 1)], "date32[pyarrow]"),
    "arrow stamp": ([NOON, None, NOON], pd.ArrowDtype(pa.timestamp("ns", tz="UTC"))),
    "dictionary": (["a", None, "b"], pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
    "period": (list(pd.period_range("2020-01", "2020-03", freq="M")), "period[M]"),
    "interval": (list(pd.interval_range(0, 3)), "interval[int64, right]"),
}
POLARS = {
    "float": ([1.5, -0.25, 3.0], pl.Float64),
    "null": ([1.5, None, 3.0], pl.Float64),
    "nan": ([1.5, float("nan"), 3.0], pl.Float64),
    "null and nan": ([None, float("nan"), 3.0], pl.Float64),
    "single": ([1.5, None, 0.25], pl.Float32),
    "int": ([1, None, 3], pl.Int64),
    "byte": ([0, None, 255], pl.UInt8),
    "bool": ([True, None, False], pl.Boolean),
    "string": (["a", None, "b"], pl.String),
    "enum": (["a", None, "b"], pl.Enum(["b", "z", "a"])),
    "category": (["a", None, "b"], pl.Categorical),
    "big": ([2**60, 2**60 + 1, None], pl.Int64),
    "date": ([DAY, None, dt.date(1850, 1, 1)], pl.Date),
    "time": ([dt.time(1, 2, 3), None, dt.time(0)], pl.Time),
    "ns": ([1_153_000_000_123_456_789, None, 5], pl.Datetime("ns")),
    "zone": ([1_153_000_000_123, None, 5], pl.Datetime("ms", "Europe/Rome")),
    "delta": ([86_400_000_001, None, 5], pl.Duration("us")),
    "decimal": ([1, None, 3], pl.Decimal(10, 2)),
    "nothing": ([None, None, None], pl.Null),
}


def _pandas(name, rows):
    values, dtype = PANDAS[name]
    return pd.Series([list(values)[i % len(values)] for i in rows], dtype=dtype, name=name)


def _polars(name, rows):
    values, dtype = POLARS[name]
    return pl.Series(name, [values[i % len(values)] for i in rows], dtype=dtype)


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_column_comes_back_exactly(name):
    frame = pd.DataFrame({"before": np.arange(12.0), name: _pandas(name, range(12))})
    schema = fit_schema(frame)
    back = schema.decode(schema.encode(frame))
    assert_frame_equal(back, frame, check_exact=True, check_freq=False)
    assert [type(value) for value in back[name]] == [type(value) for value in frame[name]]


@pytest.mark.parametrize("name", POLARS)
def test_polars_column_comes_back_exactly(name):
    frame = pl.DataFrame([pl.Series("before", np.arange(12.0)), _polars(name, range(12))])
    schema = fit_schema(frame)
    back = schema.decode(schema.encode(frame))
    assert_polars_equal(back, frame, check_exact=True)
    assert back.schema == frame.schema


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_blend_of_two_frames_is_the_blend_made_by_hand(data):
    """Codes are mixed entry by entry, as under a mask; the oracle mixes values row by row."""
    names = data.draw(st.lists(st.sampled_from(sorted(PANDAS)), min_size=1, max_size=5, unique=True))
    first, second = (data.draw(st.lists(st.integers(0, 11), min_size=3, max_size=3)) for _ in range(2))
    a = pd.DataFrame({name: _pandas(name, first) for name in names})
    b = pd.DataFrame({name: _pandas(name, second) for name in names})
    keep = np.array([data.draw(st.lists(st.booleans(), min_size=3, max_size=3)) for _ in names]).T
    schema = fit_schema(a, b)
    mixed = schema.decode(np.where(keep, schema.encode(a), schema.encode(b)))
    for j, name in enumerate(names):
        by_hand = [(a if keep[i, j] else b)[name].iloc[i] for i in range(3)]
        assert_frame_equal(
            mixed[[name]], pd.DataFrame({name: pd.Series(by_hand, dtype=a[name].dtype)}), check_exact=True
        )


def test_kinds_positions_and_texts():
    names = ["int64", "Int64", "str", "category", "ordered", "numbered", "date", "far", "delta", "big"]
    frame = pd.DataFrame({name: _pandas(name, range(3)) for name in names})
    schema = fit_schema(frame)
    number, ordered, unordered = ColumnKind.NUMBER, ColumnKind.ORDERED, ColumnKind.UNORDERED
    assert schema.kinds == (
        *[number] * 2, *[unordered] * 2, ordered, unordered, *[ordered] * 4
    )  # fmt: skip
    assert schema.ordered.tolist() == [kind is not unordered for kind in schema.kinds]
    placed = schema.positions(schema.encode(frame))
    day = 86_400.0
    expected = {
        "int64": [2.0**53, -(2.0**53), 0],
        "Int64": [1, np.nan, 3],
        "str": [0, 1, 2],
        "category": [0, 1, 2],
        "ordered": [2, np.nan, 1],
        "numbered": [0, 1, 2],
        "date": [(DAY - dt.date(1970, 1, 1)).days * day, np.nan, 18628 * day],
        "far": [*((dt.date(year, 1, 1) - dt.date(1970, 1, 1)).days * day for year in (9020, 1000)), np.nan],
        "delta": [3 * day, 1e-6, np.nan],
        "big": [2.0**60, 2.0**60, 5],
    }
    np.testing.assert_array_equal(placed, np.array(list(expected.values())).T)
    assert schema.text(schema.encode(frame)[1]) == (
        str(-(2**53)), "missing", "missing", "missing", "missing", "missing", "missing",
        "1000-01-01", "0 days 00:00:00.000001", str(2**60 + 1),
    )  # fmt: skip


def test_text_of_numbers_is_short():
    frame = pd.DataFrame({"f": [0.1 + 0.2, 1234567.0], "i": [1234567, 2], "b": [True, False]})
    schema = fit_schema(frame)
    assert schema.text(schema.encode(frame)[0]) == ("0.3", "1234567", "True")


def test_enum_of_polars_has_no_order():
    assert fit_schema(pl.DataFrame([_polars("enum", range(3))])).kinds == (ColumnKind.UNORDERED,)


def test_column_index_is_kept_and_row_index_is_not():
    frame = pd.DataFrame(np.ones((2, 2)), columns=pd.Index([3, 1], name="years"), index=["p", "q"])
    schema = fit_schema(frame)
    assert schema.columns == ("3", "1")
    assert_frame_equal(schema.decode(schema.encode(frame)), frame.reset_index(drop=True))
    assert row_labels(frame) == ("p", "q")
    assert row_labels(frame.iloc[1]) == ("q",)
    assert row_labels(pl.DataFrame({"a": [1, 2]})) == (0, 1)


@pytest.mark.parametrize("n_columns", [1, 3])
def test_what_the_model_gets_shares_no_memory(n_columns):
    frame = pd.DataFrame({f"c{i}": np.arange(3.0) for i in range(n_columns)})
    schema = fit_schema(frame)
    batch = schema.encode(frame)
    native = schema.decode(batch)
    native.iloc[0, 0] = 99.0
    assert batch[0, 0] == 0.0
    assert frame.iloc[0, 0] == 0.0


def test_fractions_of_whole_columns_are_rounded_and_held_within_the_dtype():
    frame = pd.DataFrame(
        {"i": np.array([1, 2], dtype="int8"), "b": [True, False], "I": pd.array([1, 2], "Int64")}
    )
    schema = fit_schema(frame)
    back = schema.decode(np.array([[1.6, 0.2, 1.6], [900.0, 0.8, 2.2]]))
    assert back["i"].tolist() == [2, 127]
    assert back["b"].tolist() == [False, True]
    assert back["I"].tolist() == [2, 2]


@pytest.mark.parametrize(("value", "said"), [(0.5, "0.5"), (2.0, "2.0"), (-1.0, "-1.0"), (np.nan, "nan")])
def test_what_is_no_code_is_refused(value, said):
    schema = fit_schema(pd.DataFrame({"city": ["Rome", "Oslo"]}))
    with pytest.raises(
        InputError, match=f"'city' has levels, coded 0 to 1, and was to be filled with {said}"
    ):
        schema.decode(np.array([[value]]))


def test_nan_in_a_column_that_has_no_missing_value_is_refused():
    schema = fit_schema(pd.DataFrame({"age": [1, 2]}))
    with pytest.raises(InputError, match="age is int64, which has no missing values"):
        schema.decode(np.array([[np.nan]]))


def test_levels_of_the_rows_alone_are_known_and_said():
    background = pd.DataFrame({"city": ["Rome", "Oslo"], "age": [1, 2]})
    rows = pd.DataFrame({"city": ["Bern"], "age": [7]})
    schema = fit_schema(background, rows)
    assert_frame_equal(schema.decode(schema.encode(rows)), rows)
    assert schema.notes == ("column 'city': ['Bern'], of rows to explain, occur in no background row",)
    assert fit_schema(background, background).notes == ()
    with pytest.raises(
        InputError, match=r"'city' holds the unseen level 'Paris' in row 0; known are \['Rome'"
    ):
        schema.encode(rows.assign(city=["Paris"]))


def test_a_series_is_one_row():
    frame = pd.DataFrame({"i": [1, 2], "c": pd.Categorical(["a", "b"]), "f": [0.5, np.nan], "s": ["x", "y"]})
    schema = fit_schema(frame, frame.iloc[0])
    for i in range(2):
        np.testing.assert_array_equal(schema.encode(frame.iloc[i]), schema.encode(frame.iloc[[i]]))
    with pytest.raises(InputError, match="'c' holds 'z' in row 0 of the rows"):
        schema.encode(pd.Series({"i": 1, "c": "z", "f": 0.5, "s": "x"}))
    with pytest.raises(InputError, match=r"one row is X.iloc\[\[i\]\]"):
        schema.encode(frame["i"])
    with pytest.raises(InputError, match="'i' holds 'many' in row 0 of the rows"):
        schema.encode(pd.Series({"i": "many", "c": "a", "f": 0.5, "s": "x"}))
    with pytest.raises(InputError, match="the background is a Series"):
        fit_schema(frame["i"])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_background_with_other_columns_or_values_is_refused(make):
    background = make({"age": [1, 2], "city": ["Rome", "Oslo"]})
    wrong = {
        r"lack columns \['city'\] of the background; need": {"age": [1], "town": ["Rome"]},
        r"^the rows lack columns \['city'\] of the background; need": {"age": [1]},
        "column 'age' holds 1.5 in row 0 of the rows; need whole": {"age": [1.5], "city": ["Rome"]},
        "got 0 rows": {"age": [], "city": []},
    }
    for said, rows in wrong.items():
        with pytest.raises(InputError, match=said):
            fit_schema(background, make(rows))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_columns_beside_the_backgrounds_are_left_out_and_noted(make):
    background = make({"age": [1, 2], "city": ["Rome", "Oslo"]})
    wide = {"zip": [1], "city": ["Rome"], "age": [2], "note": ["x"]}
    schema = fit_schema(background, make(wide))
    same = schema.encode(make({"age": [2], "city": ["Rome"]}))
    np.testing.assert_array_equal(schema.encode(make(wide)), same)
    np.testing.assert_array_equal(schema.encode({name: held[0] for name, held in wide.items()}), same)
    assert schema.notes == (
        "the columns of the rows are in another order than those of the background and were put in it",
        "columns ['zip', 'note'] of the rows, which the background has not, were ignored",
    )
    assert fit_schema(background, {"age": 2, "city": "Rome", "zip": 0}).notes == (
        "columns ['zip'] of the rows, which the background has not, were ignored",
    )


def test_unseen_category_levels_are_refused_and_seen_ones_take_the_background_dtype():
    background = pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["a", "b", "c"])})
    same = pd.DataFrame({"c": pd.Categorical(["c", "a"], categories=["d", "c", "a"])})
    schema = fit_schema(background, same)
    back = schema.decode(schema.encode(same))
    assert back["c"].dtype == background["c"].dtype
    assert back["c"].tolist() == ["c", "a"]
    with pytest.raises(
        InputError, match=r"holds 'd' in row 0 of the rows; need a known level, one of \['a', 'b', 'c'\]"
    ):
        fit_schema(background, pd.DataFrame({"c": pd.Categorical(["d"])}))
    enum = pl.DataFrame({"c": pl.Series(["a"], dtype=pl.Enum(["a", "b"]))})
    with pytest.raises(InputError, match="holds 'd' in row 0"):
        fit_schema(enum, pl.DataFrame({"c": pl.Series(["d"], dtype=pl.Enum(["d"]))}))
    other = pl.DataFrame({"c": pl.Series(["b"], dtype=pl.Enum(["b"]))})
    schema = fit_schema(enum, other)
    assert schema.decode(schema.encode(other)).schema == enum.schema


BAD = {
    "age.* more than once": lambda: pd.DataFrame([[1, 2]], columns=["age", "age"]),
    "no columns": lambda: pd.DataFrame(index=[0, 1]),
    "0 rows": lambda: pd.DataFrame({"a": []}),
    r"'a' holds inf in row 1 of the background \(1 infinite": lambda: pd.DataFrame({"a": [1.0, np.inf]}),
    "-inf": lambda: pl.DataFrame({"a": [1.0, -np.inf]}),
    "cannot be told apart": lambda: pd.DataFrame({"a": [[1], [2]]}),
    "cannot be told apart.*": lambda: pl.DataFrame({"a": [[1], [2]]}),
    "is sparse": lambda: pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.0])}),
    r"use \.collect\(\)": lambda: pl.LazyFrame({"a": [1]}),
    r"convert it with \.to_pandas\(\)": lambda: pa.table({"a": [1]}),
}


@pytest.mark.parametrize("said", BAD)
def test_frames_that_cannot_be_used_are_refused(said):
    with pytest.raises(InputError, match=said):
        fit_schema(BAD[said]())


def test_another_kind_of_table_is_refused():
    pandas, polars, array = pd.DataFrame({"a": [1.0]}), pl.DataFrame({"a": [1.0]}), np.ones((1, 1))
    tensor = torch.ones(1, 1)
    tables = [pandas, polars, array, tensor]
    for background in tables:
        for rows in tables:
            if rows is not background:
                with pytest.raises(InputError, match="need"):
                    fit_schema(background, rows)
                with pytest.raises(InputError, match="need"):
                    fit_schema(background).encode(rows)


def test_need_columns_and_numbers():
    schema = fit_schema(pd.DataFrame({"body mass": [1.0], "city": ["Rome"]}))
    schema.need_columns("it", 2, ["body mass", "city"])
    schema.need_columns("it", 2, ["body_mass", "city"], blank="_")
    schema.need_columns("it", None, None)
    with pytest.raises(InputError, match="it was fitted on 3 columns, the table has 2"):
        schema.need_columns("it", 3, None)
    with pytest.raises(
        InputError, match=r"lacks columns \['a', 'b'\] that it was fitted on; it has \['body mass', 'city'\]"
    ):
        schema.need_columns("it", 2, ["a", "b"])
    with pytest.raises(InputError, match="a net takes numbers, the columns \\['city'\\] hold strings"):
        schema.need_numbers("a net")
