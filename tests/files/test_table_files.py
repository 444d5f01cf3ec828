"""Tables from files come back as they were, or a sentence says what is wrong."""

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

from onlyif.core.errors import ExtraError, InputError, OnlyIfError, StorageError
from onlyif.files import polars_tables
from onlyif.files import tables as table_files
from onlyif.files.tables import listed, read_table, same_columns

FRAME = pd.DataFrame(
    {
        "count": np.arange(6, dtype=np.int32),
        "share": np.linspace(0, 1, 6).astype(np.float32),
        "code": ["007", "a,b", None, 'say "hi"', "y\nz", "1"],
        "level": pd.Categorical(list("uvuvuv"), categories=list("vuw"), ordered=True),
        "grade": pd.Categorical([3, 1, 3, 1, 3, 1]),
        "yes": [True, False] * 3,
        "maybe": pd.array([True, None] * 3, dtype="boolean"),
        "some": pd.array([1, None] * 3, dtype="Int64"),
        "day": pd.to_datetime(["2020-01-01", None] * 3).astype("datetime64[ms]"),
        "time": pd.to_datetime(["2020-01-01 05:00"] * 6).tz_localize("Europe/Paris"),
        "object": pd.Series(["p", "q", None] * 2, dtype=object),
        "spell": pd.to_timedelta(range(6), unit="D"),
    }
)


def test_feather_gives_back_the_frame(tmp_path):
    frame = FRAME.drop(columns="object")  # files hold text, not objects
    frame.to_feather(tmp_path / "table.feather")
    assert_frame_equal(read_table(tmp_path / "table.feather"), frame)


def test_parquet_gives_back_the_frame(tmp_path):
    frame = FRAME.drop(columns=["grade", "object"]).set_index(pd.Index(list("abcdef"), name="id"))
    frame.to_parquet(tmp_path / "table.parquet")
    assert_frame_equal(read_table(tmp_path / "table.parquet"), frame)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_csv_is_read_with_the_types_of_another_table(tmp_path, name):
    FRAME.to_csv(tmp_path / name, index=False)
    assert_frame_equal(read_table(tmp_path / name, FRAME), FRAME)


def test_csv_by_content(tmp_path):
    (tmp_path / "table.csv").write_text("age,name\n1,x\n2,\n", encoding="utf-8-sig")
    table = read_table(tmp_path / "table.csv")
    assert list(table.columns) == ["age", "name"]
    assert table["age"].tolist() == [1, 2]


POLARS = pl.DataFrame(
    {
        "count": pl.Series([1, 2], dtype=pl.Int32),
        "code": pl.Series(["01", None]),
        "level": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
        "word": pl.Series(["a", "b"], dtype=pl.Categorical),
        "maybe": pl.Series([True, None]),
        "day": pl.Series(["2020-01-01"] * 2).str.to_date(),
        "time": pl.Series(["2020-01-01 00:00:01"] * 2).str.to_datetime(time_zone="UTC"),
    }
)


@pytest.fixture
def with_polars(monkeypatch):
    monkeypatch.setattr(table_files, "_frames", lambda: polars_tables)


def test_polars_reads_what_it_wrote(tmp_path, with_polars):
    POLARS.write_parquet(tmp_path / "table.parquet")
    POLARS.write_ipc(tmp_path / "table.feather")
    POLARS.write_csv(tmp_path / "table.csv")
    for name in ("table.parquet", "table.feather", "table.csv"):
        table = read_table(tmp_path / name, POLARS)
        assert table.equals(POLARS)
        assert table.schema == POLARS.schema


@pytest.mark.parametrize(("column", "text"), [("count", "1.5"), ("level", "zebra"), ("count", "x")])
def test_polars_misfits(tmp_path, with_polars, column, text):
    (tmp_path / "rows.csv").write_text(f"{column}\n{text}\n")
    with pytest.raises(OnlyIfError, match=text) as caught:
        read_table(tmp_path / "rows.csv", POLARS)
    assert "rows.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("column", "text", "kind"),
    [
        ("count", "1.5", "int32"),
        ("count", "x", "int32"),
        ("count", "", "int32"),
        ("level", "zebra", "category"),
        ("yes", "perhaps", "bool"),
        ("day", "not a day", "datetime64"),
        ("some", "2.5", "Int64"),
        ("grade", "9", "category"),
    ],
)
def test_values_that_would_change_are_refused(tmp_path, column, text, kind):
    (tmp_path / "rows.csv").write_text(f"{column},more\n{text},1\n")
    with pytest.raises(InputError, match=f"column '{column}'.*{kind}") as caught:
        read_table(tmp_path / "rows.csv", FRAME)
    assert "rows.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        ("", StorageError, "is empty"),
        ("a,b\n", InputError, "has no rows"),
        ("a,b,a\n1,2,3\n", InputError, "columns of the same name: 'a'"),
        ("a,b\n1,2\n3\n", InputError, "line 3 of table.csv has 1 values, the header has 2"),
        ("a,b\n1,2,3\n", InputError, "line 2 of table.csv has 3 values, the header has 2"),
        ('a,b\n1,"2\n', InputError, "no CSV"),
        ("a;b\n1;2\n", InputError, "not divided by commas"),
        (",a\n0,1\n", InputError, "column 1 of table.csv has no name"),
    ],
)
def test_bad_csv(tmp_path, content, kind, said):
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(kind, match=said):
        read_table(tmp_path / "table.csv")


def test_csv_of_another_encoding(tmp_path):
    (tmp_path / "table.csv").write_bytes("näme\n1\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_table(tmp_path / "table.csv")


def test_gzip_cut_short(tmp_path):
    whole = gzip.compress(FRAME.to_csv(index=False).encode())
    (tmp_path / "table.csv.gz").write_bytes(whole[:-30])
    with pytest.raises(StorageError, match="cut short"):
        read_table(tmp_path / "table.csv.gz")


@pytest.mark.parametrize("name", ["table.parquet", "table.feather"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_binary_tables_cut_short(tmp_path, name, share):
    {"table.parquet": FRAME.to_parquet, "table.feather": FRAME.to_feather}[name](tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StorageError, match=r"cut short|is empty"):
        read_table(tmp_path / name)


def test_missing_files_folders_and_other_kinds(tmp_path):
    with pytest.raises(StorageError, match="there is no file"):
        read_table(tmp_path / "table.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(StorageError, match="is a folder"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(StorageError, match=r"need a file named \.csv"):
        read_table(tmp_path / "table.xlsx")


def test_no_library_of_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "find_spec", lambda name: None)
    (tmp_path / "table.csv").write_text("a\n1\n")
    with pytest.raises(ExtraError, match=r"onlyif\[pandas\]"):
        read_table(tmp_path / "table.csv")


def test_columns_are_put_in_the_order_of_the_background():
    rows, background = pd.DataFrame({"b": [1], "a": [2]}), pd.DataFrame({"a": [0], "b": [0]})
    found = same_columns(rows, background, ("rows", "background"))
    assert_frame_equal(found, pd.DataFrame({"a": [2], "b": [1]}))


def test_other_columns_say_what_to_drop():
    rows, background = pd.DataFrame({"a": [1], "income level": [2]}), pd.DataFrame({"a": [0]})
    with pytest.raises(InputError, match=r"has columns that background lacks.*--drop 'income level'"):
        same_columns(rows, background, ("rows", "background"))
    with pytest.raises(InputError, match=r"lacks columns of background.*--drop 'income level'"):
        same_columns(background, rows, ("rows", "background"))


def test_long_lists_are_cut():
    assert listed([str(i) for i in range(10)]).endswith("'7' and 2 more")
