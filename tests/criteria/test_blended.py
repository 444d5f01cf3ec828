"""Gaps of blended masks against their definition, and their slopes against differences."""

import pytest
import torch

from onlyif.core.errors import SettingError
from onlyif.criteria.blended import blended_gaps
from onlyif.models.differentiable import DifferentiablePredictor

GENERATOR = torch.Generator().manual_seed(3)
X = torch.rand(2, 2, 3, 4, generator=GENERATOR, dtype=torch.float64)
FILLINGS = torch.rand(1, 5, 2, 3, 4, generator=GENERATOR, dtype=torch.float64)
WEIGHTS = torch.randn(24, 3, generator=GENERATOR, dtype=torch.float64)


def network(batch: torch.Tensor) -> torch.Tensor:
    return (batch.flatten(1) @ WEIGHTS).softmax(1)


PREDICTOR = DifferentiablePredictor(network, dtype=torch.float64)
TARGET = torch.tensor([1, 2])


def by_hand(i: int, keep: torch.Tensor) -> float:
    rows = torch.where(keep.view(1, 1, 3, 4), X[i], FILLINGS[0])
    return float(network(rows)[:, TARGET[i]].mean())


def test_hard_masks_have_the_gaps_of_the_definition_however_calls_are_split() -> None:
    masks = torch.rand(2, 3, 12, generator=GENERATOR) < 0.5
    nothing = torch.zeros(12, dtype=torch.bool)
    found = [
        blended_gaps(PREDICTOR, X, FILLINGS, TARGET, max_rows).both(torch.arange(2), masks.double())
        for max_rows in (1, 7, 1000)
    ]
    for i in range(2):
        full, base = float(network(X)[i, TARGET[i]]), by_hand(i, nothing)
        for m in range(3):
            keep = masks[i, m]
            expected = abs(full - by_hand(i, keep)), abs(by_hand(i, ~keep) - base)
            for suf, nec in found:
                assert (suf[i, m].item(), nec[i, m].item()) == pytest.approx(expected, abs=1e-12)


def test_the_mixture_is_weighted_asks_no_side_in_vain_and_has_its_slope() -> None:
    gaps = blended_gaps(PREDICTOR, X, FILLINGS, TARGET)
    numbers, alpha = torch.tensor([0, 1, 1]), torch.tensor([0.0, 0.25, 1.0])
    masks = torch.rand(3, 2, 12, generator=GENERATOR, dtype=torch.float64)
    suf, nec = gaps.both(numbers, masks)
    weight = alpha[:, None].double()
    assert torch.allclose(gaps.unified(numbers, alpha, masks), weight * suf + (1 - weight) * nec)
    leaf = masks.clone().requires_grad_()
    (slope,) = torch.autograd.grad(gaps.unified(numbers, alpha, leaf).sum(), leaf)
    moved = masks.clone()
    moved[1, 0, 5] += 1e-6
    change = gaps.unified(numbers, alpha, moved) - gaps.unified(numbers, alpha, masks)
    assert change[1, 0].item() / 1e-6 == pytest.approx(slope[1, 0, 5].item(), rel=1e-4)


def test_a_target_that_is_no_output_is_refused() -> None:
    with pytest.raises(SettingError):
        blended_gaps(PREDICTOR, X, FILLINGS, torch.tensor([1, 3]))
