"""Δsuf, Δnec and Δuni against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.answers.explained import explain_case
from onlyif.core.errors import SettingError
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.distances import AbsoluteDistance, FunctionDistance
from onlyif.criteria.necessity import Necessity
from onlyif.criteria.sufficiency import Sufficiency
from onlyif.criteria.unified import Unified
from onlyif.testing.restrictions import game_of_tables
from oracles.cases import case_of, players_of, tables
from oracles.continuum import points_of

VALUES = st.integers(-8, 8).map(float)
RHO = AbsoluteDistance()


@given(tables(VALUES, most=4), st.data())
@settings(max_examples=60, deadline=None)
def test_any_list_of_subsets_has_the_gaps_of_the_definitions(table, data):
    d, game = players_of(table), game_of_tables([table, table[::-1]])
    codes = data.draw(st.lists(st.integers(0, 2**d - 1), min_size=1, max_size=9))
    subset = keep_of_codes(np.array(codes), d)[None]
    unified = Unified(game, RHO, 0.25).gap(subset)
    for i, values in enumerate((table, table[::-1])):
        points = points_of(values)
        assert unified.parts[i].tolist() == [list(points[code]) for code in codes]
        assert unified.mirror.parts[i].tolist() == [list(points[2**d - 1 - code]) for code in codes]
        assert Sufficiency(game, RHO).gap(subset).parts[i, :, 0].tolist() == [
            points[code][0] for code in codes
        ]
        assert Necessity(game, RHO).gap(subset).parts[i, :, 0].tolist() == [points[code][1] for code in codes]


def test_each_instance_may_ask_for_subsets_of_its_own():
    game = game_of_tables([[0.0, 1.0, 2.0, 4.0]] * 2)
    subset = np.array([[[True, False]], [[False, True]]])
    for criterion, needed in ((Sufficiency(game, RHO), [3.0, 2.0]), (Necessity(game, RHO), [2.0, 1.0])):
        assert criterion.gap(subset).parts.flatten().tolist() == needed
    assert Unified(game, RHO).gap(subset).parts[:, 0].tolist() == [[3.0, 2.0], [2.0, 1.0]]


def test_errors_are_those_of_the_side_that_is_estimated():
    """Δsuf compares f_S with f(x), which is exact; Δnec f_Sc with f_0, whose error is paired."""
    game = game_of_tables([[0.0, 5.0, 9.0, 20.0]], [[0.5, 0.1, 0.2, 0.0]])
    found = Unified(game, RHO).all_gaps(2)
    assert found.stderr[0].tolist() == [
        pytest.approx(pair) for pair in ([0.5, 0.0], [0.1, 0.2], [0.2, 0.1], [0.0, 0.5])
    ]
    for code, pair in enumerate(found.stderr[0].tolist()):
        subset = keep_of_codes(np.array([code]), 2)[None]
        assert [c(game, RHO).gap(subset).stderr.item() for c in (Sufficiency, Necessity)] == pytest.approx(
            pair
        )


def test_a_distance_that_is_not_symmetric_gets_its_sides_in_the_papers_order():
    """ρ(a, b) = max(a - b, 0): how far the second falls short of the first."""
    short = FunctionDistance(lambda a, b: np.maximum(a - b, 0), "falls short by")
    table = [1.0, 0.0, 5.0, 4.0]
    needed = [[max(4.0 - table[code], 0.0), max(table[3 - code] - 1.0, 0.0)] for code in range(4)]
    for game in (game_of_tables([table]), game_of_tables([table], [[0.5, 0.1, 0.2, 0.0]])):
        assert Unified(game, short).all_gaps(2).parts[0].tolist() == needed
        every = keep_of_codes(np.arange(4), 2)[None]
        assert Sufficiency(game, short).gap(every).parts[0, :, 0].tolist() == [pair[0] for pair in needed]
        assert Necessity(game, short).gap(every).parts[0, :, 0].tolist() == [pair[1] for pair in needed]
    # f_{1} = 5 exceeds f(x) = 4 and stays so; f_{0} = 0 falls short of it by as much as it errs more.
    assert Unified(game, short).all_gaps(2).stderr[0, :, 0].tolist() == pytest.approx([0.5, 0.1, 0.0, 0.0])
    (item,) = explain_case(case_of(game, distance=short))
    assert item.total_gap.value == 3.0


def test_weights_are_alpha_and_the_rest_and_directions_hold_both_ends():
    unified = Unified(game_of_tables([[0.0, 1.0]]), RHO, 0.3)
    assert unified.weights == (0.3, 0.7)
    assert {(1.0, 0.0), (0.0, 1.0), (0.3, 0.7)} <= set(unified.directions)
    assert all(sum(direction) == pytest.approx(1) for direction in unified.directions)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_outside_zero_to_one_is_refused(alpha):
    with pytest.raises(SettingError, match=r"alpha must lie in \[0, 1\], got"):
        Unified(game_of_tables([[0.0, 1.0]]), RHO, alpha)


def test_more_subsets_than_are_asked_at_once():
    """All gaps of 13 players come in two parts; each is that of its code."""
    table = np.random.default_rng(0).random(2**13).tolist()
    game = game_of_tables([table])
    found, points = Sufficiency(game, RHO).all_gaps(13).parts[0, :, 0], points_of(table)
    np.testing.assert_allclose(found, np.array([s for s, _ in points]), rtol=0, atol=0)
