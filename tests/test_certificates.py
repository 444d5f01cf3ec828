"""Certificates against brute force, and the lemmas and corrected theorems on random tables."""

from dataclasses import replace
from fractions import Fraction
from math import isinf
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st

from onlyif.answers.case import SetQuestion
from onlyif.answers.certificates import supersets
from onlyif.answers.explained import explain_case
from onlyif.criteria.distances import DiscreteDistance, FunctionDistance
from onlyif.explanation.certificate import Basis
from onlyif.searches.beam import BeamSearch
from onlyif.testing.restrictions import game_of_tables
from oracles import certificates, continuum
from oracles.cases import case_of, explained, players_of, tables

WHOLE = st.integers(0, 8)
ALPHAS = st.fractions(0, 1, max_denominator=8)
INSIDE = st.fractions(Fraction(1, 8), Fraction(7, 8), max_denominator=8)
PRINTED = [0, 0.95, 0.1, 1, 0.1, 0.95, 0, 1]


def _unified(point, alpha):
    return alpha * point[0] + (1 - alpha) * point[1]


@given(tables(WHOLE), st.integers(0, 4), ALPHAS)
@settings(max_examples=50, deadline=None)
def test_every_field_of_the_certificate_is_the_brute_force_one(table, epsilon, alpha):
    d = players_of(table)
    (item,) = explained([table], SetQuestion(alpha=float(alpha), epsilon=float(epsilon)))
    needed = certificates.certificate([Fraction(value) for value in table], d, epsilon)
    assert item.sufficient.players == needed.pop("sufficient")
    assert item.necessary.players == needed.pop("necessary")
    assert {name: getattr(item.certificate, name) for name in needed} == needed
    assert item.certificate.basis is Basis.EXACT
    code = sum(1 << i for i in item.unified.players)
    assert item.certificate.phi == certificates.phi(table, code)


@given(tables(WHOLE), ALPHAS, st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_lemma_4_1_bounds_both_gaps_by_the_unified_one(table, alpha, size):
    size = min(size, players_of(table))
    (item,) = explained([table], SetQuestion(alpha=float(alpha), size=size))
    sure, best = item.certificate, item.unified
    point = continuum.points_of(table)[sum(1 << i for i in best.players)]
    gap = _unified(point, alpha)
    needed = (float("inf") if alpha == 0 else gap / alpha, float("inf") if alpha == 1 else gap / (1 - alpha))
    assert sure.bound_sufficiency == pytest.approx(float(needed[0]))
    assert sure.bound_necessity == pytest.approx(float(needed[1]))
    assert best.sufficiency.value <= sure.bound_sufficiency + 1e-12
    assert best.necessity.value <= sure.bound_necessity + 1e-12


@given(tables(WHOLE, most=4), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_lemma_4_2_whatever_must_meet_meets(table, epsilon):
    """For every pair of sets, not only for the reported ones; and what is claimed of those holds."""
    points, total = continuum.points_of(table), abs(table[-1] - table[0])
    assume(2 * epsilon < total)
    codes = range(len(table))
    for one in (code for code in codes if points[code][0] <= epsilon):
        for other in (code for code in codes if points[code][1] <= epsilon):
            worst = [
                certificates.worst_of_supersets(points, part, code) for part, code in ((0, one), (1, other))
            ]
            assert one & other or min(worst) > epsilon
    (item,) = explained([table], SetQuestion(epsilon=float(epsilon)))
    assert item.certificate.meet or not item.certificate.must_meet


def test_lemma_4_2_needs_epsilon_strictly_below_half_of_the_total_gap():
    table = [0, 2, 2, 4]
    at_half, below = (explained([table], SetQuestion(epsilon=epsilon))[0] for epsilon in (2.0, 1.9))
    assert at_half.certificate.super_sufficient
    assert at_half.certificate.must_meet is False
    assert below.certificate.must_meet is True


@given(tables(st.integers(0, 4), most=4), st.integers(1, 3), ALPHAS)
@settings(max_examples=50, deadline=None)
def test_theorem_4_1_corrected_the_union_of_super_sets(table, epsilon, alpha):
    d, points = players_of(table), continuum.points_of(table)
    (item,) = explained([table], SetQuestion(epsilon=float(epsilon)))
    both = bool(item.certificate.super_sufficient and item.certificate.super_necessary)
    assert item.certificate.union_bound == (float(epsilon) if both else None)
    assume(both)
    union = set(item.sufficient.players) | set(item.necessary.players)
    assert _unified(points[sum(1 << i for i in union)], alpha) <= epsilon
    least = item.continua.of(len(union)).at(float(alpha)).unified(float(alpha))
    assert least <= epsilon + 1e-12
    sizes = item.sufficient.size, item.necessary.size
    assert max(sizes) <= len(union) <= d
    if item.certificate.must_meet:
        assert len(union) < sum(sizes)


def test_the_furthermore_of_the_printed_theorem_4_1_fails():
    """The solutions of (P_suf) and (P_nec) are both super, yet their union is not that of (P_uni)."""
    points = continuum.points_of(PRINTED)
    (item,) = explained([PRINTED], SetQuestion(epsilon=0.1, size=2))
    sufficient, necessary = item.continuum.at(1.0), item.continuum.at(0.0)
    assert (sufficient.players, necessary.players) == ((0, 1), (0,))
    assert certificates.worst_of_supersets(points, 0, 0b011) <= 0.1
    assert certificates.worst_of_supersets(points, 1, 0b001) <= 0.1
    assert (item.unified.players, item.unified.n_ties) == ((0,), 1)
    assert item.unified.unified(0.5) < _unified(points[0b011], 0.5) <= 0.1


@given(tables(WHOLE, most=4), INSIDE)
@settings(max_examples=50, deadline=None)
def test_theorem_5_1_corrected_holds_for_every_subset_and_alpha(table, alpha):
    total, points = abs(table[-1] - table[0]), continuum.points_of(table)
    slack = 2 * min(alpha, 1 - alpha)
    for code, point in enumerate(points):
        assert certificates.phi(table, code) >= total - _unified(point, alpha) / slack
    (item,) = explained([table], SetQuestion(alpha=float(alpha)))
    point = points[sum(1 << i for i in item.unified.players)]
    assert item.certificate.phi_bound == pytest.approx(float(total - _unified(point, alpha) / slack))
    assert item.certificate.phi >= item.certificate.phi_bound - 1e-12


def test_theorem_5_1_as_printed_fails_off_one_half():
    """The printed bound is ρ0 - Δuni(S, α): true of every solution at α = 1/2, false of some at others."""

    def broken(case):
        table, alpha = case
        (item,) = explained([table], SetQuestion(alpha=alpha, size=1))
        printed = item.total_gap.value - item.unified.unified(alpha)
        assert item.certificate.phi >= item.certificate.phi_bound
        return item.certificate.phi < printed - 1e-9

    table, alpha = find(
        st.tuples(tables(st.integers(0, 2), least=2, most=2), st.sampled_from([0.125, 0.875])),
        broken,
        settings=settings(max_examples=200, database=None, derandomize=True, phases=[Phase.generate]),
    )
    assert broken((table, alpha))
    assert not broken((table, 0.5))


def test_phi_has_no_bound_at_either_end():
    for alpha in (0.0, 1.0):
        (item,) = explained([[0, 1, 2, 4]], SetQuestion(alpha=alpha))
        assert item.certificate.phi is not None
        assert item.certificate.phi_bound is None
        assert [isinf(item.certificate.bound_sufficiency), isinf(item.certificate.bound_necessity)] == [
            alpha == 0.0,
            alpha == 1.0,
        ]


def test_bounds_that_need_a_metric_are_claimed_for_a_metric_only():
    square = FunctionDistance(lambda a, b: (a - b) ** 2, "square")
    (item,) = explained([[0, 1, 2, 4]], distance=square)
    assert (item.certificate.phi, item.certificate.phi_bound, item.certificate.must_meet) == (
        None,
        None,
        None,
    )
    assert item.certificate.bound_sufficiency is not None
    (metric,) = explained([[0, 1, 2, 4]], distance=replace(square, is_metric=True))
    assert metric.certificate.phi is not None


def test_the_discrete_metric_is_certified_by_its_own_gaps():
    (item,) = explained([[0, 1, 1, 1]], SetQuestion(epsilon=0.0), distance=DiscreteDistance())
    assert item.sufficient.players == (0,)
    assert item.necessary.players == (0, 1)
    assert item.certificate.must_meet
    assert item.certificate.n_sufficient == 2


def test_the_supersets_of_a_set_are_the_codes_that_contain_it():
    codes = np.arange(32.0)
    for code in range(32):
        found = supersets(codes, continuum.members(code, 5))
        assert found.tolist() == [other for other in range(32) if other & code == code]


@pytest.mark.parametrize(
    ("table", "said"), [([3, 3, 3, 3], False), ([0, 5, -5, 0], False), ([0, 0, 0, 1e-3], True)]
)
def test_a_prediction_that_is_the_average_one_is_uninformative(table, said):
    (item,) = explained([table])
    assert item.certificate.informative is said
    if not said:
        assert item.sufficient.players == item.necessary.players == ()


def test_other_sets_need_not_be_sufficient_where_there_is_nothing_to_explain():
    (item,) = explained([[0, 5, -5, 0]])
    assert item.certificate.super_sufficient is False
    assert item.certificate.worst_sufficiency == 5


def _sampled(table, error, epsilon):
    d = players_of(table)
    errors = [0.0] + [error] * (len(table) - 2) + [0.0]
    function = game_of_tables([[float(value) for value in table]], [errors])
    (item,) = explain_case(case_of(function, SetQuestion(epsilon=epsilon)))
    assert item.certificate.basis is Basis.SAMPLED
    assert d == len(item.names)
    return item.certificate


@pytest.mark.parametrize(("error", "said"), [(0.01, True), (0.2, None), (1.0, None)])
def test_estimated_supersets_are_certified_by_simultaneous_bounds(error, said):
    """{0} is sufficient by its estimate: gap .25 against ε = .5, one more superset besides."""
    sure = _sampled([0, 0.75, 0, 1], error, 0.5)
    n_sigma = NormalDist().inv_cdf(1 - 0.05 / 2)
    assert sure.worst_sufficiency == pytest.approx(0.25 + n_sigma * error)
    assert sure.super_sufficient is said


@pytest.mark.parametrize(("error", "said"), [(0.01, False), (1.0, None)])
def test_estimates_deny_only_what_they_can_rule_out(error, said):
    """{} is sufficient, as f_0 = f(x), and its supersets seem not to be."""
    assert _sampled([1, 0, 0, 1], error, 0.5).super_sufficient is said


def test_unknown_errors_leave_supersets_open():
    sure = _sampled([0, 0.75, 0, 1], float("nan"), 0.4)
    assert (sure.super_sufficient, sure.worst_sufficiency) == (None, None)
    assert sure.must_meet is None


def test_a_total_gap_within_its_error_is_uninformative():
    function = game_of_tables([[0.0, 0.5, 0.5, 1.0]] * 2, [[0.4, 0.1, 0.1, 0.0], [0.6, 0.1, 0.1, 0.0]])
    items = explain_case(case_of(function))
    assert [item.certificate.informative for item in items] == [True, False]


def test_heuristic_searches_leave_supersets_open():
    generator = np.random.default_rng(3)
    table = generator.random(2**4).tolist()
    (item,) = explained([table], search=BeamSearch(width=1, swaps=0))
    sure = item.certificate
    assert sure.basis is Basis.HEURISTIC
    assert (sure.super_sufficient, sure.super_necessary, sure.worst_sufficiency) == (None, None, None)
    assert (sure.must_meet, sure.union_bound) == (None, None)
    assert sure.phi >= sure.phi_bound


@given(tables(WHOLE, least=2, most=3), st.floats(0, 4))
@settings(max_examples=40, deadline=None)
def test_the_smallest_set_is_its_own_superset_also_on_the_edge_of_the_grid(table, epsilon):
    """ε is compared in the same way when the set is chosen and when it is certified."""
    points = continuum.points_of(table)
    (item,) = explained([table], SetQuestion(epsilon=epsilon))
    code = sum(1 << i for i in item.sufficient.players)
    if certificates.worst_of_supersets(points, 0, code) <= item.sufficient.sufficiency.value:
        assert item.certificate.super_sufficient


def test_the_edge_of_the_grid_itself():
    grid = 2.0**-29
    (item,) = explained([[0.0, 1 - 2.4 * grid, 0.0, 1.0]], SetQuestion(epsilon=1.5 * grid))
    assert item.certificate.tolerance == grid
    assert item.sufficient.players == (0,)
    assert item.certificate.super_sufficient
