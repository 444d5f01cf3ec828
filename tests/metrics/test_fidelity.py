"""Fidelity+ and Fidelity- against a loop; masks of ones win both."""

import pytest
import torch

import oracles.metrics as oracle
from onlyif.core.errors import InputError, SettingError
from onlyif.metrics.controls import random_maps, soft_mask, top_mask
from onlyif.metrics.fidelity import FidelityMinus, FidelityPlus
from onlyif.metrics.fills import ConstantFill, MeanFill
from onlyif.models.base import Meaning
from onlyif.models.function import FunctionPredictor

ZERO = ConstantFill(torch.zeros(()))


@pytest.mark.parametrize("fill", [MeanFill(), ZERO, ConstantFill(torch.full((2, 6, 5), 0.7))])
@pytest.mark.parametrize("make", [lambda maps: maps.sigmoid(), lambda maps: top_mask(maps, 20)])
def test_both_are_the_formulas_for_soft_and_hard_masks(fill, make, images):
    source = torch.Generator().manual_seed(3)
    x = torch.randn(30, 2, 6, 5, generator=source, dtype=torch.float64)
    masks = make(torch.randn(30, 2, 6, 5, generator=source, dtype=torch.float64))
    target = torch.zeros(30, dtype=torch.int64)

    def decide(one):
        return int(images.function(torch.as_tensor(one).unsqueeze(0)).argmax())

    filled = fill.values(x)
    plus = FidelityPlus(fill).measure(masks, images.predictor, x, target).values
    minus = FidelityMinus(fill).measure(masks, images.predictor, x, target).values
    for i in range(30):
        one, mask, other = x[i].numpy(), masks[i].numpy(), filled[i].numpy()
        assert plus[i].item() == oracle.fidelity(1 - mask, one, other, decide)
        assert minus[i].item() == oracle.fidelity(mask, one, other, decide)
    assert 0 < plus.mean() < 1
    assert 0 < minus.mean() < 1


def test_the_mask_of_ones_wins_both(images):
    """It removes all for the one and keeps all for the other; at equal size it is no longer there."""
    x = torch.randn(200, 2, 6, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    target = torch.zeros(200, dtype=torch.int64)
    ones, half = torch.ones_like(x), random_maps(x, 0)

    def both(masks):
        return (
            FidelityPlus(ZERO).measure(masks, images.predictor, x, target),
            FidelityMinus(ZERO).measure(masks, images.predictor, x, target),
        )

    (plus, minus), (soft_plus, soft_minus), (none_plus, none_minus) = both(ones), both(half), both(0 * ones)
    assert minus.mean == 0
    assert plus.minus(soft_plus).mean > 3 * plus.minus(soft_plus).stderr
    assert soft_minus.mean > 3 * soft_minus.stderr
    # Soft masks of one half, such as noise, change few decisions: the model sees x, only fainter.
    assert none_plus.mean == 0
    assert none_minus.mean == plus.mean


def test_a_single_output_is_decided_by_its_threshold():
    model = FunctionPredictor(lambda batch: batch[:, 0], described=Meaning("f", "probability", threshold=0.5))
    x, target = torch.tensor([[0.9, 0.0], [0.2, 0.0]]), torch.tensor([0, 0])
    masks = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert FidelityPlus(ZERO).measure(masks, model, x, target).values.tolist() == [1.0, 0.0]
    nameless = FunctionPredictor(lambda batch: batch[:, 0])
    with pytest.raises(SettingError, match="one output and no threshold"):
        FidelityPlus(ZERO).measure(masks, nameless, x, target)


@pytest.mark.parametrize("metric", [FidelityPlus(ZERO), FidelityMinus(ZERO)])
def test_what_is_no_mask_is_refused_and_told_how_to_become_one(metric, images):
    x, target = images.x, images.target
    with pytest.raises(InputError, match=r"needs masks in \[0, 1\], got -.*; make one with"):
        metric.measure(images.maps, images.predictor, x, target)
    with pytest.raises(InputError, match=r"needs masks in \[0, 1\], got 0 to 1.5"):
        metric.measure(images.maps.clamp(0, 1.5), images.predictor, x, target)
    metric.measure(soft_mask(images.maps, 20), images.predictor, x, target)
