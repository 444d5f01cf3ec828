"""The dual-stage test against plain loops, in exact and in sampled mode, and what must not change it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onlyif.causation.abduction import Resampling
from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import HardEvents, Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.models.function import FunctionPredictor
from onlyif.samples.background import BackgroundSample
from oracles import causation as oracle
from oracles.causal_cases import (
    Settings,
    case_of,
    effective,
    every_subset,
    expected,
    players_of,
    stacked,
)

OWNERS = st.sampled_from([(0,), (0, 1), (0, 1, 2), (0, 1, 0), (1, 0, 2, 1)])
CASES = st.builds(
    Settings,
    seed=st.integers(0, 10**6),
    b=st.integers(1, 2),
    n=st.integers(2, 4),
    owner=OWNERS,
    phi=st.sampled_from([0.5, 0.2, 0.9]),
    boundary=st.sampled_from([0.4, 1.0, 3.0, float("inf")]),
    threshold=st.sampled_from([0.05, 0.5, 1.5]),
    soft=st.booleans(),
    distance=st.sampled_from(["plain", "scaled", "gower"]),
    mean=st.booleans(),
    abduction=st.sampled_from(["weighted", "unweighted", "plain"]),
    sample=st.sampled_from(["background", "population", "nearest", "noisy"]),
    change=st.sampled_from(["norm", "target"]),
    own_baselines=st.booleans(),
    most_masks=st.sampled_from([128, 128, 0]),
    t=st.sampled_from([1, 3, 5]),
    max_rows=st.sampled_from([40, 1000]),
)
few = settings(max_examples=12, deadline=None)


def _close(one, other, tolerance=1e-9):
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def _check(found, values, sizes=None, tolerance=1e-9):
    """The seven numbers and the effective sizes, as exactly as their condition allows.

    Of an event of probability p, 1e-16 / p is rounding: what is conditioned on it holds as many digits fewer.
    """
    slack = tolerance * 1e-5 / np.maximum(values[..., 2:4], 1e-300)
    allowed = np.full_like(values, tolerance)
    allowed[..., :2] += slack
    got = stacked(found.values)
    assert (np.abs(got - values) <= allowed).all(), (got, values)
    if sizes is not None:
        allowed = 1e-7 * sizes + found.n_sample * slack
        assert (np.abs(effective(found) - sizes) <= allowed).all(), (effective(found), sizes)


@few
@given(CASES)
def test_measure_and_table_are_the_plain_loops(chosen):
    test, x, change, asked = case_of(chosen)
    d = test.players.count
    found = test.measure(x, every_subset(d), change)
    _check(found, expected(asked, d), expected(asked, d, oracle.effective_sizes))
    if chosen.most_masks:
        assert bool(found.exact.all())
        assert not stacked(found.stderr).any()
        table = test.table(x, change)
        _check(table, stacked(found.values), effective(found), 1e-7)
        _close(stacked(table.sample_stderr), stacked(found.sample_stderr), 1e-7)
        assert bool(table.exact.all())
        assert not stacked(table.stderr).any()
    else:
        assert not bool(found.exact.any())


@few
@given(CASES)
def test_the_error_over_samples_is_that_of_the_inputs_influences(chosen):
    test, x, change, asked = case_of(replace(chosen, abduction="weighted"))
    d = test.players.count
    found = test.measure(x, every_subset(d), change).sample_stderr
    _close(stacked(found), expected(asked, d, oracle.sample_errors), 1e-7)


@few
@given(CASES, st.integers(0, 100))
def test_the_way_of_asking_changes_nothing(chosen, seed):
    test, x, change, _ = case_of(chosen)
    d = test.players.count
    subset = every_subset(d)
    found = test.measure(x, subset, change)
    repeated = test.measure(x, np.broadcast_to(subset, (len(x), *subset.shape[1:])), change)
    split = replace(test, max_rows=23).measure(x, subset, change)
    for other in (repeated, split):
        _same(found, other)
    order, values = np.random.default_rng(seed).permutation(2**d), stacked(found.values)
    _check(test.measure(x, subset[:, order], change), values[:, order])
    for i in range(len(x)):
        baseline = test.baseline[i : i + 1] if chosen.own_baselines else test.baseline
        alone = replace(test, baseline=baseline)
        one = alone.measure(x[i : i + 1], subset, change.take(np.array([i])))
        _check(one, values[i : i + 1])
        _close(stacked(one.stderr)[0], stacked(found.stderr)[i], 1e-7)


def _same(found, other):
    _check(other, stacked(found.values))
    # Errors of almost 0 are roots of rounding.
    _close(stacked(other.stderr), stacked(found.stderr), 1e-7)
    _close(stacked(other.sample_stderr), stacked(found.sample_stderr), 1e-7)


@few
@given(CASES)
def test_subsets_may_differ_by_instance(chosen):
    test, x, change, _ = case_of(chosen)
    d = test.players.count
    found = test.measure(x, every_subset(d), change)
    codes = np.random.default_rng(chosen.seed).integers(2**d, size=(len(x), 3))
    own = every_subset(d)[0][codes]
    rows = np.arange(len(x))[:, None]
    other = test.measure(x, own, change)
    _check(other, stacked(found.values)[rows, codes])
    _close(stacked(other.stderr), stacked(found.stderr)[rows, codes], 1e-7)


@few
@given(CASES, st.randoms(use_true_random=False))
def test_the_numbering_of_players_does_not_matter(chosen, random):
    test, x, change, _ = case_of(replace(chosen, most_masks=128))
    d = test.players.count
    order = list(range(d))
    random.shuffle(order)
    renamed = replace(test, players=players_of([order[p] for p in chosen.owner]))
    subset = every_subset(d)
    moved = np.empty_like(subset)
    moved[:, :, order] = subset
    _check(renamed.measure(x, moved, change), stacked(test.measure(x, subset, change).values))


@few
@given(CASES)
def test_ranges_and_ends(chosen):
    test, x, change, _ = case_of(chosen)
    found = test.measure(x, every_subset(test.players.count), change)
    assert bool((stacked(found.values) >= 0).all())
    assert bool((stacked(found.values)[..., :4] <= 1 + 1e-12).all())
    assert bool((found.parts <= 1 + 1e-12).all())
    assert bool((found.pns <= 2).all())
    _close(found.pns_halved * 2, found.pns)
    _close(found.parts.sum(2), found.pns)
    _close(found.parts[..., 0], found.pn * found.p_changed)
    _close(found.parts[..., 1], found.ps * found.p_unchanged)
    assert not bool(found.pns[:, 0].any()), "the empty subset"
    assert not bool(found.p_changed[:, 0].any()), "the empty subset"
    assert not bool(found.p_unchanged[:, -1].any()), "the whole set"
    assert bool((effective(found) <= found.n_sample * (1 + 1e-9)).all())


@few
@given(
    chosen=CASES,
    ignored=st.integers(0, 3),
    b=st.floats(1e-3, 1e3),
    c=st.floats(1e-3, 1e3),
)
def test_pns_of_a_player_that_the_model_ignores_is_exactly_0(chosen, ignored, b, c):
    # Unweighted and plain conditional probabilities keep this too, for P(A, B) is 0 and so is P(|Δf| > c).
    test, x, change, _ = case_of(replace(chosen, boundary=b, threshold=c))
    ignored %= test.players.count
    hidden = torch.asarray(test.players.index) == ignored
    inner = test.predictor.function
    deaf = FunctionPredictor(lambda batch: inner(torch.where(hidden, 0.5, batch)))
    subset = np.zeros((1, 1, test.players.count), dtype=bool)
    subset[..., ignored] = True
    found = replace(test, predictor=deaf).measure(x, subset, change)
    assert not bool(found.pns.any())
    assert not bool(found.p_changed.any())


@pytest.mark.parametrize("single", [True, False])
def test_what_kernels_do_to_the_last_digits_is_no_change(single):
    """A model whose last digits depend on the place in a call, as those of matrix kernels do."""
    chosen = Settings(
        seed=2, b=1, n=2, owner=(0, 1, 1, 2, 0, 2), shape=(1, 2, 3), single=single, boundary=0.4
    )
    test, x, change, asked = case_of(chosen)
    inner = test.predictor.function

    def noisy(batch):
        answer = inner(batch)
        place = torch.arange(len(answer), dtype=answer.dtype).unsqueeze(1) % 3 - 1
        return answer + place * torch.finfo(answer.dtype).eps

    found = replace(test, predictor=FunctionPredictor(noisy)).measure(x, every_subset(3), change)
    _check(found, expected(asked, 3), tolerance=1e-4 if single else 1e-9)
    assert not stacked(found.values)[:, 0, [0, 2]].any(), "perturbing nothing changes nothing"


def test_a_change_of_c_up_to_rounding_is_none():
    for dtype in (torch.float32, torch.float64):
        third = FunctionPredictor(lambda batch, dtype=dtype: batch.to(dtype).sum(1) / 3)
        x = torch.full((1, 3), 0.1, dtype=torch.float64)
        test = DualStageTest(
            third,
            players_of(range(3)),
            BackgroundSample(x),
            torch.zeros(1, 3, dtype=torch.float64),
            Neighbourhood(HardEvents(1.0, 0.1 / 3)),
        )
        subset = np.array([[[True, False, False], [True, True, False]]])
        one, two = test.measure(x, subset, NormChange()).p_changed[0]
        assert one == 0, "one player moves f by c, which is no change"
        assert two == 0.25, "both of two move it by 2 c"


@pytest.mark.parametrize("sample", ["background", "noisy"])
def test_arrays_of_numpy_are_answered_as_tensors_are(sample):
    test, x, change, _ = case_of(Settings(n=5, sample=sample, own_baselines=sample == "noisy"))
    ask, held = test.predictor.function, test.sample
    plain = replace(
        test,
        predictor=FunctionPredictor(lambda batch: ask(torch.from_numpy(batch)).numpy()),
        sample=BackgroundSample(held.background.numpy()) if sample == "background" else held,
        baseline=test.baseline.numpy(),
    )
    subset = every_subset(3)
    _same(test.measure(x, subset, change), plain.measure(x.numpy(), subset, change))
    _same(test.table(x, change), plain.table(x.numpy(), change))


def test_a_constant_model_has_no_cause():
    test, x, change, _ = case_of(Settings(n=5))
    found = replace(test, predictor=FunctionPredictor(lambda batch: batch[:, :1] * 0 + 3)).table(x, change)
    assert not bool(found.pns.any())
    assert not found.effective_pn.any()


@few
@given(CASES, st.floats(0.05, 2), st.floats(1, 3))
def test_hard_pns_never_decreases_in_b(chosen, b, factor):
    narrow, x, change, _ = case_of(
        replace(chosen, boundary=b, soft=False, distance="plain", mean=False, abduction="weighted")
    )
    events = HardEvents(b * factor, chosen.threshold)
    wide = replace(narrow, neighbourhood=Neighbourhood(events))
    subset = every_subset(narrow.players.count)
    assert bool((wide.measure(x, subset, change).pns >= narrow.measure(x, subset, change).pns - 1e-12).all())


@few
@example(Settings(seed=2, b=1, n=2, boundary=0.4, t=1, max_rows=40))
@given(CASES)
def test_images_in_single_precision(chosen):
    image = replace(
        chosen, owner=(0, 1, 1, 2, 0, 2), shape=(1, 2, 3), single=True, distance="plain", threshold=0.31
    )
    test, x, change, asked = case_of(image)
    found = test.measure(x, every_subset(3), change)
    assert found.pns.dtype == np.float64
    _check(found, expected(asked, 3), tolerance=1e-4)


def test_different_targets_share_the_model_calls():
    calls = []

    def function(batch):
        calls.append(len(batch))
        return torch.stack([batch.sum(1), batch.prod(1), batch[:, 0]], dim=1)

    test, x, _, _ = case_of(Settings(b=6, n=4))
    test = replace(test, predictor=FunctionPredictor(function))
    subset = every_subset(3)
    target = np.array([2, 0, 0, 1, 2, 1])
    together = test.measure(x, subset, TargetChange(target))
    rows = sum(calls)
    calls.clear()
    test.measure(x, subset, TargetChange(np.zeros(6, dtype=np.int64)))
    assert sum(calls) == rows, "three targets ask for as many rows as one"
    for i in range(6):
        alone = test.measure(x[i : i + 1], subset, TargetChange(target[i : i + 1]))
        _check(alone, stacked(together.values)[i : i + 1])


def test_resampling_has_the_mean_of_the_weighted_mean_and_more_variance():
    chosen = Settings(seed=3, b=1, n=5, owner=(0, 1), boundary=1.5)
    test, x, change, _ = case_of(chosen)
    subset = every_subset(2)[:, 1:-1]
    exact = test.measure(x, subset, change)
    drawn = [
        replace(test, abduction=Resampling(2), seed=seed).measure(x, subset, change) for seed in range(120)
    ]
    values = np.stack([stacked(one.values) for one in drawn])
    mean, spread = values.mean(0), values.std(0, ddof=1)
    wanted = stacked(exact.values)
    assert bool((np.abs(mean - wanted) <= 4 * spread / 120**0.5 + 1e-12).all())
    assert bool((spread[..., 0] > 0).any())
    # The two probabilities of the events are not drawn again.
    _close(values[..., 2:4], np.broadcast_to(wanted[..., 2:4], (120, *wanted[..., 2:4].shape)), 1e-12)
    # What it says of its error is the spread over seeds.
    said = np.sqrt(np.mean([one.stderr.pns**2 for one in drawn], axis=0))
    assert bool(np.abs(said / spread[..., 4] - 1).max() < 0.25)


def test_other_seeds_give_other_perturbations_and_equal_ones_the_same():
    chosen = Settings(most_masks=0, t=8, n=5)
    test, x, change, _ = case_of(chosen)
    subset = every_subset(3)
    again = replace(test, seed=0).measure(x, subset, change)
    assert np.array_equal(test.measure(x, subset, change).pns, again.pns)
    other = replace(test, seed=1).measure(x, subset, change)
    assert not np.array_equal(other.pns, again.pns)
    state = torch.get_rng_state()
    test.measure(x, subset, change)
    assert torch.equal(state, torch.get_rng_state())


def test_the_model_may_change_its_batches():
    """Inputs of E are shared memory of the user; an opened predictor gives its batches away."""

    def spoiling(batch):
        total = (batch + 1).sum(1)
        batch.zero_()
        return total

    chosen = Settings(sample="population", owner=(0, 1, 2))
    clean, x, change, _ = case_of(chosen)
    before = x.clone(), clean.sample.population.clone()
    subset = every_subset(3)
    right = replace(clean, predictor=FunctionPredictor(lambda batch: (batch + 1).sum(1)))
    change = NormChange()
    spoilt = replace(clean, predictor=FunctionPredictor(spoiling))
    assert np.array_equal(spoilt.measure(x, subset, change).pns, right.measure(x, subset, change).pns)
    assert np.array_equal(spoilt.table(x, change).pns, right.table(x, change).pns)
    alone = replace(spoilt, sample=BackgroundSample(clean.sample.population))
    alone.measure(x, subset, change)
    assert torch.equal(x, before[0])
    assert torch.equal(clean.sample.population, before[1])


@pytest.mark.parametrize("t", [1, 3, 7, 49, 50])
def test_an_event_that_never_happens_has_probability_0_to_the_last_digit(t):
    """Every perturbation of ten players changes f: P(Ā, B̄) is 0, and PS is 0, not 1 of a rounding error."""
    made = torch.Generator().manual_seed(0)
    x = torch.rand(1, 30, generator=made, dtype=torch.float64) + 5
    test = DualStageTest(
        FunctionPredictor(lambda batch: batch.sum(1)),
        players_of(range(30)),
        BackgroundSample(torch.rand(6, 30, generator=made, dtype=torch.float64) + 5),
        torch.zeros(1, 30, dtype=torch.float64),
        Neighbourhood(HardEvents(100.0, 0.5)),
        Perturbations(n_perturbations=t, most_masks=0),
    )
    subset = np.arange(30)[None, None] < 3
    found = test.measure(x, subset, NormChange())
    assert not stacked(found.values)[..., [0, 1, 3, 4]].any()
    assert found.effective_ps[0, 0] == 0


def test_soft_events_become_hard_ones():
    chosen = Settings(seed=5, n=5, boundary=1.0, threshold=0.4)
    test, x, change, _ = case_of(chosen)
    soft = Neighbourhood(SoftEvents(1e9, 1e-9))
    hard = Neighbourhood(HardEvents(1e9, 1e-9))
    _close(
        stacked(replace(test, neighbourhood=soft).table(x, change).values),
        stacked(replace(test, neighbourhood=hard).table(x, change).values),
    )
