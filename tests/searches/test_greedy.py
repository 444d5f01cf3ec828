"""Greedy search, forward and backward, against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import SettingError
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.necessity import Necessity
from onlyif.criteria.sufficiency import Sufficiency
from onlyif.criteria.unified import Unified
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import BackwardGreedySearch, ForwardGreedySearch
from onlyif.testing.restrictions import game_of_tables
from onlyif.testing.searches import check_heuristic, metered_game
from onlyif.testing.searches_contract import check_search
from oracles.search import greedy_visits

MEMBERS = [ExhaustiveSearch(), ForwardGreedySearch(), BackwardGreedySearch(), BeamSearch()]
GREEDY = [(ForwardGreedySearch(), True), (BackwardGreedySearch(), False)]
# Quarters are exact in floating point, so that ties are ties for the oracle too.
quarters = st.integers(-8, 8).map(lambda number: number / 4)
games = st.integers(1, 5).flatmap(lambda d: st.lists(quarters, min_size=2**d, max_size=2**d))


def sets_of(cloud):
    keep = cloud.keep_of(np.arange(len(cloud.parts)))
    return [frozenset(np.flatnonzero(row).tolist()) for row in keep]


@pytest.mark.parametrize("search", MEMBERS, ids=lambda search: type(search).__name__)
@given(game=games)
@settings(deadline=None, max_examples=25)
def test_every_search_keeps_the_contract(search, game):
    criterion = Unified(game_of_tables([game, game[::-1]]), AbsoluteDistance(), 0.25)
    check_search(search, criterion, len(game).bit_length() - 1)


@pytest.mark.parametrize("search", MEMBERS[1:], ids=lambda search: type(search).__name__)
@given(game=games, budget=st.sampled_from([1, 300, 2_000_000]))
@settings(deadline=None, max_examples=25)
def test_every_heuristic_keeps_its_promises(search, game, budget):
    criterion = Unified(metered_game([game, game[::-1]], 10), AbsoluteDistance(), 0.5)
    check_heuristic(type(search)(budget=budget), criterion)


@pytest.mark.parametrize(("search", "forward"), GREEDY)
@given(game=games, alpha=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
@settings(deadline=None, max_examples=40)
def test_it_visits_what_a_plain_loop_visits(search, forward, game, alpha):
    d = len(game).bit_length() - 1
    criterion = Unified(game_of_tables([game]), AbsoluteDistance(), alpha)
    cloud = search.compare(criterion, d, 30).clouds[0]
    assert set(sets_of(cloud)) == greedy_visits(game, d, alpha, forward)


@pytest.mark.parametrize("family", [Sufficiency, Necessity])
@pytest.mark.parametrize(("search", "forward"), GREEDY)
def test_criteria_without_mirrors_are_searched_too(search, forward, family):
    game = np.random.default_rng(3).random(16).tolist()
    cloud = search.compare(family(game_of_tables([game]), AbsoluteDistance()), 4, 30).clouds[0]
    alpha = float(family is Sufficiency)
    everyone = frozenset(range(4))
    needed = greedy_visits(game, 4, alpha, forward)
    # Only what was asked: both ends, their neighbours, and what the walk tries.
    got = set(sets_of(cloud))
    assert got <= needed
    assert {frozenset(), everyone} | {everyone - {i} for i in everyone} <= got
    assert cloud.parts.shape == (len(got), 1)


@pytest.mark.parametrize(("search", "forward"), GREEDY)
def test_the_plan_says_what_it_is(search, forward):
    assert "not certified" in search.plan.sentence
    assert "2,000,000 model rows" in search.plan.sentence
    assert ("forward" in search.plan.sentence) == forward
    assert not search.plan.complete


@pytest.mark.parametrize("family", [ForwardGreedySearch, BackwardGreedySearch])
def test_bad_limits_are_refused(family):
    with pytest.raises(SettingError, match="budget must be at least 1, got 0"):
        family(budget=0)
    with pytest.raises(SettingError, match="seconds must be above 0, got -1"):
        family(seconds=-1.0)
