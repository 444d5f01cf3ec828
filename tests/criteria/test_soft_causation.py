"""The relaxed parts of PNS: against plain loops, the dual-stage test, finite differences, and split calls."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from onlyif.causation.abduction import Resampling, WeightedMean
from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.surrogate import ExponentialSurrogate, KernelSurrogate
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.players import Players
from onlyif.core.subsets import keep_of_codes, members
from onlyif.core.torch_seeds import torch_generator
from onlyif.criteria.soft_causation import SoftPNS
from onlyif.criteria.soft_causation_draws import StepDraws, drawn_again, spread
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.samples.background import BackgroundSample
from onlyif.samples.noisy import NoisySample
from oracles import causation as exact
from oracles import soft_causation as oracle
from oracles.causal_cases import ABDUCTIONS, Settings, case_of

OWNER = (0, 1, 0, 2)
SURROGATES = {oracle.kernel: KernelSurrogate(), oracle.exponential: ExponentialSurrogate()}


def _soft(test, *, abduction=None, surrogate=None, draws=None, max_rows=1000, predictor=None):
    """The relaxed form of a test, by the same model."""
    ask = test.predictor.function
    return SoftPNS(
        predictor or DifferentiablePredictor(ask, dtype=torch.float64),
        test.players,
        test.sample,
        test.baseline,
        test.neighbourhood,
        surrogate or KernelSurrogate(),
        abduction or WeightedMean(),
        draws or StepDraws(n_intervened=4),
        max_rows,
        test.seed,
    )


def _net(entries, seed=0):
    made = torch.Generator().manual_seed(seed)
    one, two = (torch.randn(size, generator=made, dtype=torch.float64) for size in ((entries, 6), (6, 2)))

    def net(batch):
        return torch.tanh(batch.flatten(1) @ one) @ two

    return DifferentiablePredictor(net, dtype=torch.float64)


def _masks(b, z, d, seed=3):
    made = torch.Generator().manual_seed(seed)
    return torch.rand(b, z, d, generator=made, dtype=torch.float64)


def _found(soft, x, change, masks, step=2):
    with soft.predictor.opened() as predictor:
        opened = replace(soft, predictor=predictor)
        return opened.parts(opened.pose(x, change), masks, step)


@pytest.mark.parametrize("abduction", ["weighted", "unweighted", "plain"])
@pytest.mark.parametrize("seed", range(3))
def test_at_subsets_all_choices_give_the_soft_quantities_of_the_dual_stage_test(abduction, seed, monkeypatch):
    settings = Settings(seed, owner=OWNER, abduction=abduction, boundary=0.8, threshold=0.4)
    test, x, change, asked = case_of(settings)
    d = test.players.count
    every = torch.tensor(list(product((0.0, 1.0), repeat=d)))
    monkeypatch.setattr(StepDraws, "intervened", lambda self, n, *rest: every.expand(n, -1, -1))
    # The whole set has nothing outside it, which the exact test takes for a null event.
    codes = torch.arange(2**d - 1)
    masks = torch.from_numpy(keep_of_codes(codes.numpy(), d)).double().expand(len(x), -1, -1)
    found = _found(_soft(test, abduction=ABDUCTIONS[abduction]), x, change, masks)
    for i, one in enumerate(asked):
        for code in codes.tolist():
            rows = exact.per_input(one, set(members(code)))
            # The kernel stands for the indicators: what is soft there is soft here too.
            kernels = [(a, b, soft, soft, rest, rest) for a, b, soft, _, rest, _ in rows]
            monkeypatch.setattr(exact, "per_input", lambda asked, s, kernels=kernels: kernels)
            wanted = exact.probabilities(one, set(members(code)))[5:]
            monkeypatch.undo()
            monkeypatch.setattr(StepDraws, "intervened", lambda self, n, *rest: every.expand(n, -1, -1))
            assert found[i, code].tolist() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("stands", SURROGATES)
@pytest.mark.parametrize("abduction", ABDUCTIONS)
@pytest.mark.parametrize("sample", ["background", "noisy"])
def test_relaxed_masks_are_the_plain_loops(stands, abduction, sample):
    test, x, change, asked = case_of(Settings(5, owner=OWNER, sample=sample, n=3, boundary=0.7))
    draws, d = StepDraws(n_intervened=4), test.players.count
    masks = _masks(len(x), 3, d)
    soft = _soft(test, abduction=ABDUCTIONS[abduction], surrogate=SURROGATES[stands], draws=draws)
    found = _found(soft, x, change, masks)
    drawn = draws.intervened(test.sample.rows(x, test.seed).count, d, test.seed, 2).tolist()
    for i, one in enumerate(asked):
        for z in range(3):
            wanted = oracle.parts(one, masks[i, z].tolist(), drawn, surrogate=stands, abduction=abduction)
            assert found[i, z].tolist() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("size", [1, 3])
def test_resampling_is_the_plain_loops(size):
    test, x, change, asked = case_of(Settings(6, owner=OWNER, n=4, boundary=0.7))
    draws, d = StepDraws(n_intervened=3, n_factual=2, antithetic=False, p_replace=0.4), test.players.count
    masks = _masks(len(x), 2, d)
    found = _found(_soft(test, abduction=Resampling(size), draws=draws), x, change, masks)
    factual = draws.factual(test.sample.rows(x, test.seed).count, d, test.seed, 2).tolist()
    intervened = draws.intervened(size, d, test.seed, 2).tolist()
    uniforms = [
        torch.rand(
            size, generator=torch_generator(test.seed, f"drawn again {k}", 2), dtype=torch.float64
        ).tolist()
        for k in range(2)
    ]
    for i, one in enumerate(asked):
        for z in range(2):
            wanted = oracle.resampled(one, masks[i, z].tolist(), factual, intervened, uniforms)
            assert found[i, z].tolist() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("abduction", [*ABDUCTIONS.values(), Resampling(2)])
@pytest.mark.parametrize("change", [NormChange(), TargetChange(np.array([0, 1]))])
@pytest.mark.parametrize("max_rows", [1000, pytest.param(5, marks=pytest.mark.slow)])
def test_gradients_are_finite_differences(abduction, change, max_rows):
    test, x, _, _ = case_of(Settings(7, owner=OWNER, boundary=0.7, threshold=0.8))
    soft = _soft(test, abduction=abduction, predictor=_net(4), max_rows=max_rows)
    posed = soft.pose(x, change)
    masks = _masks(len(x), 2, test.players.count).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: soft.parts(posed, given, 1), masks, eps=1e-6, atol=1e-5)


def test_gradients_are_finite_where_nothing_is_perturbed():
    """A change of exactly 0 has no direction; its slope must not be NaN."""
    test, x, _, _ = case_of(Settings(7, owner=OWNER))
    for change in (NormChange(), TargetChange(np.array([0, 1]))):
        soft = _soft(test, predictor=_net(4))
        masks = torch.zeros(len(x), 1, 3, dtype=torch.float64, requires_grad=True)
        parts = soft.parts(soft.pose(x, change), masks, 0)
        (slope,) = torch.autograd.grad(parts.sum(), masks)
        assert bool(slope.isfinite().all())


@pytest.mark.parametrize("abduction", [WeightedMean(), Resampling(2)])
def test_batch_and_single_agree_and_so_do_split_calls(abduction):
    test, x, change, _ = case_of(Settings(8, b=3, owner=OWNER, own_baselines=True, change="target"))
    soft = _soft(test, abduction=abduction, predictor=_net(4))
    masks = _masks(3, 2, test.players.count)
    together = _found(soft, x, change, masks)
    torch.testing.assert_close(_found(replace(soft, max_rows=7), x, change, masks), together)
    for i in range(3):
        alone = replace(soft, baseline=test.baseline[i : i + 1])
        one = _found(alone, x[i : i + 1], change.take(np.array([i])), masks[i : i + 1])
        torch.testing.assert_close(one[0], together[i])


@pytest.mark.parametrize("abduction", [WeightedMean(), Resampling(3)])
@pytest.mark.parametrize("max_rows", [1000, 6])
def test_rows_are_counted_as_asked_and_bounded(abduction, max_rows):
    asked, net = [], _net(4)

    def counted(batch):
        asked.append(len(batch))
        return net.function(batch)

    test, x, change, _ = case_of(Settings(9, n=4, owner=OWNER))
    predictor = DifferentiablePredictor(counted, dtype=torch.float64)
    soft = _soft(test, abduction=abduction, predictor=predictor, max_rows=max_rows)
    posed = soft.pose(x, change)
    assert sum(asked) == posed.model_rows == 2 * 5
    asked.clear()
    soft.parts(posed, _masks(2, 3, 3), 0)
    assert sum(asked) == 2 * 3 * soft.rows_a_mask(5)
    assert max(asked) <= max_rows


def test_a_model_that_works_in_place_spoils_nothing():
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 2)).double()
    test, x, change, _ = case_of(Settings(9, owner=OWNER))
    soft = _soft(test, predictor=DifferentiablePredictor(net, dtype=torch.float64))
    posed = soft.pose(x, change)
    rows = torch.cat([x.unsqueeze(1), test.sample.background.expand(len(x), -1, -1)], 1)
    assert torch.equal(posed.rows, rows)


def test_draws_come_in_pairs_and_by_step():
    draws = StepDraws(n_intervened=6)
    first = draws.intervened(3, 5, 0, 1)
    assert first.shape == (3, 6, 5)
    assert torch.equal(first[:, :3] + first[:, 3:], torch.ones(3, 3, 5))
    assert not torch.equal(first, draws.intervened(3, 5, 0, 2))
    assert torch.equal(first, draws.intervened(3, 5, 0, 1))
    often = StepDraws(n_intervened=400, antithetic=False, p_replace=0.2).intervened(10, 10, 0, 0)
    assert often.mean().item() == pytest.approx(0.2, abs=4 * (0.16 / 40_000) ** 0.5)
    # The choices of an input do not depend on how many there are of players alone.
    assert draws.factual(2, 5, 0, 1).shape == (2, 1, 5)


def test_inputs_are_drawn_again_by_weight():
    weights = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]]])
    chosen = drawn_again(weights.log(), 4000, torch.Generator().manual_seed(0))
    shares = torch.bincount(chosen[0, 0], minlength=3) / 4000
    assert shares.tolist() == pytest.approx([0.25, 0.0, 0.75], abs=4 * (0.1875 / 4000) ** 0.5)
    assert not bool(chosen[0, 1].any())


def test_numbers_of_players_become_numbers_of_entries():
    players = Players(np.array([[0, 1], [2, 0]]), ("a", "b", "c"))
    values = torch.tensor([[0.1, 0.2, 0.3]], requires_grad=True)
    found = spread(values, players)
    assert torch.equal(found, torch.tensor([[[0.1, 0.2], [0.3, 0.1]]]))
    (slope,) = torch.autograd.grad((found * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum(), values)
    assert slope.tolist() == [[5.0, 2.0, 3.0]]


def test_a_nan_answer_is_refused():
    test, x, change, _ = case_of(Settings(1, owner=OWNER))
    soft = _soft(test, predictor=DifferentiablePredictor(lambda batch: batch.sum(1) * torch.nan))
    with pytest.raises(ModelError, match="NaN or infinite"):
        soft.pose(x, change)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_intervened": 0}, "at least 1 perturbation"),
        ({"n_factual": 0}, "at least 1 perturbation"),
        ({"p_replace": 0.0}, "strictly between 0 and 1"),
        ({"p_replace": 1.0, "antithetic": False}, "strictly between 0 and 1"),
        ({"n_intervened": 3}, "even number"),
        ({"p_replace": 0.3}, "φ = 0.5"),
    ],
)
def test_bad_draws_are_refused(wrong, message):
    with pytest.raises(SettingError, match=message):
        StepDraws(**wrong)


def test_bad_rows_are_refused():
    sample, ends = BackgroundSample(torch.zeros(2, 3)), torch.zeros(1, 3)
    players = Players(np.arange(3), ("a", "b", "c"))
    with pytest.raises(SettingError, match="max_rows must be at least 1, got 0"):
        SoftPNS(
            _net(3),
            players,
            sample,
            ends,
            Neighbourhood(SoftEvents(1.0, 1.0)),
            KernelSurrogate(),
            WeightedMean(),
            StepDraws(),
            0,
        )


def test_noisy_copies_are_an_instances_own():
    """Another instance in the batch changes neither noise nor weights."""
    test, x, change, _ = case_of(Settings(2, b=2, owner=OWNER, sample="noisy", change="target"))
    soft = replace(_soft(test, predictor=_net(4)), sample=NoisySample(5, 0.3))
    masks = _masks(2, 1, 3)
    torch.testing.assert_close(
        _found(soft, x[1:], change.take(np.array([1])), masks[1:])[0], _found(soft, x, change, masks)[1]
    )
