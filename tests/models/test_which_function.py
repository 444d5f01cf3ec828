"""The model that is asked is the user's own object, by its own methods, with the table it was trained on."""

from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.utils
import xgboost
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif.core.errors import ModelError, SettingError
from onlyif.modalities.table import fit_schema
from onlyif.models.detect import detect
from onlyif.models.outputs import AutoOutput, ValueOutput
from onlyif.models.own_methods import own_methods

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.uniform(1, 9, (120, 3)), columns=["income", "debt", "age"])
TWO = (FRAME.debt > FRAME.income).astype(int)
NUMBER = FRAME.debt * 2 + FRAME.income
SMALL = {"n_estimators": 4, "verbose": -1}
TABLES = {"pandas": FRAME, "polars": pl.from_pandas(FRAME)}


def _kind(table):
    return type(table).__module__.partition(".")[0]


class _Named(TransformerMixin, BaseEstimator):
    """Finds its columns by name where there are names, and does nothing where there are none."""

    def fit(self, X, y=None):
        self.kind_ = _kind(X)
        return self

    def transform(self, X):
        assert _kind(X) == self.kind_
        return np.stack([np.asarray(X["debt"]) / np.asarray(X["income"]), np.asarray(X["age"])], 1)


class _Around(BaseEstimator):
    """A meta-estimator with no mixin, which keeps nothing of the table."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.classes_ = self.estimator_.classes_
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.estimator_.predict(X)

    def predict_proba(self, X):
        return self.estimator_.predict_proba(X)


FRAMES = {
    "own step first": make_pipeline(_Named(), StandardScaler(), LogisticRegression()),
    "idle step first": make_pipeline("passthrough", _Named(), LogisticRegression()),
    "around a pipeline": _Around(make_pipeline(_Named(), LogisticRegression())),
    "search": GridSearchCV(make_pipeline(_Named(), LogisticRegression()), {}, cv=2),
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_frame_stays_a_frame_for_steps_that_keep_no_names(kind, table):
    model = clone(FRAMES[kind]).fit(table, TWO.to_numpy())
    schema = fit_schema(table)
    predictor = detect(model, schema, AutoOutput())
    np.testing.assert_array_equal(predictor.predict(schema.encode(table)), model.predict_proba(table))
    assert predictor.notes == ()


@pytest.mark.parametrize(
    "model", [LinearRegression(), make_pipeline(StandardScaler(), LinearRegression()), xgboost.XGBRegressor()]
)
def test_a_library_model_of_arrays_gets_arrays_and_says_so(model):
    model = clone(model).fit(FRAME.to_numpy(), NUMBER)
    schema = fit_schema(FRAME)
    predictor = detect(model, schema, AutoOutput())
    own = model.predict(FRAME.to_numpy())
    np.testing.assert_allclose(predictor.predict(schema.encode(FRAME))[:, 0], own, rtol=1e-6)
    (note,) = predictor.notes
    assert "fitted on arrays" in note


def test_columns_named_by_numbers_stay_a_frame():
    frame = FRAME.set_axis([0, 1, 2], axis=1)
    predictor = detect(LinearRegression().fit(frame, NUMBER), fit_schema(frame), AutoOutput())
    assert predictor.notes == ()


class _LogTarget(lightgbm.LGBMRegressor):
    def fit(self, X, y):
        return super().fit(X, np.log1p(y))

    def predict(self, X, **settings):
        return np.expm1(super().predict(X, **settings))


class _LogTargetToo(xgboost.XGBRegressor):
    def predict(self, X, **settings):
        return np.expm1(super().predict(X, **settings))


class _Capped(RandomForestRegressor):
    def predict(self, X):
        return np.minimum(super().predict(X), NUMBER.max() - 1e-6)


class _OnlyTrains(RandomForestRegressor):
    def fit(self, X, y):
        return super().fit(X, y)


def _replaced():
    model = RandomForestRegressor(3, random_state=0).fit(FRAME, NUMBER)
    ask = model.predict
    model.predict = lambda table: ask(table) + 1
    return model


def _stops_early():
    settings = {"pred_early_stop": True, "pred_early_stop_freq": 1, "pred_early_stop_margin": 0.1}
    return lightgbm.LGBMClassifier(n_estimators=9, verbose=-1, **settings).fit(FRAME, TWO)


OWN = {
    "lightgbm": lambda: _LogTarget(**SMALL).fit(FRAME, NUMBER),
    "xgboost": lambda: _LogTargetToo(n_estimators=4, max_depth=2).fit(FRAME, np.log1p(NUMBER)),
    "rarely other": lambda: _Capped(3, random_state=0).fit(FRAME, NUMBER),
    "replaced": _replaced,
    "setting": _stops_early,
    "in a pipeline": lambda: make_pipeline(StandardScaler(), _Capped(3, random_state=0)).fit(FRAME, NUMBER),
}


@pytest.mark.parametrize("kind", OWN)
def test_methods_and_settings_of_the_users_own_are_asked_and_not_the_trees(kind):
    model = OWN[kind]()
    ask = (lambda t: model.predict_proba(t)[:, 1]) if kind == "setting" else model.predict
    background, target = FRAME[40:60], 1 if kind == "setting" else None
    found = onlyif.explain(model, FRAME[:1], background=background, target=target)[0]
    assert found.prediction == pytest.approx(ask(FRAME[:1])[0], rel=1e-6)
    assert found.base == pytest.approx(ask(background).mean(), rel=1e-5)
    (note,) = [note for note in found.notes if "row by row" in note]
    assert "of its own" in note or "stops early" in note


def test_what_counts_as_a_method_of_its_own():
    assert own_methods(RandomForestRegressor()) == own_methods(_OnlyTrains()) == ()
    assert own_methods(_Capped()) == own_methods(_replaced()) == ("predict",)
    trains = _OnlyTrains(3, random_state=0).fit(FRAME, NUMBER)
    found = onlyif.explain(trains, FRAME[:1], background=FRAME[:9])[0]
    assert "trees" in found.provenance.restriction


def test_a_linear_model_with_a_replaced_method_is_not_taken_for_linear():
    model = LinearRegression().fit(FRAME, NUMBER)
    linear = onlyif.explain(model, FRAME[:1], background=FRAME, reference="gaussian")[0]
    model.predict = lambda table: np.asarray(table)[:, 0] * 3.0
    other = onlyif.explain(model, FRAME[:1], background=FRAME, reference="gaussian")[0]
    assert linear.provenance.restriction != other.provenance.restriction
    assert other.prediction == pytest.approx(3 * FRAME.income[0])


class _Served:
    def predict(self, frame, verbose="auto"):
        assert verbose == 0
        return frame["debt"].to_numpy() * 2


class _Survival(BaseEstimator):
    """A risk, as survival models predict it; nothing that is learned ends in an underscore."""

    def predict(self, X):
        return np.asarray(X["debt"]) * 2


@dataclass
class _Both:
    """Callable, with both ways to predict, and no sign of scikit-learn."""

    classes_ = ("no", "yes")

    def __call__(self, frame):
        raise AssertionError("predict is asked, not the object")

    def predict(self, frame):
        return np.array(self.classes_)[(frame["debt"] > 5).to_numpy().astype(int)]

    def predict_proba(self, frame):
        p = (frame["debt"] / 10).to_numpy()
        return pd.DataFrame({"no": 1 - p, "yes": p})


class _SaysRegressor(_Both):
    _estimator_type = "regressor"

    def predict(self, frame):
        return frame["debt"].to_numpy() * 2


class _NoClasses(ClassifierMixin, BaseEstimator):
    def predict_proba(self, X):
        p = np.asarray(X["debt"]) / 10
        return np.stack([1 - p, p], 1)


class _Decides(BaseEstimator):
    classes_ = np.array(["a", "b"])

    def predict(self, X):
        return self.classes_[(np.asarray(X["debt"]) > 5).astype(int)]


P = np.stack([1 - FRAME.debt / 10, FRAME.debt / 10], 1)
HARD = np.stack([FRAME.debt <= 5, FRAME.debt > 5], 1).astype(float)
DOUBLE = FRAME.debt.to_numpy()[:, None] * 2
# object -> what it is called, what one output is, labels, outputs
OBJECTS = {
    "served": (_Served(), "value", (), DOUBLE),
    "survival": (_Survival(), "value", (), DOUBLE),
    "both": (_Both(), "probability", ("no", "yes"), P),
    "regressor with probabilities": (_SaysRegressor(), "value", (), DOUBLE),
    "classifier without classes": (_NoClasses(), "probability", (), P),
    "decides": (_Decides(), "decision (1 for the predicted class)", ("a", "b"), HARD),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_any_object_with_predict_or_predict_proba_is_asked(kind):
    model, output, labels, outputs = OBJECTS[kind]
    schema = fit_schema(FRAME)
    predictor = detect(model, schema, AutoOutput())
    assert (predictor.meaning.output, predictor.meaning.labels) == (output, labels)
    np.testing.assert_allclose(predictor.predict(schema.encode(FRAME)), outputs, rtol=1e-12)


def test_rankers_and_clusterings_are_asked():
    groups, relevance = np.repeat(np.arange(12), 10), RNG.integers(0, 3, 120)
    schema = fit_schema(FRAME)
    for ranker in (xgboost.XGBRanker(n_estimators=3), lightgbm.LGBMRanker(**SMALL)):
        sizes = {"qid": groups} if isinstance(ranker, xgboost.XGBModel) else {"group": [10] * 12}
        ranker.fit(FRAME, relevance, **sizes)
        predictor = detect(ranker, schema, ValueOutput())
        np.testing.assert_allclose(
            predictor.predict(schema.encode(FRAME))[:, 0], ranker.predict(FRAME), rtol=1e-6
        )
    clusters = KMeans(3, random_state=0, n_init=1).fit(FRAME)
    answer = detect(clusters, schema, AutoOutput()).predict(schema.encode(FRAME))
    np.testing.assert_array_equal(answer.argmax(1), clusters.predict(FRAME))
    assert answer.shape == (120, 3)
    assert bool((answer.sum(1) == 1).all())


class _Empty(BaseEstimator):
    pass


def test_an_object_with_neither_is_refused():
    for model in (_Empty(), object(), {"predict": 1}):
        with pytest.raises(SettingError, match="predict"):
            detect(model, fit_schema(FRAME), AutoOutput())


def test_what_a_library_raises_when_a_model_is_looked_at_is_an_error_of_the_model():
    model = LinearRegression().fit(FRAME, NUMBER)
    del model.positive  # as in a file of an older version

    class Broken(RandomForestClassifier):
        @property
        def n_features_in_(self):
            raise SystemExit(0)

        @n_features_in_.setter
        def n_features_in_(self, value):
            pass

    # scikit-learn 1.5 looks at no parameter to tell what a model is.
    parts = [model] if hasattr(sklearn.utils, "get_tags") else []
    for broken in (*parts, Broken(2).fit(FRAME, TWO)):
        with pytest.raises(ModelError, match="could not be described"):
            onlyif.explain(broken, FRAME[:1], background=FRAME)
