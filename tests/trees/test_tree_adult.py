"""Trees on Adult: strings, categories, missing values, one-hot blocks."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import onlyif

COLUMNS = [
    "age",
    "workclass",
    "education-num",
    "marital-status",
    "sex",
    "capital-gain",
    "hours-per-week",
    "race",
]


@pytest.fixture(scope="module")
def adult(data_folder):
    people = pd.read_csv(data_folder / "adult" / "adult.csv.gz").head(2000)
    target = (people["income"] == ">50K").astype(int)
    table = people[COLUMNS].copy()
    table["age"] = table["age"].astype(float).mask(np.random.default_rng(0).random(len(table)) < 0.1)
    for name in ("workclass", "marital-status", "sex", "race"):
        table[name] = table[name].astype("category")
    return table, target


MODELS = {
    "histogram": (HistGradientBoostingClassifier(max_iter=15, categorical_features="from_dtype"), 1e-9),
    "lightgbm": (lgb.LGBMClassifier(n_estimators=15, n_jobs=1, verbose=-1), 1e-9),
    "xgboost": (xgb.XGBClassifier(n_estimators=15, max_depth=5, enable_categorical=True, n_jobs=1), 1e-6),
    "pipeline": (
        make_pipeline(
            make_column_transformer(
                (OneHotEncoder(handle_unknown="ignore"), ["workclass", "marital-status", "sex", "race"]),
                remainder="passthrough",
            ),
            RandomForestClassifier(15, max_depth=8, random_state=0),
        ),
        1e-9,
    ),
}


@pytest.mark.parametrize(("model", "tolerance"), MODELS.values(), ids=MODELS)
def test_tables_are_those_of_the_models_own_predictions(adult, model, tolerance):
    table, target = adult
    model.fit(table[:1500], target[:1500])
    rows = table[1500:1503]
    found = onlyif.explain(model, rows, background=table, reference=onlyif.Marginal(100), keep_table=True)
    asked = onlyif.explain(
        model.predict_proba, rows, background=table, reference=onlyif.Marginal(100), keep_table=True
    )
    assert found[0].notes == asked[0].notes
    assert found[0].provenance.restriction.startswith("exactly, from the")
    for one, other in zip(found, asked, strict=True):
        np.testing.assert_allclose(one.table, other.table, rtol=0, atol=tolerance)
