"""How sure sets are: tables over groups of rows, the sets of resamples, and what is told of them."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

import onlyif
from onlyif.answers.case import SetQuestion
from onlyif.answers.solved import EPSILON_SHARE
from onlyif.answers.stability import Resampled, Rule, resampled_sets, shares_of
from onlyif.cli.main import main
from onlyif.core.errors import AbsentError, SettingError
from onlyif.core.subsets import canonical_order, code_of
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.explanation.selection import Measure
from onlyif.explanation.stability import Stability
from onlyif.explanation.text import explanation_text
from onlyif.models.readouts import DecisionReadout, TargetReadout
from onlyif.restrictions.groups import MOST_GROUPS, groups_of
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare
from oracles.cases import explained

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(60, 5))
TABLE[:, 3:] = TABLE[:, 3:].round()
LABEL = (TABLE[:, 0] + TABLE[:, 1] * TABLE[:, 2] + 0.5 * TABLE[:, 3] > 0).astype(int)
THREE = LABEL + (TABLE[:, 4] > 0)
LINEAR = LinearRegression().fit(TABLE, TABLE[:, 0] + TABLE[:, 1])
BOOSTED = GradientBoostingClassifier(n_estimators=6, random_state=0).fit(TABLE, LABEL)
WHOLE = onlyif.Marginal(n_rows=None)


def smooth(table):
    return np.tanh(table[:, 0] + table[:, 1] * table[:, 2]) + 0.2 * table[:, 3] * (table[:, 4] > 0)


MODELS = {
    "forest": (RandomForestClassifier(5, max_depth=4, random_state=0).fit(TABLE, LABEL), {}),
    "three classes": (RandomForestClassifier(5, max_depth=3, random_state=0).fit(TABLE, THREE), {}),
    "regression": (RandomForestRegressor(5, max_depth=4, random_state=0).fit(TABLE, TABLE[:, 1]), {}),
    "margin": (BOOSTED, {"output": "margin"}),
    "probability of trees": (BOOSTED, {}),
    "decisions of trees": (BOOSTED, {"distance": "discrete"}),
    "sum": (LINEAR, {}),
    "link of a sum": (LogisticRegression().fit(TABLE, LABEL), {}),
    "function": (smooth, {}),
    "function in small calls": (smooth, {"max_rows": 7}),
    "decisions of a function": (
        lambda t: np.stack([smooth(t) < 0, smooth(t) >= 0], 1) * 1.0,
        {"distance": "discrete"},
    ),
}


def _function(model, background, settings):
    options = Options(reference=WHOLE, **settings)
    return prepare(model, TABLE[:3], background, options).whole.criterion.set_function


@pytest.mark.parametrize("name", MODELS)
def test_tables_over_groups_are_those_of_their_rows_alone(name):
    model, settings = MODELS[name]
    groups = groups_of(len(TABLE), 20, seed=0)
    options = Options(reference=WHOLE, stability=20, **settings)
    criterion = prepare(model, TABLE[:3], TABLE, options).whole.criterion
    function = criterion.set_function
    grouped, plain = function.grouped_table(criterion.groups), function.table()
    np.testing.assert_array_equal(criterion.groups.weights, groups.weights)
    np.testing.assert_allclose(grouped.whole.mean, plain.mean, atol=1e-12)
    assert grouped.whole.model_rows == pytest.approx(plain.model_rows)
    for g, rows in list(enumerate(groups.members))[::8]:
        alone = _function(model, TABLE[rows], settings)
        wanted = alone.table().mean
        for i in range(3):
            found = grouped.of_groups(i)[:, g]
            # A tie of decisions over a few rows is broken by rounding: those are left out.
            tied = np.abs(found - 0.5).min(1) < 1e-6 if "decisions" in name else np.zeros(len(found), bool)
            read = criterion.readout.part(slice(i, i + 1)).of_counted(found)
            np.testing.assert_allclose(read[~tied], wanted[i][~tied], atol=1e-6)
            assert tied.mean() < 0.7


def test_resamples_vary_as_other_samples_do():
    """The variance of a resampled mean about the mean of all is that of another sample's mean about it.

    That is of Student's t with 16 degrees of freedom, for the variance is estimated from 17 groups.
    """
    spreads = []
    for seed in range(60):
        values = np.random.default_rng(seed).normal(size=200)
        groups = groups_of(200, 400, seed)
        means = groups.weights @ (groups.shares @ values)
        spreads.append(np.square(means - values.mean()).mean())
    # Of two independent means of 200: 2 / 200; the mean of 60 such spreads is known to 5 %.
    assert np.mean(spreads) == pytest.approx(2 / 200 * 16 / 14, rel=0.1)
    assert groups.sizes.sum() == 200
    assert len(groups.sizes) == MOST_GROUPS
    assert len(groups_of(12, 5, 0).sizes) == 11
    with pytest.raises(SettingError, match="at least 10 background rows, got 9"):
        groups_of(9, 50, 0)


@pytest.mark.parametrize(
    "question",
    [
        SetQuestion(),
        SetQuestion(alpha=0.3),
        SetQuestion(alpha=1.0, size=2),
        SetQuestion(alpha=0.0, size=0),
        SetQuestion(size=2, exact_size=True, epsilon=0.2),
        SetQuestion(epsilon=10.0),
    ],
)
def test_sets_of_resamples_are_those_of_explanations_of_their_tables(question):
    d, n_groups, n_resamples = 5, 4, 12
    rng = np.random.default_rng(3)
    outputs = np.round(rng.normal(size=(2**d, 1, 1)) + 0.5 * rng.normal(size=(2**d, n_groups, 1)), 1)
    outputs[-1] = 1.0
    weights = rng.multinomial(8, np.full(n_groups, 0.25), n_resamples) / 8
    tables = (weights @ outputs[:, :, 0].T).tolist()
    resampled = Resampled(outputs, weights, TargetReadout(np.zeros(1, dtype=np.int64)), 1.0)
    rule = Rule(question, EPSILON_SHARE, AbsoluteDistance(), 2.0**-28)
    found = resampled_sets(resampled, rule, canonical_order(d))
    for i, item in enumerate(explained(tables, question)):
        for kind, chosen in item.sets.items():
            assert found[kind][i] == code_of(chosen.players), (kind, i)


def test_decisions_are_read_after_averaging():
    outputs = np.array([[[0.9, 0.1], [0.0, 1.0]], [[0.6, 0.4], [0.6, 0.4]]])
    weights = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]])
    found = Resampled(outputs, weights, DecisionReadout(), 0.0).at(np.array([0, 1]))
    np.testing.assert_array_equal(found, [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])


@pytest.fixture(scope="module")
def found():
    return onlyif.explain(BOOSTED, TABLE[:3], background=TABLE, reference=WHOLE, stability=40)


def test_what_is_said_of_stability(found, tmp_path):
    plain = onlyif.explain(BOOSTED, TABLE[:3], background=TABLE, reference=WHOLE)
    for item, other in zip(found, plain, strict=True):
        assert [one.names for one in item.sets.values()] == [one.names for one in other.sets.values()]
        for kind, stable in item.stability.items():
            assert stable.resamples == 40
            assert stable.share == item.sets[kind].measure("stability")
            # The set is given no more often than each of its members is in one.
            assert all(stable.share.value <= share for share in stable.inside.values())
            assert set(stable.inside) == set(item.sets[kind].names)
            assert f"stability: {stable.sentence[:20]}" in explanation_text(item)
        with pytest.raises(AbsentError, match="stability=50"):
            _ = other.stability
    assert 0 < np.mean([stable.share.value for item in found for stable in item.stability.values()]) < 1
    onlyif.save(found, tmp_path / "saved")
    assert onlyif.load(tmp_path / "saved") == found
    frame, players = found.to_frame(), found.players_frame()
    assert frame["stability"].tolist()[:3] == [one.share.value for one in found[0].stability.values()]
    assert players["stability_sufficient"].tolist()[:5] == found[0].scores["stability_sufficient"].tolist()
    assert "stability" not in plain.to_frame()


def test_sentences_name_what_is_not_sure():
    stable = Stability(Measure(0.5, 0.1), {"age": 0.996, "sex": 1.0}, {"job": 0.004}, 40)
    told = "of its members, age in 99 %; of others, job in 1 %"
    assert stable.sentence.startswith("50 % of 40 resampled backgrounds give this set, 37 % at least of any")
    assert stable.sentence.endswith(f"number; {told}")
    bounds = {0.0: 0.0, 0.9: 0.8085, 1.0: 0.9487}
    for share, bound in bounds.items():
        assert Stability(Measure(share), {}, {}, 50).at_least == pytest.approx(bound, abs=1e-3)
    # What a share of 50 says is right for 95 in 100 draws of 50.
    drawn = np.random.default_rng(0).binomial(50, 0.9, 4_000) / 50
    right = np.mean([Stability(Measure(one), {}, {}, 50).at_least <= 0.9 for one in drawn.tolist()])
    assert 0.93 < right < 0.99


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stability": 1}, "stability must be at least 2, got 1"),
        ({"stability": 5, "reference": "gaussian"}, "resamples background rows that weigh the same"),
        ({"stability": 5, "reference": "empirical"}, "resamples background rows that weigh the same"),
        ({"stability": 5, "reference": "baseline"}, "at least 10 background rows, got 1"),
        ({"stability": 5, "search": "beam"}, "needs all subsets compared"),
        ({"stability": 5, "time_limit": 100.0}, "which time_limit cannot end"),
        ({"stability": 5, "criterion": "pns"}, "stability has no use with the criterion pns"),
    ],
)
def test_what_cannot_be_resampled_is_refused(settings, said):
    with pytest.raises(SettingError, match=said):
        onlyif.explain(smooth, TABLE[:1], background=TABLE, **settings)


def test_time_limits_of_trees_leave_stability_out_only_where_time_was_up(found):
    same = onlyif.explain(
        BOOSTED, TABLE[:3], background=TABLE, reference=WHOLE, stability=40, time_limit=100.0
    )
    assert same[0].stability == found[0].stability


def test_the_command_line_says_how_stable_sets_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(TABLE, columns=list("abcde")).to_csv("rows.csv", index=False)
    (tmp_path / "own_smooth.py").write_text(
        "def predict(table):\n    return (table['a'] + table['b']).to_numpy()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = [
        "explain",
        "--model-from",
        "own_smooth:predict",
        "--data",
        "rows.csv",
        "--background",
        "rows.csv",
    ]
    assert main([*asked, "--rows", "0", "--stability", "20", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["explanations"]
    assert item["resamples"] == 20
    assert 0 <= item["sufficient"]["stability"]["value"] <= 1
    assert len(item["stability_necessary"]) == 5
    assert main([*asked, "--rows", "0", "--stability", "20"]) == 0
    assert "of 20 resampled backgrounds give this set" in capsys.readouterr().out


def test_a_resample_without_a_permitted_set_within_epsilon_gives_none():
    """Player 1 may not be in a set, and without it f_S(x) is 0 whatever is kept."""
    outputs = np.array([0.0, 0.0, 1.0, 1.0])[:, None, None]
    resampled = Resampled(outputs, np.ones((3, 1)), TargetReadout(np.array([0])), 1.0)
    rule = Rule(SetQuestion(epsilon=0.1), 0.1, AbsoluteDistance(), 2.0**-20)
    by_size = (np.array([0]), np.array([1]), np.zeros(0, dtype=np.int64))
    codes = resampled_sets(resampled, rule, by_size)
    assert codes["sufficient"].tolist() == [-1] * 3 and codes["unified"].tolist() == [0] * 3
    assert shares_of(codes["sufficient"], 2).tolist() == [0.0, 0.0]
