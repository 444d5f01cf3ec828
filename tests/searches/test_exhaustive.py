"""Every subset, compared."""

import numpy as np
import pytest

from onlyif.core.errors import SettingError
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.necessity import Necessity
from onlyif.criteria.unified import Unified
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.testing.restrictions import game_of_tables
from oracles.continuum import admissible, points_of

RHO = AbsoluteDistance()


@pytest.mark.parametrize("d", [1, 2, 4, 6])
def test_every_subset_stands_at_its_code_and_in_canonical_order(d):
    tables = np.random.default_rng(d).random((2, 2**d)).tolist()
    compared = ExhaustiveSearch().compare(Unified(game_of_tables(tables), RHO), d, 25)
    for table, cloud in zip(tables, compared.clouds, strict=True):
        assert cloud.complete
        assert cloud.digits == 25
        assert cloud.parts.tolist() == [list(point) for point in points_of(table)]
        assert [held.tolist() for held in cloud.by_size] == [
            admissible(d, size, exact=True) for size in range(d + 1)
        ]


def test_criteria_of_one_part_are_compared_too():
    compared = ExhaustiveSearch().compare(Necessity(game_of_tables([[0.0, 1.0, 2.0, 4.0]]), RHO), 2, 30)
    assert compared.clouds[0].parts.flatten().tolist() == [4.0, 2.0, 1.0, 0.0]


def test_too_many_players_are_refused():
    criterion = Unified(game_of_tables([[0.0] * 8]), RHO)
    with pytest.raises(SettingError, match=r"compares 2\^3 subsets, at most 2 players"):
        ExhaustiveSearch(max_players=2).compare(criterion, 3, 30)
    assert ExhaustiveSearch(max_players=3).compare(criterion, 3, 30).model_rows == 0


def test_the_plan_says_that_all_were_compared():
    assert ExhaustiveSearch().plan.complete
    assert "all 2^d" in ExhaustiveSearch().plan.sentence
