"""A CSV file is read with the types that the model knows; where nothing is known, doubt is refused."""

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from onlyif.core.errors import InputError
from onlyif.files import polars_tables
from onlyif.files import tables as table_files
from onlyif.files.model_columns import Known, known_columns
from onlyif.files.tables import read_table
from onlyif.modalities.table_fit import Sort

N = 60
FRAME = pd.DataFrame(
    {
        "zip": ["01234", "10115", "00501"] * 20,
        "word": ["NA", "None", "n/a", "null"] * 15,
        "flag": ["TRUE", "FALSE"] * 30,
        "count": np.arange(N),
    }
)
DECIDED = (FRAME["flag"] == "TRUE").astype(int)
TEXT = {name: Known(Sort.TEXT) for name in ("zip", "word", "flag")}


def encoded():
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_column_transformer((texts, ["zip", "word"]), (OrdinalEncoder(), [2]), (StandardScaler(), [3]))


def test_encoders_inside_pipelines_and_searches_know_their_text():
    model = make_pipeline(encoded(), LogisticRegression()).fit(FRAME, DECIDED)
    assert known_columns(model, list(FRAME)) == TEXT
    search = GridSearchCV(make_pipeline(encoded(), LogisticRegression()), {}, cv=2).fit(FRAME, DECIDED)
    assert known_columns(search, list(FRAME)) == TEXT
    assert known_columns(LogisticRegression().fit(FRAME[["count"]], DECIDED), ["count"]) == {}


def test_numbers_and_booleans_of_encoders():
    table = pd.DataFrame({"a": [1, 2] * 30, "b": [True, False] * 30})
    transformer = make_column_transformer((OneHotEncoder(), ["a"]), (OneHotEncoder(), ["b"])).fit(table)
    assert known_columns(transformer, ["a", "b"]) == {"a": Known(Sort.REAL), "b": Known(Sort.FLAG)}


LEVELS = FRAME.assign(word=FRAME["word"].astype("category"), grade=pd.Categorical([3, 1, 2] * 20))[
    ["count", "word", "grade"]
]


@pytest.mark.parametrize(
    "fit",
    [
        lambda: lightgbm.LGBMClassifier(n_estimators=2, min_child_samples=1, verbose=-1).fit(LEVELS, DECIDED),
        lambda: lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(LEVELS, DECIDED).booster_,
        lambda: xgboost.XGBClassifier(n_estimators=2, enable_categorical=True).fit(LEVELS, DECIDED),
        lambda: (
            xgboost.XGBClassifier(n_estimators=2, enable_categorical=True).fit(LEVELS, DECIDED).get_booster()
        ),
    ],
    ids=["lightgbm", "lightgbm booster", "xgboost", "xgboost booster"],
)
def test_boosted_trees_know_the_levels_of_their_category_columns(fit, tmp_path):
    if "xgboost" in type(fit()).__module__ and xgboost.__version__ < "3":
        with pytest.raises(InputError, match=r"'word' is a category column .* not kept its levels"):
            known_columns(fit(), list(LEVELS))
        return
    known = known_columns(fit(), list(LEVELS))
    assert known["word"] == Known(Sort.LEVEL, ("NA", "None", "n/a", "null"))
    assert known["grade"] == Known(Sort.LEVEL, (1, 2, 3))
    assert known["count"] == Known(Sort.REAL)
    LEVELS.to_csv(tmp_path / "table.csv", index=False)
    table = read_table(tmp_path / "table.csv", None, known)
    assert table["word"].tolist() == LEVELS["word"].tolist()
    assert table["word"].dtype.categories.tolist() == ["NA", "None", "n/a", "null"]
    assert table["grade"].tolist() == LEVELS["grade"].tolist()


def test_histogram_trees_know_their_text():
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype").fit(LEVELS, DECIDED)
    known = known_columns(model, list(LEVELS))
    assert known["word"] == Known(Sort.TEXT)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_text_that_the_model_knows_stays_text(tmp_path, monkeypatch, library):
    if library == "polars":
        monkeypatch.setattr(table_files, "_frames", lambda: polars_tables)
    FRAME.to_csv(tmp_path / "table.csv", index=False)
    table = read_table(tmp_path / "table.csv", None, TEXT)
    for name in TEXT:
        assert list(table[name]) == FRAME[name].tolist()
    again = read_table(tmp_path / "table.csv", table)
    assert again.equals(table)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("word", ["NA", "None", "null", "n/a", "nan"])
def test_only_the_empty_cell_is_missing(tmp_path, monkeypatch, library, word):
    if library == "polars":
        monkeypatch.setattr(table_files, "_frames", lambda: polars_tables)
    (tmp_path / "table.csv").write_text(f"a,b\nx,1\n{word},\n,2\n")
    table = read_table(tmp_path / "table.csv")
    assert [value for value in table["a"] if isinstance(value, str)] == ["x", word]
    assert pl.Series(list(table["b"])).fill_nan(None).to_list() == [1, None, 2]
    (tmp_path / "doubt.csv").write_text(f"a\n1\n{word}\n")
    with pytest.raises(InputError, match=f"'{word}' among numbers.*--text"):
        read_table(tmp_path / "doubt.csv")
    assert list(read_table(tmp_path / "doubt.csv", None, {"a": Known(Sort.TEXT)})["a"]) == ["1", word]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_leading_zeros_are_asked_about(tmp_path, monkeypatch, library):
    if library == "polars":
        monkeypatch.setattr(table_files, "_frames", lambda: polars_tables)
    (tmp_path / "table.csv").write_text("zip,a\n10115,0\n01234,0.5\n")
    with pytest.raises(InputError, match=r"'01234'.*--text 'zip'.*--number 'zip'"):
        read_table(tmp_path / "table.csv")
    assert list(read_table(tmp_path / "table.csv", None, {"zip": Known(Sort.TEXT)})["zip"]) == [
        "10115",
        "01234",
    ]
    assert list(read_table(tmp_path / "table.csv", None, {"zip": Known(Sort.REAL)})["zip"]) == [10115, 1234]


def test_a_missing_whole_number_is_named_with_its_row(tmp_path):
    (tmp_path / "rows.csv").write_text("n,v\n1,1\n,2\n")
    with pytest.raises(InputError, match=r"'n' is missing in row 1 of the file rows\.csv"):
        read_table(tmp_path / "rows.csv", pd.DataFrame({"n": [1, 2], "v": [0.5, 1]}))
