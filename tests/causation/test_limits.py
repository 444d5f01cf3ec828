"""Far away inputs, missing values, the count of model rows, and input that cannot be right."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from onlyif.causation.abduction import PlainConditional, Resampling, Unweighted, WeightedMean
from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.checks import check_subsets, check_table
from onlyif.causation.dissimilarity import MeanSquare, ScaledDifference
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import HardEvents, Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.core.errors import InputError, LimitError, ModelError, SettingError
from onlyif.models.function import FunctionPredictor
from onlyif.samples.background import BackgroundSample, PopulationSample
from oracles.causal_cases import Settings, case_of, effective, every_subset, players_of, stacked

ABDUCTIONS = [WeightedMean(), Resampling(10), Unweighted(), PlainConditional()]
TOTAL = FunctionPredictor(lambda batch: batch.sum(1))


def _test(rows, d, events, **other):
    made = {"predictor": TOTAL, "baseline": torch.zeros(1, d, dtype=torch.float64)} | other
    return DualStageTest(
        players=players_of(range(d)),
        sample=BackgroundSample(rows),
        neighbourhood=Neighbourhood(events),
        **made,
    )


def _values(n, d, scale=1.0, seed=0):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=made, dtype=torch.float64) * scale


@pytest.mark.parametrize("abduction", ABDUCTIONS)
def test_in_hundreds_of_dimensions_x_alone_is_near(abduction):
    x, rows = _values(1, 400), _values(30, 400, seed=1)
    test = _test(rows, 400, SoftEvents(0.1, 0.5), abduction=abduction)
    subset = np.arange(400)[None, None] < 200
    found = test.measure(x, subset, NormChange())
    for told in (found.values, found.stderr, found.sample_stderr):
        assert np.isfinite(stacked(told)).all()
    assert effective(found)[0, 0].tolist() == pytest.approx([1, 1])
    # P(A, B) is that of x alone, over n.
    assert 0 < found.p_changed.item() <= 1 / 31
    near = replace(
        test, neighbourhood=replace(test.neighbourhood, total=MeanSquare(), events=SoftEvents(1.0, 0.5))
    )
    assert near.measure(x, subset, NormChange()).effective_pn[0, 0] > 15


@pytest.mark.parametrize("abduction", ABDUCTIONS)
def test_x_may_be_the_only_input_whose_event_is_impossible(abduction):
    """x is infinitely nearer than the others, and perturbing it changes nothing: infinity times 0."""
    x = torch.ones(1, 3, dtype=torch.float64)
    rows = torch.tensor([[90.0, 90.0, 90.0], [80.0, 80.0, 80.0]], dtype=torch.float64)
    step = FunctionPredictor(lambda batch: (batch[:, 0] > 5).double())
    found = _test(rows, 3, SoftEvents(1.0, 0.5), predictor=step, abduction=abduction).table(x, NormChange())
    for told in (found.values, found.stderr, found.sample_stderr):
        assert np.isfinite(stacked(told)).all()
    if isinstance(abduction, WeightedMean):
        # Of the far inputs, (80, 80, 80) has all the weight: P(|Δf| <= c) by the rest is 1.
        assert found.pn[0, 1] == 1
        assert found.p_changed[0, 1] == 0
        assert found.effective_pn[0, 1] == pytest.approx(1)


def test_conditionals_come_from_log_space():
    """Weights of e^-450 and e^-451, and no x with the event: PN is their ratio, P(A, B) as small as it is."""
    x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    rows = torch.tensor([[31.0, 1.0], [1.0 + math.sqrt(902), 9.0]], dtype=torch.float64)
    # Perturbing player 0 changes the far ones; perturbing player 1 changes the second alone.
    far = FunctionPredictor(lambda batch: 10 * (batch[:, 0] > 5).double() + 5 * (batch[:, 1] > 5).double())
    found = _test(rows, 2, SoftEvents(1.0, 0.1), predictor=far).measure(
        x, np.array([[[True, False]]]), NormChange()
    )
    weights = [1.0, math.exp(-1)]
    assert found.pn.item() == pytest.approx((weights[0] + weights[1] / 2) / sum(weights), rel=1e-9)
    assert found.p_changed.item() == pytest.approx(math.exp(-450) * sum(weights) / 2 / 3, rel=1e-9)
    assert found.effective_pn[0, 0] == pytest.approx(sum(weights) ** 2 / sum(w * w for w in weights))


def test_missing_values_are_equal_to_one_another_alone():
    x = torch.tensor([[1.0, math.nan]], dtype=torch.float64)
    rows = torch.tensor([[1.0, math.nan], [1.0, 0.0]], dtype=torch.float64)
    model = FunctionPredictor(lambda batch: batch.nan_to_num(nan=7.0).sum(1))
    test = _test(rows, 2, HardEvents(100.0, 0.5), predictor=model)
    found = test.measure(x, np.array([[[False, True]]]), NormChange())
    # x and its copy are near on the missing entry, the third is not: 2 of 3, changed half the time.
    assert found.p_changed.item() == pytest.approx(2 / 3 / 2)
    square = ScaledDifference().squares(rows.numpy(), x[0].numpy())
    assert square.tolist() == [[0.0, 0.0], [0.0, math.inf]]


ROWS_CASES = [
    Settings(b=3),
    Settings(b=2, own_baselines=True),
    Settings(b=2, sample="noisy"),
    Settings(b=3, most_masks=2, t=7),
]


@pytest.mark.parametrize("max_rows", [1, 5, 16_384])
@pytest.mark.parametrize("settings", ROWS_CASES)
def test_model_rows_are_those_asked_for(max_rows, settings):
    test, x, change, _ = case_of(settings)
    calls = []
    inner = test.predictor.function
    counted = FunctionPredictor(lambda batch: calls.append(len(batch)) or inner(batch))
    test = replace(test, predictor=counted, max_rows=max_rows)
    for asked in (lambda: test.measure(x, every_subset(3)[:, 1:6], change), lambda: test.table(x, change)):
        calls.clear()
        found = asked()
        assert sum(calls) == pytest.approx(found.model_rows * len(x))
        assert max(calls) <= max_rows
    # A table of all subsets asks 2^d rows an input, and each input itself.
    shared = settings.sample == "background" and not settings.own_baselines
    n_inputs = (len(x) + 4) if shared else len(x) * found.n_sample
    if shared or settings.sample == "noisy":
        assert sum(calls) == n_inputs * 9


BAD_SETTINGS = {
    "boundary b must be above 0, got": [
        lambda events=events, b=b: events(b, 1.0)
        for events in (SoftEvents, HardEvents)
        for b in (0.0, -1.0, math.nan)
    ],
    "threshold c must be a finite number above 0, got": [
        lambda events=events, c=c: events(1.0, c)
        for events in (SoftEvents, HardEvents)
        for c in (0.0, -1.0, math.nan, math.inf)
    ],
    "φ, the probability that a player is replaced, must lie strictly between 0 and 1": [
        lambda phi=phi: Perturbations(phi) for phi in (0.0, 1.0, -0.1, 1.5, math.nan)
    ],
    "need at least 1 perturbation, got 0": [lambda: Perturbations(n_perturbations=0)],
    "most_masks must be at least 0, got -1": [lambda: Perturbations(most_masks=-1)],
    "size must be at least 1, got 0": [lambda: Resampling(0)],
    "scale of every entry must be above 0": [lambda: ScaledDifference(np.array([1.0, 0.0]))],
    "max_rows must be at least 1, got 0": [lambda: replace(case_of(Settings())[0], max_rows=0)],
    "players cover inputs of shape (2,), the baseline has shape (3,)": [
        lambda: replace(case_of(Settings())[0], players=players_of((0, 1)))
    ],
}


@pytest.mark.parametrize("message", BAD_SETTINGS)
def test_bad_settings_are_named(message):
    for make in BAD_SETTINGS[message]:
        with pytest.raises(SettingError, match=re.escape(message)):
            make()


TEST, X, _, _ = case_of(Settings(b=3, change="target"))
SUBSET = every_subset(3)
NORM = NormChange()
FEW = TargetChange(np.zeros(2, dtype=np.int64))
TWICE = replace(TEST, baseline=TEST.baseline.expand(2, -1))
ABSENT = replace(TEST, sample=PopulationSample(torch.zeros(4, 3, dtype=torch.float64)))
BAD_INPUT = {
    "instance 1 is equal to the baseline x', so that perturbing it changes nothing": (
        InputError,
        lambda: TEST.measure(torch.cat([X[:1], TEST.baseline]), SUBSET, NORM),
    ),
    "instance 0 is equal to the baseline": (InputError, lambda: TEST.table(TEST.baseline, NORM)),
    "instances have shape (2,), the baseline (3,)": (
        InputError,
        lambda: TEST.measure(X[:, :2], SUBSET, NORM),
    ),
    "need at least one instance": (SettingError, lambda: TEST.measure(X[:0], SUBSET, NORM)),
    "need at least one subset of 3 players, got 0 of 3": (
        SettingError,
        lambda: TEST.measure(X, SUBSET[:, :0], NORM),
    ),
    "need at least one subset of 3 players, got 8 of 2": (
        SettingError,
        lambda: TEST.measure(X, SUBSET[..., :2], NORM),
    ),
    "one baseline, or as many as the 3 instances; got 2": (
        SettingError,
        lambda: TWICE.measure(X, SUBSET, NORM),
    ),
    "one list of subsets, or as many as the 3 instances; got 2": (
        SettingError,
        lambda: check_subsets(np.repeat(SUBSET, 2, axis=0), 3, 3),
    ),
    "target must be a number of an output, 0 to 1; got": (
        SettingError,
        lambda: TEST.measure(X, SUBSET, TargetChange(np.array([0, 2, 0]))),
    ),
    "0 to 1; got [-1]": (SettingError, lambda: TEST.table(X[:1], TargetChange(np.array([-1])))),
    "need one target an instance: got 2 for 3": (SettingError, lambda: TEST.measure(X, SUBSET, FEW)),
    "need one target an instance: got 2 for 1": (SettingError, lambda: TEST.table(X[:1], FEW)),
    "instance 0 is not among the 4 rows of the sample E, and must be": (
        InputError,
        lambda: ABSENT.measure(X + 0.1, SUBSET, NORM),
    ),
    "a subset is empty": (SettingError, lambda: TEST.measure_proper(X, SUBSET, NORM)),
    "a subset holds all players": (SettingError, lambda: TEST.measure_proper(X, SUBSET[:, 1:], NORM)),
    "take fewer inputs or players, or search with beam": (LimitError, lambda: check_table(1000, 20, 1)),
}


@pytest.mark.parametrize("message", BAD_INPUT)
def test_bad_input_is_named(message):
    error, ask = BAD_INPUT[message]
    with pytest.raises(error, match=re.escape(message)):
        ask()


def test_what_is_right_is_not_refused():
    proper = SUBSET[:, 1:-1]
    found, wanted = TEST.measure_proper(X, proper, NORM), TEST.measure(X, proper, NORM)
    assert np.array_equal(stacked(found.values), stacked(wanted.values))
    check_table(1000, 10, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_answers_that_are_no_numbers_are_named(value):
    at_baseline = TEST.baseline[0, 0]
    broken = FunctionPredictor(lambda batch: torch.where(batch[:, 0] == at_baseline, value, 1.0))
    test = replace(TEST, predictor=broken)
    for ask in (lambda: test.measure(X, SUBSET, NORM), lambda: test.table(X, NORM)):
        with pytest.raises(ModelError, match="answered NaN or infinite for"):
            ask()
