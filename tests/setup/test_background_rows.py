"""How many background rows are taken where their number is left open."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

import onlyif
from onlyif.setup import affordable, sets

TABLE = np.random.default_rng(0).normal(size=(350, 3))
LABEL = (TABLE[:, 0] + TABLE[:, 1] > 0).astype(int)
BOOSTED = GradientBoostingClassifier(n_estimators=3, max_depth=2).fit(TABLE, LABEL)
MODELS = {
    "sum of trees": (RandomForestClassifier(3, max_depth=3, random_state=0).fit(TABLE, LABEL), {}, 350),
    "margin of trees": (BOOSTED, {"output": "margin"}, 350),
    "probability of trees": (BOOSTED, {}, 350),
    "probability of trees, which no budget is for": (BOOSTED, {"budget": 1_000}, 350),
    "sum over features": (LinearRegression().fit(TABLE, LABEL), {}, 350),
    "link of a sum over features": (LogisticRegression().fit(TABLE, LABEL), {}, 350),
    "decisions": (LogisticRegression().fit(TABLE, LABEL), {"distance": "discrete"}, 100),
    "function": (lambda table: table[:, 0] * table[:, 1], {}, 100),
    "a number that is given": (BOOSTED, {"reference": onlyif.Marginal(n_rows=120)}, 120),
}


def _said(n):
    return "all 350 background rows" if n == 350 else f"{n} rows drawn with seed 0 from 350 background rows"


@pytest.mark.parametrize("name", MODELS)
def test_as_many_rows_are_taken_as_are_affordable(name):
    model, settings, n = MODELS[name]
    item = onlyif.explain(model, TABLE[:1], background=TABLE, **settings)[0]
    assert _said(n) in item.provenance.reference
    assert (item.sufficient.fresh is None) == (n == 350)
    # The same as where that number is given, fresh rows included.
    given = onlyif.explain(
        model, TABLE[:1], background=TABLE, **{**settings, "reference": onlyif.Marginal(n)}
    )
    assert item == given[0]


def test_large_forests_take_fewer_rows(monkeypatch):
    forest = MODELS["sum of trees"][0]
    n_leaves = sum(tree.get_n_leaves() for tree in forest.estimators_)
    monkeypatch.setattr(affordable, "FEW_ROWS_OF_TREES", 20)
    for entries, n in ((200 * n_leaves, 200), (5 * n_leaves, 20)):
        monkeypatch.setattr(affordable, "LEAVES_BY_ROWS", entries)
        item = onlyif.explain(forest, TABLE[:1], background=TABLE)[0]
        assert _said(n) in item.provenance.reference


@pytest.mark.parametrize("model", [BOOSTED, MODELS["link of a sum over features"][0]])
def test_links_take_rows_by_what_their_tables_cost(monkeypatch, model):
    """All rows differ on all three players: eight numbers a row; and trees have leaves."""
    n_leaves = sum(tree.get_n_leaves() for tree in getattr(model, "estimators_", np.empty(0)).ravel())
    seconds = 8 * affordable.NUMBER_S + n_leaves * affordable.LEAF_S
    for most_s, most_rows, n in (
        (250.5 * seconds, 1_000, 250),
        (300.5 * seconds, 270, 270),
        (0.0, 1_000, 100),
    ):
        monkeypatch.setattr(affordable, "MOST_S", most_s)
        monkeypatch.setattr(affordable, "MOST_ROWS_OF_LINKED_TREES", most_rows)
        monkeypatch.setattr(affordable, "MOST_ROWS_OF_LINKED_SUMS", most_rows)
        item = onlyif.explain(model, TABLE[:1], background=TABLE)[0]
        assert _said(n) in item.provenance.reference
    # Rows that are alike but for one player differ on a fourth of the subsets.
    alike = TABLE * np.array([1.0, 0.0, 0.0])
    monkeypatch.setattr(
        affordable, "MOST_S", 200.5 * (2 * affordable.NUMBER_S + n_leaves * affordable.LEAF_S)
    )
    assert "200 rows drawn" in onlyif.explain(model, TABLE[:1], background=alike)[0].provenance.reference


def test_a_sum_that_does_not_hold_is_asked_over_the_usual_rows(monkeypatch):
    monkeypatch.setattr(sets, "additive_restriction", lambda *_: None)
    item = onlyif.explain(LogisticRegression().fit(TABLE, LABEL), TABLE[:1], background=TABLE)[0]
    assert _said(100) in item.provenance.reference
