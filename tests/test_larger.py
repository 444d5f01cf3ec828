"""Smallest sets that are chosen on more rows than those on which all subsets were compared."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import onlyif
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.distances import NORMAL_95
from onlyif.explanation.selection import ONE_SIDED_95
from onlyif.explanation.text import explanation_text
from onlyif.references.marginal import fit_marginal
from onlyif.restrictions.row_outputs import AddedRows, AskedRows
from onlyif.setup.prepare import prepare

RANDOM = np.random.default_rng(3)
TABLE = RANDOM.normal(size=(1800, 5))
TABLE[:, 3:] = TABLE[:, 3:].round()
MIXED = TABLE @ np.array([2.0, 1.5, 1.0, 0.5, 0.2])
LABEL = (MIXED + TABLE[:, 0] * TABLE[:, 1] > 0.3).astype(int)
ROWS, BACKGROUND = TABLE[:6], TABLE[6:]


def smooth(table):
    return 1 / (1 + np.exp(-(2 * table[:, 0] + table[:, 1] * table[:, 2] + table[:, 3])))


def decided(table):
    return np.stack([1 - smooth(table), smooth(table)], 1)


MODELS = {
    "a function": smooth,
    "a link of a sum": LogisticRegression().fit(TABLE, LABEL),
    "a network": MLPClassifier((4,), tol=1.0, random_state=0).fit(TABLE, LABEL),
}


def work_of(model, **settings):
    explainer = onlyif.Explainer(model, BACKGROUND, **settings)
    return prepare(model, ROWS, BACKGROUND, explainer.options)


def test_probabilities_of_trees_rest_on_the_rows_of_their_table():
    """Their model would be asked thousands of times for what the table takes no row for."""
    trees = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(TABLE, LABEL)
    assert work_of(trees).whole.criterion.larger is None
    assert work_of(MODELS["a function"]).whole.criterion.larger is not None


def outputs_of(model, rows):
    return model(rows) if callable(model) else model.predict_proba(rows)


def further(n_small):
    """The background rows that are not among the first, in any order."""
    first = {tuple(row) for row in fit_marginal(BACKGROUND, n_small, 0).rows}
    return np.array([row for row in BACKGROUND if tuple(row) not in first])


def plain(model, x, keep, rows, target):
    """The outputs of x with some players of other rows, in a plain loop."""
    blends = np.array([[x[j] if keep[j] else row[j] for j in range(len(x))] for row in rows])
    outputs = outputs_of(model, blends)
    return outputs if outputs.ndim == 1 else outputs[:, target]


@pytest.fixture(scope="module", params=MODELS)
def explained(request):
    model = MODELS[request.param]
    work = work_of(model)
    return model, work, onlyif.explain(model, ROWS, background=BACKGROUND)


def test_outputs_and_errors_are_those_of_plain_loops(explained):
    model, work, _ = explained
    criterion, targets = work.whole.criterion, work.ready.targets
    larger = criterion.larger
    assert larger.outputs.asks == isinstance(larger.outputs, AskedRows)
    assert isinstance(larger.outputs, AddedRows) == isinstance(model, LogisticRegression | MLPClassifier)
    codes = np.array([0, 5, 22, 31])
    keep = keep_of_codes(codes, 5)
    rows = further(larger.n_small)
    assert larger.outputs.n_rows == len(rows)
    small = fit_marginal(BACKGROUND, larger.n_small, 0).rows
    own, table = larger.tables(criterion.set_function)
    for i in (0, 4):
        found = larger.outputs.at(i, keep, slice(0, len(rows)))
        for code, one, values in zip(codes, keep, found, strict=True):
            wanted = plain(model, ROWS[i], one, rows, targets[i])
            assert np.sort(values) == pytest.approx(np.sort(wanted), abs=1e-9)
            few = plain(model, ROWS[i], one, small, targets[i])
            assert own.mean[i, code] == pytest.approx(few.mean(), abs=1e-9)
            if code == 0:
                few = wanted
            assert table.mean[i, code] == pytest.approx(few.mean(), abs=1e-9)
            error = few.std(ddof=1) / len(few) ** 0.5
            assert table.stderr[i, code] == pytest.approx(error, abs=1e-7)
        part = larger.outputs.at(i, keep, slice(100, 300))
        assert np.array_equal(part, found[:, 100:300])


def smallest(values, item, part, allowed, times):
    """The smallest set whose gap is within ε on other rows, too, by looking at all of them.

    Their mean has an error of its own, so that one-sided bounds are wider by the root of two.
    """
    base, everyone = values[frozenset()], frozenset(range(5))
    for size in range(6):
        found = []
        for chosen in map(frozenset, combinations(range(5), size)):
            if not allowed(chosen):
                continue
            kept = chosen if part == 0 else everyone - chosen
            apart = values[kept] - (item.prediction if part == 0 else base)
            gap, error = abs(apart.mean()), apart.std(ddof=1) / len(base) ** 0.5
            if kept == everyone and part == 0:
                gap = error = 0.0
            if gap + 2**0.5 * times * error <= item.epsilon:
                found.append((gap, sorted(chosen)))
        if found:
            return min(found)
    return None


CONSTRAINTS = {
    "all": ({}, lambda chosen: True, ONE_SIDED_95),
    "kept and never": (
        {"keep": ["x0"], "never": ["x4"]},
        lambda chosen: 0 in chosen and 4 not in chosen,
        ONE_SIDED_95,
    ),
    "confidence": ({"confidence": 0.999}, lambda chosen: True, 3.0902),
}


@pytest.mark.parametrize("which", CONSTRAINTS)
def test_sets_are_those_of_a_search_through_all_of_them_on_all_further_rows(explained, which):
    model, work, found = explained
    settings, allowed, times = CONSTRAINTS[which]
    if settings:
        found = onlyif.explain(model, ROWS, background=BACKGROUND, **settings)
    larger, everything = work.whole.criterion.larger, keep_of_codes(np.arange(32), 5)
    for i, item in enumerate(found):
        values = larger.outputs.at(i, everything, slice(0, larger.outputs.n_rows))
        by_set = dict(zip(map(frozenset, map(np.flatnonzero, everything)), values, strict=True))
        for part, kind in enumerate(("sufficient", "necessary")):
            wanted = smallest(by_set, item, part, allowed, times)
            if wanted is None:
                assert kind in item.missing
                continue
            gap, members = wanted
            assert list(item.sets[kind].players) == members
            measured = item.sets[kind].measure(("sufficiency", "necessity")[part])
            assert measured.value == pytest.approx(gap, abs=1e-12)
            assert (item.verdicts[kind].finding.value, item.verdicts[kind].fresh) == ("holds", True)
        assert item.base == pytest.approx(values[0].mean())
        assert item.epsilon == pytest.approx(abs(item.prediction - item.base) / 10)


def test_the_cheapest_set_is_chosen_where_players_have_costs():
    costs = {"x0": 5.0}
    plain_ones = onlyif.explain(smooth, ROWS, background=BACKGROUND)
    for item, other in zip(
        onlyif.explain(smooth, ROWS, background=BACKGROUND, costs=costs), plain_ones, strict=True
    ):
        for kind in ("sufficient", "necessary"):
            cost, before = (sum(costs.get(name, 1.0) for name in one.sets[kind]) for one in (item, other))
            assert cost <= before
            assert item.verdicts[kind].finding.value == "holds"


def test_against_the_other_decision_sets_keep_it_by_more_than_their_errors_on_further_rows():
    everything = keep_of_codes(np.arange(32), 5)
    for x, item in zip(
        ROWS, onlyif.explain(decided, ROWS, background=BACKGROUND, against="other decisions"), strict=True
    ):
        target = int(smooth(x[None])[0] > 0.5)
        others = BACKGROUND[(smooth(BACKGROUND) > 0.5) != target]
        first = {tuple(row) for row in fit_marginal(others, item.settings["smaller_rows"], 0).rows}
        rows = np.array([row for row in others if tuple(row) not in first])
        assert len(rows) == item.settings["larger_rows"]
        values = np.stack([decided(np.where(keep, x, rows))[:, target] for keep in everything])
        for kind, kept, compared in (
            ("sufficient", values, item.prediction),
            ("necessary", values[::-1], values[0].mean()),
        ):
            apart = kept - (compared if kind == "sufficient" else values[0])
            # The root of two, 1.64 standard errors, and as far as an interval goes lest a jump be overlooked.
            reach = 2**0.5 * ONE_SIDED_95 * NORMAL_95 * apart.std(1, ddof=1) / len(rows) ** 0.5
            mean, side = kept.mean(1), 1 if kind == "sufficient" else -1
            stays = (side * (mean - 0.5) - reach > 0) | (everything.all(1) & (kind == "sufficient"))
            gap = abs(mean - compared) / 2
            wanted = min((everything[i].sum(), gap[i], i) for i in np.flatnonzero(stays))
            assert item.sets[kind].players == tuple(np.flatnonzero(everything[wanted[2]]))
            measured = item.sets[kind].measure("sufficiency" if side > 0 else "necessity")
            assert measured.value == pytest.approx(wanted[1], abs=1e-9)


def told(item):
    """All that is said of an instance but its Shapley values, whose last digit depends on its neighbours."""
    return item.sets, item.settings, item.measures, item.base, item.base_stderr, item.details, item.model_rows


def test_answers_do_not_depend_on_which_rows_are_explained_together_or_how(explained):
    model, _, found = explained
    explainer = onlyif.Explainer(model, BACKGROUND)
    assert [*map(told, explainer(ROWS[2:5]))] == [*map(told, found)][2:5]
    assert [*map(told, explainer(ROWS[:2]))] == [*map(told, found)][:2]
    assert [*onlyif.explain(model, ROWS, background=BACKGROUND, n_jobs=2)] == [*found]


def test_it_is_told_which_numbers_rest_on_which_rows(explained, tmp_path):
    _, work, found = explained
    item, larger = found[1], work.whole.criterion.larger
    assert item.settings["smaller_rows"] == larger.n_small
    assert item.settings["larger_rows"] == larger.outputs.n_rows
    assert item.settings["smaller_rows"] + item.settings["larger_rows"] == len(BACKGROUND)
    text = " ".join(explanation_text(item).split())
    assert "holds on fresh rows: the gap is" in text
    assert f"{item.settings['compared_sufficient']} sets were compared there" in text
    onlyif.save(found, tmp_path / "kept")
    assert onlyif.load(tmp_path / "kept") == found
    assert item.sufficient.fresh == (item.sufficient.sufficiency, item.sufficient.necessity)
    kept = item.sufficient.measures["kept"]
    assert abs(kept.value - item.prediction) == pytest.approx(item.sufficient.sufficiency.value)
    hidden = item.necessary.measures["hidden"]
    assert abs(hidden.value - item.base) == pytest.approx(item.necessary.necessity.value)


def test_a_higher_confidence_takes_larger_sets_and_tells_their_bound():
    usual, sure = (
        onlyif.explain(smooth, ROWS, background=BACKGROUND, **one) for one in ({}, {"confidence": 0.9999})
    )
    for item, safe in zip(usual, sure, strict=True):
        for kind, gap in (("sufficient", "sufficiency"), ("necessary", "necessity")):
            assert item.verdicts[kind].bound is None
            assert item.sets[kind].size <= safe.sets[kind].size
            measure = safe.sets[kind].measure(gap)
            assert safe.verdicts[kind].bound == pytest.approx(
                measure.value + 3.719 * measure.stderr, rel=1e-3
            )
            assert safe.verdicts[kind].bound <= safe.epsilon


@pytest.mark.parametrize(
    ("settings", "n_rows"),
    [
        ({"reference": onlyif.Marginal(50)}, 1794),
        ({"reference": onlyif.Marginal(None)}, 200),
        ({"stability": 5}, 1794),
        ({"time_limit": 100.0}, 1794),
        ({"distance": "discrete"}, 1794),
        ({"search": "beam"}, 1794),
        ({}, 550),
    ],
)
def test_other_rows_are_not_asked_where_the_user_said_how_many_or_few_are_left(settings, n_rows):
    item = onlyif.explain(decided, ROWS[:1], background=BACKGROUND[:n_rows], **settings)[0]
    assert "larger_rows" not in item.settings


def test_the_model_is_asked_for_no_more_than_is_foreseen():
    forecast = onlyif.Explainer(smooth, BACKGROUND).estimate(ROWS)
    found = onlyif.explain(smooth, ROWS, background=BACKGROUND)
    assert sum(item.model_rows for item in found) <= forecast.model_rows
    assert sum(item.asked_rows for item in found) <= forecast.model_rows
