"""`onlyif.Explainer`: the answers of `onlyif.explain`, prepared once, and never those of another model."""

import copy
import inspect
import pickle

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import onlyif
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.models.checked import Fault
from onlyif.setup import foundation

RANDOM = np.random.default_rng(5)
MIXED = pd.DataFrame(
    {
        "age": RANDOM.normal(40.0, 10.0, 80),
        "job": RANDOM.choice(list("abc"), 80),
        "hours": RANDOM.integers(10, 60, 80),
    }
)
NUMBERS = MIXED[["age", "hours"]].assign(year=np.arange(80))
LABEL = np.where((MIXED["age"] > 40) | (MIXED["job"] == "b"), "rich", "poor")
ENCODED = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough")
PIPELINE = make_pipeline(ENCODED, RandomForestClassifier(5, max_depth=3, random_state=0)).fit(MIXED, LABEL)
BOOSTED = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1).fit(NUMBERS, LABEL)
LINEAR = LogisticRegression(max_iter=1000).fit(NUMBERS, LABEL)


def ages(table):
    return np.asarray(table["age"]) + (np.asarray(table["job"]) == "b")


def total(table):
    return np.asarray(table.sum(axis=1)).ravel()


CASES = {
    "pipeline": (PIPELINE, MIXED, {}),
    "pipeline, discrete": (PIPELINE, MIXED, {"distance": "discrete"}),
    "pipeline, causes": (PIPELINE, MIXED, {"criterion": "pns", "size": 1}),
    "trees": (BOOSTED, NUMBERS, {"keep_table": True}),
    "trees by cover": (BOOSTED, NUMBERS, {"reference": "tree-path", "output": "margin"}),
    "linear": (LINEAR, NUMBERS, {"reference": "gaussian", "output": "margin"}),
    "function": (ages, MIXED, {"search": "greedy", "groups": {"both": ["age", "hours"]}}),
    "empirical": (ages, MIXED[["age", "job"]], {"reference": "empirical"}),
    "baseline": (ages, MIXED, {"reference": onlyif.Baseline({"age": 41.0, "job": "c", "hours": 40})}),
    "polars": (ages, pl.DataFrame(MIXED.to_dict("list")), {}),
    "array": (total, NUMBERS.to_numpy(), {"target": 0}),
    "tensor": (torch.nn.Linear(3, 1), torch.from_numpy(NUMBERS.to_numpy()).float(), {}),
    "sparse": (total, scipy.sparse.csr_matrix(np.round(NUMBERS.to_numpy() % 3)), {}),
}
every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_it_gives_what_explain_gives_in_every_call(name):
    model, table, settings = CASES[name]
    explainer = onlyif.Explainer(model, table, seed=3, **settings)
    for part in (slice(0, 1), slice(3, 6), slice(0, 1)):
        assert explainer(table[part]) == onlyif.explain(
            model, table[part], background=table, seed=3, **settings
        )


@every_case
def test_a_second_call_prepares_nothing(name, monkeypatch):
    model, table, settings = CASES[name]
    explainer = onlyif.Explainer(model, table, **settings)
    explainer(table[:1])

    def refuse(*_):
        raise AssertionError("prepared again")

    monkeypatch.setattr(foundation, "checked_model", refuse)
    explainer(table[1:3])


def test_rows_that_the_background_does_not_hold_are_explained_as_by_explain():
    explainer = onlyif.Explainer(PIPELINE, MIXED)
    explainer(MIXED[:1])
    new = MIXED[:2].assign(job=["z", "a"])
    found = explainer(new)
    assert found == onlyif.explain(PIPELINE, new, background=MIXED)
    assert "'z'" in " ".join(found[0].notes)
    turned = MIXED[:2][["hours", "job", "age"]]
    assert explainer(turned) == onlyif.explain(PIPELINE, turned, background=MIXED)
    assert "another order" in " ".join(explainer(turned)[0].notes)
    with pytest.raises(InputError, match="lack columns"):
        explainer(MIXED[["age"]])


OBJECTS = {"a": pd.Series([1, None, "x"], dtype=object), "b": pd.Series([1.0, 2.0, 3.0])}
HELD = {
    "another missing value": (
        pd.DataFrame(OBJECTS),
        pd.DataFrame({"a": [float("nan")], "b": [1.0]}, dtype=object),
    ),
    "an integer beyond 2^53": (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [2**53 + 1]})),
    "the same in an array": (np.array([[1], [2]]), np.array([[2**53 + 1]])),
    "NaN beside nulls": (pl.DataFrame({"a": [1.0, None]}), pl.DataFrame({"a": [float("nan")]})),
    "null beside NaN": (
        pl.DataFrame({"a": [1.0, float("nan")]}),
        pl.DataFrame({"a": [None]}, schema={"a": pl.Float64}),
    ),
    "NA beside numbers": (
        pd.DataFrame({"a": pd.array([1.0, 2.0], dtype="Float64")}),
        pd.DataFrame({"a": pd.array([None], dtype="Float64")}),
    ),
    "a stored zero": (
        scipy.sparse.csr_matrix(np.eye(2)),
        scipy.sparse.csr_matrix((np.array([0.0]), np.array([0]), np.array([0, 1])), shape=(1, 2)),
    ),
    "a duplicated index": (MIXED, MIXED.iloc[[0, 0, 1]]),
    "an index of tuples": (MIXED, MIXED[:2].set_index(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))),
    "an index of dates": (MIXED, MIXED[:2].set_index(pd.to_datetime(["2020-01-01", "2020-01-02"]))),
    "other types": (MIXED, MIXED[:2].astype({"hours": float})),
    "other types, a duplicated index": (MIXED, MIXED.iloc[[0, 0]].astype({"hours": float})),
}


@pytest.mark.parametrize("name", HELD)
def test_odd_rows_reach_the_model_as_they_are_read_together(name):
    """The model is shown the same, bit by bit, whether the background was read before or with the rows."""
    background, rows = HELD[name]
    shown = []

    def model(table):
        shown.append(table)
        return np.zeros(table.shape[0])

    explainer = onlyif.Explainer(model, background, reference="baseline")
    explainer(background[:1])
    shown.clear()
    again = explainer(rows)
    first = [str(table[:1]) for table in shown]
    alone = onlyif.explain(model, rows, background=background, reference="baseline")
    assert again == alone
    taken = rows[:1]
    if isinstance(rows, pd.DataFrame):
        taken = taken.reset_index(drop=True).astype(background.dtypes)
    assert str(taken) in first


class Changing:
    """A model that can be trained in place."""

    def __init__(self):
        self.weights = np.array([1.0, 2.0, 0.0])

    def predict(self, table):
        return np.minimum(table @ self.weights, 50.0)


def test_a_model_that_was_changed_in_place_is_prepared_anew():
    rows = NUMBERS.to_numpy()
    model = Changing()
    explainer = onlyif.Explainer(model, rows)
    before = explainer(rows[:2])
    model.weights = np.array([1.0, 0.0, 3.0])
    after = explainer(rows[:2])
    assert after != before
    assert after == onlyif.explain(model, rows[:2], background=rows) == explainer(rows[:2])


def test_a_change_is_seen_where_the_explained_row_is_answered_as_before():
    rows = np.concatenate([np.full((1, 3), 1000.0), NUMBERS.to_numpy() / 100])
    model = Changing()
    explainer = onlyif.Explainer(model, rows[1:])
    before = explainer(rows[:1])
    model.weights = np.array([1.0, 0.0, 3.0])
    after = explainer(rows[:1])
    assert before[0].prediction == after[0].prediction == 50.0
    assert after == onlyif.explain(model, rows[:1], background=rows[1:])
    assert after != before


def test_trees_that_were_fitted_again_are_read_again():
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(NUMBERS, LABEL)
    explainer = onlyif.Explainer(forest, NUMBERS)
    before = explainer(NUMBERS[:1])
    forest.set_params(random_state=1).fit(NUMBERS, LABEL[::-1])
    assert explainer(NUMBERS[:1]) == onlyif.explain(forest, NUMBERS[:1], background=NUMBERS) != before


def test_a_model_that_answers_otherwise_each_time_is_never_held():
    draws = np.random.default_rng(0)

    def model(table):
        return table[:, 0] + draws.normal(size=len(table))

    rows = NUMBERS.to_numpy()
    with pytest.raises(ModelError, match="answers differently each time"):
        onlyif.Explainer(model, rows)(rows[:1])
    tolerant = onlyif.Explainer(model, rows, tolerate=(Fault.RANDOM,))
    assert all("tolerated" in " ".join(tolerant(rows[:1])[0].notes) for _ in range(2))


def test_a_model_that_looks_at_the_other_rows_of_a_call_is_found():
    """The background's rows are equal, so that only the row to explain shows it."""
    rows = np.ones((10, 2))
    with pytest.raises(ModelError, match="with the other rows of the call"):
        onlyif.explain(lambda t: t[:, 0] - t[:, 0].mean(), np.array([[5.0, 1.0]]), background=rows)


def test_a_model_that_changes_only_the_explained_rows_is_found():
    def model(table):
        table[table > 100] = 0.0
        return table[:, 0]

    rows, big = NUMBERS.to_numpy() % 100, np.array([[500.0, 1.0, 1.0]])
    explainer = onlyif.Explainer(model, rows)
    explainer(rows[:1])
    with pytest.raises(ModelError, match="changes the input"):
        explainer(big)
    assert "each call gets a copy" in " ".join(
        onlyif.explain(model, big, background=rows, tolerate=(Fault.CHANGES_INPUT,))[0].notes
    )


def test_no_background_and_no_table_go_through_as_with_explain():
    reference = onlyif.explain(BOOSTED, NUMBERS[:2], reference="tree-path", output="margin")
    explainer = onlyif.Explainer(BOOSTED, reference="tree-path", output="margin")
    assert explainer(NUMBERS[:2]) == reference == explainer(NUMBERS[:2])


def test_it_follows_the_conventions_of_scikit_learn():
    explainer = onlyif.Explainer(PIPELINE, MIXED, alpha=0.25, groups={"both": ["age", "hours"]})
    params = explainer.get_params(deep=False)
    assert list(params)[:4] == ["model", "background", "target", "alpha"]
    assert all(getattr(explainer, name) is value for name, value in params.items())
    explainer(MIXED[:1])
    twin = clone(explainer)
    assert twin is not explainer
    assert all(getattr(twin, name) is value for name, value in params.items())
    assert twin(MIXED[:1]) == explainer(MIXED[:1])
    assert explainer.set_params(alpha=1.0, groups=None) is explainer
    assert explainer(MIXED[:1]) == onlyif.explain(PIPELINE, MIXED[:1], background=MIXED, alpha=1.0)
    with pytest.raises(SettingError, match="has no 'alfa'; its arguments are model, background"):
        explainer.set_params(alfa=1.0)
    # Whatever is wrong is said by the first call.
    with pytest.raises(SettingError, match="alpha"):
        onlyif.Explainer(PIPELINE, MIXED, alpha=2.0)(MIXED[:1])


def test_it_is_short_to_print_and_can_be_copied_and_sent():
    explainer = onlyif.Explainer(PIPELINE, MIXED, alpha=0.25)
    assert repr(explainer) == "Explainer(Pipeline, background=DataFrame of 80 x 3, alpha=0.25)"
    first = explainer(MIXED[:1])
    for twin in (copy.copy(explainer), pickle.loads(pickle.dumps(explainer))):
        assert twin(MIXED[:1]) == first
    with pytest.raises(AttributeError):
        explainer.alpha = 0.5


def test_explain_and_the_explainer_have_the_same_arguments():
    of_explain = inspect.signature(onlyif.explain).parameters
    of_class = inspect.signature(onlyif.Explainer).parameters
    # What is explained is said in each call of an explainer.
    assert [*of_class] == [name for name in of_explain if name not in {"X", "index"}]
    assert all(of_class[name].default == of_explain[name].default for name in of_class)
