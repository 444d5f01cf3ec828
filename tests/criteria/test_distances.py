"""Each ρ: its formula, its bounds, and the triangle inequality where it is claimed."""

import importlib
import math
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import onlyif.criteria
from onlyif.answers.case import SetQuestion
from onlyif.answers.explained import explain_case
from onlyif.core.errors import SettingError
from onlyif.core.players import column_players
from onlyif.criteria.distances import (
    AbsoluteDistance,
    DiscreteDistance,
    Distance,
    FunctionDistance,
    LogitDistance,
    SideDistance,
    gap_error,
)
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import DecisionReadout
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.set_function import SetFunction
from oracles.cases import case_of

PROBABILITY = st.floats(0, 1)
FUNCTION = FunctionDistance(lambda a, b: np.sqrt(abs(a - b)), "root", is_metric=True)
MEMBERS = [
    (AbsoluteDistance(), st.floats(-1e3, 1e3)),
    (DiscreteDistance(), st.sampled_from([0.0, 1.0, 2.0])),
    (LogitDistance(), PROBABILITY),
    (LogitDistance(0.2), PROBABILITY),
    (SideDistance(0.5), PROBABILITY),
    (SideDistance(-1.0, 40.0), st.floats(-20, 20)),
    (FUNCTION, st.floats(-1e3, 1e3)),
]


def _of(distance, a, b):
    return distance.between(_array(a), _array(b)).item()


def _error(distance, a, b, stderr):
    """The error where the first side is the estimated one."""
    return gap_error(distance, lambda moved: distance.between(moved, b), a, stderr, distance.between(a, b))


def _array(*values):
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(("distance", "values"), MEMBERS, ids=lambda one: type(one).__name__)
def test_what_claims_to_be_a_metric_is_one(distance, values):
    assert distance.kind.is_metric

    @given(values, values, values)
    @settings(max_examples=150, deadline=None)
    def check(a, b, c):
        assert _of(distance, a, a) == 0
        assert _of(distance, a, b) == _of(distance, b, a) >= 0
        assert _of(distance, a, c) <= _of(distance, a, b) + _of(distance, b, c) + 1e-9

    check()


def test_the_square_is_no_metric_and_none_is_assumed_of_a_function():
    square = FunctionDistance(lambda a, b: (a - b) ** 2, "square")
    assert not square.kind.is_metric
    assert _of(square, 0.0, 2.0) > _of(square, 0.0, 1.0) + _of(square, 1.0, 2.0)


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
@settings(deadline=None)
def test_logits_by_their_formula(a, b):
    needed = abs(math.log(a / (1 - a)) - math.log(b / (1 - b)))
    assert _of(LogitDistance(), a, b) == pytest.approx(needed, abs=1e-12)


@pytest.mark.parametrize("clip", [1e-6, 0.01])
def test_logits_beyond_the_clip_count_as_equal(clip):
    distance = LogitDistance(clip)
    assert _of(distance, 0.0, clip / 2) == 0
    assert _of(distance, 1.0, 1 - clip / 2) == pytest.approx(0, abs=1e-9)
    assert _of(distance, 0.0, 1.0) == pytest.approx(2 * math.log((1 - clip) / clip))
    assert f"[{clip:g}, 1 - {clip:g}]" in distance.kind.name


@pytest.mark.parametrize(("a", "said"), [(-0.5, "from -0.5 to -0.5"), (1.5, "from 1.5 to 1.5")])
def test_logits_of_what_is_no_probability_are_refused(a, said):
    with pytest.raises(SettingError, match=f"needs probabilities, got outputs {said}"):
        _of(LogitDistance(), a, 0.5)
    with pytest.raises(SettingError, match=f"needs probabilities, got outputs {said}"):
        _of(LogitDistance(), 0.5, a)


@pytest.mark.parametrize("n", [3, 6, 10, 49, 100, 426])
def test_means_of_certain_predictions_are_probabilities_whatever_rounding_does(n):
    """Weights 1 / n need not sum to 1 in the last digit."""
    mean = np.full(n, 1 / n).sum() + 2e-16
    assert LogitDistance().between(mean, _array(1.0)).item() == 0
    assert LogitDistance().between(1 - mean, _array(0.0)).item() == 0


def test_errors_of_logits_near_certainty_stay_within_probabilities():
    """One standard error beyond 1 is no probability: the gap moves as far as the clip lets it."""
    distance, a, b = LogitDistance(0.01), _array(0.98, 0.02), _array(0.5, 0.5)
    up, down = math.log(99) - math.log(49), math.log(49) - math.log(0.93 / 0.07)
    found = _error(distance, a, b, _array(0.05, 0.05))
    assert found.tolist() == pytest.approx([max(up, down)] * 2)


@pytest.mark.parametrize("clip", [0.0, 0.5, -0.1, float("nan")])
def test_clips_that_leave_nothing_are_refused(clip):
    with pytest.raises(SettingError, match=r"clip must lie in \(0, \.5\), got"):
        LogitDistance(clip)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda a, b: (a - b).sum(), r"'mine' returned the wrong shape: need \(1, 3\), got \(\)"),
        (lambda a, b: a - b, "'mine' must be at least 0, got -2"),
        (lambda a, b: abs(a - b) * float("nan"), "'mine' must be at least 0, got nan"),
    ],
)
def test_functions_that_are_no_distance_are_refused(function, said):
    with pytest.raises(SettingError, match=said):
        FunctionDistance(function, "mine").between(np.array([[0.0, 1.0, 2.0]]), np.array([[2.0]]))


def test_the_functions_own_result_is_used():
    assert _of(FUNCTION, 1.0, 5.0) == 2.0
    assert FUNCTION.kind.name == "root"


@pytest.mark.parametrize("distance", [one for one, _ in MEMBERS], ids=lambda one: type(one).__name__)
def test_values_broadcast_as_tables_and_their_ends_do(distance):
    table = np.random.default_rng(0).random((2, 8))
    found = distance.between(table, table[:, -1:])
    assert found.shape == table.shape
    assert found[1, 3].item() == pytest.approx(_of(distance, table[1, 3].item(), table[1, 7].item()))
    assert not found[:, -1].any()


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 3))
@settings(deadline=None)
def test_errors_of_absolute_gaps_are_those_of_the_difference(a, b, error):
    found = _error(AbsoluteDistance(), _array(a), _array(b), _array(error)).item()
    # At a = b the gap moves by one standard error either way; far from it too.
    if abs(a - b) >= error or a == b:
        assert found == pytest.approx(error, abs=1e-9)
    assert found <= error + 1e-9


def test_errors_of_logits_follow_the_slope():
    a, b, error = _array(0.3), _array(0.8), _array(1e-5)
    slope = 1 / (0.3 * 0.7)
    assert _error(LogitDistance(), a, b, error).item() == pytest.approx(slope * 1e-5, rel=1e-3)


def test_no_error_stays_none_and_an_unknown_one_unknown():
    a, b = _array(0.0, 1.0), _array(2.0, 2.0)
    assert _error(AbsoluteDistance(), a, b, np.zeros(2)).tolist() == [0.0, 0.0]
    found = _error(AbsoluteDistance(), a, b, _array(float("nan"), 0.5)).tolist()
    assert math.isnan(found[0])
    assert found[1] == 0.5


def test_decisions_of_three_classes_are_compared_not_their_outputs():
    """A sufficient set keeps the class; column 0 alone decides it, column 1 moves probabilities only."""
    scores = torch.tensor([[0.0, 0.0, 0.6], [0.0, 0.6, 0.0], [0.6, 0.0, 0.0]]).double()

    def model(batch):
        return scores[batch[:, 0].long()] + 0.1 * batch[:, 1:2]

    rows = torch.tensor([[0.0, 0.0], [0.0, 2.0], [1.0, 1.0]]).double()
    x = torch.tensor([[1.0, 0.0], [2.0, 5.0], [0.0, 5.0]]).double()
    restriction = EnumeratedRestriction(
        FunctionPredictor(model), MarginalReference(rows), column_players(["a", "b"])
    )
    function = SetFunction(restriction, x, DecisionReadout(), 2)
    items = explain_case(case_of(function, SetQuestion(epsilon=0.0), distance=DiscreteDistance()))
    assert [item.prediction for item in items] == [1.0, 0.0, 2.0]
    assert [item.base for item in items] == [2.0, 2.0, 2.0]
    assert [item.sufficient.players for item in items] == [(0,), (0,), ()]
    assert [item.necessary.players for item in items] == [(0,), (0,), ()]
    assert [item.total_gap.value for item in items] == [1.0, 1.0, 0.0]


def test_no_member_is_left_out():
    for found in pkgutil.iter_modules(onlyif.criteria.__path__, "onlyif.criteria."):
        importlib.import_module(found.name)
    members = {one for one in Distance.__subclasses__() if one.__module__.startswith("onlyif.criteria.")}
    assert members == {type(member) for member, _ in MEMBERS}
