"""A pipeline on Adult, with every kind of column, gets back exactly the frames it was trained on."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from onlyif.modalities.table import fit_schema
from onlyif.models.checked import checked, probe
from onlyif.models.detect import detect
from onlyif.models.outputs import AutoOutput

N_TRAIN = 3000


class _Days(BaseEstimator, TransformerMixin):
    """Days since 1990 of a column of dates; missing is -1."""

    def fit(self, table, y=None):
        return self

    def transform(self, table):
        dates = pd.to_datetime(pd.Series(table.to_numpy()[:, 0]))
        return (dates - pd.Timestamp("1990-01-01")).dt.days.fillna(-1).to_numpy(float)[:, None]


def _pandas(data_folder):
    """Adult with categories, strings, integers, booleans, dates, nullable columns and missing values."""
    people = pd.read_csv(data_folder / "adult" / "adult.csv.gz").head(N_TRAIN + 500)
    target = people.pop("income")
    rng = np.random.default_rng(0)
    people = people.drop(columns="fnlwgt")
    people["workclass"] = people["workclass"].replace("?", None).astype("str")
    people["education"] = people["education"].astype("category")
    ranks = people.groupby("education", observed=True)["education-num"].first().sort_values().index
    people["education"] = people["education"].cat.reorder_categories([*ranks], ordered=True)
    people["occupation"] = people["occupation"].astype("string[pyarrow]")
    people["race"] = people["race"].astype(pd.CategoricalDtype([*people["race"].unique(), "Nobody"]))
    people["relationship"] = people["relationship"].astype(object)
    people["sex"] = people["sex"] == "Male"
    people["capital-gain"] = people["capital-gain"].astype("float32")
    people["hours-per-week"] = people["hours-per-week"].astype("Int64").mask(rng.random(len(people)) < 0.1)
    people["age"] = people["age"].astype("float64").mask(rng.random(len(people)) < 0.1)
    days = pd.to_timedelta(rng.integers(0, 9000, len(people)), unit="D")
    people["enrolled"] = (pd.Timestamp("1990-01-01") + days).as_unit("ns")
    people.loc[rng.random(len(people)) < 0.05, "enrolled"] = pd.NaT
    return people, (target == ">50K").to_numpy()


def _polars(data_folder):
    people, target = _pandas(data_folder)
    levels = people["race"].cat.categories.tolist()
    frame = pl.from_pandas(people.astype({"education": "str", "race": "str", "relationship": "str"}))
    frame = frame.with_columns(
        pl.col("education").cast(pl.Categorical),
        pl.col("race").cast(pl.Enum(levels)),
        pl.col("enrolled").cast(pl.Date),
        pl.col("capital-loss").cast(pl.UInt16),
        pl.col("age").fill_nan(None),
    )
    return frame, target


TEXT = ["workclass", "education", "marital-status", "occupation", "relationship", "race", "native-country"]
NUMBERS = ["age", "education-num", "capital-gain", "capital-loss", "hours-per-week", "sex"]


def _pipeline():
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), TEXT),
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (make_pipeline(_Days(), StandardScaler()), ["enrolled"]),
    )
    return make_pipeline(encode, LogisticRegression(max_iter=50, tol=1e-2))


def _blend_by_hand(x, draw, keep):
    """The plain oracle: column by column with the library's own indexing."""
    mixed = draw.copy()
    for j, column in enumerate(draw.columns):
        if keep[j]:
            mixed[column] = pd.Series([x[column].iloc[0]] * len(draw), dtype=draw[column].dtype)
    return mixed


@pytest.mark.parametrize("seed", range(3))
def test_pandas_pipeline_gets_back_its_frames(data_folder, seed):
    people, target = _pandas(data_folder)
    train, rows = people.head(N_TRAIN), people.tail(500)
    model = _pipeline().fit(train, target[:N_TRAIN])
    schema = fit_schema(train, rows)
    coded = schema.encode(train)
    assert_frame_equal(schema.decode(coded), train, check_exact=True)
    assert_frame_equal(schema.decode(schema.encode(rows)), rows.reset_index(drop=True), check_exact=True)

    keep = np.random.default_rng(seed).random(len(people.columns)) < 0.5
    x = rows.iloc[[seed]]
    mixed = np.where(keep, schema.encode(x), coded)
    by_hand = _blend_by_hand(x, train, keep)
    assert_frame_equal(schema.decode(mixed), by_hand, check_exact=True)
    predictor = detect(model, schema, AutoOutput())
    np.testing.assert_array_equal(predictor.predict(torch.from_numpy(mixed)), model.predict_proba(by_hand))
    assert predictor.meaning.labels == ("False", "True")
    assert probe(predictor, torch.from_numpy(mixed[:64])).notes == ()
    assert checked(predictor, torch.from_numpy(mixed)).n_outputs == 2


def test_polars_pipeline_gets_back_its_frames(data_folder):
    people, target = _polars(data_folder)
    train, rows = people.head(N_TRAIN), people.tail(500)
    model = _pipeline().fit(train, target[:N_TRAIN])
    schema = fit_schema(train, rows)
    coded = schema.encode(train)
    back = schema.decode(coded)
    assert_polars_equal(back, train, check_exact=True)
    assert back.schema == train.schema
    keep = np.random.default_rng(0).random(len(people.columns)) < 0.5
    mixed = np.where(keep, schema.encode(rows[:1]), coded)
    by_hand = train.with_columns(
        pl.Series(name, [rows[name][0]] * N_TRAIN, dtype=train[name].dtype)
        for j, name in enumerate(train.columns)
        if keep[j]
    )
    assert_polars_equal(schema.decode(mixed), by_hand, check_exact=True)
    predictor = detect(model, schema, AutoOutput())
    np.testing.assert_array_equal(predictor.predict(torch.from_numpy(mixed)), model.predict_proba(by_hand))


def test_readers_see_plain_values(data_folder):
    people, _ = _pandas(data_folder)
    schema = fit_schema(people)
    row = schema.text(schema.encode(people)[0])
    assert dict(zip(schema.columns, row, strict=True)) | {"enrolled": ""} == {
        "age": "39", "workclass": "State-gov", "education": "Bachelors", "education-num": "13",
        "marital-status": "Never-married", "occupation": "Adm-clerical", "relationship": "Not-in-family",
        "race": "White", "sex": "True", "capital-gain": "2174", "capital-loss": "0",
        "hours-per-week": "40", "native-country": "United-States", "enrolled": "",
    }  # fmt: skip
    assert row[-1] == str(people["enrolled"].iloc[0].date())
    assert isinstance(people["enrolled"].iloc[0].date(), dt.date)
