"""Means, their standard errors, paired differences."""

import math

import pytest
import torch

from onlyif.core.errors import SettingError
from onlyif.metrics.measured import Measured


def _normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_mean_and_standard_error_by_hand():
    found = Measured(torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64))
    assert found.mean == 3.0
    # Deviations -2, -1, 3: variance 14 / 2.
    assert found.stderr == pytest.approx(math.sqrt(7 / 3))
    assert str(found) == "3 ± 1.53 (3 instances)"
    assert torch.equal(found.sampling_error, torch.zeros(3, dtype=torch.float64))
    assert math.isnan(found.take(torch.tensor([0])).stderr)


def test_draws_add_their_own_error():
    by_draw = torch.tensor([[1.0, 3.0], [2.0, 8.0]], dtype=torch.float64)
    found = Measured(by_draw.mean(1), by_draw)
    # Instances 2 and 5: variance 4.5. Draws 1.5 and 5.5: variance 8.
    assert found.stderr == pytest.approx(math.sqrt(4.5 / 2 + 8 / 2))
    assert found.sampling_error.tolist() == pytest.approx([1.0, 3.0])
    one = Measured(by_draw[:, 0], by_draw[:, :1])
    assert math.isnan(one.stderr)
    assert bool(one.sampling_error.isnan().all())


def test_a_paired_difference_has_the_error_of_the_differences():
    shared = 100 * _normal(50)
    one, other = (
        Measured(shared + 1 + 0.1 * _normal(50, seed=1)),
        Measured(shared + 0.1 * _normal(50, seed=2)),
    )
    difference = one.minus(other)
    assert difference.mean == pytest.approx(one.mean - other.mean)
    assert difference.stderr == pytest.approx(float((one.values - other.values).std()) / math.sqrt(50))
    assert difference.stderr < 0.01 * one.stderr
    draws = _normal(4, 3)
    whole, part = Measured(draws.mean(1), draws), Measured(draws.mean(1) / 2, draws / 2)
    assert torch.equal(whole.minus(part).by_draw, draws / 2)


def test_pairs_must_be_pairs():
    with pytest.raises(SettingError, match=r"same instances and draws, got \(3, 0\) and \(2, 0\)"):
        Measured(_normal(3)).minus(Measured(_normal(2)))
    with pytest.raises(SettingError, match=r"same instances and draws, got \(3, 0\) and \(3, 5\)"):
        Measured(_normal(3)).minus(Measured(_normal(3), _normal(3, 5)))


def test_some_of_the_instances():
    draws = _normal(4, 3)
    found = Measured(draws.mean(1), draws)
    right = torch.tensor([True, False, True, False])
    assert torch.equal(found.take(right).values, found.values[[0, 2]])
    assert torch.equal(found.take(torch.tensor([2, 0])).by_draw, draws[[2, 0]])


def test_the_standard_error_covers_with_shared_draws():
    """95 % intervals of the mean cover it; without the draws' term they do not."""
    source, covered, without = torch.Generator().manual_seed(0), 0, 0
    for _ in range(400):
        parts = (torch.randn(30, 1, generator=source), torch.randn(1, 20, generator=source))
        noise = torch.randn(30, 20, generator=source)
        by_draw = (parts[0] + parts[1] + noise).double()
        found = Measured(by_draw.mean(1), by_draw)
        covered += abs(found.mean) <= 2 * found.stderr
        without += abs(found.mean) <= 2 * Measured(found.values).stderr
    assert 0.92 <= covered / 400 <= 0.98
    assert without / 400 < 0.85
