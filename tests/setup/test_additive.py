"""Closed forms of models whose margin is a sum, against the same models asked for every blend."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import (
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

import onlyif
from onlyif.restrictions.enumerated import EnumeratedRestriction

WHOLE = onlyif.Marginal(n_rows=None)
SUMS = "exactly, from what each feature adds to the sums"


def numbers(n=90, d=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, 1] = rng.integers(0, 3, n)
    x[:, 3] = rng.integers(0, 2, n)
    return x, x @ np.arange(1.0, d + 1) / d + rng.normal(size=n) / 4


def enumerated(parts, reference):
    return EnumeratedRestriction(parts.predictor, reference, parts.players, parts.max_rows)


def by_both_ways(model, table, rows=3, **settings):
    """What is said of a model in closed form, and where it is asked for every blend through its table."""
    asked = {"background": table[20:50], "reference": WHOLE, "keep_table": True, **settings}
    found = onlyif.explain(model, table[:rows], **asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onlyif.setup.once.MOST_ROWS", 0)
        other = onlyif.explain(model, table[:rows], restriction=enumerated, **asked)
    assert not other[0].provenance.restriction.startswith(SUMS)
    return found, other


def is_closed(found):
    return found[0].provenance.restriction.startswith(SUMS)


def assert_equal(found, other):
    for one, two in zip(found, other, strict=True):
        table = two.details.table
        scale = 1e-12 * max(1.0, 0.0 if table is None else float(np.abs(table).max()))
        np.testing.assert_allclose(one.prediction, two.prediction, rtol=0, atol=scale)
        if table is not None:
            np.testing.assert_allclose(one.table, table, rtol=0, atol=scale)
        assert one.sets.keys() == two.sets.keys()
        for name, selection in one.sets.items():
            assert selection.players == two.sets[name].players, name
            for measure, value in selection.measures.items():
                assert value.value == pytest.approx(two.sets[name].measures[measure].value, abs=scale)


def few(y, n_classes):
    return np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))


CLASSIFIERS = {
    "logistic": (LogisticRegression(), 2),
    "logistic of three classes": (LogisticRegression(), 3),
    "one class against the rest": (SGDClassifier(loss="log_loss", random_state=0), 3),
    "stochastic": (SGDClassifier(loss="log_loss", random_state=0), 2),
    "support vectors": (LinearSVC(), 2),
    "support vectors of three classes": (LinearSVC(), 3),
    "ridge": (RidgeClassifier(), 2),
    "perceptron": (Perceptron(), 3),
    "discriminant": (LinearDiscriminantAnalysis(), 2),
    "discriminant of three classes": (LinearDiscriminantAnalysis(), 3),
    "naive Bayes": (GaussianNB(), 3),
    "naive Bayes of bits": (BernoulliNB(), 2),
}


@pytest.mark.parametrize(("model", "n_classes"), CLASSIFIERS.values(), ids=CLASSIFIERS)
@pytest.mark.parametrize("output", ["auto", "margin", "logit"])
def test_classifiers(model, n_classes, output):
    x, y = numbers()
    model.fit(x, few(y, n_classes))
    if (output == "logit" and not hasattr(model, "predict_proba")) or (
        output == "margin" and not hasattr(model, "decision_function")
    ):
        pytest.skip("it has no such output")
    found, other = by_both_ways(model, x, output=output)
    assert is_closed(found)
    assert_equal(found, other)


REGRESSORS = {
    "linear": LinearRegression(),
    "lasso": Lasso(0.01),
    "Poisson": PoissonRegressor(),
    "gamma": GammaRegressor(),
    "Tweedie": TweedieRegressor(power=1.5),
    "Tweedie with the identity": TweedieRegressor(power=0),
    "scaled": make_pipeline(StandardScaler(), Ridge()),
    "splines": make_pipeline(SplineTransformer(4), PoissonRegressor()),
    "searched": GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1.0]}, cv=2),
}


@pytest.mark.parametrize("model", REGRESSORS.values(), ids=REGRESSORS)
@pytest.mark.parametrize("reference", [WHOLE, "baseline", "empirical", onlyif.Marginal(10)], ids=str)
def test_regressors(model, reference):
    x, y = numbers()
    found, other = by_both_ways(model.fit(x, np.exp(y / 2)), x, reference=reference)
    assert is_closed(found)
    assert_equal(found, other)


def test_several_outputs_and_counts_and_categories():
    x, y = numbers()
    found, other = by_both_ways(LinearRegression().fit(x, np.stack([y, -(y**2)], axis=1)), x, target=1)
    assert is_closed(found)
    assert_equal(found, other)
    counts = np.random.default_rng(0).poisson(2.0, (80, 4)).astype(float)
    for model in (MultinomialNB(), ComplementNB(), CategoricalNB(min_categories=12)):
        found, other = by_both_ways(model.fit(counts, few(counts[:, 0] + counts[:, 2], 3)), counts)
        assert is_closed(found)
        assert_equal(found, other)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_networks(activation):
    x, y = numbers()
    settings = {"activation": activation, "max_iter": 20, "random_state": 0}
    for model, target in (
        (MLPClassifier((6, 4), **settings), few(y, 2)),
        (MLPClassifier((6,), **settings), few(y, 3)),
        (make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(6, 4), **settings)), y),
    ):
        for asked in ({}, {"reference": "empirical"}, {"reference": onlyif.Marginal(10)}):
            found, other = by_both_ways(model.fit(x, target), x, **asked)
            assert is_closed(found)
            assert_equal(found, other)
            # Layers cost what a model costs: the budget counts them.
            assert found[0].model_rows == other[0].model_rows


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_of_single_precision_are_asked():
    x, y = numbers()
    model = MLPClassifier((6,), max_iter=9, random_state=0).fit(x.astype(np.float32), few(y, 2))
    found, other = by_both_ways(model, x.astype(np.float32))
    assert not is_closed(found)
    assert_equal(found, other)


def people(n=120):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 12, n),
            "city": rng.choice(["Rome", "Oslo", "Bern"], n, p=[0.6, 0.3, 0.1]),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], n)),
            "n": rng.integers(0, 5, n),
            "unused": rng.choice(["p", "q"], n),
        }
    )
    return frame, ((frame.n > 2) ^ (frame.city == "Oslo")).to_numpy(int)


PIPELINES = {
    "logistic": make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city", "size"]), (StandardScaler(), ["age", "n"])),
        LogisticRegression(),
    ),
    "sparse": make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), ["city", "size"]), (StandardScaler(), ["age", "n"]), sparse_threshold=1.0
        ),
        LogisticRegression(),
    ),
    "bins": make_pipeline(
        make_column_transformer(
            (OrdinalEncoder(), ["city", "size"]), (KBinsDiscretizer(4, encode="ordinal"), ["age", "n"])
        ),
        CategoricalNB(),
    ),
}


@pytest.mark.filterwarnings("ignore:The current default behavior, quantile_method:FutureWarning")
@pytest.mark.parametrize("model", PIPELINES.values(), ids=PIPELINES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reference": "empirical"},
        {"reference": onlyif.Marginal(10)},
        {"groups": {"who": ["age", "city"]}},
        {"search": "exhaustive"},
        {"max_rows": 100},
        {"target": 1, "output": "logit"},
    ],
    ids=str,
)
def test_pipelines(model, settings):
    frame, y = people()
    found, other = by_both_ways(model.fit(frame, y), frame, **settings)
    assert is_closed(found)
    assert "steps" in found[0].provenance.sentences
    assert_equal(found, other)


class Own(LogisticRegression):
    def predict_proba(self, X):
        return super().predict_proba(X) ** 2 / (super().predict_proba(X) ** 2).sum(1, keepdims=True)


OTHERS = {
    "a subclass": Own(),
    "quadratic": QuadraticDiscriminantAnalysis(),
    "another loss": SGDClassifier(loss="modified_huber", random_state=0),
    "a kernel": SVC(),
    "components": make_pipeline(PCA(2), LogisticRegression()),
    "products": make_pipeline(PolynomialFeatures(2), LogisticRegression()),
}


@pytest.mark.parametrize("model", OTHERS.values(), ids=OTHERS)
def test_other_models_are_asked(model):
    x, y = numbers()
    found, other = by_both_ways(model.fit(x, few(y, 2)), x)
    assert not is_closed(found)
    assert_equal(found, other)


def test_methods_that_were_replaced_are_asked():
    x, y = numbers()
    model = LogisticRegression().fit(x, few(y, 2))
    model.decision_function = lambda rows: rows[:, 0] * rows[:, 1]
    found, other = by_both_ways(model, x)
    assert not is_closed(found)
    assert_equal(found, other)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, few(y, 2))
    model[-1].predict_proba = lambda rows: np.tile([0.25, 0.75], (len(rows), 1)) + rows[:, :1] * [0.01, -0.01]
    found, other = by_both_ways(model, x)
    assert not is_closed(found)
    assert_equal(found, other)


def test_what_is_trusted_by_mistake_is_seen(monkeypatch):
    monkeypatch.setattr("onlyif.models.additive.AFFINE_MODELS", {"QuadraticDiscriminantAnalysis"})
    x, y = numbers()
    model = QuadraticDiscriminantAnalysis().fit(x, few(y, 3))
    for output in ("probability", "margin"):
        found, other = by_both_ways(model, x, output=output)
        assert not is_closed(found)
        assert_equal(found, other)


def test_a_search_with_a_budget_spends_it_as_ever():
    x, y = numbers()
    model = LogisticRegression().fit(x, few(y, 2))
    for search in ("beam", "greedy"):
        found, other = by_both_ways(model, x, search=search, budget=200, size=2, keep_table=False)
        assert not is_closed(found)
        assert_equal(found, other)


def test_decisions_are_asked():
    x, y = numbers()
    model = LogisticRegression().fit(x, few(y, 3))
    found, other = by_both_ways(model, x, distance="discrete")
    assert not is_closed(found)
    assert_equal(found, other)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_link_that_overflows_is_no_prediction():
    x, y = numbers()
    model = PoissonRegressor().fit(x, np.exp(y / 2))
    model.coef_ = np.full(5, 60.0)
    far = np.where(np.arange(50)[:, None] == 7, 9.0, x[:50] / 9)
    for settings in ({}, {"restriction": enumerated}):
        with pytest.raises(onlyif.ModelError, match=r"(NaN or infinite|inf for row)"):
            onlyif.explain(
                model, np.full((1, 5), 8.0) * [1, 1, 1, 0, 0], background=far, reference=WHOLE, **settings
            )


def test_more_players_than_blends_could_be_asked_for():
    """All subsets of 17 players, each of 40 atoms: 5 million blends and 17 rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 17))
    x[:, 5:] = rng.integers(0, 2, (60, 12))
    model = LogisticRegression().fit(x, few(x.sum(1), 2))
    found = onlyif.explain(model, x[:1], background=x[20:], reference=WHOLE, keep_table=True)[0]
    assert found.provenance.restriction.startswith(SUMS)
    assert found.model_rows < 1000
    codes = rng.integers(0, 2**17, 50)
    keep = (codes[:, None] >> np.arange(17) & 1).astype(bool)
    blends = np.where(keep[:, None], x[0], x[None, 20:])
    p = model.predict_proba(blends.reshape(-1, 17))[:, found.target].reshape(50, -1)
    np.testing.assert_allclose(found.table[codes], p.mean(1), rtol=0, atol=1e-12)
