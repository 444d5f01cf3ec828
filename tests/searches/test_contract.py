"""The contract of every search, and that none is left out."""

import importlib
import pkgutil

import numpy as np
import pytest

import onlyif.searches
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.necessity import Necessity
from onlyif.criteria.unified import Unified
from onlyif.searches.base import Search
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import BackwardGreedySearch, ForwardGreedySearch
from onlyif.searches.listing import ListingSearch
from onlyif.testing.restrictions import game_of_tables
from onlyif.testing.searches_contract import check_search

MEMBERS = [
    ExhaustiveSearch(),
    ListingSearch(),
    BeamSearch(),
    BeamSearch(width=1, swaps=0),
    ForwardGreedySearch(),
    BackwardGreedySearch(),
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


def test_no_member_is_left_out():
    for found in pkgutil.iter_modules(onlyif.searches.__path__, "onlyif.searches."):
        importlib.import_module(found.name)
    members = {one for one in Search.__subclasses__() if one.__module__.startswith("onlyif.searches.")}
    assert members == {type(member) for member in MEMBERS}
