"""Insertion and deletion against plain loops and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from onlyif.core.errors import InputError
from onlyif.metrics.fills import ConstantFill, MeanFill
from onlyif.metrics.insertion import Insertion
from onlyif.models.function import FunctionPredictor


def _slow(images, i, scores, fill, n, *, gone):
    """The area for one image, entry by entry; scores a pixel are those of all its channels."""
    x, ask = images.x[i].numpy(), images.one(i)
    order = sorted(range(scores.size), key=lambda k: (-scores.flat[k], k))
    areas = []
    for step in range(n + 1):
        highest = order[: round(scores.size * step / n)]
        inside = np.zeros(scores.size, dtype=bool)
        inside[highest] = True
        keep = inside.reshape(scores.shape) != gone
        areas.append(ask(np.where(keep, x, fill)))
    return sum((one + two) / 2 for one, two in pairwise(areas)) / n


@pytest.mark.parametrize("gone", [False, True])
def test_areas_are_those_of_plain_loops(images, gone):
    zero = torch.zeros((), dtype=torch.float64)
    pixels = images.maps.mean(1)
    for maps, fill in ((images.maps, ConstantFill(zero)), (pixels, MeanFill())):
        found = (
            Insertion(fill, 7, deleted=gone).measure(maps, images.predictor, images.x, images.target).values
        )
        values = fill.values(images.x).numpy()
        wanted = [_slow(images, i, maps[i].numpy(), values[i], 7, gone=gone) for i in range(4)]
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_the_best_order_of_a_sum_and_ties():
    total = FunctionPredictor(lambda batch: batch.sum(1, keepdim=True))
    x, zero = torch.tensor([[3.0, 2.0, 1.0]]), ConstantFill(torch.zeros(()))
    # In order of size 3, 5, 6 are there after each step; from the least 1, 3, 6.
    best, worst = ((maps, torch.tensor([0])) for maps in (x, -x))
    areas = [Insertion(zero, 3).measure(maps, total, x, target).mean for maps, target in (best, worst)]
    assert areas == pytest.approx([(0 + 3 + 3 + 5 + 5 + 6) / 6, (0 + 1 + 1 + 3 + 3 + 6) / 6])
    left = [
        Insertion(zero, 3, deleted=True).measure(maps, total, x, target).mean
        for maps, target in (best, worst)
    ]
    assert left == pytest.approx([6 - areas[0], 6 - areas[1]])
    ties = Insertion(zero, 3).measure(torch.zeros(1, 3), total, x, torch.tensor([0])).mean
    assert ties == pytest.approx(areas[0])


def test_maps_that_fit_no_instance_are_refused(images):
    for maps in (images.maps[:, :1], images.maps[:2], images.maps.flatten(1)):
        with pytest.raises(InputError, match="got maps of shape"):
            Insertion(MeanFill()).measure(maps, images.predictor, images.x, images.target)
