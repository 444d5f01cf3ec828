"""Hulls, breakpoints, ties and smallest sets against brute force over all subsets and all α."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.subsets import canonical_order
from onlyif.searches.base import Cloud
from onlyif.searches.frontier import hulls, records, smallest
from oracles import certificates, continuum
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


@given(st.integers(1, 4).flatmap(lambda d: st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2**d, max_size=2**d)))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_records_of_free_points_are_the_lower_envelope(points):
    """Here Δsuf and Δnec are free, so that every shape of hull comes up."""
    d = players_of(points)
    points = [tuple(Fraction(value) for value in point) for point in points]
    for size, hull in enumerate(hulls(_cloud([[float(v) for v in point] for point in points], d))):
        allowed, found = continuum.admissible(d, size, exact=True), records(hull)
        at_corner = [record.low for record in found if record.low == record.high]
        assert at_corner == continuum.breakpoints(points, allowed)
        for record in found:
            _, code, tied = continuum.solve(points, allowed, (record.low + record.high) / 2)
            assert (record.number, record.count) == (code, len(tied))


def test_joining_hulls_of_sizes_is_the_hull_of_the_joined_points():
    generator = np.random.default_rng(0)
    d = 5
    for _ in range(30):
        raw = generator.integers(0, 9, (2**d, 2)).tolist()
        parts = hulls(_cloud([[float(v) for v in point] for point in raw], d))
        joined = parts[0]
        for size in range(1, d + 1):
            backwards = records(parts[size].with_(joined))
            joined = joined.with_(parts[size])
            assert records(joined) == backwards
            allowed = continuum.admissible(d, size, exact=False)
            points = [tuple(Fraction(value) for value in point) for point in raw]
            for record in records(joined):
                _, code, tied = continuum.solve(points, allowed, (record.low + record.high) / 2)
                assert (record.number, record.count) == (code, len(tied))


def test_pieces_and_corners_tile_zero_to_one():
    generator = np.random.default_rng(1)
    table = generator.normal(size=2**6).tolist()
    for hull in hulls(_cloud(continuum.points_of(table), 6)):
        found = records(hull)
        assert (found[0].low, found[-1].high) == (0, 1)
        assert all(one.high == other.low for one, other in pairwise(found))
        assert [one.low == one.high for one in found] == [i % 2 == 0 for i in range(len(found))]


def test_sizes_that_were_not_compared_have_no_hull():
    keep = np.array([[False] * 3, [True] * 3, [False, True, False]])
    by_size = (np.array([0]), np.array([2]), np.array([], dtype=np.int64), np.array([1]))
    cloud = _cloud([[4.0, 0.0], [0.0, 0.0], [1.0, 2.0]], 3, keep=keep, by_size=by_size)
    found = hulls(cloud)
    assert [hull is None for hull in found] == [False, False, True, False]
    assert not cloud.complete
    assert records(found[1])[0].number == 2
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
    found = records(hulls(_cloud(points.tolist(), 10))[5])
    chosen = [record.number for record in found if record.low < record.high]
    assert chosen == middle.tolist()
