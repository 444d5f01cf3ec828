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
from onlyif.causation.surrogate import KernelSurrogate
from onlyif.core.players import Players
from onlyif.criteria.sized_causes import SizedCauses
from onlyif.criteria.soft_causation import SoftPNS
from onlyif.criteria.soft_causation_draws import StepDraws
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.samples.noisy import NoisySample
from onlyif.searches.sized import SizedSearch, pixel_settings

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
        network, players, sample, black, near, KernelSurrogate(), test.abduction, StepDraws(2)
    )
    posed = objective.pose(x, TargetChange(np.array([0])))
    return SizedCauses(x, objective, posed, (0.5, 0.5), StepDraws(16)), test


@pytest.mark.parametrize("seed", [0, 1])
def test_sets_of_sixteen_pixels_are_among_the_most_probable_causes_of_all(seed: int) -> None:
    costs, test = made(seed)
    found = SizedSearch(costs, SIZES, pixel_settings()).run(torch.arange(1), torch.zeros(1))
    exact = test.table(costs.x, TargetChange(np.array([0]))).values.pns[0]
    assert (found.sets[0, 0] <= found.sets[0, 1]).all() and found.felt.all()
    for z, size in enumerate(SIZES):
        codes = [sum(1 << i for i in some) for some in combinations(range(16), size)]
        own = exact[sum(1 << i for i in found.sets[0, z].nonzero().flatten().tolist())]
        assert int(found.sets[0, z].sum()) == size
        # The search sees few perturbations; by all of them its set is among the best of its size.
        better = int((exact[codes] > own + 1e-9).sum())
        assert better <= math.comb(16, size) // 25, (better, own, exact[codes].max())


def test_rows_are_counted_and_judged_by_the_same_draws() -> None:
    costs, _ = made(2)
    asked = []
    counted = DifferentiablePredictor(
        lambda batch: (asked.append(len(batch)), costs.objective.predictor.function(batch))[1]
    )
    again = replace(costs, objective=replace(costs.objective, predictor=counted))
    numbers, masks = torch.arange(1), torch.rand(1, 3, 16) < 0.5
    one, two = (again.cost(numbers, torch.zeros(1), masks.float(), None) for _ in range(2))
    assert torch.equal(one, two)
    assert sum(asked) == 2 * 3 * costs.rows_a_mask(0.0, judging=True)
    other = [again.cost(numbers, torch.zeros(1), masks.float(), step) for step in (0, 1)]
    assert not torch.equal(*other)
