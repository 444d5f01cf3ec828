"""`explain(criterion="pns")` from the user's side: what comes out, choices, and every kind of bad input."""

import itertools
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

import onlyif
from onlyif.causation.abduction import Resampling
from onlyif.causation.samples import drawn_rows
from onlyif.samples.background import BackgroundSample, PopulationSample
from onlyif.searches.greedy import ForwardGreedySearch
from oracles.causes import best_of_size, pns_of

CUBE = np.array(list(itertools.product([0.0, 1.0, 2.0], repeat=3)))


def rows(n=40, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def smooth(table):
    a, b, c, d = np.asarray(table).T
    return np.tanh(a * b) + 0.5 * c + 0.0 * d


def causes(model=smooth, X=None, background=None, criterion="pns", **settings):
    table = rows()
    return onlyif.explain(
        model,
        table[:3] if X is None else X,
        background=table if background is None else background,
        criterion=criterion,
        **settings,
    )


def values_of(cause):
    return [(m.value, m.stderr) for m in (cause.pn, cause.ps, cause.p_changed, cause.p_unchanged, cause.pns)]


# ---- what comes out


def test_the_papers_first_example_is_exact():
    """f = 1[x1 - x2 > 1], uniform on {0, 1, 2}³: PNS is 1/9, 2/9 and 0 for the single features."""
    choice = onlyif.PNS(
        b=math.inf,
        c=0.5,
        baseline=np.zeros((1, 3)),
        sample=PopulationSample(torch.as_tensor(CUBE)),
        events="hard",
    )
    model = lambda table: (table[:, 0] - table[:, 1] > 1).astype(float)  # noqa: E731
    (found,) = causes(model, np.ones((1, 3)), CUBE, choice)
    assert [one.pns.value for one in found.singles] == pytest.approx([1 / 9, 2 / 9, 0.0], abs=1e-12)
    assert all(one.exact for one in (*found.path, *found.singles))


@pytest.mark.parametrize("distance", ["gower", "gower-mean"])
def test_path_singles_and_numbers_are_those_of_plain_loops(distance):
    table = rows()
    found = causes(criterion=onlyif.PNS(distance=distance))
    f = lambda row: float(smooth(np.array([row]))[0])  # noqa: E731
    spans, baseline = np.ptp(table, axis=0), np.sort(table, axis=0)[(len(table) - 1) // 2]
    for item, x in zip(found, table, strict=False):
        made = item.provenance
        sample = [x, *table]
        for cause in (*item.singles, *item.path):
            settings = {"spans": spans, "b": made.b, "c": made.c, "mean": distance == "gower-mean"}
            want = pns_of(f, sample, x, baseline, subset=cause.players, **settings)
            assert [value for value, _ in values_of(cause)] == pytest.approx(want, abs=1e-9)
            assert {stderr for _, stderr in values_of(cause)} == {0.0}


def test_each_size_has_its_best_set():
    table = rows()
    item = causes()[0]
    f = lambda row: float(smooth(np.array([row]))[0])  # noqa: E731
    spans, baseline = np.ptp(table, axis=0), np.sort(table, axis=0)[(len(table) - 1) // 2]
    assert [cause.size for cause in item.path] == [1, 2, 3]
    for cause in item.path:
        settings = {"spans": spans, "b": item.provenance.b, "c": item.provenance.c}
        sample = [table[0], *table]
        value, players = best_of_size(f, sample, table[0], baseline, size=cause.size, **settings)
        assert (cause.players, cause.pns.value) == (players, pytest.approx(value, abs=1e-9))


def test_the_mean_of_a_size_is_that_of_all_its_sets():
    item = causes()[0]
    assert item.path[0].typical == pytest.approx(np.mean([one.pns.value for one in item.singles]))


def test_the_defaults_are_those_the_guide_states():
    table = rows(600)
    item = onlyif.explain(smooth, table[:1], background=table, criterion="pns")[0]
    low, high = np.quantile(smooth(table), [0.05, 0.95])
    assert item.size == 3
    assert item.provenance.n_sample == 201
    assert item.provenance.c == pytest.approx((high - low) / 10)
    assert "half" not in item.provenance.boundary
    assert "0.5 of the median distance of 200 background rows" in item.provenance.boundary
    assert "median" in item.provenance.baseline
    assert "exhaustive" in item.provenance.search
    assert item.provenance.p_replace == 0.5


def test_a_feature_that_the_model_ignores_has_no_pns_alone():
    assert [item.singles[3].pns.value for item in causes()] == [0.0, 0.0, 0.0]


def test_sne_stays_the_default():
    found = onlyif.explain(smooth, rows()[:1], background=rows(), criterion="sne")
    assert isinstance(found, onlyif.Explanations)
    assert isinstance(causes(), onlyif.Explanations)


def test_batch_and_single_rows_agree_and_max_rows_changes_nothing():
    whole = causes()
    for i in range(3):
        alone = causes(X=rows()[i : i + 1], max_rows=7)[0]
        assert alone.cause.players == whole[i].cause.players
        assert [values_of(c) for c in alone.singles] == [
            [(pytest.approx(v, abs=1e-12), e) for v, e in values_of(c)] for c in whole[i].singles
        ]
        assert alone.provenance.c == pytest.approx(whole[i].provenance.c, rel=1e-12)


def test_no_call_is_larger_than_max_rows():
    sizes = []

    def model(table):
        sizes.append(len(table))
        return smooth(table)

    causes(model, max_rows=16)
    assert max(sizes) == 16


def test_a_search_is_estimated_again_and_agrees_with_the_exact_values():
    choice = onlyif.PNS(n_perturbations=400)
    table = rows(30, 9)
    model = lambda t: np.tanh(t[:, 0] * t[:, 1]) + 0.5 * t[:, 2] + 0.1 * t[:, 3]  # noqa: E731
    settings = {"X": table[:2], "background": table, "criterion": choice}
    searched = causes(model, search=ForwardGreedySearch(20_000_000), **settings)
    exact = causes(model, **settings)
    drawn = [cause for item in searched for cause in item.path if not cause.exact]
    assert drawn
    for item, other in zip(searched, exact, strict=True):
        assert item.cause.players == other.cause.players
        for cause in item.path:
            assert cause.searched is None if cause.exact else cause.searched != cause.pns.value
            if cause.players == other.of(cause.size).players:
                assert abs(cause.pns.value - other.of(cause.size).pns.value) <= 4 * cause.pns.stderr + 1e-12


def test_a_budget_that_is_too_small_for_all_sets_makes_it_search():
    item = causes(budget=500, size=2)[0]
    assert "greedy" in item.provenance.search
    assert item.size in {1, 2}


def test_resampling_is_random_and_says_so():
    found = causes(criterion=onlyif.PNS(abduction=Resampling(50)))
    assert not found[0].cause.exact
    assert found[0].cause.pns.stderr > 0
    assert "resampling" in found[0].provenance.abduction


@pytest.mark.parametrize(("weights", "part"), [((1.0, 0.0), 0), ((0.0, 1.0), 1)])
def test_a_module_can_be_left_out(weights, part):
    item = causes(criterion=onlyif.PNS(weights=weights), size=1)[0]
    parts = [
        (one.pn.value * one.p_changed.value, one.ps.value * one.p_unchanged.value)[part]
        for one in item.singles
    ]
    assert item.cause.players == (int(np.argmax(parts)),)


@pytest.mark.parametrize("abduction", ["unweighted", "plain"])
def test_ablations_change_the_probabilities(abduction):
    item = causes(criterion=onlyif.PNS(abduction=abduction))[0]
    assert "ablation" in item.provenance.abduction
    assert item.cause.pns.value != causes()[0].cause.pns.value


@pytest.mark.parametrize("sample", ["nearest", onlyif.NearestRows(10), onlyif.BackgroundRows(10)])
def test_samples(sample):
    item = causes(criterion=onlyif.PNS(sample=sample))[0]
    assert item.provenance.n_sample == (41 if sample == "nearest" else 11)
    assert "row" in item.provenance.sample


def test_the_nearest_rows_are_the_nearest():
    table = rows()
    near = onlyif.PNS(sample=onlyif.NearestRows(5))
    order = np.argsort((((table - table[0]) / np.ptp(table, axis=0)) ** 2).sum(1))[:5]
    given = onlyif.PNS(sample=BackgroundSample(torch.as_tensor(table[order])))
    one, other = (causes(X=table[:1], criterion=c)[0].cause for c in (near, given))
    assert (one.players, one.pns.value) == (other.players, pytest.approx(other.pns.value))


def test_drawn_rows_are_the_first_of_more():
    values = np.random.default_rng(0).random((50, 2))
    assert np.array_equal(drawn_rows(values, 10, 3), drawn_rows(values, 20, 3)[:10])


def test_groups_stay_whole():
    item = causes(groups={"pair": ["x0", "x1"]})[0]
    assert item.names == ("pair", "x2", "x3")
    assert item.values[0].startswith("x0=")
    asked = []

    def model(table):
        asked.append(np.array(table))
        return smooth(table)

    causes(model, groups={"pair": ["x0", "x1"]}, X=rows()[:1])
    base = np.sort(rows(), axis=0)[19, :2]
    moved = np.isclose(np.concatenate(asked)[:, :2], base)
    others = [row for row in moved if row[0] != row[1]]
    # Only the two background rows that hold a median themselves.
    assert len({tuple(row) for row in others}) <= 2 and len(others) < len(moved) / 10


def test_mixed_frames_keep_dates_levels_and_libraries():
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(generator.integers(0, 900, 60), "D"),
            "level": pd.Categorical(
                generator.choice(["low", "mid", "high"], 60), ["low", "mid", "high"], True
            ),
            "job": generator.choice(list("abc"), 60),
            "age": generator.normal(40.0, 10.0, 60),
        }
    )
    model = lambda t: (t["job"] == "a").to_numpy() + (t["age"] > 40).to_numpy() * 1.0  # noqa: E731
    found = onlyif.explain(model, frame[:3], background=frame, criterion="pns", size=2)
    assert all(set(item.cause.names) == {"job", "age"} for item in found)
    assert isinstance(found.to_frame(), pd.DataFrame)
    polars = pl.DataFrame({"a": rows()[:, 0], "b": rows()[:, 1]})
    both = onlyif.explain(
        lambda t: t["a"].to_numpy() * 1.0, polars[:1], background=polars, criterion="pns", size=1
    )
    assert both[0].cause.names == ("a",)
    assert isinstance(both.to_frame(), pl.DataFrame)


def test_features_at_the_baseline_are_named():
    table = rows()
    x = table[:1].copy()
    x[0, 2] = np.sort(table[:, 2])[19]
    (note,) = [note for note in causes(X=x)[0].notes if "already at the baseline" in note]
    assert note.endswith(": x2")


def test_few_effective_inputs_are_told():
    notes = causes(criterion=onlyif.PNS(b=0.01))[0].notes
    assert any("effectively stand for" in note for note in notes)


def test_a_constant_model_has_no_cause_and_says_why():
    item = causes(lambda table: np.full(len(table), 0.5))[0]
    assert "the PNS of every set is 0" in item.reason
    assert item.cause.pns.value == 0.0
    assert "equal" in item.provenance.threshold
    assert "none:" in onlyif.explanation_text(item)


def test_models_that_only_answer_0_and_1_are_told_so():
    table = rows()
    model = DecisionTreeClassifier(random_state=0).fit(table, table[:, 0] + table[:, 1] > 0)
    assert "only 0 and 1" in causes(model)[0].provenance.threshold


def test_one_feature_is_the_cause_alone():
    table = rows(d=1)
    item = causes(lambda t: t[:, 0], table[:1], table)[0]
    assert item.size == 1
    assert item.cause.ps.value == 0.0


def test_ctrl_c_leaves_the_finished_rows():
    calls = []

    def model(table):
        calls.append(len(table))
        if len(calls) > 60:
            raise KeyboardInterrupt
        return smooth(table)

    with pytest.raises(onlyif.Interrupted) as caught:
        causes(model, rows(40), search=ForwardGreedySearch(1000))
    assert isinstance(caught.value.finished, onlyif.Explanations)
    assert 0 < len(caught.value.finished) < 40


# ---- bad input


def nan(table):
    return np.where(np.asarray(table)[:, 0] == np.sort(rows()[:, 0])[19], np.nan, smooth(table))


MEDIANS = np.sort(rows(), axis=0)[19:20]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"b": 0.0}, r"b must be above 0, got 0\.0"),
        ({"b": -1.0}, r"b must be above 0, got -1"),
        ({"b": math.nan}, "b must be above 0, got nan"),
        ({"b": "wide"}, "unknown rule for b 'wide'; need one of scott, typical"),
        ({"c": 0.0}, "c must be a finite number above 0, got 0"),
        ({"c": math.inf}, "c must be a finite number above 0, got inf"),
        ({"c": "some"}, "unknown rule for c 'some'; need one of noise, spread"),
        ({"p_replace": 0.0}, "strictly between 0 and 1, got 0"),
        ({"p_replace": 1.0}, "strictly between 0 and 1, got 1"),
        ({"n_perturbations": 0}, "n_perturbations must be at least 1, got 0"),
        ({"sample": "all"}, "unknown sample 'all'; need one of background, nearest"),
        ({"abduction": "sir"}, "unknown abduction 'sir'"),
        ({"events": "firm"}, "unknown events 'firm'; need one of hard, soft"),
        ({"distance": "l2"}, "unknown distance 'l2'; need one of gower, gower-mean"),
        ({"weights": (0.0, 0.0)}, r"at least 0 and not both 0, got \(0.0, 0.0\)"),
        ({"weights": (1.0, -1.0)}, "weights must be .* at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused_when_they_are_made(settings, message):
    with pytest.raises(onlyif.SettingError, match=message):
        onlyif.PNS(**settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: onlyif.BackgroundRows(0), "n_rows must be at least 1, got 0"),
        (lambda: onlyif.NearestRows(0), "n_rows must be at least 1, got 0"),
        (lambda: onlyif.SpreadThreshold(0.0), "above 0"),
        (lambda: onlyif.NoiseThreshold(-1.0), "above 0"),
        (lambda: onlyif.TypicalBoundary(0.0), "above 0"),
    ],
)
def test_recipes_are_checked(make, message):
    with pytest.raises(onlyif.SettingError, match=message):
        make()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"criterion": "fans"}, onlyif.SettingError, "unknown criterion 'fans'; need one of pns, sne"),
        ({"size": 0}, onlyif.SettingError, "must be 1 to 3, .* got 0"),
        ({"size": 4}, onlyif.SettingError, "must be 1 to 3, .* got 4"),
        ({"target": 2}, onlyif.SettingError, "target must be an output number from 0 to 0"),
        ({"alpha": 0.3}, onlyif.SettingError, r"alpha has no use with the criterion pns; .*PNS\(weights"),
        ({"epsilon": 0.3}, onlyif.SettingError, r"epsilon has no use .*PNS\(c="),
        ({"reference": "marginal"}, onlyif.SettingError, r"reference has no use .*PNS\(baseline"),
        ({"distance": "absolute"}, onlyif.SettingError, "distance has no use"),
        ({"keep_table": True}, onlyif.SettingError, "keep_table has no use"),
        ({"X": MEDIANS}, onlyif.InputError, r"row 0 is equal to the baseline.*PNS\(baseline"),
        ({"model": nan}, onlyif.ModelError, "nan"),
        ({"criterion": onlyif.PNS(baseline=np.zeros((1, 3)))}, onlyif.InputError, "column"),
        ({"criterion": onlyif.PNS(baseline=np.zeros((2, 4)))}, onlyif.InputError, "one row, got 2"),
        (
            {"model": lambda t: (t[:, 0] > 0) * 1.0, "criterion": onlyif.PNS(c="noise")},
            onlyif.SettingError,
            "only 0 and 1.* give c",
        ),
        (
            {"model": lambda t: np.full(len(t), 0.5), "criterion": onlyif.PNS(c="noise")},
            onlyif.ModelError,
            "same answer",
        ),
        (
            {
                "X": rows(seed=5)[:1],
                "criterion": onlyif.PNS(sample=PopulationSample(torch.as_tensor(rows()))),
            },
            onlyif.InputError,
            "not among the 40 rows",
        ),
    ],
)
def test_bad_input_is_refused_with_a_sentence(settings, error, message):
    with pytest.raises(error, match=message):
        causes(**settings)


def test_a_background_is_needed():
    with pytest.raises(onlyif.SettingError, match="need a background"):
        onlyif.explain(smooth, rows()[:1], criterion="pns")


def test_a_background_of_one_row_is_a_sample_of_two():
    table = rows()
    found = causes(background=table[10:11], criterion=onlyif.PNS(c=0.1, b=1.0))
    assert found[0].provenance.n_sample == 2


def test_the_noise_rule_gives_a_small_c_for_a_smooth_model():
    made = causes(criterion=onlyif.PNS(c="noise"))[0].provenance
    assert 0 < made.c < 0.02
    assert "noise of 0.001" in made.threshold


def test_scotts_rule_is_the_papers():
    made = causes(criterion=onlyif.PNS(b="scott"))[0].provenance
    assert made.b == pytest.approx(1.06 * 41 ** (-1 / 8))


def test_a_model_without_probabilities_is_explained_by_what_it_has():
    table = rows()
    model = LinearSVC().fit(table, table[:, 0] > 0)
    assert causes(model)[0].provenance.output


def test_a_baseline_may_hold_a_level_that_its_dtype_knows():
    levels = ["x", "y", "z"]
    frame = pd.DataFrame(
        {"a": np.linspace(-1, 1, 20), "c": pd.Categorical(["x", "y"] * 10, categories=levels)}
    )
    baseline = pd.DataFrame({"a": [0.0], "c": pd.Categorical(["z"], categories=levels)})

    def ask(table):
        return table.a + 5.0 * (table.c == "z")

    asked = {"X": frame[:2], "background": frame}
    for found in (
        onlyif.explain(ask, **asked, reference=onlyif.Baseline(baseline))[0],
        onlyif.explain(ask, frame[:2], reference=onlyif.Baseline(baseline))[0],
    ):
        assert (found.base, found.notes) == (5.0, ())
    found = onlyif.explain(ask, **asked, criterion=onlyif.PNS(baseline=baseline))[0]
    assert found.baseline_prediction == 5.0
    assert found.baseline[1] == "z"
