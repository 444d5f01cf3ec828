"""The contract of every criterion, and that none is left out."""

import importlib
import pkgutil

import numpy as np
import pytest

import onlyif.criteria
from onlyif.core.progress import Meter, meter_of
from onlyif.criteria.base import Criterion
from onlyif.criteria.causation import PNSCriterion
from onlyif.criteria.distances import AbsoluteDistance, DiscreteDistance, LogitDistance
from onlyif.criteria.necessity import Necessity
from onlyif.criteria.recorded import RecordedCriterion
from onlyif.criteria.sufficiency import Sufficiency
from onlyif.criteria.unified import Unified
from onlyif.testing.criteria import check_criterion
from onlyif.testing.restrictions import game_of_tables
from oracles.causal_cases import Settings, case_of

GENERATOR = np.random.default_rng(0)
TABLES = GENERATOR.random((3, 16)).tolist()
ERRORS = GENERATOR.random((3, 16)).tolist()
GAMES = [game_of_tables(TABLES), game_of_tables(TABLES, ERRORS)]
MEMBERS = [
    member
    for game in GAMES
    for distance in (AbsoluteDistance(), LogitDistance(), DiscreteDistance())
    for member in (Sufficiency(game, distance), Necessity(game, distance), Unified(game, distance, 0.3))
]
MEMBERS += [
    RecordedCriterion(Unified(GAMES[0], AbsoluteDistance(), 0.3), meter, 0)
    for meter in (Meter(), meter_of(1e9))
]
for seed in range(2):
    test, x, change, _ = case_of(
        Settings(seed=seed, n=5, owner=(0, 1, 2, 3), change=("norm", "target")[seed])
    )
    MEMBERS.append(PNSCriterion(test, x, change))


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: type(member).__name__)
def test_the_contract(member):
    check_criterion(member, 4)


def test_no_member_is_left_out():
    for found in pkgutil.iter_modules(onlyif.criteria.__path__, "onlyif.criteria."):
        importlib.import_module(found.name)
    members = {one for one in Criterion.__subclasses__() if one.__module__.startswith("onlyif.criteria.")}
    assert members == {type(member) for member in MEMBERS}
