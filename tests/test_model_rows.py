"""What is said of model rows is what the model received, whatever the criterion and the way."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import onlyif
from onlyif.cli.printing import Progress, json_text
from onlyif.core.players import column_players
from onlyif.explanation.storage import load
from onlyif.modalities.table_forms import BatchForm
from onlyif.models.formed import FormedPredictor
from onlyif.models.function import FunctionPredictor
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.searches.beam import BeamSearch
from oracles.counted import Counter, mixed

WAYS = {
    "enumerated": {},
    "with fresh rows": {"reference": onlyif.Marginal(n_rows=20)},
    "one baseline": {"reference": "baseline"},
    "empirical": {"reference": "empirical"},
    "sampled": {"reference": "gaussian"},
    "beam": {"search": BeamSearch(budget=900)},
    "greedy": {"search": "greedy", "budget": 2000},
    "groups": {"groups": {"pair": ["x0", "x1"]}},
    "decisions": {"distance": "discrete", "output": "value"},
    "small calls": {"max_rows": 7},
    "causes": {"criterion": "pns"},
    "causes, searched": {"criterion": "pns", "search": "greedy", "budget": 3000},
    "causes, noisy c": {"criterion": onlyif.PNS(c=onlyif.NoiseThreshold())},
    "causes, near rows": {"criterion": onlyif.PNS(sample=onlyif.NearestRows(12))},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("b", [1, 3])
def test_the_rows_that_are_told_are_those_the_model_received(way, b):
    model, table = Counter(), mixed(50)
    if way == "decisions":
        classify = LogisticRegression().fit(table, table[:, 0] > 0)
        asked = classify.decision_function
        classify.predict = lambda rows: (model(rows), (asked(rows) > 0).astype(int))[1]
        classify.predict_proba = lambda rows: (model(rows), np.stack([1 - rows[:, 0], rows[:, 0]], 1) / 3)[1]
        found = onlyif.explain(classify, table[:b], background=table, distance="discrete")
    else:
        found = onlyif.explain(model, table[-b:], background=table[: 50 - b], **WAYS[way])
    told = sum(item.asked_rows for item in found) + found[0].check_rows
    assert told == model.n
    assert len({item.check_rows for item in found}) == 1
    assert all(item.asked_rows > 0 for item in found)
    assert all(item.saved_rows == item.model_rows - item.asked_rows for item in found)
    if way in {"enumerated", "causes", "one baseline"}:
        assert all(item.asked_rows < 0.7 * item.model_rows for item in found)


def test_rows_needed_are_those_of_every_subset_and_draw():
    table = mixed(50)
    found = onlyif.explain(Counter(), table[-2:], background=table[:40])
    # 2^5 subsets of 40 rows each; the ends, the unified set and its complement are read off the table.
    assert [item.model_rows for item in found] == [32 * 40] * 2
    keep = np.array([[code >> i & 1 for i in range(5)] for code in range(32)], dtype=bool)
    every = [np.where(keep[:, None], row, table[:40]).reshape(-1, 5) for row in table[-2:]]
    assert sum(item.asked_rows for item in found) == sum(len(np.unique(one, axis=0)) for one in every)


def test_blocks_of_many_rows_are_counted_block_by_block():
    model, table = Counter(), mixed(90)
    found = onlyif.explain(model, table[:70], background=table[70:])
    assert sum(item.asked_rows for item in found) + found[0].check_rows == model.n


def test_trees_and_closed_forms_ask_for_no_row():
    table = mixed(80)
    trees = GradientBoostingRegressor(n_estimators=5).fit(table, table[:, 0])
    item = onlyif.explain(trees, table[:1], background=table[:30])[0]
    assert (item.model_rows, item.asked_rows, item.saved_rows) == (0, 0, 0)
    assert item.check_rows > 0
    line = LinearRegression().fit(table, table[:, 0])
    item = onlyif.explain(line, table[:1], background=table, reference="gaussian")[0]
    assert (item.model_rows, item.asked_rows) == (0, 0)
    assert "model rows: 0 asked; " in onlyif.explanation_text(item, 200)


def test_rows_of_a_pipeline_that_is_asked_behind_its_steps_are_counted():
    received = []

    class Watched(LogisticRegression):
        def predict_proba(self, X):
            received.append(X.shape[0])
            return super().predict_proba(X)

        def predict(self, X):
            received.append(X.shape[0])
            return super().predict(X)

    table = pd.DataFrame(mixed(60), columns=list("abcde")).assign(a=lambda t: t["a"].map(str))
    encoder = make_column_transformer((OneHotEncoder(), ["a"]), (StandardScaler(), ["b", "c", "d", "e"]))
    model = make_pipeline(encoder, Watched()).fit(table, table["b"] > 1)
    received.clear()
    found = onlyif.explain(model, table[-2:], background=table[:40])
    assert "once" in found[0].provenance.steps
    # The model's own predict asks for its own margins, not for its probabilities.
    assert sum(item.asked_rows for item in found) + found[0].check_rows == sum(received)


def test_what_a_time_limit_cuts_off_is_counted():
    model, table = Counter(), mixed(50)
    found = onlyif.explain(model, table[-1:], background=table[:40], time_limit=60.0)
    assert sum(item.asked_rows for item in found) + found[0].check_rows == model.n


def test_a_model_that_answers_otherwise_in_large_calls_is_counted_with_what_was_in_vain():
    calls = []

    def model(table):
        calls.append(len(table))
        return table @ np.arange(1.0, 6.0) + (len(table) > 400)

    table = np.random.default_rng(0).normal(size=(50, 5))
    found = onlyif.explain(model, table[-1:], background=table[:40])
    assert "asked in calls of" in " ".join(found[0].notes)
    assert found[0].asked_rows + found[0].check_rows == sum(calls)


def test_a_predictor_of_ones_own_is_counted_and_a_finished_restriction_is_not():
    table, model = mixed(50), Counter()
    formed = FormedPredictor(FunctionPredictor(model), BatchForm())
    found = onlyif.explain(formed, table[:1], background=table[10:])
    assert found[0].asked_rows + found[0].check_rows == model.n
    own = EnumeratedRestriction(
        FunctionPredictor(model), MarginalReference(table[10:]), column_players([f"x{i}" for i in range(5)])
    )
    item = onlyif.explain(model, table[:1], background=table[10:], restriction=own)[0]
    assert item.asked_rows is None and item.saved_rows is None
    assert "needed; how many were asked was not recorded" in onlyif.explanation_text(item, 200)


def test_what_is_known_of_model_rows_is_told_and_saved(tmp_path):
    table = mixed(50)
    found = onlyif.explain(Counter(), table[-2:], background=table[:40])
    item = found[0]
    said = f"model rows: {item.asked_rows:,} of 1,280 asked (the others were equal); "
    assert said in onlyif.explanation_text(item, 200)
    rows = found.rows()
    assert [(row["model_rows"], row["asked_rows"]) for row in rows[::3]] == [
        (1280, one.asked_rows) for one in found
    ]
    document = json.loads(json_text(found, Progress(2, 2)))["explanations"][0]
    assert document["saved_rows"] == document["model_rows"] - document["asked_rows"] == item.saved_rows
    again = load(onlyif.save(found, tmp_path / "found"))
    assert [one.asked_rows for one in again] == [one.asked_rows for one in found]
    assert again[0].check_rows == item.check_rows
