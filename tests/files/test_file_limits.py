"""Limits of memory hold before anything is allocated, in proportion to the file; errors are one wrapper's."""

import gzip
import io
import json
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from onlyif.core.errors import SettingError, StorageError
from onlyif.files import pandas_tables, polars_tables, skops_schema, table_limits
from onlyif.files.models import read_model
from onlyif.files.sklearn_checks import check_sklearn_model
from onlyif.files.tables import read_table
from onlyif.modalities import groups

VALUES = np.arange(12.0).reshape(4, 3)


def archive(path, files, **settings):
    with zipfile.ZipFile(path, "w", **settings) as target:
        for name, content in files.items():
            target.writestr(name, content)


def array_record(name):
    kind = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode"}
    return {**kind, "__id__": 1, "type": "numpy", "file": name}


def list_of(records):
    kind = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
    return json.dumps({**kind, "__id__": 1, "content": records, "protocol": 2})


def zeros(size):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(size // 8))
    return buffer.getvalue()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(skops_schema, "FREE_BYTES", 2**16)


def test_arrays_out_of_proportion_are_not_unpacked(tmp_path, small):
    files = {"a.npy": zeros(2**23), "schema.json": list_of([array_record("a.npy")])}
    archive(tmp_path / "m.skops", files, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(StorageError, match="unpacks to more than"):
        read_model(tmp_path / "m.skops")


def test_an_array_counts_as_often_as_it_is_named(tmp_path, small):
    files = {"a.npy": zeros(2**14), "schema.json": list_of([array_record("a.npy")] * 100)}
    archive(tmp_path / "m.skops", files, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(StorageError, match="too many for its size"):
        read_model(tmp_path / "m.skops")


def test_a_size_that_is_too_small_does_not_help(tmp_path, small):
    archive(tmp_path / "m.skops", {"schema.json": b" " * 2**23}, compression=zipfile.ZIP_DEFLATED)
    data = (tmp_path / "m.skops").read_bytes()
    (tmp_path / "m.skops").write_bytes(data.replace((2**23).to_bytes(4, "little"), (9).to_bytes(4, "little")))
    with pytest.raises(StorageError):
        read_model(tmp_path / "m.skops")


def test_records_are_counted_before_they_are_made(tmp_path):
    text = b"[" + b"{}," * (skops_schema.MAX_VALUES + 1) + b"{}]"
    archive(tmp_path / "m.skops", {"schema.json": text}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(StorageError, match="records"):
        read_model(tmp_path / "m.skops")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_a_bound_are_refused(tmp_path, method):
    archive(tmp_path / "m.skops", {"schema.json": "{}"}, compression=method)
    with pytest.raises(StorageError, match="deflate"):
        read_model(tmp_path / "m.skops")


@pytest.mark.parametrize("old", [b"'descr'", b"<f8", b"False", b"(3,)", b"}"])
def test_damaged_headers_of_arrays_are_one_error(tmp_path, old):
    skops.io.dump(LinearRegression().fit(VALUES, VALUES[:, 0]), tmp_path / "m.skops")
    with zipfile.ZipFile(tmp_path / "m.skops") as held:
        files = {name: held.read(name) for name in held.namelist()}
    name = next(name for name, data in files.items() if b"(3,)" in data)
    files[name] = files[name].replace(old, b"{" * len(old), 1)
    archive(tmp_path / "m.skops", files)
    with pytest.raises(StorageError, match=r"m\.skops"):
        read_model(tmp_path / "m.skops")


def test_unknown_types_to_trust_are_said(tmp_path):
    skops.io.dump(LinearRegression().fit(VALUES, VALUES[:, 0]), tmp_path / "m.skops")
    with pytest.raises(SettingError, match=r"no\.such\.Type"):
        read_model(tmp_path / "m.skops", ["no.such.Type"])
    (tmp_path / "m.txt").write_text("tree\n")
    with pytest.raises(SettingError, match=r"no\.such\.Type"):
        read_model(tmp_path / "m.txt", ["no.such.Type"])


def test_a_file_starts_no_more_processes_than_there_are_processors():
    model = LinearRegression(n_jobs=10**6)
    check_sklearn_model(model)
    assert 1 <= model.n_jobs < 10**4


@pytest.mark.parametrize("reader", [pandas_tables, polars_tables])
@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_rows_are_counted_before_they_are_read(tmp_path, reader, kind):
    path = tmp_path / f"t.{kind}"
    frame = pl.DataFrame({"a": np.zeros(2**25, np.int8)})
    frame.write_parquet(path) if kind == "parquet" else frame.write_ipc(path, compression="zstd")
    with pytest.raises(StorageError, match=str(2**25)):
        reader.BINARY[kind](path)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_tables_in_proportion_are_read(tmp_path, kind):
    frame = pd.DataFrame({"x": [1.0, 2.0], "s": ["a", "b"]})
    getattr(frame, f"to_{kind}")(tmp_path / f"t.{kind}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"t.{kind}"), frame)


def test_a_packed_csv_out_of_proportion_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(table_limits, "FREE_BYTES", 2**20)
    with gzip.open(tmp_path / "t.csv.gz", "wb") as file:
        for _ in range(4):
            file.write(b"0" * 2**20)
    with pytest.raises(StorageError, match="unpacks to more than"):
        read_table(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("value", ["[" * 5000 + "]" * 5000, "9" * 5000])
def test_hostile_groups_are_refused(tmp_path, value):
    (tmp_path / "g.toml").write_text(f"[groups]\na={value}")
    with pytest.raises(StorageError, match="TOML"):
        groups.read_groups(tmp_path / "g.toml")
