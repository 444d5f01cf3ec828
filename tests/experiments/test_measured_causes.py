"""PNS as experiments measure it, against plain loops over the inputs of E and their masks."""

import pytest
import torch
from torch import nn

from experiments import measured_causes
from onlyif.causation.boundaries import scott_boundary
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.noisy import NoisySample

SIDE = 2


def test_one_pixel_is_the_cause_by_plain_lines():
    """With all masks of a set of one pixel drawn: kept or replaced, each with probability 1/2."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    net[1].weight.data = torch.tensor([[6.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    x = torch.full((1, 1, SIDE, SIDE), 0.1)
    sets = torch.zeros(1, 2, SIDE, SIDE, dtype=torch.bool)
    sets[0, 0, 0, 0] = sets[0, 1, 1, 1] = True
    closeness = measured_causes.Closeness(perturbations=8, inputs=4, c=0.1)
    predictor = differentiable_module(net, nn.Softmax(1), "probability")
    found = measured_causes.probabilities_of(sets, predictor, x, torch.tensor([0]), closeness)

    noise = torch.from_numpy(uniform_baseline((1, SIDE, SIDE), seed=measured_causes.FRESH)).flatten()
    inputs = NoisySample(4, 0.01).rows(x, measured_causes.FRESH)
    rows = torch.as_tensor(inputs.own).view(-1, 4)
    assert len(rows) == 4
    b, c = scott_boundary(4, 4), 0.1

    def f(row):
        return torch.sigmoid(6 * row[0])

    def near(row, members):
        return torch.exp(-(row - x.flatten())[members].square().sum() / (2 * b * b))

    total = 0.0
    for row in rows:
        moved = (f(torch.where(torch.arange(4) == 0, noise, row)) - f(row)).abs()
        changed = 1 - torch.exp(-moved.square() / (2 * c * c))
        # The pixel is the set: its two masks change the output or not; the rest never does.
        necessary = near(row, [0]) * changed / 2
        sufficient = near(row, [1, 2, 3]) * (moved > c).float() / 2
        total += (necessary + sufficient).item()
    assert found.pns[0, 0] == pytest.approx(total / 4, rel=1e-5)
    assert found.pns[0, 0] > 0.3
    # A pixel that nothing hangs on: its masks change nothing.
    assert found.pns[0, 1] < found.pns[0, 0] / 10
    assert closeness.rows_a_set == 64
