"""Which way members move the prediction, what is said where the sets are no answer, and whether they hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

import onlyif
from onlyif.answers.case import SetQuestion
from onlyif.criteria.distances import DiscreteDistance
from onlyif.explanation.selection import Direction, Effect, Measure, Selection
from onlyif.explanation.status import StatusKind
from onlyif.explanation.verdicts import Finding, verdict_of
from onlyif.testing.explanations import GameCase, explanation_of_game
from onlyif.testing.games import game_of_table
from oracles.cases import explained, players_of, tables

RANDOM = np.random.default_rng(3)
ROWS = RANDOM.normal(size=(60, 3))


@settings(max_examples=30)
@given(tables(st.integers(-3, 3), most=4), st.sampled_from([0.0, 0.3, 1.0]))
def test_effects_are_those_of_plain_loops(table, alpha):
    (found,) = explained([table], SetQuestion(alpha=alpha, size=players_of(table)))
    names = tuple(f"p{i}" for i in range(players_of(table)))
    wanted = explanation_of_game(
        game_of_table([*map(float, table)]), GameCase(names, alpha=alpha, size=players_of(table))
    )
    for kind, chosen in found.sets.items():
        assert chosen.players == wanted.sets[kind].players
        for effect, plain in zip(chosen.effects, wanted.sets[kind].effects, strict=True):
            assert effect.changes == plain.changes
        for side in ("kept", "hidden"):
            assert chosen.measure(side).value == wanted.sets[kind].measure(side).value


@pytest.mark.parametrize(
    ("changes", "direction"),
    [
        ([0.5, 0.25], "raises"),
        ([-0.5, 0.0], "lowers"),
        ([0.5, -0.25, 0.25, 0.25], "depends"),
        ([0.0, 0.0], "none"),
        ([(0.5, 0.3), (0.5, 0.1)], "unclear"),
        ([(0.5, 0.1), (-0.5, 0.1), (0.1, 0.1)], "depends"),
        ([(0.5, float("nan")), (0.5, 0.1)], "unclear"),
    ],
)
def test_directions(changes, direction):
    given_changes = tuple(Measure(*(one if isinstance(one, tuple) else (one,))) for one in changes)
    assert Effect(given_changes).direction.value == direction


def test_of_a_linear_model_every_member_moves_it_as_its_weight_says():
    weights = np.array([2.0, -1.0, 0.5])
    model = LinearRegression().fit(ROWS, ROWS @ weights)
    for item in onlyif.explain(model, ROWS[:8], background=ROWS, search="exhaustive"):
        signs = np.sign(weights * (ROWS[item.row] - ROWS.mean(0)))
        for chosen in item.sets.values():
            words = {1: Direction.RAISES, -1: Direction.LOWERS}
            assert list(chosen.directions) == [words[int(signs[i])] for i in chosen.players]


def test_searched_sets_have_the_directions_of_the_table():
    model = LogisticRegression().fit(ROWS, ROWS[:, 0] * ROWS[:, 1] > 0)
    whole, searched = (
        onlyif.explain(model, ROWS[:4], background=ROWS, search=search) for search in ("exhaustive", "beam")
    )
    for one, other in zip(whole, searched, strict=True):
        for kind, chosen in one.sets.items():
            np.testing.assert_allclose(
                [[change.value for change in effect.changes] for effect in chosen.effects],
                [[change.value for change in effect.changes] for effect in other.sets[kind].effects],
                atol=1e-12,
            )


def test_where_decisions_are_compared_members_are_for_or_against_that_of_the_row():
    # Class 2 of three where both are kept, class 0 else: the numbers of classes are no amounts.
    (found,) = explained([[0.0, 0.0, 0.0, 2.0]], distance=DiscreteDistance())
    assert found.sufficient.directions == (Direction.RAISES, Direction.RAISES)
    (found,) = explained([[2.0, 2.0, 2.0, 0.0]], distance=DiscreteDistance())
    assert found.sufficient.directions == (Direction.RAISES, Direction.RAISES)


def test_a_member_that_speaks_against_is_marked():
    game = game_of_table([0.5, 0.9, 0.2, 0.7])
    item = explanation_of_game(game, GameCase(("age", "income"), epsilon=0.05))
    assert item.sufficient.names == ("age", "income")
    text = onlyif.explanation_text(item)
    assert "age = 1: raises it\n" in text
    assert "income = 1: lowers it (AGAINST the prediction)" in text
    below = explanation_of_game(lambda kept: -game(kept), GameCase(("age", "income"), epsilon=0.05))
    assert "income = 1: raises it (AGAINST the prediction)" in onlyif.explanation_text(below)


def test_effects_and_predictions_of_sets_are_saved(tmp_path):
    items = onlyif.explain(LinearRegression().fit(ROWS, ROWS[:, 0]), ROWS[:2], background=ROWS)
    loaded = onlyif.load(onlyif.save(items, tmp_path / "found"))
    for one, other in zip(items, loaded, strict=True):
        assert one.sets == other.sets
        assert all(chosen.effects for chosen in other.sets.values() if chosen.size)


def _status(table, **settings):
    names = tuple(f"p{i}" for i in range(players_of(table)))
    item = explanation_of_game(game_of_table(table), GameCase(names, **settings))
    return item.status.kind


def test_statuses():
    assert _status([0.2, 0.9, 0.22, 0.95], size=1) is StatusKind.EXPLAINED
    assert _status([0.2, 0.9, 0.22, 0.95], size=2) is StatusKind.FLAT
    assert _status([0.5] * 4) is StatusKind.NOTHING
    assert _status([0.2, 0.9, 0.22, 0.95], epsilon=0.8) is StatusKind.NO_FEATURE
    assert _status([0.0, 0.0, 0.0, 1.0], size=2) is StatusKind.EVERYTHING


def test_a_decided_class_below_its_average_is_told_in_the_first_lines():
    model = LogisticRegression().fit(ROWS, ROWS[:, 0] > -0.5)
    found = onlyif.explain(model, ROWS, background=ROWS[model.predict_proba(ROWS)[:, 1] > 0.7])
    share = model.predict_proba(ROWS)[:, 1]
    for item in found:
        assert item.settings["decided"] == 1 and item.settings["threshold"] == 0.5
        below = item.target_label == "True" and item.prediction < item.base and item.certificate.informative
        assert (item.status.kind is StatusKind.OTHER_SIDE) == below
        if below:
            lines = onlyif.explanation_text(item).splitlines()
            assert lines[1].startswith(
                "  ! Against the average: the probability of 'True' is below its average"
            )
            assert "against=" in item.status.advice
    assert any(item.status.kind is StatusKind.OTHER_SIDE for item in found)
    said = [item for item, p in zip(found, share, strict=True) if p > 0.99]
    assert {item.status.kind for item in said} == {StatusKind.SAME_DECISION}


def test_with_a_target_that_is_not_decided_a_low_output_is_what_is_expected():
    model = LogisticRegression().fit(ROWS, ROWS[:, 0] > 0)
    low = ROWS[model.predict_proba(ROWS)[:, 1] < 0.2]
    found = onlyif.explain(model, low, background=ROWS[model.predict(ROWS)], target=True)
    assert {item.settings["decided"] for item in found} == {-1}
    assert {item.status.kind for item in found} == {StatusKind.EXPLAINED}


@pytest.mark.parametrize(
    ("measures", "finding"),
    [
        ({"sufficiency": Measure(0.05)}, Finding.HOLDS),
        ({"sufficiency": Measure(0.05, 0.01)}, Finding.UNKNOWN),
        ({"sufficiency": Measure(0.05), "fresh_sufficiency": Measure(0.06, 0.01)}, Finding.HOLDS),
        ({"sufficiency": Measure(0.05), "fresh_sufficiency": Measure(0.09, 0.01)}, Finding.UNKNOWN),
        ({"sufficiency": Measure(0.05), "fresh_sufficiency": Measure(0.2, 0.01)}, Finding.FAILS),
        ({"sufficiency": Measure(0.05), "fresh_sufficiency": Measure(0.2, float("nan"))}, Finding.UNKNOWN),
    ],
)
def test_verdicts(measures, finding):
    verdict = verdict_of(Selection((0,), ("age",), measures), "sufficient", 0.1)
    assert verdict.finding is finding
    assert finding.value in verdict.sentence and "ε is 0.1" in verdict.sentence


def test_verdicts_are_wrong_for_one_draw_in_twenty_where_they_are_wrong_most_often():
    """ε is the gap over all rows, or a little less: then "holds" and "does not hold" are as often wrong."""
    n, draws = 200, 4_000
    means = 2 * np.random.default_rng(5).random((draws, n))
    gaps, errors = means.mean(1), means.std(1, ddof=1) / np.sqrt(n)
    said = [
        [
            verdict_of(Selection((0,), ("age",), {"fresh_sufficiency": Measure(*one)}), "sufficient", epsilon)
            for one in zip(gaps.tolist(), errors.tolist(), strict=True)
        ]
        for epsilon in (1 - 1e-9, 1.0)
    ]
    wrong = [
        np.mean([one.finding is finding for one in of_one])
        for of_one, finding in zip(said, (Finding.HOLDS, Finding.FAILS), strict=True)
    ]
    # A share of .05 of 4,000 is known to .0034.
    assert all(0.04 < share < 0.06 for share in wrong), wrong


def test_verdicts_are_in_the_text():
    model = LinearRegression().fit(ROWS, ROWS[:, 0])
    (item,) = onlyif.explain(model, ROWS[:1], background=ROWS)
    assert set(item.verdicts) == {"sufficient", "necessary"}
    assert onlyif.explanation_text(item).count("verdict: ") == 2
    old = replace(item, sets={"cause": item.sufficient})
    assert old.verdicts == {}
