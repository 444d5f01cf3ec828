"""Nested sets by PNS, through the same search: against the PNS of all subsets of sixteen pixels."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from onlyif.causation.change import TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.probabilities import Probabilities, over_baselines
from onlyif.causation.surrogate import KernelSurrogate
from onlyif.core.players import Players
from onlyif.criteria.sized_causes import SizedCauses
from onlyif.criteria.soft_causation import SoftPNS
from onlyif.criteria.soft_causation_draws import StepDraws
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.samples.noisy import NoisySample
from onlyif.searches.sized import SizedSearch, cause_settings, pixel_settings

SIZES = (2, 4)


def made(seed: int) -> tuple[SizedCauses, DualStageTest]:
    """A network of interacting pixels, an image of four by four, and both forms of its test."""
    draws = torch.Generator().manual_seed(seed)
    first, second = torch.randn(16, 8, generator=draws), torch.randn(8, 2, generator=draws)
    network = DifferentiablePredictor(
        lambda batch: (torch.tanh(batch.flatten(1) @ first.to(batch)) @ second.to(batch)).softmax(1)
    )
    x, black = torch.rand(1, 1, 4, 4, generator=draws), torch.zeros(1, 1, 4, 4)
    players = Players(np.arange(16).reshape(1, 4, 4), tuple(f"pixel {i}" for i in range(16)))
    near, sample = Neighbourhood(SoftEvents(1.0, 0.05)), NoisySample(2, 0.01)
    test = DualStageTest(network, players, sample, black, near)
    objective = SoftPNS(
        network, players, sample, black, near, KernelSurrogate(), test.abduction, StepDraws(8)
    )
    posed = objective.pose(x, TargetChange(np.array([0])))
    return SizedCauses(x, objective, (posed,), 1, (0.5, 0.5)), test


@pytest.mark.parametrize("seed", [0, 1])
def test_sets_of_sixteen_pixels_are_among_the_most_probable_causes_of_all(seed: int) -> None:
    costs, test = made(seed)
    found = SizedSearch(costs, SIZES, cause_settings(pixel_settings())).run(torch.arange(1), torch.zeros(1))
    exact = test.table(costs.x, TargetChange(np.array([0]))).values.pns[0]
    assert (found.sets[0, 0] <= found.sets[0, 1]).all() and found.felt.all()
    for z, size in enumerate(SIZES):
        codes = [sum(1 << i for i in some) for some in combinations(range(16), size)]
        own = exact[sum(1 << i for i in found.sets[0, z].nonzero().flatten().tolist())]
        assert int(found.sets[0, z].sum()) == size
        # The search sees few perturbations; by all of them its set is among the best of its size.
        better = int((exact[codes] > own + 1e-9).sum())
        assert better <= math.comb(16, size) // 25, (better, own, exact[codes].max())


def test_rows_are_counted_and_a_look_is_at_the_same_draws() -> None:
    costs, _ = made(2)
    asked = []
    counted = DifferentiablePredictor(
        lambda batch: (asked.append(len(batch)), costs.objective.predictor.function(batch))[1]
    )
    again = replace(costs, objective=replace(costs.objective, predictor=counted))
    numbers, masks = torch.arange(1), torch.rand(1, 3, 16) < 0.5
    one, two = (again.cost(numbers, torch.zeros(1), masks.float(), -1) for _ in range(2))
    assert torch.equal(one, two)
    assert sum(asked) == 2 * 3 * costs.rows_a_mask(0.0) and costs.drawn
    other = [again.cost(numbers, torch.zeros(1), masks.float(), look) for look in (-2, -1, 0, 1)]
    assert not any(torch.equal(*pair) for pair in combinations(other, 2))


def several(seed: int) -> tuple[SizedCauses, list[DualStageTest]]:
    """The same looked at under three baselines."""
    costs, test = made(seed)
    ends = 3 * torch.rand(3, 1, 1, 4, 4, generator=torch.Generator().manual_seed(seed + 100)) - 1
    posed = tuple(costs.posed[0].towards(one) for one in ends)
    return replace(costs, posed=posed, at_once=2), [replace(test, baseline=one) for one in ends]


def test_a_look_is_at_the_mean_over_some_baselines_and_the_next_look_at_the_next() -> None:
    costs, _ = several(3)
    numbers, alpha = torch.arange(1), torch.zeros(1)
    masks = (torch.rand(1, 5, 16, generator=torch.Generator().manual_seed(0)) < 0.5).float()

    def alone(number: int) -> torch.Tensor:
        # Whichever x' is looked at, a draw has a number of its own.
        one = replace(costs, posed=(costs.posed[number % 3],), at_once=1)
        return one.cost(numbers, alpha, masks, number)

    for look in range(-3, 4):
        both = [alone(2 * look), alone(2 * look + 1)]
        found = costs.cost(numbers, alpha, masks, look)
        assert torch.allclose(found, torch.stack(both).mean(0), atol=1e-6)
        assert (both[0] - both[1]).abs().max() > 1e-3
    assert costs.rows_a_mask(0.0) == 2 * made(3)[0].rows_a_mask(0.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_sets_under_several_baselines_are_among_the_best_by_the_mean_of_all_subsets(seed: int) -> None:
    costs, tests = several(seed)
    found = SizedSearch(costs, SIZES, cause_settings(pixel_settings())).run(torch.arange(1), torch.zeros(1))
    tables = [test.table(costs.x, TargetChange(np.array([0]))) for test in tests]
    exact = over_baselines(tables).values.pns[0]
    for z, size in enumerate(SIZES):
        codes = [sum(1 << i for i in some) for some in combinations(range(16), size)]
        own = exact[sum(1 << i for i in found.sets[0, z].nonzero().flatten().tolist())]
        better = int((exact[codes] > own + 1e-9).sum())
        assert better <= math.comb(16, size) // 25, (better, own, exact[codes].max())


def test_probabilities_over_baselines_are_those_of_a_baseline_drawn_at_random() -> None:
    costs, tests = several(4)
    subset = np.random.default_rng(0).random((1, 6, 16)) < 0.4
    parts = [test.measure(costs.x, subset, TargetChange(np.array([0]))) for test in tests]
    told = over_baselines(parts)

    def mean(name: str) -> np.ndarray:
        found: np.ndarray = np.mean([getattr(part.values, name) for part in parts], axis=0)
        return found

    for name in ("p_changed", "p_unchanged", "necessity", "sufficiency", "pns"):
        np.testing.assert_allclose(getattr(told.values, name), mean(name), rtol=1e-12)
    # P(B | A) = P(A and B) / P(A), and PNS is made of its parts.
    np.testing.assert_allclose(told.pn, mean("necessity") / mean("p_changed"), rtol=1e-9)
    np.testing.assert_allclose(told.ps, mean("sufficiency") / mean("p_unchanged"), rtol=1e-9)
    np.testing.assert_allclose(told.pns, told.pn * told.p_changed + told.ps * told.p_unchanged, rtol=1e-9)
    assert told.model_rows == sum(part.model_rows for part in parts)
    assert over_baselines(parts[:1]) is parts[0]


def test_the_error_over_baselines_is_how_far_other_perturbations_move_the_mean() -> None:
    costs, tests = several(5)
    # Halves: of few pixels the perturbations would soon be repeated.
    subset = np.stack([np.arange(16) % 2 == 0, np.arange(16) < 8, np.arange(16) % 4 < 2])[None]
    few = [replace(test, perturbations=Perturbations(n_perturbations=16, most_masks=16)) for test in tests]

    def drawn(seed: int) -> Probabilities:
        seeded = [replace(test, seed=100 * seed + number) for number, test in enumerate(few)]
        return over_baselines([test.measure(costs.x, subset, TargetChange(np.array([0]))) for test in seeded])

    # E is drawn by the seed, too; its noise of .01 moves little.
    found = [drawn(seed) for seed in range(60)]
    # What an x' weighs in PN and PS is estimated from the same perturbations, and its error counts.
    for name in ("pns", "pn", "ps", "p_changed", "p_unchanged"):
        spread = np.std([getattr(one.values, name) for one in found], axis=0, ddof=1)
        said = np.mean([getattr(one.stderr, name) for one in found], axis=0)
        assert (np.abs(said / spread - 1) < 0.4).all(), (name, said, spread)


def test_the_error_of_a_probability_counts_that_what_each_baseline_weighs_is_estimated() -> None:
    costs, test = made(5)
    ends = 3 * torch.rand(24, 1, 1, 4, 4, generator=torch.Generator().manual_seed(7)) - 1
    few, change = Perturbations(n_perturbations=4, most_masks=1), TargetChange(np.array([0]))
    # Of two pixels: the error without that is little more than half of the true one.
    subset = (np.arange(16) < 2)[None, None]

    def drawn(seed: int) -> Probabilities:
        tests = [
            replace(test, baseline=end, perturbations=few, seed=100 * seed + i) for i, end in enumerate(ends)
        ]
        return over_baselines([one.measure(costs.x, subset, change) for one in tests])

    found = [drawn(seed) for seed in range(60)]
    spread = np.std([one.ps for one in found], ddof=1)
    assert 0.75 < np.mean([one.stderr.ps for one in found]) / spread < 1.3
