"""The label of a row keeps the type of the index: in results, frames, files and on the command line."""

import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import onlyif
from onlyif.cli.printing import Progress, json_text, table_text
from onlyif.explanation.checked import plain_row, row_of
from onlyif.modalities.table import row_labels

N = 8
DAYS = pd.date_range("2020-01-01", periods=N, tz=None)
INDICES = {
    "numbers": pd.Index(range(100, 100 + N)),
    "small": pd.Index(np.arange(N, dtype=np.int8)),
    "text": pd.Index([f"r{i}" for i in range(N)]),
    "decimals": pd.Index(np.arange(N) / 2),
    "days": DAYS,
    "hours": DAYS.tz_localize("UTC"),
    "dates": pd.Index([day.date() for day in DAYS]),
    "pairs": pd.MultiIndex.from_product([["a", "b"], range(N // 2)]),
    "mixed": pd.Index(["a", 1, 2.5, ("b", 2), *range(10, 10 + N - 4)]),
}


def explained(index, criterion="sne"):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 2)), columns=["u", "v"], index=index)
    return frame, onlyif.explain(
        lambda table: table.u + table.v, frame, background=frame, criterion=criterion, size=1
    )


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("criterion", ["sne", "pns"])
def test_labels_are_those_of_the_index(name, criterion, tmp_path):
    index = INDICES[name]
    frame, found = explained(index, criterion)
    assert [item.row for item in found] == list(index)
    assert all(
        type(item.row).__module__ in {"builtins", "datetime", pd.Timestamp.__module__} for item in found
    )
    for item in found:
        assert frame.loc[[item.row]].shape == (1, 2)
    onlyif.save(found, tmp_path / "saved")
    again = onlyif.load(tmp_path / "saved")
    assert [item.row for item in again] == list(index)
    assert [type(item.row) in (str, int, float, tuple) for item in again] == [
        type(item.row) in (str, int, float, tuple) for item in found
    ]
    for held in (found, again):
        assert held.to_frame().row.drop_duplicates().tolist() == list(index)
        assert held.players_frame().row.tolist()[:: held[0].names.__len__()] == list(index)
        assert json.loads(json_text(held, Progress(len(held), None)))["explanations"]
        assert table_text(held, 100)


def test_frames_join_the_users_own():
    frame, found = explained(INDICES["numbers"])
    joined = frame.join(found.to_frame().query("selection == 'unified'").set_index("row"))
    assert joined.prediction.notna().all()
    np.testing.assert_allclose(joined.prediction, frame.u + frame.v)


def test_positions_are_numbers():
    assert row_labels(np.zeros((2, 1))) == (0, 1)
    assert row_labels(pl.DataFrame({"a": [1.0, 2.0]})) == (0, 1)
    table = np.random.default_rng(0).normal(size=(6, 2))
    found = onlyif.explain(lambda t: t.sum(1), table[:2], background=table)
    for library, kind in (("pandas", "int64"), ("polars", "Int64"), ("pyarrow", "int64")):
        made = onlyif.Explanations(found.items, library).to_frame()
        column = made.schema.field("row").type if library == "pyarrow" else made["row"].dtype
        assert str(column) == kind


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_labels_that_other_libraries_have_no_column_for_become_text(library):
    _, found = explained(INDICES["pairs"])
    made = onlyif.Explanations(found.items, library).to_frame()
    assert made["row"].to_pylist()[0] if library == "pyarrow" else made["row"][0] == "('a', 0)"


def test_labels_of_no_plain_type_become_text():
    labels = row_labels(
        pd.DataFrame({"a": [1.0, 2.0]}, index=pd.PeriodIndex(["2020-01", "2020-02"], freq="M"))
    )
    assert labels == ("2020-01", "2020-02")
    exact = pd.DataFrame({"a": [1.0]}, index=pd.DatetimeIndex(["2020-01-01 00:00:00.000000001"]))
    assert row_labels(exact) == ("2020-01-01 00:00:00.000000001",)
    assert row_labels(pd.DataFrame({"a": [1.0, 2.0]}, index=[np.nan, None]))[0] == "nan"


@pytest.mark.parametrize(
    "bad", [None, [1], {"date": "no day"}, {"datetime": 3}, {"tuple": [None]}, {"x": 1}, {}]
)
def test_a_damaged_label_is_refused(bad):
    with pytest.raises(onlyif.StorageError, match="file: 'row'"):
        row_of(bad, "file")


def test_a_stored_label_keeps_its_type():
    for row in (
        "7",
        7,
        7.5,
        True,
        datetime.date(2020, 1, 2),
        datetime.datetime(2020, 1, 2, 3),
        ("a", (1, "b")),
    ):
        read = row_of(json.loads(json.dumps(plain_row(row))), "file")
        assert (read, type(read)) == (row, type(row))
