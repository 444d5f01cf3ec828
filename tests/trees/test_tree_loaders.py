"""Trees read from every library, against the library's own predictions."""

from dataclasses import dataclass, replace
from typing import final

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from onlyif.core.arrays import doubled
from onlyif.modalities.table import fit_schema
from onlyif.models.base import Predictor
from onlyif.models.checked import checked
from onlyif.models.detect import detect
from onlyif.models.outputs import AutoOutput, LogitOutput, MarginOutput
from onlyif.trees.ensemble import ZERO
from onlyif.trees.question import TreeQuestion, UnreadableTreesError
from onlyif.trees.reading import trees_of

OUTPUTS = {"auto": AutoOutput(), "margin": MarginOutput(), "logit": LogitOutput()}
QUIET = {"n_estimators": 12, "n_jobs": 1, "verbose": -1}
SMALL = {"n_estimators": 12, "max_depth": 4, "n_jobs": 1}


def _data(name):
    load = {"cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}[name.split(" ")[0]]
    x, y = load(return_X_y=True)
    x = x[:, :6].copy()
    rng = np.random.default_rng(0)
    if name.endswith("missing"):
        x[rng.random(x.shape) < 0.1] = np.nan
    if name.endswith("zeros"):
        x[rng.random(x.shape) < 0.3] = 0.0
    return x, y


def _ask(model, table, output="auto"):
    schema = fit_schema(table)
    raw = detect(model, schema, OUTPUTS[output])
    rows = schema.encode(table)
    return TreeQuestion(model, checked(raw, rows[:1]), raw.form, OUTPUTS[output], rows)


def _near_thresholds(trees, rows):
    """For each threshold rows with that value, the next ones, and the nearest one of single precision."""
    nodes, made = trees.ensemble.nodes, []
    for column in range(rows.shape[1]):
        at = (nodes.column == column) & (nodes.category_set < 0) & np.isfinite(nodes.threshold)
        for place, t in enumerate(np.unique(nodes.threshold[at]).tolist()[:150]):
            for value in (t, np.nextafter(t, np.inf), np.nextafter(t, -np.inf), float(np.float32(t))):
                row = rows[place % len(rows)].copy()
                row[column] = value
                made.append(row)
    return np.array(made)


def _agree(question, rows, tolerance):
    trees = trees_of(question)
    got = trees.ensemble.predict(trees.encode(rows))
    wanted = doubled(question.predictor.predict(rows))
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    return trees


FORESTS = {
    "tree": (DecisionTreeClassifier(max_depth=4), "cancer"),
    "tree of 3 classes": (ExtraTreeClassifier(max_depth=4, random_state=0), "wine"),
    "tree regressor": (DecisionTreeRegressor(max_depth=4), "diabetes"),
    "extra tree regressor": (ExtraTreeRegressor(max_depth=4, random_state=0), "diabetes"),
    "forest": (RandomForestClassifier(8, max_depth=5, random_state=0), "cancer"),
    "forest with missing values": (RandomForestClassifier(8, random_state=0), "cancer missing"),
    "weighted forest": (RandomForestClassifier(8, class_weight={0: 3.0, 1: 0.5}, random_state=0), "cancer"),
    "forest of 3 classes": (RandomForestClassifier(8, max_depth=5, random_state=0), "wine"),
    "forest regressor": (RandomForestRegressor(8, max_depth=5, random_state=0), "diabetes"),
    "extra trees": (ExtraTreesClassifier(8, max_depth=5, random_state=0), "cancer"),
    "extra trees regressor": (ExtraTreesRegressor(8, max_depth=5, random_state=0), "diabetes"),
    "bagged trees": (BaggingClassifier(n_estimators=5, max_features=0.5, random_state=0), "wine"),
    "bagged regression trees": (BaggingRegressor(n_estimators=5, max_features=3, random_state=0), "diabetes"),
    "searched forest": (
        GridSearchCV(RandomForestClassifier(3, random_state=0), {"max_depth": [2, 3]}, cv=2), "wine"
    ),
    "boosting from 0": (GradientBoostingRegressor(n_estimators=12, init="zero"), "diabetes"),
    "boosting, huber": (GradientBoostingRegressor(n_estimators=12, loss="huber"), "diabetes"),
    "histogram": (HistGradientBoostingRegressor(max_iter=12), "diabetes missing"),
    "histogram, poisson": (HistGradientBoostingRegressor(max_iter=12, loss="poisson"), "diabetes"),
    "histogram, gamma": (HistGradientBoostingRegressor(max_iter=12, loss="gamma"), "diabetes"),
    **{
        f"lightgbm, {objective}": (lgb.LGBMRegressor(objective=objective, **QUIET), "diabetes")
        for objective in ("regression", "regression_l1", "huber", "quantile", "poisson", "gamma", "tweedie")
    },
}  # fmt: skip


@pytest.mark.parametrize(("model", "data"), FORESTS.values(), ids=FORESTS)
def test_values_and_averages_are_the_models(model, data):
    x, y = _data(data)
    question = _ask(model.fit(x, y), x)
    trees = _agree(question, x, 1e-12)
    _agree(question, _near_thresholds(trees, x), 1e-12)


BOOSTED = {
    "boosting": (GradientBoostingClassifier(n_estimators=12), "cancer"),
    "boosting, exponential": (GradientBoostingClassifier(n_estimators=12, loss="exponential"), "cancer"),
    "boosting of 3 classes": (GradientBoostingClassifier(n_estimators=6), "wine"),
    "histogram": (HistGradientBoostingClassifier(max_iter=12), "cancer missing"),
    "histogram of 3 classes": (HistGradientBoostingClassifier(max_iter=6), "wine"),
    "lightgbm": (lgb.LGBMClassifier(**QUIET), "cancer missing"),
    "lightgbm of 3 classes": (lgb.LGBMClassifier(**QUIET), "wine"),
    "lightgbm, one against all": (lgb.LGBMClassifier(objective="multiclassova", **QUIET), "wine"),
    "lightgbm forest": (
        lgb.LGBMClassifier(boosting_type="rf", subsample=0.5, subsample_freq=1, **QUIET), "cancer"
    ),
    "lightgbm, dart": (lgb.LGBMClassifier(boosting_type="dart", **QUIET), "cancer"),
    "lightgbm, zero as missing": (lgb.LGBMClassifier(zero_as_missing=True, **QUIET), "cancer zeros"),
    "lightgbm, no missing": (lgb.LGBMClassifier(use_missing=False, **QUIET), "cancer missing"),
}  # fmt: skip


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(("model", "data"), BOOSTED.values(), ids=BOOSTED)
def test_boosted_trees_are_the_model_in_every_output(model, data, output):
    x, y = _data(data)
    question = _ask(model.fit(x, y), x, output)
    trees = _agree(question, x, 1e-11)
    _agree(question, _near_thresholds(trees, x), 1e-11)


XGBOOST = {
    "binary": (xgb.XGBClassifier(**SMALL), "cancer missing"),
    "binary from .3": (xgb.XGBClassifier(base_score=0.3, **SMALL), "cancer"),
    "3 classes": (xgb.XGBClassifier(**SMALL), "wine"),
    "dart": (xgb.XGBClassifier(booster="dart", rate_drop=0.5, **SMALL), "cancer missing"),
    "forest": (xgb.XGBRFClassifier(**SMALL), "cancer missing"),
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(("model", "data"), XGBOOST.values(), ids=XGBOOST)
def test_xgboost_classifiers_are_the_model_up_to_its_single_precision(model, data, output):
    x, y = _data(data)
    question = _ask(model.fit(x, y), x, output)
    trees = _agree(question, x, 2e-5 if output == "logit" else 1e-6)
    _agree(question, _near_thresholds(trees, x), 2e-5 if output == "logit" else 1e-6)


@pytest.mark.parametrize(
    "objective",
    ["squarederror", "absoluteerror", "squaredlogerror", "poisson", "gamma", "tweedie", "logistic"],
)
def test_xgboost_regressors_are_the_model_up_to_its_single_precision(objective):
    x, y = _data("diabetes missing")
    full = f"count:{objective}" if objective == "poisson" else f"reg:{objective}"
    model = xgb.XGBRegressor(objective=full, **SMALL).fit(x, y / 400)
    trees = _agree(_ask(model, x), x, 1e-6)
    _agree(_ask(model, x), _near_thresholds(trees, x), 1e-6)


@pytest.mark.parametrize(
    "objective", ["binary:logistic", "binary:logitraw", "multi:softprob", "multi:softmax"]
)
@pytest.mark.parametrize("output", ["auto", "margin"])
def test_native_xgboost_boosters(objective, output):
    x, y = _data("wine" if objective.startswith("multi") else "cancer")
    settings = {"objective": objective, "max_depth": 3, "nthread": 1}
    if objective.startswith("multi"):
        settings["num_class"] = 3
    _agree(_ask(xgb.train(settings, xgb.DMatrix(x, y), 8), x, output), x, 1e-6)


def test_native_lightgbm_boosters_with_their_own_slope():
    x, y = _data("cancer missing")
    settings = {"objective": "binary", "sigmoid": 2.0, "verbose": -1, "num_threads": 1}
    _agree(_ask(lgb.train(settings, lgb.Dataset(x, y), 8), x), x, 1e-12)


def test_trees_after_the_best_iteration_are_left_out():
    x, y = _data("diabetes")
    stopped = xgb.XGBRegressor(learning_rate=1.0, early_stopping_rounds=3, **SMALL)
    stopped.fit(x[:300], y[:300], eval_set=[(x[300:], y[300:])], verbose=False)
    assert stopped.best_iteration < stopped.get_booster().num_boosted_rounds() - 1
    assert len(_agree(_ask(stopped, x), x, 1e-6).ensemble.roots) == stopped.best_iteration + 1
    booster = lgb.train(
        {"objective": "l2", "learning_rate": 1.0, "verbose": -1, "num_threads": 1},
        lgb.Dataset(x[:300], y[:300]),
        60,
        valid_sets=[lgb.Dataset(x[300:], y[300:])],
        callbacks=[lgb.early_stopping(3, verbose=False)],
    )
    assert len(_agree(_ask(booster, x), x, 1e-9).ensemble.roots) == booster.best_iteration < 60


def test_the_smallest_numbers_are_zero_to_lightgbm():
    """It sets |x| <= 1e-35 to 0 before it compares, on either side of a threshold of that size."""
    x = np.repeat([-1.0, 0.0, 1.0], 50)[:, None]
    model = lgb.LGBMRegressor(n_estimators=1, min_child_samples=1, verbose=-1, n_jobs=1).fit(
        x, np.abs(x[:, 0])
    )
    trees = trees_of(_ask(model, x))
    assert set(
        np.abs(trees.ensemble.nodes.threshold[trees.ensemble.nodes.column >= 0]).round(3).tolist()
    ) == {0}
    edges = [
        sign * value
        for sign in (-1, 1)
        for value in (ZERO, np.nextafter(ZERO, 0), np.nextafter(ZERO, 1), 1e-36)
    ]
    _agree(_ask(model, x), np.array(edges)[:, None], 1e-12)


# ---- categories


def _mixed_frame(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "city": pd.Categorical(rng.choice(list("xyzw"), n)),
            "flag": rng.random(n) < 0.5,
            "code": pd.Categorical(rng.choice([10, 20, 30], n)),
            "rare": pd.Categorical(rng.choice(list("pqr"), n), categories=list("pqrst")),
        }
    )
    frame.loc[:20, "city"] = np.nan
    frame.loc[30:40, "a"] = np.nan
    y = ((frame.a > 0) ^ (frame.city == "y") ^ (frame.rare == "q")).astype(int)
    return frame, y


CATEGORICAL = {
    "histogram": HistGradientBoostingClassifier(max_iter=12, categorical_features="from_dtype"),
    "xgboost": xgb.XGBClassifier(enable_categorical=True, **SMALL),
    "xgboost, one category a split": xgb.XGBClassifier(enable_categorical=True, max_cat_to_onehot=9, **SMALL),
    "lightgbm": lgb.LGBMClassifier(min_data_per_group=5, **QUIET),
}


@pytest.mark.parametrize("model", CATEGORICAL.values(), ids=CATEGORICAL)
def test_categories_of_frames_are_those_of_training(model):
    frame, y = _mixed_frame()
    model.fit(frame, y)
    _check_frame(model, frame)
    reordered = frame.assign(city=frame.city.cat.set_categories(list("wzyx")))
    trees = _check_frame(model, reordered)
    assert (trees.ensemble.nodes.category_set >= 0).any()


def _check_frame(model, frame):
    question = _ask(model, frame)
    trees = trees_of(question)
    got = trees.ensemble.predict(trees.encode(question.rows))
    np.testing.assert_allclose(got, model.predict_proba(frame), rtol=0, atol=1e-6)
    return trees


@final
@dataclass(frozen=True, eq=False)
class Recorded(Predictor):
    """A predictor that remembers which columns of a batch had missing values."""

    inner: Predictor
    missing: list

    @property
    def meaning(self):
        return self.inner.meaning

    def predict(self, batch):
        self.missing.append(set(np.flatnonzero(np.isnan(batch).any(0)).tolist()))
        return self.inner.predict(batch)


def test_rows_with_missing_values_have_them_in_every_column_that_can_hold_one():
    frame, y = _mixed_frame()
    frame = frame.assign(whole=range(300), b=np.linspace(0, 1, 300))
    question = _ask(CATEGORICAL["lightgbm"].fit(frame, y), frame)
    recorded = Recorded(question.predictor, [])
    trees_of(replace(question, predictor=recorded))
    # Of categories it is a level of its own; a truth value and a whole number cannot be missing.
    assert recorded.missing[-1] == {0, 6}


@pytest.mark.parametrize("name", ["histogram", "lightgbm"])
def test_unseen_categories_are_missing(name):
    frame, y = _mixed_frame()
    model = CATEGORICAL[name].fit(frame, y)
    frame["city"] = frame.city.cat.set_categories(list("wzyxv"))
    frame.loc[50:70, "city"] = "v"
    _check_frame(model, frame)


@pytest.mark.skipif(xgb.__version__ < "3", reason="XGBoost 2 reads codes of categories, and knows no levels")
def test_unseen_categories_of_xgboost_are_left_to_it():
    frame, y = _mixed_frame()
    model = CATEGORICAL["xgboost"].fit(frame, y)
    frame["city"] = frame.city.cat.set_categories(list("wzyxv"))
    _check_frame(model, frame)
    frame.loc[299, "city"] = "v"
    with pytest.raises(UnreadableTreesError, match="'city' holds 'v', which was no category in training"):
        trees_of(_ask(model, frame))


@pytest.mark.parametrize(
    "fit",
    [
        lambda x, y: lgb.LGBMClassifier(min_data_per_group=5, **QUIET).fit(x, y, categorical_feature=[1, 2]),
        lambda x, y: HistGradientBoostingClassifier(max_iter=12, categorical_features=[1, 2]).fit(x, y),
        lambda x, y: xgb.XGBClassifier(enable_categorical=True, feature_types=["q", "c", "c"], **SMALL).fit(
            x, y
        ),
    ],
    ids=["lightgbm", "histogram", "xgboost"],
)
def test_category_codes_in_arrays_also_beyond_those_of_training(fit):
    rng = np.random.default_rng(1)
    x = np.stack([rng.normal(size=300), rng.integers(0, 5, 300), rng.integers(0, 40, 300)], 1)
    y = ((x[:, 0] > 0) ^ (x[:, 1] == 2) ^ (x[:, 2] > 20)).astype(int)
    model = fit(x, y)
    beyond = x.copy()
    beyond[:50, 1], beyond[50:100, 2], beyond[100:110, 2] = 7, 77, np.nan
    trees = _agree(_ask(model, beyond), beyond, 1e-6)
    assert (trees.ensemble.nodes.category_set >= 0).any()


# ---- what cannot be read


REFUSED = {
    "linear leaves": (lgb.LGBMRegressor(linear_tree=True, **QUIET), "its leaves hold linear models"),
    "square root": (lgb.LGBMRegressor(reg_sqrt=True, **QUIET), "regression sqrt is not known"),
    "no trees": (xgb.XGBRegressor(booster="gblinear", n_estimators=3, n_jobs=1), "gblinear has no trees"),
    "another missing value": (xgb.XGBRegressor(missing=0.0, **SMALL), "takes 0.0 for a missing value"),
    "start": (GradientBoostingRegressor(n_estimators=3, init=LinearRegression()), "of a LinearRegression"),
    "bagged others": (BaggingRegressor(LinearRegression(), n_estimators=2), "no single decision trees"),
    "path lengths": (IsolationForest(n_estimators=3), "margin of a IsolationForest is no average"),
}


@pytest.mark.parametrize(("model", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_plain_sum_of_leaves_is_refused_with_its_reason(model, reason):
    x, y = _data("diabetes")
    with pytest.raises(UnreadableTreesError, match=reason):
        trees_of(_ask(model.fit(x, y), x))


def test_vector_leaves_and_unknown_objectives_are_refused():
    x, y = _data("diabetes")
    both = xgb.XGBRegressor(multi_strategy="multi_output_tree", **SMALL).fit(x, np.stack([y, -y], 1))
    with pytest.raises(UnreadableTreesError, match="vector of values"):
        trees_of(_ask(both, x))
    hinge = xgb.train({"objective": "binary:hinge", "nthread": 1}, xgb.DMatrix(x, y > 150), 3)
    with pytest.raises(UnreadableTreesError, match="binary:hinge is not known"):
        trees_of(_ask(hinge, x))


def test_several_targets_of_a_regressor_are_several_outputs():
    x, y = _data("diabetes")
    both = np.stack([y, -2 * y], 1)
    _agree(_ask(RandomForestRegressor(5, max_depth=3, random_state=0).fit(x, both), x), x, 1e-12)
    _agree(_ask(xgb.XGBRegressor(**SMALL).fit(x, both), x), x, 1e-6)


def test_other_models_have_no_trees():
    x, y = _data("cancer")
    assert trees_of(_ask(LogisticRegression(max_iter=9000).fit(x, y), x)) is None
    assert trees_of(_ask(lambda table: table[:, 0], x)) is None
