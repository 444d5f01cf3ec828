"""The contract of every search, and that none is left out."""

import importlib
import pkgutil

import numpy as np
import pytest

import onlyif.searches
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.necessity import Necessity
from onlyif.criteria.unified import Unified
from onlyif.searches.base import Search
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import BackwardGreedySearch, ForwardGreedySearch
from onlyif.searches.listing import ListingSearch
from onlyif.searches.ranked import RankedSearch, Rankings
from onlyif.testing.restrictions import game_of_tables
from onlyif.testing.searches_contract import check_search


class Numbered(Rankings):
    """The players by their numbers, and the other way."""

    rows, sentence = 7, "ranked by their numbers"

    def orders(self, n_players):
        return np.stack([np.arange(n_players), np.arange(n_players)[::-1]])


MEMBERS = [
    ExhaustiveSearch(),
    ListingSearch(),
    BeamSearch(),
    BeamSearch(width=1, swaps=0),
    ForwardGreedySearch(),
    BackwardGreedySearch(),
    RankedSearch(Numbered()),
]


@pytest.mark.parametrize("d", [1, 2, 3, 6])
@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: type(member).__name__)
def test_the_contract(member, d):
    generator = np.random.default_rng(d)
    tables = generator.random((2, 2**d)).tolist()
    errors = generator.random((2, 2**d)).tolist()
    check_search(member, Unified(game_of_tables(tables), AbsoluteDistance(), 0.3), d)
    check_search(member, Unified(game_of_tables(tables, errors), AbsoluteDistance()), d, digits=20)
    check_search(member, Necessity(game_of_tables(tables), AbsoluteDistance()), d)


def test_sets_of_a_ranking_lose_whom_they_do_not_need():
    # f_S is how many of players 0, 1 and 4 are in S, of six.
    keep = keep_of_codes(np.arange(64), 6)
    tables = [(keep[:, [0, 1, 4]].sum(1) / 3).tolist()]
    cloud = RankedSearch(Numbered(), epsilon=0.1).compare(
        Unified(game_of_tables(tables), AbsoluteDistance(), 0.3), 6, 30
    )
    assert cloud.model_rows == 7
    (cloud,) = cloud.clouds
    small = [cloud.keep_of(numbers)[cloud.parts[numbers, 0] <= 0.1] for numbers in cloud.by_size]
    first = next(sets for sets in small if len(sets))
    # Six are looked at one by one; of the highest five 2 and 3 are not needed.
    assert np.flatnonzero(first[0]).tolist() == [0, 1, 4]


def test_no_member_is_left_out():
    for found in pkgutil.iter_modules(onlyif.searches.__path__, "onlyif.searches."):
        importlib.import_module(found.name)
    members = {one for one in Search.__subclasses__() if one.__module__.startswith("onlyif.searches.")}
    assert members == {type(member) for member in MEMBERS}
