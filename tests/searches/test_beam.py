"""Beam search against exhaustive search, and its limits."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.subsets import codes_of_keep
from onlyif.criteria.base import Criterion
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.necessity import Necessity
from onlyif.criteria.sufficiency import Sufficiency
from onlyif.criteria.unified import Unified
from onlyif.restrictions.base import Estimate, Method, Restriction
from onlyif.searches.beam import BeamSearch
from onlyif.searches.visited import keep_of
from onlyif.testing.restrictions import game_of_tables
from onlyif.testing.searches import metered_game
from oracles.search import ALPHAS, least

ROWS = 10
quarters = st.integers(-8, 8).map(lambda number: number / 4)


@dataclass(frozen=True, eq=False)
class Watched(Criterion):
    """Notes what is asked."""

    inner: Unified
    asked: list = field(default_factory=list)

    def gap(self, subset):
        self.asked.append(subset)
        return self.inner.gap(subset)

    @property
    def weights(self):
        return self.inner.weights

    @property
    def directions(self):
        return self.inner.directions


@dataclass(frozen=True, eq=False)
class Additive(Restriction):
    """f_S is the sum of the effects of S: any number of players, at 100 model rows a subset."""

    effects: np.ndarray

    def predict(self, x, keep, readout):
        mean = (keep @ self.effects).repeat(len(x), axis=0)
        return Estimate(mean, np.zeros_like(mean), np.zeros_like(mean), 100.0 * keep.shape[1])

    def table(self, x, readout):
        raise NotImplementedError

    @property
    def method(self):
        return Method("additive", True, 100)


def random_tables(count, d, seed=0):
    return np.random.default_rng(seed).random((count, 2**d)).tolist()


def unified(tables, alpha=0.5):
    return Unified(metered_game(tables, ROWS), AbsoluteDistance(), alpha)


def additive(effects, alpha=0.5):
    function = game_of_tables([[0.0, 1.0]])
    function = replace(
        function, restriction=Additive(effects), x=np.zeros((1, len(effects))), n_players=len(effects)
    )
    return Unified(function, AbsoluteDistance(), alpha)


def least_found(cloud, alpha):
    gaps = cloud.parts @ np.array([alpha, 1 - alpha])
    return [gaps[held].min().item() if len(held) else float("inf") for held in cloud.by_size]


def codes(cloud):
    return codes_of_keep(cloud.keep).tolist()


@given(st.integers(1, 6).flatmap(lambda d: st.lists(quarters, min_size=2**d, max_size=2**d)))
@settings(deadline=None, max_examples=40)
def test_wide_enough_it_finds_every_least_gap(table):
    d = len(table).bit_length() - 1
    cloud = BeamSearch(width=64, swaps=64).compare(unified([table]), d, 30).clouds[0]
    for alpha in ALPHAS:
        assert least_found(cloud, alpha) == pytest.approx(least(table, d, alpha), abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_few_players_are_compared_completely_and_once(d):
    watched = Watched(unified(random_tables(2, d)))
    compared = BeamSearch(width=1, swaps=1).compare(watched, d, 30)
    for cloud in compared.clouds:
        assert sorted(codes(cloud)) == list(range(2**d))
        assert not cloud.complete
    assert sum(ask.shape[1] for ask in watched.asked) == 2 ** (d - 1)


def test_the_default_beam_finds_nearly_all_of_games_with_noise():
    d, found = 8, []
    for table in random_tables(8, d, seed=1):
        cloud = BeamSearch().compare(unified([table]), d, 30).clouds[0]
        for alpha in ALPHAS:
            truth = least(table, d, alpha)
            found += [a <= b + 1e-6 for a, b in zip(least_found(cloud, alpha), truth, strict=True)]
    assert sum(found) / len(found) >= 0.99


def test_at_the_end_the_best_of_each_size_has_no_neighbour_left_to_try():
    d = 9
    cloud = BeamSearch(width=1, swaps=1).compare(unified(random_tables(1, d)), d, 30).clouds[0]
    visited = set(codes(cloud))
    assert len(visited) < 2**d
    for alpha in ALPHAS:
        gaps = cloud.parts @ np.array([alpha, 1 - alpha])
        for held in cloud.by_size:
            best = codes(cloud)[held[gaps[held].argmin()]]
            near = {best ^ 1 << i for i in range(d)}
            near |= {
                best ^ 1 << i ^ 1 << j for i in range(d) for j in range(d) if best >> i & 1 > best >> j & 1
            }
            assert near <= visited


def test_nothing_is_asked_twice_and_no_complement_of_what_was_asked():
    d = 7
    watched = Watched(unified(random_tables(1, d)))
    cloud = BeamSearch(width=3, swaps=2).compare(watched, d, 30).clouds[0]
    asked = [code for ask in watched.asked for code in codes_of_keep(ask[0]).tolist()]
    both = asked + [2**d - 1 - code for code in asked]
    assert len(set(both)) == len(both)
    assert sorted(both) == sorted(codes(cloud))


@given(budget=st.integers(1, 12_000), d=st.integers(4, 9), count=st.integers(1, 3))
@settings(deadline=None, max_examples=25)
def test_the_budget_is_kept_and_every_stop_leaves_a_valid_cloud(budget, d, count):
    tables = random_tables(count, d, seed=d)
    compared = BeamSearch(budget=budget).compare(unified(tables), d, 30)
    ends = ROWS * (4 + 2 * d + 2)
    assert compared.model_rows <= max(budget, ends)
    for table, cloud in zip(tables, compared.clouds, strict=True):
        visited = codes(cloud)
        assert {0, 2**d - 1} | {1 << i for i in range(d)} <= set(visited)
        assert cloud.parts[:, 0].tolist() == [abs(table[-1] - table[code]) for code in visited]
        assert cloud.parts[:, 1].tolist() == [abs(table[2**d - 1 - code] - table[0]) for code in visited]


@pytest.mark.parametrize("budget", [20_000, 60_000])
def test_a_budget_is_used(budget):
    # 2^12 subsets of 10 rows would be 40,960 rows.
    rows = BeamSearch(width=50, swaps=50, budget=budget).compare(unified(random_tables(1, 12)), 12, 30)
    if budget < 40_960:
        assert 0.75 * budget <= rows.model_rows <= budget
    else:
        assert rows.model_rows <= 1.1 * 40_960


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("budget", [500, 1500, 2_000_000])
def test_a_batch_answers_as_single_instances_do(budget, seed):
    d, search = 7, BeamSearch(width=2, swaps=1, budget=budget)
    tables = random_tables(3, d, seed)
    together = search.compare(unified(tables), d, 30)
    for table, cloud in zip(tables, together.clouds, strict=True):
        alone = search.compare(unified([table]), d, 30).clouds[0]
        assert codes(alone) == codes(cloud)
        np.testing.assert_allclose(alone.parts, cloud.parts, rtol=0, atol=1e-12)


def test_a_batch_counts_the_rows_of_repeated_asks():
    tables = random_tables(3, 7)
    search = BeamSearch(width=2, swaps=1)
    watched = Watched(unified(tables))
    together = search.compare(watched, 7, 30)
    assert together.model_rows == sum(ROWS * (2 * ask.shape[1] + 2) for ask in watched.asked)
    assert together.model_rows >= max(search.compare(unified([table]), 7, 30).model_rows for table in tables)


def test_ties_go_to_the_canonical_first():
    d = 6
    everywhere_alike = [float(code.bit_count()) for code in range(2**d)]
    criterion = Sufficiency(metered_game([everywhere_alike], ROWS), AbsoluteDistance())
    cloud = BeamSearch(width=1, swaps=0).compare(criterion, d, 30).clouds[0]
    # Grown from {0}, the first of six equal players; shrunk from {0, ..., 4}, the first of its size.
    assert [code for code in codes(cloud) if code.bit_count() == 2] == [
        0b11,
        0b101,
        0b1001,
        0b10001,
        0b100001,
    ]
    assert [code for code in codes(cloud) if code.bit_count() == 4] == [
        0b1111,
        0b10111,
        0b11011,
        0b11101,
        0b11110,
    ]


def test_gaps_within_the_trusted_digits_are_ties():
    d = 6
    noise = np.random.default_rng(0).random(2**d).tolist()
    alike = [float(code.bit_count()) for code in range(2**d)]
    shaken = [value + 1e-9 * noise[code] for code, value in enumerate(alike)]
    search = BeamSearch(width=1, swaps=0)
    clouds = [search.compare(unified([table]), d, 20).clouds[0] for table in (alike, shaken)]
    assert codes(clouds[0]) == codes(clouds[1])


@pytest.mark.parametrize("family", [Sufficiency, Necessity])
def test_criteria_of_one_part_without_mirrors(family):
    d, table = 6, random_tables(1, 6)[0]
    criterion = family(metered_game([table], ROWS), AbsoluteDistance())
    cloud = BeamSearch(width=64, swaps=64).compare(criterion, d, 30).clouds[0]
    alpha = float(family is Sufficiency)
    found = [cloud.parts[held].min().item() for held in cloud.by_size]
    assert found == pytest.approx(least(table, d, alpha), abs=1e-12)


def test_a_hidden_parity_of_four_is_found_only_by_chance():
    """Nothing on the way to the set says that it is there, and the search cannot know."""
    d, needle = 14, 0b1010100110100
    table = [1.0 if code == needle else 0.0 for code in range(2**d)]
    table[-1] = 1.0
    cloud = BeamSearch(width=2, swaps=1).compare(unified([table]), d, 30).clouds[0]
    assert needle not in codes(cloud)


def test_with_many_players_and_a_small_budget_the_strongest_make_the_small_sets():
    d = 200
    effects = np.full((d,), 0.001)
    strong = [3, 50, 64, 129, 199]
    effects[strong] = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    compared = BeamSearch(budget=300_000).compare(additive(effects), d, 30)
    assert compared.model_rows <= 300_000
    cloud = compared.clouds[0]
    for size in range(1, 6):
        held = cloud.by_size[size]
        best = held[cloud.parts[held, 0].argmin()]
        assert np.flatnonzero(cloud.keep[best]).tolist() == sorted(strong[:size])


def test_a_time_limit_ends_it_with_valid_results(monkeypatch):
    """Each time the criterion is asked takes 30 ms by the clock."""
    watched = Watched(unified(random_tables(1, 9)))
    clock = SimpleNamespace(monotonic=lambda: 0.03 * len(watched.asked))
    monkeypatch.setattr("onlyif.searches.in_step.time", clock)
    cloud = BeamSearch(seconds=0.1).compare(watched, 9, 30).clouds[0]
    assert len(watched.asked) == 4
    assert {0, 511} | {1 << i for i in range(9)} <= set(codes(cloud))


def test_standard_errors_stay_with_their_subsets():
    d, tables, errors = 5, random_tables(1, 5), random_tables(1, 5, seed=9)
    criterion = Unified(game_of_tables(tables, errors), AbsoluteDistance())
    cloud = BeamSearch().compare(criterion, d, 30).clouds[0]
    visited = codes(cloud)
    assert cloud.stderr[:, 0].tolist() == pytest.approx([errors[0][code] for code in visited])
    assert cloud.stderr[:, 1].tolist() == pytest.approx([errors[0][31 - code] for code in visited])


def test_a_gap_that_is_no_number_is_an_error():
    table = random_tables(1, 6)[0]
    table[0b11] = float("nan")
    with pytest.raises(ModelError, match="NaN or infinite"):
        BeamSearch().compare(unified([table]), 6, 30)


def test_the_plan_and_the_settings():
    sentence = BeamSearch(width=3, swaps=2, budget=5000).plan.sentence
    assert "width 3" in sentence
    assert "5,000 model rows" in sentence
    assert "not certified" in sentence
    for bad in ({"width": 0}, {"swaps": -1}, {"budget": 0}, {"seconds": 0.0}):
        with pytest.raises(SettingError):
            BeamSearch(**bad)


@given(st.integers(1, 70), st.data())
def test_members_of_large_sets(d, data):
    players = data.draw(st.lists(st.sets(st.integers(0, d - 1)), min_size=1, max_size=3))
    keep = keep_of([sum(1 << (d - 1 - i) for i in one) for one in players], d)
    assert [set(np.flatnonzero(row).tolist()) for row in keep] == players
