"""About which class: the one that the model itself predicts, in targets, decisions and causes."""

import datetime
import warnings

import lightgbm
import numpy as np
import pandas as pd
import pytest
import torch
import xgboost
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

import onlyif
from onlyif.core.labels import Labels
from onlyif.models.base import Meaning
from onlyif.models.function import FunctionPredictor
from onlyif.setup.targets import targets_of

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 3)), columns=list("abc"))
RARE = np.where(X.b + RNG.normal(size=N) * 0.7 > 0.9, "yes", "no")
THREE = np.array(["p", "q", "z"])[np.digitize(X.a + X.b * X.c + RNG.normal(size=N), [-0.6, 0.6])]


class ByCost(ClassifierMixin, BaseEstimator):
    """Predicts what costs least, which is not what is most probable."""

    def fit(self, table, classes):
        self.inner_ = LogisticRegression().fit(np.asarray(table), classes)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, table):
        return self.inner_.predict_proba(np.asarray(table))

    def predict(self, table):
        return self.classes_[(self.predict_proba(table) * [1.0, 1.0, 4.0]).argmax(1)]


class Late(xgboost.XGBClassifier):
    """Needs to be sure before it says 1."""

    def predict(self, table, **settings):
        return (self.predict_proba(table)[:, 1] > 0.8).astype(int)


def threshold():
    return FixedThresholdClassifier(LogisticRegression(), threshold=0.1)


def by_probability():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parameter goes away in later versions
        return SVC(probability=True, random_state=0).fit(X, RARE)


OWN_RULE = {
    "threshold": (threshold, RARE),
    "pipeline": (lambda: make_pipeline(StandardScaler(), threshold()), RARE),
    "search": (lambda: GridSearchCV(threshold(), {"threshold": [0.1]}, cv=2), RARE),
    "hinge": (lambda: SGDClassifier(loss="modified_huber", random_state=0), THREE),
    "costs": (ByCost, THREE),
    "subclass": (lambda: Late(n_estimators=3, max_depth=2), (RARE == "yes").astype(int)),
}


@pytest.fixture(params=OWN_RULE)
def ruled(request):
    make, classes = OWN_RULE[request.param]
    model = make().fit(X, classes)
    largest = model.classes_[model.predict_proba(X).argmax(1)]
    assert (model.predict(X) != largest).any()  # else the test would test nothing
    return model


def test_the_default_target_is_the_class_that_predict_gives(ruled):
    predicted, shares = ruled.predict(X), ruled.predict_proba(X)
    own = shares[range(N), np.searchsorted(ruled.classes_, predicted)]
    for found in (
        onlyif.explain(ruled, X, background=X[:9], size=1),
        onlyif.explain(ruled, X[:20], background=X, criterion="pns", size=1),
    ):
        assert [item.target_label for item in found] == [str(label) for label in predicted[: len(found)]]
        noted = [any("own predict" in note for note in item.notes) for item in found]
        assert noted == (own < shares.max(1))[: len(found)].tolist()  # of equal ones each is the largest


def test_a_note_names_both_classes():
    model = threshold().fit(X, RARE)
    probability = model.predict_proba(X)[:, 1]
    row = int(np.flatnonzero((probability > 0.1) & (probability < 0.5))[0])
    (note,) = onlyif.explain(model, X[row : row + 1], background=X[:9])[0].notes
    assert "'yes'" in note
    assert "'no'" in note
    assert f"{probability[row]:.4g}" in note


def decisions_of_blends(model, row, background):
    """The class decided most often for each subset that is kept, by asking predict for every blend."""
    found = []
    for code in range(8):
        blends = background.copy()
        for i, column in enumerate(background):
            if code >> i & 1:
                blends[column] = row[column]
        said = [list(model.classes_).index(label) for label in model.predict(blends)]
        found.append(np.bincount(said, minlength=len(model.classes_)).argmax())
    return found


def test_the_discrete_distance_asks_predict_for_every_row(ruled):
    background = X[20:31]
    found = onlyif.explain(ruled, X[:12], background=background, distance="discrete", keep_table=True)
    for i, item in enumerate(found):
        assert item.prediction == list(ruled.classes_).index(ruled.predict(X[i : i + 1])[0])
        assert item.table.tolist() == decisions_of_blends(ruled, X.iloc[i], background)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(10, max_depth=3, random_state=0),
        xgboost.XGBClassifier(n_estimators=5, max_depth=2),
        lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=5, verbose=-1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_decisions_of_trees_are_computed_from_them(model):
    model.fit(X, np.unique(THREE, return_inverse=True)[1])
    background = X[20:31]
    found = onlyif.explain(model, X[:6], background=background, distance="discrete", keep_table=True)
    for i, item in enumerate(found):
        assert "leaves" in item.provenance.restriction
        assert item.table.tolist() == decisions_of_blends(model, X.iloc[i], background)


def test_support_vectors_decide_by_their_margin():
    model = by_probability()
    found = onlyif.explain(model, X, background=X[:5], distance="discrete", size=1)
    assert [model.classes_[int(item.prediction)] for item in found] == model.predict(X).tolist()


def test_pairs_of_classes_have_no_default_but_decide():
    model = SVC(decision_function_shape="ovo").fit(X, THREE)
    with pytest.raises(onlyif.SettingError, match="p vs q"):
        onlyif.explain(model, X[:1], background=X[:5], output="margin")
    assert onlyif.explain(model, X[:1], background=X[:5], target="p vs z")[0].target == 1
    with pytest.raises(onlyif.SettingError, match="'q'"):
        onlyif.explain(model, X[:1], background=X[:5], target="q")
    found = onlyif.explain(model, X, background=X[:5], distance="discrete", size=1)
    assert [model.classes_[int(item.prediction)] for item in found] == model.predict(X).tolist()


def test_outliers_are_decided_by_predict():
    model = IsolationForest(n_estimators=10, random_state=0).fit(X)
    found = onlyif.explain(model, X, background=X[:5], distance="discrete", size=1)
    assert [2 * item.prediction - 1 for item in found] == model.predict(X).tolist()
    assert onlyif.explain(model, X[:1], background=X[:5], target=1)[0].target == 0


SEVERAL = np.c_[X.a + X.b > 0, X.c > 0.5, X.a * X.c > 0].astype(int)
MULTILABEL = {
    "rest": OneVsRestClassifier(LogisticRegression()),
    "network": MLPClassifier((4,), max_iter=20, random_state=0),
    "ridge": RidgeClassifier(),
    "forest": RandomForestClassifier(3, random_state=0),
    "near": KNeighborsClassifier(3),
    "chain": ClassifierChain(LogisticRegression()),
    "each": MultiOutputClassifier(LogisticRegression()),
    "pipeline": make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())),
    "search": GridSearchCV(RidgeClassifier(), {"alpha": [1.0]}, cv=2),
}


@pytest.mark.parametrize("kind", MULTILABEL)
@pytest.mark.parametrize("settings", [{}, {"distance": "discrete"}, {"target": 0}, {"criterion": "pns"}])
def test_several_labels_a_row_are_refused(kind, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network has not converged
        model = MULTILABEL[kind].fit(X, SEVERAL)
    with pytest.raises(onlyif.SettingError, match="several labels"):
        onlyif.explain(model, X[:2], background=X[:9], **settings)
    if hasattr(model, "predict_proba") and kind not in {"forest", "near", "each"}:
        one = onlyif.explain(lambda table: model.predict_proba(table)[:, 1], X[:2], background=X[:9])
        assert one[0].prediction == pytest.approx(model.predict_proba(X[:1])[0, 1])


def test_several_numbers_need_a_target():
    torch.manual_seed(0)
    y = np.c_[X.a, 9 - X.b]
    quantiles = xgboost.XGBRegressor(n_estimators=2, objective="reg:quantileerror", quantile_alpha=[0.1, 0.5])
    models = [
        LinearRegression().fit(X, y),
        RandomForestRegressor(2, random_state=0).fit(X, y),
        quantiles.fit(X, X.a),
        lambda table: np.asarray(table)[:, :2] * [1, 100],
        lambda table: (np.asarray(table)[:, :2] > 0).astype(float),
    ]
    for model in models:
        for settings in ({}, {"criterion": "pns"}):
            with pytest.raises(onlyif.SettingError, match=r"2 outputs.*target="):
                onlyif.explain(model, X[:1], background=X[:9], **settings)
        assert onlyif.explain(model, X[:1], background=X[:9], target=1)[0].target == 1
    with pytest.raises(onlyif.SettingError, match="needs classes"):
        onlyif.explain(models[0], X[:1], background=X[:9], distance="discrete")


def test_modules_and_functions_of_classes():
    torch.manual_seed(0)
    net = nn.Linear(3, 4)
    numbers = X.to_numpy()
    largest = net(torch.tensor(numbers[:5]).float()).argmax(1).tolist()
    found = onlyif.explain(net, numbers[:5], background=numbers[:9])
    assert [item.target for item in found] == largest
    assert all("taken for scores of classes" in " ".join(item.notes) for item in found)
    assert onlyif.explain(net, numbers[:1], background=numbers[:9], target=1)[0].notes == ()
    for settings in ({"output": "margin"}, {"output": "probability"}, {"distance": "discrete"}):
        found = onlyif.explain(net, numbers[:5], background=numbers[:9], **settings)
        assert [item.target for item in found] == largest
    with_softmax = nn.Sequential(net, nn.Softmax(1))
    found = onlyif.explain(with_softmax, numbers[:5], background=numbers)
    assert [item.target for item in found] == largest
    assert {item.notes for item in found} == {()}
    shares = LogisticRegression().fit(X, THREE).predict_proba
    assert onlyif.explain(shares, X[:1], background=X)[0].target == shares(X[:1]).argmax()


def meaning_of(*classes, **settings):
    return Meaning(
        "a model", "probability", tuple(map(str, classes)), exclusive=True, classes=classes, **settings
    )


DAY = datetime.date(2020, 3, 1)
NAMED = [
    ((1, 2, 3), 1, 0),
    ((1, 2, 3), np.int64(3), 2),
    ((1, 2, 3), 2.0, 1),
    ((1, 2, 3), np.array(2), 1),
    ((1, 2, 3), torch.tensor(2), 1),
    ((1, 2, 3), "2", 1),
    ((np.int64(1), np.int64(2)), 2, 1),
    ((0.5, 1.0), np.float64(1), 1),
    ((False, True), np.True_, 1),
    ((False, True), 0, 0),
    ((0, 1), True, 1),
    ((True, False), 1, 0),
    (("no", "yes"), np.str_("yes"), 1),
    (("no", "yes"), 1, 1),
    (("1", "2", "3"), 1, 0),
    ((b"no", b"yes"), b"yes", 1),
    ((np.bytes_(b"no"), np.bytes_(b"yes")), b"yes", 1),
    ((np.datetime64("2020-01-01"), np.datetime64("2020-03-01")), DAY, 1),
    ((pd.Timestamp("2020-01-01"), pd.Timestamp("2020-03-01")), np.datetime64("2020-03-01"), 1),
    ((("a", 1), ("b", 2)), ("b", 2), 1),
    ((None, "x"), "None", 0),
]


@pytest.mark.parametrize(("classes", "target", "number"), NAMED)
def test_a_target_is_the_label_it_is_equal_to(classes, target, number):
    outputs = np.zeros((2, len(classes)))
    assert targets_of(target, outputs, meaning_of(*classes), None).tolist() == [number] * 2
    one_a_row = [target, classes[0]]
    assert targets_of(one_a_row, outputs, meaning_of(*classes), None).tolist() == [number, 0]


NO_LABEL = [
    *(0, 4, -1, 1.5, True, float("nan"), np.array(0), "0", "b", b"1", [1], [None, None], {1}, object()),
    *(np.datetime64("NaT"), DAY, [1, 2, 3], (1, 4)),
]


@pytest.mark.parametrize("target", NO_LABEL, ids=lambda target: type(target).__name__)
def test_a_target_that_is_no_label_is_refused(target):
    with pytest.raises(onlyif.SettingError):
        targets_of(target, np.zeros((2, 3)), meaning_of(1, 2, 3), None)


@pytest.mark.parametrize("target", [1.0, True, float("nan"), np.array(1), -1, 3, "1", b"0", None], ids=repr)
def test_without_labels_a_target_is_the_number_of_an_output(target):
    unnamed = Meaning("a function", "value")
    with pytest.raises(onlyif.SettingError):
        targets_of([target], np.zeros((1, 1)), unnamed, None)
    assert targets_of(np.array(1), np.zeros((1, 2)), unnamed, None).tolist() == [1]


def test_one_score_of_two_classes_is_that_of_the_second():
    outputs, meaning = (
        np.zeros((1, 1)),
        Meaning("m", "margin", ("8",), 0.0, exclusive=True, classes=(7, 8)),
    )
    assert targets_of(8, outputs, meaning, None).tolist() == [0]
    for other in (7, 0, "7"):
        with pytest.raises(onlyif.SettingError, match="'8'"):
            targets_of(other, outputs, meaning, None)


def test_targets_in_the_order_of_the_rows():
    outputs = np.zeros((3, 2))
    for asked in (
        ["b", "a", "b"],
        ("b", "a", "b"),
        np.array(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], [5, 6, 7]),
    ):
        assert targets_of(asked, outputs, meaning_of("a", "b"), None).tolist() == [1, 0, 1]
    assert targets_of(torch.tensor([1, 0, 1]), outputs, Meaning("f", "value"), None).tolist() == [1, 0, 1]
    with pytest.raises(onlyif.SettingError, match="in the order of the rows"):
        targets_of({"a", "b"}, outputs, meaning_of("c", "d"), None)


def test_labels_that_cannot_be_hashed_are_none():
    assert Labels((1, "x")).place([1]) is None
    assert Labels((1, 2)).place(True) is None


def test_a_predict_that_gives_no_class_is_said():
    class Odd(ByCost):
        def predict(self, table):
            return np.full(len(table), "none of them")

    model = Odd().fit(X, THREE)
    with pytest.raises(onlyif.ModelError, match="none of them"):
        onlyif.explain(model, X[:1], background=X[:9])
    found = onlyif.explain(model, X[:1], background=X[:9], target="q")[0]
    assert any("none of them" in note for note in found.notes)


def test_own_predictors_may_say_that_their_outputs_are_classes():
    described = Meaning("mine", "score", ("u", "v"), exclusive=True)
    given = FunctionPredictor(lambda batch: np.stack([batch[:, 0], -batch[:, 0]], 1), described=described)
    found = onlyif.explain(given, X.to_numpy()[:3], background=X.to_numpy()[:9])
    assert [item.target for item in found] == [0 if value > 0 else 1 for value in X.a[:3]]
