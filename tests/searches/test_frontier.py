"""Hulls, breakpoints, ties and smallest sets against brute force over all subsets and all α."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.subsets import canonical_order, keep_of_codes
from onlyif.searches import frontier as frontiers
from onlyif.searches.base import Cloud
from onlyif.searches.frontier import frontier, smallest
from oracles import certificates, continuum
from oracles import frontier as plain
from oracles.cases import explained, players_of, tables

FEW = st.integers(0, 4)
DYADIC = st.integers(-64, 64).map(lambda n: n / 8)


def _check_rule(item, table, size, exact):
    d, points = players_of(table), continuum.points_of([Fraction(value) for value in table])
    allowed = continuum.admissible(d, size, exact)
    found = item.continua.of(size, exact_size=exact)
    needed = continuum.breakpoints(points, allowed)
    assert list(found.breakpoints) == [float(alpha) for alpha in needed]
    assert len(found.pieces) == len(needed) - 1
    for alpha in continuum.fine_alphas(points, allowed):
        least, code, tied = continuum.solve(points, allowed, alpha)
        got = found.at(float(alpha))
        assert got.players == continuum.members(code, d), (size, exact, alpha)
        assert got.n_ties == len(tied), (size, exact, alpha)
        assert (got.sufficiency.value, got.necessity.value) == points[code]
        assert got.unified(float(alpha)) == pytest.approx(float(least))


def _check_all(table):
    (item,) = explained([table])
    for size in range(players_of(table) + 1):
        for exact in (False, True):
            _check_rule(item, table, size, exact)


@example([0, 0.95, 0.1, 1, 0.1, 0.95, 0, 1])
@example([0, 1, 0.5, 1])
@example([0, 5, -5, 0])
@example([0] * 16)
@given(tables(FEW, most=4))
@settings(max_examples=60, deadline=None)
def test_few_values_every_solution_at_every_alpha(table):
    _check_all([round(20 * value) for value in table])


@given(tables(DYADIC, least=2, most=4))
@settings(max_examples=12, deadline=None)
def test_dyadic_tables_every_solution_at_every_alpha(table):
    _check_all(table)


@given(tables(st.integers(0, 2), least=5))
@settings(max_examples=12, deadline=None)
def test_five_players_with_hundreds_of_ties(table):
    _check_all(table)


def test_the_end_of_the_continuum_need_be_no_vertex():
    found = explained([[0, 1, 0.5, 1]])[0].continua.of(1)
    assert found.at(1.0).players == (0,)
    assert found.at(1.0).n_ties == 1
    assert explained([[0, 1, 0.5, 1]])[0].continua.of(2).at(1.0).n_ties == 2


def test_the_union_is_not_the_minimiser_of_the_counterexample():
    (item,) = explained([[0, 0.95, 0.1, 1, 0.1, 0.95, 0, 1]])
    best = item.continua.of(2).at(0.5)
    assert (best.players, best.n_ties) == ((0,), 1)


def _cloud(points, d, digits=30, keep=None, by_size=None):
    parts = np.array(points)
    order = canonical_order(d) if by_size is None else by_size
    return Cloud(parts, np.zeros_like(parts), order, keep, digits)


def frontier_of(*clouds):
    return frontier(clouds)


def _rows(found, instance=0):
    columns = found.size, found.exact_size, found.low, found.high, found.number, found.count
    return list(zip(*(column[found.instance == instance].tolist() for column in columns), strict=True))


@given(st.integers(1, 4).flatmap(lambda d: st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2**d, max_size=2**d)))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_records_of_free_points_are_the_lower_envelope(points):
    """Here Δsuf and Δnec are free, so that every shape of hull comes up."""
    d = players_of(points)
    points = [tuple(Fraction(value) for value in point) for point in points]
    rows = _rows(frontier_of(_cloud([[float(v) for v in point] for point in points], d)))
    for exact in (True, False):
        for size in range(d + 1):
            allowed = continuum.admissible(d, size, exact)
            found = [row[2:] for row in rows if row[:2] == (size, exact)]
            alphas = continuum.breakpoints(points, allowed)
            assert [low for low, high, *_ in found if low == high] == [float(alpha) for alpha in alphas]
            middles = [(one + other) / 2 for one, other in pairwise(alphas)]
            for (*_, number, count), alpha in zip(found, sorted([*alphas, *middles]), strict=True):
                _, code, tied = continuum.solve(points, allowed, alpha)
                assert (number, count) == (code, len(tied))


def _random_cloud(d, seed, most, share):
    """All subsets, or about a share of them, with gaps of 0 to `most` grid units."""
    generator = np.random.default_rng(seed)
    codes = [codes[generator.random(len(codes)) < share] for codes in canonical_order(d)]
    count = sum(len(of_size) for of_size in codes)
    if share == 1 or not count:
        return _cloud(generator.integers(0, most, (2**d, 2), endpoint=True).astype(float), d)
    by_size = np.split(np.arange(count), np.cumsum([len(of_size) for of_size in codes[:-1]]))
    points = generator.integers(0, most, (count, 2), endpoint=True).astype(float)
    return _cloud(points, d, keep=keep_of_codes(np.concatenate(codes), d), by_size=tuple(by_size))


SHAPES = st.tuples(st.sampled_from([1, 2, 5, 40, 2**30]), st.sampled_from([0.1, 0.5, 1]))


@given(
    st.integers(1, 7),
    st.integers(0, 2**32 - 1),
    st.lists(SHAPES, min_size=1, max_size=3),
    st.sampled_from([1, 20, frontiers.SUBSETS_AT_ONCE]),
)
@settings(max_examples=150, deadline=None)
def test_records_are_those_of_plain_loops_to_the_last_bit(d, seed, shapes, at_once):
    clouds = [_random_cloud(d, seed + place, *shape) for place, shape in enumerate(shapes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frontiers, "SUBSETS_AT_ONCE", at_once)
        found = frontier_of(*clouds)
    for instance, cloud in enumerate(clouds):
        assert _rows(found, instance) == plain.rows_of(cloud)


@pytest.mark.parametrize("d", [8, 10, 12])
def test_records_of_noisy_games_are_those_of_plain_loops_to_the_last_bit(d):
    generator = np.random.default_rng(d)
    members = keep_of_codes(np.arange(2**d), d)
    for digits, noise in ((30, 0.0), (30, 0.2), (6, 0.1)):
        table = np.tanh(members @ generator.normal(size=d)) + noise * generator.normal(size=2**d)
        cloud = _cloud(continuum.points_of(table.tolist()), d, digits)
        assert _rows(frontier_of(cloud)) == plain.rows_of(cloud)


def test_pieces_and_corners_tile_zero_to_one():
    generator = np.random.default_rng(1)
    table = generator.normal(size=2**6).tolist()
    rows = _rows(frontier_of(_cloud(continuum.points_of(table), 6)))
    rules = [(size, exact) for exact in (True, False) for size in range(7)]
    assert list(dict.fromkeys(row[:2] for row in rows)) == rules
    for rule in rules:
        found = [(low, high) for size, exact, low, high, *_ in rows if (size, exact) == rule]
        assert (found[0][0], found[-1][1]) == (0, 1)
        assert all(one[1] == other[0] for one, other in pairwise(found))
        assert [low == high for low, high in found] == [i % 2 == 0 for i in range(len(found))]


def test_sizes_that_were_not_compared_have_no_hull():
    keep = np.array([[False] * 3, [True] * 3, [False, True, False]])
    by_size = (np.array([0]), np.array([2]), np.array([], dtype=np.int64), np.array([1]))
    cloud = _cloud([[4.0, 0.0], [0.0, 0.0], [1.0, 2.0]], 3, keep=keep, by_size=by_size)
    rows = _rows(frontier_of(cloud))
    assert {size for size, exact, *_ in rows if exact} == {0, 1, 3}
    assert {size for size, exact, *_ in rows if not exact} == {0, 1, 2, 3}
    assert not cloud.complete
    assert [number for size, exact, *_, number, _ in rows if (size, exact) == (1, True)] == [2, 2, 2]
    assert smallest(cloud, 0, 1.5).number == 2
    assert smallest(cloud, 0, 0.5).number == 1


@given(tables(FEW, most=4), st.integers(0, 6))
@settings(max_examples=80, deadline=None)
def test_smallest_sets_and_their_number(table, epsilon):
    d, points = players_of(table), continuum.points_of(table)
    cloud = _cloud([[float(v) for v in point] for point in points], d)
    for part in (0, 1):
        found = smallest(cloud, part, float(epsilon))
        code, count = certificates.smallest(points, part, d, epsilon)
        assert (found.number, found.count, found.size) == (code, count, code.bit_count())


def test_any_epsilon_holds_where_the_model_is_constant():
    cloud = _cloud([[0.0, 0.0]] * 4, 2)
    for epsilon in (0.0, 0.05, 1e300):
        found = smallest(cloud, 0, epsilon)
        assert (found.number, found.count) == (0, 1)


def test_no_compared_set_within_epsilon_is_none():
    cloud = _cloud([[1.0, 1.0], [2.0, 2.0]], 1)
    assert smallest(cloud, 0, 0.5) is None


def test_gaps_that_differ_by_rounding_noise_tie():
    noise = 1e-15
    (item,) = explained([[0.0, 0.3 + noise, 0.3, 0.3 - noise]])
    best = item.continua.of(1, exact_size=True).at(1.0)
    assert (best.players, best.n_ties) == ((0,), 2)
    assert item.sufficient.n_ties == 2


def test_gaps_that_differ_by_more_than_the_grid_do_not_tie():
    (item,) = explained([[0.0, 0.3 + 1e-6, 0.3, 0.3 - 1e-6]])
    best = item.continua.of(1, exact_size=True).at(1.0)
    assert (best.players, best.n_ties) == ((1,), 1)


@given(st.floats(1e-12, 1e12), st.integers(2, 30))
@settings(max_examples=50, deadline=None)
def test_the_grid_is_a_power_of_two_relative_to_the_largest_gap(largest, digits):
    cloud = _cloud([[0.0, largest], [largest / 3, 0.0]], 1, digits)
    assert math.frexp(cloud.grid)[0] == 0.5
    assert 2.0**-digits <= cloud.grid / largest <= 2.0 ** (1 - digits)
    assert abs(cloud.on_grid.T * cloud.grid - cloud.parts).max() <= cloud.grid / 2


@pytest.mark.parametrize("scale", [2.0**-40, 1.0, 2.0**40])
def test_a_power_of_two_in_the_units_changes_nothing(scale):
    generator = np.random.default_rng(5)
    table = generator.integers(0, 50, 2**4).tolist()
    (plain,), (scaled,) = explained([table]), explained([[value * scale for value in table]])
    for size in range(5):
        one, other = plain.continua.of(size), scaled.continua.of(size)
        assert one.breakpoints == other.breakpoints
        assert [s.players for s in one.pieces + one.corners] == [
            s.players for s in other.pieces + other.corners
        ]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_gaps_that_are_no_numbers_are_refused(bad):
    with pytest.raises(ModelError, match="NaN or infinite"):
        _cloud([[0.0, 1.0], [bad, 0.0]], 1)


@pytest.mark.parametrize("digits", [0, 31])
def test_digits_that_whole_numbers_cannot_hold_are_refused(digits):
    with pytest.raises(SettingError, match=f"1 to 30 binary digits, got {digits}"):
        _cloud([[0.0, 1.0], [1.0, 0.0]], 1, digits)


def test_the_largest_grid_still_compares_exactly():
    """Points on a circle, each a vertex: products of 2^30 by 2^30 must not overflow."""
    angles = np.linspace(0, np.pi / 2, 252)
    circle = np.stack([1 - np.sin(angles), 1 - np.cos(angles)], axis=1)
    points = np.ones((2**10, 2))
    middle = canonical_order(10)[5]
    points[middle] = circle
    rows = _rows(frontier_of(_cloud(points.tolist(), 10)))
    chosen = [row[4] for row in rows if row[:2] == (5, True) and row[2] < row[3]]
    assert chosen == middle.tolist()


def test_negative_gaps_are_refused():
    with pytest.raises(SettingError, match="at least 0"):
        frontier_of(_cloud([[0.0, 1.0], [-1.0, 0.0]], 1))
