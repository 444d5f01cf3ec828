"""Trees behind a pipeline's steps, against the whole pipeline's own predictions."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

import onlyif

BY_TREES = "exactly, from the"
FOREST = RandomForestClassifier(8, max_depth=5, random_state=0)


def _frame(n=250):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "city": rng.choice(["Rome", "Oslo", "Bern"], n),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], n)),
            "n": rng.integers(0, 9, n),
            "unused": rng.choice(["p", "q"], n),
        }
    )
    return frame, ((frame.n > 4) ^ (frame.city == "Oslo") ^ (frame.age > 1)).astype(int)


def _by_both_ways(model, frame, rows=3):
    found = onlyif.explain(
        model, frame[:rows], background=frame, reference=onlyif.Marginal(100), keep_table=True
    )
    asked = onlyif.explain(
        model.predict_proba, frame[:rows], background=frame, reference=onlyif.Marginal(100), keep_table=True
    )
    difference = max(
        float(abs(one.table - other.table).max()) for one, other in zip(found, asked, strict=True)
    )
    return found[0], difference


def _columns(sparse=False):
    return make_column_transformer(
        (OneHotEncoder(sparse_output=sparse), ["city"]),
        (OrdinalEncoder(), ["size"]),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["age"]),
        ("passthrough", ["n"]),
        sparse_threshold=1.0,
    )


LAST = {
    "forest": (FOREST, 1e-9),
    "histogram": (HistGradientBoostingClassifier(max_iter=8), 1e-9),
    "lightgbm": (lgb.LGBMClassifier(n_estimators=8, n_jobs=1, verbose=-1), 1e-9),
    "xgboost": (xgb.XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1), 1e-6),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("last", "tolerance"), LAST.values(), ids=LAST)
def test_one_player_a_column_of_the_users_frame(last, tolerance, sparse):
    if sparse and isinstance(last, HistGradientBoostingClassifier):
        pytest.skip("it takes no sparse table")
    frame, y = _frame()
    found, difference = _by_both_ways(make_pipeline(_columns(sparse), last).fit(frame, y), frame)
    assert found.provenance.restriction.startswith(BY_TREES)
    assert found.names == ("age", "city", "size", "n", "unused")
    # What the pipeline drops plays, and never matters.
    assert found.shapley[4].item() == 0
    assert difference <= tolerance


@pytest.mark.parametrize(
    "steps",
    [
        make_column_transformer((KBinsDiscretizer(3, strategy="uniform"), ["n"]),
                                (TargetEncoder(cv=2), ["city", "size"]), remainder="drop"),
        make_pipeline(make_column_transformer((OneHotEncoder(), ["size", "city"]), ("passthrough", ["n"])),
                      SelectKBest(k=5)),
        make_column_transformer((OneHotEncoder(drop="first"), ["size"]),
                                (FunctionTransformer(feature_names_out="one-to-one"), ["n"])),
    ],
    ids=["bins and target means", "selected", "passed through"],
)  # fmt: skip
def test_other_steps_that_keep_columns_apart(steps):
    frame, y = _frame()
    found, difference = _by_both_ways(make_pipeline(steps, FOREST).fit(frame, y), frame)
    assert found.provenance.restriction.startswith(BY_TREES)
    assert difference <= 1e-9


MIXING = {
    "principal components": (PCA(2), "a PCA in the pipeline may mix columns"),
    "row norms": (Normalizer(), "a Normalizer in the pipeline"),
    "neighbours": (KNNImputer(), "a KNNImputer in the pipeline"),
    "a function": (FunctionTransformer(np.abs), "a FunctionTransformer in the pipeline"),
}


@pytest.mark.parametrize(("step", "reason"), MIXING.values(), ids=MIXING)
def test_steps_that_may_mix_columns_ask_the_whole_pipeline(step, reason):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 4))
    model = make_pipeline(StandardScaler(), step, FOREST).fit(x, x[:, 0] + x[:, 1] > 0)
    found = onlyif.explain(model, x[:2], background=x, reference=onlyif.Marginal(100), keep_table=True)
    assert not found[0].provenance.restriction.startswith(BY_TREES)
    assert reason in found[0].notes[0]
    asked = onlyif.explain(
        model.predict_proba, x[:2], background=x, reference=onlyif.Marginal(100), keep_table=True
    )
    np.testing.assert_allclose(found[0].table, asked[0].table, rtol=0, atol=1e-12)


def test_columns_that_depend_on_others_are_seen_even_in_a_step_that_is_trusted(monkeypatch):
    monkeypatch.setattr("onlyif.models.sklearn_steps.COLUMN_BY_COLUMN", {Normalizer})
    x = np.random.default_rng(0).normal(size=(150, 4))
    model = make_pipeline(Normalizer(), FOREST).fit(x, x[:, 0] + x[:, 1] > 0)
    found = onlyif.explain(model, x[:2], background=x)[0]
    assert not found.provenance.restriction.startswith(BY_TREES)
    assert "what its trees compare is not made column by column" in found.notes[0]


def test_pipelines_on_arrays_inside_a_search_over_settings_and_within_one_another():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 4))
    inner = make_pipeline(SelectKBest(k=3), RandomForestClassifier(5, random_state=0))
    model = make_pipeline(StandardScaler(), GridSearchCV(inner, {"selectkbest__k": [2, 3]}, cv=2))
    found, difference = _by_both_ways(model.fit(x, x[:, 0] + x[:, 1] > 0), x)
    assert found.provenance.restriction.startswith(BY_TREES)
    assert difference <= 1e-9


def test_groups_join_columns_that_become_several():
    frame, y = _frame()
    model = make_pipeline(_columns(), FOREST).fit(frame, y)
    groups = {"who": ["age", "city"]}
    one = onlyif.explain(
        model, frame[:2], background=frame, groups=groups, reference=onlyif.Marginal(100), keep_table=True
    )
    other = onlyif.explain(
        model.predict_proba,
        frame[:2],
        background=frame,
        groups=groups,
        reference=onlyif.Marginal(100),
        keep_table=True,
    )
    assert one[0].provenance.restriction.startswith(BY_TREES)
    assert one[0].names == ("who", "size", "n", "unused")
    np.testing.assert_allclose(one[0].table, other[0].table, rtol=0, atol=1e-9)
