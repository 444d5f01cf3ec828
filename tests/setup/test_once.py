"""Pipelines asked behind their steps, against the same pipelines asked through whole tables."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import AdaBoostClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC

import onlyif
from onlyif.modalities.table_frames import PandasForm
from onlyif.models.transformed import transformed_values, values_of
from onlyif.restrictions.enumerated import EnumeratedRestriction

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WHOLE = onlyif.Marginal(n_rows=None)
PARIS = {"age": 30.0, "city": "Paris", "size": "m", "n": 1, "member": True, "unused": "p"}


def network(**settings):
    return MLPClassifier((8,), max_iter=30, random_state=0, **settings)


def people(n=150, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 12, n)),
            "city": rng.choice(["Rome", "Oslo", "Bern"], n, p=[0.6, 0.3, 0.1]),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], n)),
            "n": rng.integers(0, 5, n),
            "member": rng.random(n) < 0.4,
            "unused": rng.choice(["p", "q"], n),
        }
    )
    return frame, ((frame.n > 2) ^ (frame.city == "Oslo") ^ (frame.age > 50)).to_numpy(int)


def steps(*, sparse=False, unknown="ignore", one_hot_sparse=True):
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return make_column_transformer(
        (OneHotEncoder(handle_unknown=unknown, sparse_output=one_hot_sparse), ["city", "size"]),
        (numbers, ["age", "n"]),
        ("passthrough", ["member"]),
        sparse_threshold=1.0 if sparse else 0.0,
    )


STEPS = {
    "dense": steps(),
    "sparse": steps(sparse=True),
    "ordinals, bins and target means": make_column_transformer(
        (KBinsDiscretizer(3, strategy="uniform"), ["n"]),
        (TargetEncoder(cv=2), ["city", "size"]),
        (OrdinalEncoder(), ["unused"]),
        (SimpleImputer(), ["age"]),
    ),
    "scalers": make_column_transformer(
        (make_pipeline(SimpleImputer(), MinMaxScaler(), PowerTransformer()), ["age"]),
        (make_pipeline(RobustScaler(), QuantileTransformer(n_quantiles=20)), ["n"]),
        (MaxAbsScaler(), ["member"]),
        (OneHotEncoder(drop="if_binary", min_frequency=0.2), ["city", "unused"]),
    ),
    "a column in two ways": make_column_transformer(
        (make_pipeline(SimpleImputer(), SplineTransformer(4, knots="quantile")), ["age"]),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age"]),
        (OneHotEncoder(), make_column_selector(dtype_include="category")),
        verbose_feature_names_out=True,
    ),
    "selected": make_pipeline(steps(), SelectKBest(k=4), make_pipeline(StandardScaler())),
    "a union": make_pipeline(
        make_column_transformer((SimpleImputer(), ["age", "n"])), make_union(StandardScaler(), MinMaxScaler())
    ),
}


def enumerated(parts, reference):
    """Every blend is asked for, also where there is a closed form."""
    return EnumeratedRestriction(parts.predictor, reference, parts.players, parts.max_rows)


def by_both_ways(model, frame, rows=3, **settings):
    """What is said of a model that is asked behind its steps where that can be, and through its table."""
    of_sets = {} if "criterion" in settings else {"reference": WHOLE, "restriction": enumerated}
    asked = {"background": frame[20:60], **of_sets, **settings}
    found = onlyif.explain(model, frame[:rows], **asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onlyif.setup.once.MOST_ROWS", 0)
        other = onlyif.explain(model, frame[:rows], **asked)
    assert not is_once(other)
    return found, other


def assert_equal(found, other):
    for one, two in zip(found, other, strict=True):
        np.testing.assert_allclose(one.prediction, two.prediction, rtol=0, atol=1e-12)
        assert one.sets.keys() == two.sets.keys()
        for name, selection in one.sets.items():
            assert selection.players == two.sets[name].players, name
            for measure, value in selection.measures.items():
                assert value.value == pytest.approx(two.sets[name].measures[measure].value, abs=1e-12)
        if one.details.table is not None:
            np.testing.assert_allclose(one.details.table, two.details.table, rtol=0, atol=1e-12)


def is_once(found):
    return found[0].provenance.sentences.get("steps", "").startswith("transformed once")


@pytest.mark.parametrize("before", STEPS.values(), ids=STEPS)
def test_steps_that_keep_columns_apart(before):
    frame, y = people()
    model = make_pipeline(before, network()).fit(frame, y)
    found, other = by_both_ways(model, frame, keep_table=True)
    assert is_once(found)
    assert found[0].notes == other[0].notes == ()
    assert_equal(found, other)


@pytest.mark.parametrize(
    "settings",
    [
        {"reference": "baseline"},
        {"reference": onlyif.Baseline(PARIS)},
        {"reference": "empirical"},
        {"reference": onlyif.Marginal(10)},
        {"output": "logit"},
        {"output": "probability", "target": 0},
        {"distance": "discrete"},
        {"groups": {"who": ["age", "city"]}},
        {"search": "greedy", "size": 2},
        {"max_rows": 100},
        {"criterion": onlyif.PNS(sample=onlyif.BackgroundRows(20), c=0.05), "size": 2},
        {"criterion": onlyif.PNS(sample=onlyif.NearestRows(9), c=0.05), "size": 2},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_is_asked(settings):
    frame, y = people()
    model = make_pipeline(steps(sparse=True), network()).fit(frame, y)
    found, other = by_both_ways(model, frame, **settings)
    assert is_once(found)
    assert_equal(found, other)


class Signs(BaseEstimator):
    """A model that tells -0.0 from 0.0, one NaN from another and the smallest numbers from 0."""

    def fit(self, rows, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, rows):
        bits = np.ascontiguousarray(rows, dtype=float).view(np.int64)
        return (bits % 1009 / 1009).sum(1)


OTHER_NAN = np.array([0x7FF8000000000123], dtype=np.uint64).view(float)[0]
PASSED = make_column_transformer(("passthrough", ["a", "b"]), (OrdinalEncoder(), ["c"]))


def test_values_that_are_equal_only_to_some():
    values = [0.0, -0.0, np.nan, OTHER_NAN, 1e-320, 5e-324, 1e308, -1e308]
    frame = pd.DataFrame({"a": values, "b": values[::-1], "c": ["u", "v"] * 4})
    model = make_pipeline(PASSED, Signs()).fit(frame, np.zeros(8))
    found, other = by_both_ways(model, frame, 8, background=frame, keep_table=True)
    assert is_once(found)
    assert_equal(found, other)


def test_categories_of_one_text_or_of_equal_objects():
    objects = np.array([1, True, 1.0, "1", "True", "one", 0, False], dtype=object)
    frame = pd.DataFrame({"a": np.arange(8.0), "b": np.arange(8) % 3, "c": objects})

    def codes(table):
        return np.stack([table.a, table.b, [hash((type(v).__name__, v)) % 97 for v in table.c]], axis=1)

    # What a user's own step makes of objects is never taken for known.
    model = make_pipeline(FunctionTransformer(codes), network()).fit(frame, frame.b)
    found, other = by_both_ways(model, frame, background=frame, keep_table=True)
    assert not is_once(found)
    assert_equal(found, other)
    text = frame.assign(c=[f"{type(v).__name__} {v}" for v in objects])
    encode = make_column_transformer((OneHotEncoder(), ["c"]), ("passthrough", ["a", "b"]))
    model = make_pipeline(encode, network()).fit(text, text.b)
    found, other = by_both_ways(model, text, background=text, keep_table=True)
    assert is_once(found)
    assert_equal(found, other)


class OwnScaler(StandardScaler):
    def transform(self, X):
        return super().transform(X) + np.asarray(X).mean()


NUMBERS = ["age", "n", "member"]
OTHERS = {
    "principal components": PCA(2),
    "row norms": Normalizer(),
    "neighbours": KNNImputer(),
    "products": PolynomialFeatures(2),
    "a function": FunctionTransformer(np.abs),
    "a subclass": OwnScaler(),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_steps_that_may_mix_columns_or_rows_go_through_the_table(other):
    frame, y = people()
    numbers = make_column_transformer((make_pipeline(SimpleImputer(), other), NUMBERS))
    model = make_pipeline(numbers, network()).fit(frame, y)
    if isinstance(other, OwnScaler):
        # It answers by its neighbours in a call, and is refused as ever.
        with pytest.raises(onlyif.ModelError, match="with the other rows of the call"):
            onlyif.explain(model, frame[:3], background=frame[20:60])
        return
    found, asked = by_both_ways(model, frame, keep_table=True)
    assert not is_once(found)
    assert found[0].notes == ()
    assert_equal(found, asked)


def test_methods_that_were_replaced_are_asked():
    frame, y = people()
    model = make_pipeline(steps(), network()).fit(frame, y)
    whole = type(model).predict_proba
    model.predict_proba = lambda table: (
        np.sqrt(whole(model, table)) / np.sqrt(whole(model, table)).sum(1)[:, None]
    )
    found, other = by_both_ways(model, frame, keep_table=True)
    assert not is_once(found)
    assert_equal(found, other)
    # Those of the last step are asked behind the steps.
    model = make_pipeline(steps(), network()).fit(frame, y)
    model[-1].predict_proba = lambda rows: np.tile([0.25, 0.75], (len(rows), 1)) + rows[:, :1] * [0.1, -0.1]
    found, other = by_both_ways(model, frame, keep_table=True)
    assert is_once(found)
    assert_equal(found, other)
    model = make_pipeline(steps(), network()).fit(frame, y)
    scaler = model[0].named_transformers_["pipeline"][-1]
    scaler.transform = lambda rows: np.cbrt(rows) + 1
    found, other = by_both_ways(model, frame, keep_table=True)
    assert not is_once(found)
    assert_equal(found, other)


def test_what_is_trusted_by_mistake_is_seen(monkeypatch):
    monkeypatch.setattr("onlyif.models.sklearn_steps.COLUMN_BY_COLUMN", {SimpleImputer, Normalizer})
    frame, y = people()
    numbers = make_column_transformer((make_pipeline(SimpleImputer(), Normalizer()), NUMBERS))
    model = make_pipeline(numbers, network()).fit(frame, y)
    found, other = by_both_ways(model, frame, keep_table=True)
    assert not is_once(found)
    assert "what its steps make of a column depends on others" in found[0].notes[0]
    assert_equal(found, other)


def test_other_kinds_of_table_and_of_last_step():
    frame, y = people()
    frame = frame.assign(age=frame.age.fillna(40.0), size=frame["size"].astype(str))
    encode = make_column_transformer((OneHotEncoder(), ["city", "size"]), ("passthrough", ["age", "n"]))
    for last in (
        KNeighborsClassifier(3),
        SVC(),
        AdaBoostClassifier(n_estimators=4),
        GaussianProcessRegressor(),
        MLPRegressor(hidden_layer_sizes=(5,), random_state=0, max_iter=20),
        GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [3]}, cv=2),
    ):
        model = make_pipeline(encode, last).fit(frame, y)
        found, other = by_both_ways(model, frame, keep_table=True)
        assert is_once(found)
        assert_equal(found, other)
    model = make_pipeline(encode, KNeighborsClassifier(3)).fit(pl.from_pandas(frame), y)
    found, other = by_both_ways(model, pl.from_pandas(frame), keep_table=True)
    assert is_once(found)
    assert_equal(found, other)
    array = frame[["city", "n", "age"]].to_numpy(dtype=object)
    encode = make_column_transformer((OneHotEncoder(), [0]), ("passthrough", [1, 2]))
    model = make_pipeline(make_pipeline(encode, StandardScaler()), network()).fit(array, y)
    found, other = by_both_ways(model, array, keep_table=True)
    assert is_once(found)
    assert_equal(found, other)


def test_tables_of_numbers_draws_and_frames_behind_steps_are_left_alone():
    frame, y = people()
    numbers = frame[["age", "n"]].fillna(40.0).to_numpy(dtype=float)
    scaled = make_pipeline(StandardScaler(), network()).fit(numbers, y)
    assert not is_once(onlyif.explain(scaled, numbers[:2], background=numbers))
    model = make_pipeline(steps(), network()).fit(frame, y)
    drawn = onlyif.Replacement(lambda x, keep, n, seed: pd.concat([x] * n), "Nothing is hidden.")
    assert not is_once(onlyif.explain(model, frame[:1], background=frame, reference=drawn))
    of_frames = steps(one_hot_sparse=False)
    named = make_pipeline(of_frames, network()).set_output(transform="pandas").fit(frame, y)
    assert not is_once(onlyif.explain(named, frame[:2], background=frame[20:60]))
    tuned = TunedThresholdClassifierCV(make_pipeline(steps(), network()), cv=2).fit(frame, y)
    assert not is_once(onlyif.explain(tuned, frame[:2], background=frame[20:60]))


def test_a_blend_needs_no_frame(monkeypatch):
    frame, y = people()
    model, made = make_pipeline(steps(), network()).fit(frame, y), []
    decode = PandasForm.decode
    monkeypatch.setattr(
        PandasForm, "decode", lambda form, batch: made.append(len(batch)) or decode(form, batch)
    )
    onlyif.explain(model, frame[:2], background=frame[20:60], reference=WHOLE)
    few = sum(made)
    made.clear()
    onlyif.explain(model, frame[:8], background=frame[20:60], reference=WHOLE)
    assert few <= sum(made) < 1000


def test_a_level_that_a_step_refuses_is_told_as_ever():
    frame, y = people()
    model = make_pipeline(steps(unknown="error"), network()).fit(frame, y)
    strange = frame[:40].assign(city=["Paris" if place == 35 else "Rome" for place in range(40)])
    with pytest.raises(onlyif.ModelError, match="unknown categories"):
        onlyif.explain(model, frame[:2], background=strange)


@pytest.mark.parametrize("count", [1, 2, 300, 512, 513, 5000])
def test_values_are_found_by_their_bits(count):
    keys = np.unique(np.random.default_rng(0).normal(size=count).view(np.uint64))
    values = values_of(keys)
    assert bool(values.factor[0]) == (count <= 512)
    order = np.random.default_rng(1).integers(0, count, 1000)
    np.testing.assert_array_equal(values.numbers(keys[order]), order)
    assert values.numbers(np.append(keys, np.uint64(3))) is None


def test_entries_that_are_stored_and_no_others():
    """Zeros that are stored stay stored, no others are, and unknown values go through the steps."""
    from scipy.sparse import csr_matrix

    def transform(batch):
        stored = {0.0: [(0, 0.0)], 1.0: [], 2.0: [(0, 2.0), (3, -0.0)], 9.0: [(0, 9.0)]}
        rows = [sorted([*stored[a], *([(1, 1.0)] if b > 0 else [(2, -1.0)])]) for a, b in batch.tolist()]
        data = [value for row in rows for _, value in row]
        places = [place for row in rows for place, _ in row]
        return csr_matrix((data, places, np.cumsum([0, *map(len, rows)])), shape=(len(rows), 4))

    rows = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, 1.0]])
    known = transformed_values(transform, rows, (0, 1, 1, 0))
    for batch in (np.array([[2.0, -1.0], [1.0, 1.0], [0.0, -1.0]]), rows, rows[1:2], np.array([[9.0, 1.0]])):
        found, wanted = known.rows(batch), transform(batch)
        assert type(found) is type(wanted)
        for one, other in ((found.indptr, wanted.indptr), (found.indices, wanted.indices)):
            np.testing.assert_array_equal(one, other)
        assert found.data.tobytes() == wanted.data.tobytes()


class _Untold(TransformerMixin, BaseEstimator):
    """A step of a user's own that does not tell how many columns it was fitted on."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.asarray(X) * 2.0


def test_steps_that_do_not_tell_their_columns_are_asked_as_they_are():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=list("abc"))
    model = make_pipeline(_Untold(), LogisticRegression()).fit(table, table["a"] > 0)
    (item,) = onlyif.explain(model, table[:1], background=table)
    assert item.prediction == pytest.approx(model.predict_proba(table[:1])[0, item.target])
