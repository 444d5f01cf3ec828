"""From a criterion and a search to explanations."""

from dataclasses import replace
from math import sqrt
from statistics import fmean, stdev

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.answers.case import SetQuestion
from onlyif.answers.explained import explain_case
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.subsets import code_of, members
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import TargetReadout
from onlyif.references.baseline import BaselineReference
from onlyif.references.gaussian import GaussianReference
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.testing.restrictions import game_of_tables
from oracles import continuum
from oracles.cases import Watched, case_of, explained, players_of, tables
from oracles.shapley import shapley

GENERATOR = torch.Generator().manual_seed(11)
X = torch.randn(3, 6, generator=GENERATOR, dtype=torch.float64)
ROWS = torch.randn(8, 6, generator=GENERATOR, dtype=torch.float64)
PLAYERS = Players(np.array([0, 1, 1, 2, 3, 4]), ("a", "bc", "d", "e", "f"))
TARGET = np.array([0, 1, 0])


def _enumerated(model=None, max_rows=10_000):
    return EnumeratedRestriction(model or Watched(), MarginalReference(ROWS), PLAYERS, max_rows)


def _sampled(model=None, max_rows=10_000, seed=0):
    gaussian = GaussianReference(np.zeros(6), np.eye(6) + 0.3)
    return SampledRestriction(model or Watched(), gaussian, PLAYERS, 6, max_rows, seed)


def _function(restriction, chosen=slice(None)):
    return SetFunction(restriction, X[chosen], TargetReadout(TARGET[chosen]), PLAYERS.count)


def _facts(item):
    """All that an explanation says in whole numbers and names, and all its real numbers."""
    selections = (item.sufficient, item.necessary, item.unified)
    names = [(one.players, one.n_ties) for one in selections]
    gaps = [gap for one in selections for gap in (one.sufficiency, one.necessity, *(one.fresh or ()))]
    numbers = [number for gap in (item.total_gap, *gaps) for number in (gap.value, gap.stderr)]
    numbers += [item.prediction, item.base, item.base_stderr, item.epsilon]
    held = item.continua
    whole = [column.tolist() for column in (held.size, held.exact_size, held.keep, held.n_ties)]
    real = [column.ravel() for column in (held.low, held.high, held.sufficiency, held.necessity)]
    if item.shapley is not None:
        real.append(item.shapley)
    return names, whole, item.size, np.concatenate([numbers, *real])


def _check_alike(one, other, tolerance):
    assert _facts(one)[:3] == _facts(other)[:3]
    np.testing.assert_allclose(_facts(one)[3], _facts(other)[3], rtol=tolerance, atol=tolerance)
    sure, also = replace(one.certificate, tolerance=0.0), replace(other.certificate, tolerance=0.0)
    for name in (
        "super_sufficient",
        "super_necessary",
        "must_meet",
        "meet",
        "informative",
        "n_sufficient",
        "basis",
    ):
        assert getattr(sure, name) == getattr(also, name), name


SETTINGS = [
    (_enumerated, ExhaustiveSearch(), None),
    (_sampled, ExhaustiveSearch(), lambda **other: _sampled(seed=1, **other)),
    (_enumerated, BeamSearch(), None),
    (_sampled, BeamSearch(width=2), lambda **other: _sampled(seed=1, **other)),
]
every_setting = pytest.mark.parametrize(
    ("make", "search", "fresh"), SETTINGS, ids=["exact", "sampled", "exact-beam", "sampled-beam"]
)


def _explained(make, search, fresh, chosen=slice(None), **other):
    again = None if fresh is None else _function(fresh(**other), chosen)
    return explain_case(case_of(_function(make(**other), chosen), search=search, fresh=again))


@every_setting
def test_a_batch_is_its_instances(make, search, fresh):
    together = _explained(make, search, fresh)
    for i, item in enumerate(together):
        (alone,) = _explained(make, search, fresh, chosen=slice(i, i + 1))
        _check_alike(item, alone, 1e-12)


@every_setting
@pytest.mark.parametrize("max_rows", [1, 7])
def test_splitting_model_calls_changes_nothing(make, search, fresh, max_rows):
    # Row by row one instance is enough: its draws are split like those of all.
    chosen = slice(0, 1 if max_rows == 1 else 3)
    whole = _explained(make, search, fresh, chosen, max_rows=1_000_000)
    split = _explained(make, search, fresh, chosen, max_rows=max_rows)
    for one, other in zip(whole, split, strict=True):
        _check_alike(one, other, 1e-10)


@every_setting
def test_every_model_row_is_counted(make, search, fresh):
    model = Watched()
    items = _explained(make, search, fresh, model=model)
    assert sum(item.model_rows for item in items) == sum(model.calls)


@given(st.permutations(range(4)), st.integers(0, 10**6), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_permuting_players_permutes_the_results(order, seed, size):
    """Player i of the moved game is player order[i] of the first one."""
    table = np.random.default_rng(seed).random(16).tolist()
    moved = [table[code_of(order[player] for player in members(code))] for code in range(16)]
    (one,), (other,) = (explained([each], SetQuestion(size=size)) for each in (table, moved))

    def back(selection):
        return sorted(order[player] for player in selection.players), selection.n_ties

    pairs = [(one.sufficient, other.sufficient), (one.necessary, other.necessary)]
    for exact in (False, True):
        mine, theirs = (item.continua.of(size, exact_size=exact) for item in (one, other))
        assert mine.breakpoints == theirs.breakpoints
        pairs += zip(mine.pieces, theirs.pieces, strict=True)
    for mine, theirs in pairs:
        assert back(theirs) == (list(mine.players), mine.n_ties)
    np.testing.assert_allclose(other.shapley, one.shapley[list(order)], rtol=1e-7, atol=1e-7)
    assert other.certificate.phi == pytest.approx(one.certificate.phi)


@given(tables(st.integers(0, 6), most=4), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_unified_set_is_the_solution_at_alpha(table, alpha, size, exact):
    d = players_of(table)
    size = min(size, d)
    (item,) = explained([table], SetQuestion(alpha=alpha, size=size, exact_size=exact))
    points = continuum.points_of(table)
    least, code, tied = continuum.solve(points, continuum.admissible(d, size, exact), alpha)
    assert item.unified.players == continuum.members(code, d)
    assert (item.unified.unified(alpha), item.unified.n_ties) == (least, len(tied))
    if alpha == 1.0:
        assert item.unified.sufficiency.value == min(
            points[c][0] for c in continuum.admissible(d, size, exact)
        )
    if alpha == 0.0:
        assert item.unified.necessity.value == min(points[c][1] for c in continuum.admissible(d, size, exact))


@given(tables(st.integers(-9, 9), most=4))
@settings(max_examples=30, deadline=None)
def test_plain_numbers_of_an_explanation(table):
    table = [float(value) for value in table]
    (item,) = explained([table])
    assert (item.prediction, item.base, item.base_stderr) == (table[-1], table[0], 0.0)
    assert item.total_gap.value == abs(table[-1] - table[0])
    assert item.epsilon == 0.1 * item.total_gap.value
    assert item.size == max(item.sufficient.size, item.necessary.size, 1)
    assert item.shapley.tolist() == pytest.approx(shapley(table, players_of(table)))
    assert item.sufficient.fresh is None


def test_x_equal_to_the_baseline_leaves_nothing_to_explain():
    restriction = EnumeratedRestriction(Watched(), BaselineReference(X[0]), PLAYERS)
    (item,) = explain_case(case_of(SetFunction(restriction, X[:1], TargetReadout(TARGET[:1]), 5)))
    assert item.total_gap.value == 0
    assert item.sufficient.players == item.necessary.players == item.unified.players == ()
    assert not item.certificate.informative
    assert item.continuum.breakpoints == (0.0, 1.0)
    assert not item.shapley.any()


def test_a_constant_model_with_an_epsilon_of_its_own():
    (item,) = explained([[0.7] * 8], SetQuestion(epsilon=0.05))
    assert item.sufficient.players == item.necessary.players == ()
    assert item.certificate.super_sufficient
    assert not item.certificate.informative


def test_the_table_is_kept_only_when_asked_for():
    case = case_of(game_of_tables([[0.0, 1.0, 2.0, 4.0]]))
    assert explain_case(case)[0].table is None
    case = replace(case, criterion=replace(case.criterion, keep_table=True))
    assert explain_case(case)[0].table.tolist() == [0.0, 1.0, 2.0, 4.0]


def test_a_search_that_is_not_complete_gives_no_shapley_values_and_no_table():
    case = case_of(game_of_tables([[0.0, 1.0, 2.0, 4.0]]), search=BeamSearch())
    case = replace(case, criterion=replace(case.criterion, keep_table=True))
    (item,) = explain_case(case)
    assert (item.shapley, item.table) == (None, None)


def test_a_complete_search_asks_the_model_once():
    model = Watched()
    explain_case(case_of(_function(_enumerated(model))))
    assert sum(model.calls) == 3 * 32 * 8


def test_gaps_searched_for_are_optimistic_and_fresh_ones_are_not():
    """Four players alike: the search picks those whose draws happen to lie well.

    f is their sum, V independent N(0, 1), x = 3 everywhere: every set of two has the gaps 6 and 6.
    """
    d, n, n_seeds = 4, 20, 60
    model = FunctionPredictor(lambda batch: batch.sum(1))
    law = GaussianReference(np.zeros(d), np.eye(d))
    x, readout, players = (
        torch.full((1, d), 3.0, dtype=torch.float64),
        TargetReadout(np.array([0])),
        column_players(list("abcd")),
    )

    def function(seed):
        return SetFunction(SampledRestriction(model, law, players, n, seed=seed), x, readout, d)

    searched, fresh, inside = ([], []), ([], []), []
    for seed in range(n_seeds):
        question = SetQuestion(alpha=1.0, size=2, exact_size=True)
        (item,) = explain_case(case_of(function(seed), question, fresh=function(10_000 + seed)))
        for part, (gap, again) in enumerate(
            zip((item.unified.sufficiency, item.unified.necessity), item.unified.fresh, strict=True)
        ):
            searched[part].append(gap.value - 6.0)
            fresh[part].append(again.value - 6.0)
        low, high = item.unified.fresh[0].interval()
        inside.append(low <= 6.0 <= high)

    def score(errors):
        return fmean(errors) / (stdev(errors) / sqrt(n_seeds))

    assert score(searched[0]) < -8
    assert abs(score(fresh[0])) < 3.5
    assert abs(score(fresh[1])) < 3.5
    # With 20 draws a normal interval covers 93.5 %; one binomial standard deviation is 2.3 %.
    assert 0.86 <= fmean(inside) < 1


def test_outputs_that_are_no_numbers_are_refused():
    with pytest.raises(ModelError, match="NaN or infinite"):
        explained([[0.0, float("nan"), 1.0, 2.0]])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alpha": -0.1}, r"alpha must lie in \[0, 1\], got -0.1"),
        ({"alpha": 1.5}, r"alpha must lie in \[0, 1\], got 1.5"),
        ({"size": -1}, "size must be at least 0, got -1"),
        ({"epsilon": -1.0}, "epsilon must be a finite number of at least 0, got -1"),
        ({"epsilon": float("nan")}, "epsilon must be a finite number of at least 0, got nan"),
        ({"epsilon": float("inf")}, "epsilon must be a finite number of at least 0, got inf"),
    ],
)
def test_bad_questions_are_refused(settings, said):
    with pytest.raises(SettingError, match=said):
        SetQuestion(**settings)


def test_sizes_beyond_the_number_of_players_are_refused():
    with pytest.raises(SettingError, match="at most the number of players, 2; got 3"):
        case_of(game_of_tables([[0.0, 1.0, 2.0, 4.0]]), SetQuestion(size=3))
