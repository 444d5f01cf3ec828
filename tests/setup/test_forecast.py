"""What is said before work begins is about what it then takes."""

import math
import tracemalloc

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

import onlyif
from onlyif.causation import checks
from onlyif.core.errors import LimitError
from onlyif.setup import choose
from oracles.counted import Counter, mixed


def estimate(model, X, **chosen):
    """What `onlyif.explain` would take with the same arguments."""
    return onlyif.Explainer(model, **chosen).estimate(X)


EVERYTHING = onlyif.Marginal(n_rows=None)
WAYS = {
    "enumerated": {},
    "with fresh rows": {"reference": onlyif.Marginal(n_rows=20)},
    "sampled": {"reference": "gaussian"},
    "empirical": {"reference": "empirical"},
    "causes": {"criterion": "pns"},
}


def smooth(table):
    return np.tanh(table.sum(1)) + table[:, 0] * table[:, 1]


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_about_those_that_are_asked(way):
    table = mixed(50)
    told = estimate(Counter(), table[-3:], background=table[:40], **WAYS[way])
    found = onlyif.explain(Counter(), table[-3:], background=table[:40], **WAYS[way])
    assert told.n_rows == 3 and told.n_players == 5
    assert told.model_rows == pytest.approx(sum(item.model_rows for item in found), rel=0.05)
    # Blends that fresh rows have in common are not foreseen.
    assert told.asked_rows == pytest.approx(sum(item.asked_rows for item in found), rel=0.15)
    assert told.asked_rows <= told.model_rows


def test_of_all_subsets_the_rows_are_told_exactly():
    table = mixed(50)
    told = estimate(Counter(), table[-3:], background=table[:40])
    found = onlyif.explain(Counter(), table[-3:], background=table[:40])
    assert (told.model_rows, told.asked_rows) == (
        sum(item.model_rows for item in found),
        sum(item.asked_rows for item in found),
    )


def test_a_search_is_told_its_most_and_the_model_is_timed_by_few_rows():
    model, table = Counter(), mixed(50)
    told = estimate(model, table[-1:], background=table[:40], search="beam", budget=1000)
    assert told.asked_rows <= told.model_rows == 1000 + 6 * 40
    assert told.check_rows == model.n < 64 + 64 + 1024 + 500


@pytest.mark.parametrize("cost", [2e-6, 5e-5])
def test_seconds_are_about_those_it_takes(cost):
    def slow(table):
        until = clock() + 1e-3 + cost * len(table)
        while clock() < until:
            pass
        return smooth(table)

    from time import perf_counter as clock

    table = np.random.default_rng(0).normal(size=(40, 7))
    told = estimate(slow, table[:2], background=table[10:])
    begun = clock()
    onlyif.explain(slow, table[:2], background=table[10:])
    # Other work may be on the machine.
    assert told.seconds == pytest.approx(clock() - begun, rel=1.0)
    assert told.seconds >= 0.8 * 2 * 128 * 30 * cost


def trees(d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, d))
    y = x[:, 0] + x[:, 1] * x[:, 2] + x[:, 3] > 0
    return x, GradientBoostingClassifier(n_estimators=20).fit(x, y), RandomForestClassifier(20).fit(x, y)


def test_trees_need_no_row_and_are_timed_by_one_explanation():
    x, boosted, _ = trees(6)
    told = estimate(boosted, x[:3], background=x[50:], output="margin", reference=EVERYTHING)
    assert told.model_rows == told.asked_rows == 0 and told.seconds > 0
    assert "leaves of 20 trees" in told.how[0]


def peak(work):
    work()
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def held(work, told):
    measured = peak(work)
    assert told.memory_bytes / 1.5 < measured < told.memory_bytes * 1.5, (measured, told.memory_bytes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["continuous", "mixed", "five outputs", "sampled"])
@pytest.mark.parametrize(("d", "b"), [(15, 1), (17, 1)])
def test_memory_of_asked_models_is_about_what_is_measured(kind, d, b):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, (8, d)).astype(float) if kind == "mixed" else rng.normal(size=(8, d))
    model, chosen = smooth, {"reference": "gaussian"} if kind == "sampled" else {}
    if kind == "sampled":
        chosen["restriction"] = lambda parts, reference: onlyif.restrictions.sampled.SampledRestriction(
            parts.predictor, reference, parts.players, 3, parts.max_rows
        )
    if kind == "five outputs":
        model = lambda rows: np.stack([smooth(rows) + i for i in range(5)], axis=1)  # noqa: E731
        chosen["target"] = 1
    chosen |= {"background": table[b:], "budget": 10**9, "max_rows": 2048}
    told = estimate(model, table[:b], **chosen)
    held(lambda: onlyif.explain(model, table[:b], **chosen), told)


@pytest.mark.parametrize("kind", ["margin", "probability", "forest"])
@pytest.mark.parametrize(("d", "b"), [(15, 1), (15, 4), (17, 1)])
def test_memory_of_trees_is_about_what_is_measured(kind, d, b):
    x, boosted, forest = trees(d)
    model = forest if kind == "forest" else boosted
    chosen = {"background": x[260:], "output": "margin" if kind == "margin" else "probability"}
    told = estimate(model, x[:b], **chosen)
    held(lambda: onlyif.explain(model, x[:b], **chosen), told)


@pytest.mark.parametrize(("d", "n"), [(12, 60), (13, 100), (15, 60)])
def test_memory_of_causes_is_about_what_is_measured(d, n):
    table = np.random.default_rng(0).integers(0, 3, (n + 1, d)).astype(float)
    chosen = {"background": table[1:], "criterion": onlyif.PNS(sample=onlyif.BackgroundRows(n))}
    chosen |= {"search": "exhaustive", "budget": 10**9, "max_rows": 2048}
    told = estimate(smooth, table[:1], **chosen)
    held(lambda: onlyif.explain(smooth, table[:1], **chosen), told)


def test_what_would_not_fit_is_refused_before_it_starts(monkeypatch):
    table = np.random.default_rng(0).normal(size=(30, 12))
    monkeypatch.setattr(choose, "MAX_TABLE_BYTES", 7 * 8 * 2**12 - 1)
    with pytest.raises(LimitError, match="group columns into fewer players, or search with beam"):
        estimate(smooth, table[:1], background=table[1:], search="exhaustive")
    # Where the search was left open, one that fits is taken.
    assert "beam" in estimate(smooth, table[:1], background=table[1:]).how[-1].lower()
    monkeypatch.setattr(checks, "MAX_TABLE_BYTES", checks.table_bytes(29, 12) - 1)
    for ask in (estimate, onlyif.explain):
        with pytest.raises(LimitError, match="take fewer inputs or players, or search with beam"):
            ask(smooth, table[:1], background=table[1:], criterion="pns", search="exhaustive")


def test_what_is_not_known_is_said():
    x, boosted, _ = trees(18)
    told = estimate(boosted, x[:1], background=x[280:], output="margin")
    assert math.isnan(told.seconds) and "time: not known before" in str(told)
