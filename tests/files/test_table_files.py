"""Tables from files come back as they were, or a sentence says what is wrong."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile
from datetime import datetime

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

from onlyif.core.errors import ExtraError, InputError, OnlyIfError, StorageError
from onlyif.files import polars_tables, table_limits
from onlyif.files import tables as table_files
from onlyif.files.model_columns import Known
from onlyif.files.tables import listed, need_columns, read_table
from onlyif.modalities.table_fit import Sort

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
        ("a;b\n1;2\n", InputError, "not divided by ','.*--delimiter ';'"),
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
        read_table(tmp_path / "table.xls")


def test_no_library_of_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "find_spec", lambda name: None)
    (tmp_path / "table.csv").write_text("a\n1\n")
    with pytest.raises(ExtraError, match=r"onlyif\[pandas\]"):
        read_table(tmp_path / "table.csv")


def test_columns_that_are_lacking_are_named_and_others_may_be_there_in_any_order():
    need_columns(pd.DataFrame({"income level": [2], "a": [1]}), ["a"], ("rows", "background"))
    with pytest.raises(InputError, match=r"lacks columns of background.*--drop 'income level'"):
        need_columns(pd.DataFrame({"a": [1]}), ["a", "income level"], ("rows", "background"))


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def packed(suffix, content):
    """The content of a file, packed as its suffix says."""
    if suffix in PACKERS:
        return PACKERS[suffix](content)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/inside.csv", content)
    return held.getvalue()


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zip"])
def test_packed_csv_is_read_and_never_past_its_bounds(tmp_path, monkeypatch, library, suffix):
    if library == "polars":
        monkeypatch.setattr(table_files, "_frames", lambda: polars_tables)
    path = tmp_path / f"table.csv{suffix}"
    path.write_bytes(packed(suffix, b"a;b\n1;x,y\n2;z\n"))
    table = read_table(path, delimiter=";")
    assert {name: table[name].to_list() for name in table.columns} == {"a": [1, 2], "b": ["x,y", "z"]}
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StorageError, match="cut short"):
        read_table(path, delimiter=";")
    monkeypatch.setattr(table_limits, "FREE_BYTES", 2**16)
    path.write_bytes(packed(suffix, b"a\n" + b"1\n" * 2**20))
    with pytest.raises(StorageError, match="unpacks to more than"):
        read_table(path)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_decimal_commas_are_read_where_they_are_said_and_nothing_is_guessed(tmp_path, monkeypatch, library):
    if library == "polars":
        monkeypatch.setattr(table_files, "_frames", lambda: polars_tables)
    path = tmp_path / "table.csv"
    path.write_text("a;b;c\n1,5;x,y;007\n-0,25;z;1\n;1,5;2\n")
    known = {"c": Known(Sort.REAL)}
    table = read_table(path, known=known, delimiter=";", decimal=",")
    first = table["a"].to_list()
    assert first[:2] == [1.5, -0.25] and not (first[2] == first[2] and first[2] is not None)
    assert table["b"].to_list() == ["x,y", "z", "1,5"]
    assert table["c"].to_list() == [7, 1, 2]
    assert read_table(path, known=known, delimiter=";")["a"].to_list()[0] == "1,5"
    with pytest.raises(InputError, match=r"divided by ','.*decimal mark.*--delimiter"):
        read_table(path, decimal=",")
    path.write_text("a;b\n1.5;2\n2,5;3\n")
    with pytest.raises(InputError, match=r"'a'.*'1.5'.*--decimal"):
        read_table(path, delimiter=";", decimal=",")
    told = {"a": Known(Sort.TEXT)}
    assert read_table(path, known=told, delimiter=";", decimal=",")["a"].to_list() == ["1.5", "2,5"]


def test_tsv_is_divided_by_tabs_and_a_zip_holds_one_table(tmp_path):
    (tmp_path / "table.tsv").write_text("a\tb\n1\t2,5\n")
    assert read_table(tmp_path / "table.tsv")["b"].tolist() == ["2,5"]
    with zipfile.ZipFile(tmp_path / "table.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "a\n1\n")
    with pytest.raises(InputError, match="holds 2 files"):
        read_table(tmp_path / "table.csv.zip")


def book(path, *rows, sheets=1):
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    for _ in range(sheets - 1):
        made.create_sheet()
    made.save(path)
    return path


def test_the_cells_of_a_spreadsheet_keep_their_types(tmp_path):
    day = datetime(2020, 1, 31)
    rows = [1, 0.1, "007", True, day], [None, 2, "x", False, None], [], [3, None, None, True, day]
    path = book(tmp_path / "table.xlsx", ["n", "share", "code", "yes", "day"], *rows)
    table = read_table(path)
    assert table["n"].tolist()[::2] == [1.0, 3.0] and np.isnan(table["n"][1])
    assert table["share"].tolist()[:2] == [0.1, 2.0]
    # A text of digits is a text, for the file says so.
    assert table["code"].tolist()[:2] == ["007", "x"] and table["code"].isna()[2]
    assert table["yes"].tolist() == [True, False, True]
    like = pd.DataFrame({"day": pd.to_datetime(["2020-01-01"]), "n": [0.5]})
    assert read_table(path, like)["day"].tolist()[0] == day


@pytest.mark.parametrize(
    ("rows", "sheets", "said"),
    [
        ([["a"], [1]], 2, "has the sheets 'Sheet', 'Sheet1'"),
        ([["a", "b"], [1, "=A2+1"]], 1, "row 2, column 2 of table.xlsx holds a formula whose value"),
        ([["a"], ["#DIV/0!"]], 1, "row 2, column 1 of table.xlsx holds the error '#DIV/0!'"),
        ([["a", "b"], [1, 2, 3]], 1, "has 3 values, the header has 2"),
        ([["a", "a"], [1, 2]], 1, "columns of the same name: 'a'"),
        ([], 1, "has no columns"),
    ],
)
def test_spreadsheets_that_say_no_table(tmp_path, rows, sheets, said):
    with pytest.raises(InputError, match=said):
        read_table(book(tmp_path / "table.xlsx", *rows, sheets=sheets))


def test_a_spreadsheet_that_is_none_or_too_large(tmp_path, monkeypatch):
    (tmp_path / "table.xlsx").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(StorageError, match="cut short"):
        read_table(tmp_path / "table.xlsx")
    path = book(tmp_path / "table.xlsx", ["a"], [1])
    with monkeypatch.context() as patched:
        patched.setattr(table_limits, "FREE_BYTES", -(2**30))
        with pytest.raises(StorageError, match="unpacks to more than"):
            read_table(path)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    monkeypatch.delitem(sys.modules, "onlyif.files.spreadsheet", raising=False)
    with pytest.raises(ExtraError, match=r"onlyif\[excel\]"):
        read_table(path)


def test_long_lists_are_cut():
    assert listed([str(i) for i in range(10)]).endswith("'7' and 2 more")
