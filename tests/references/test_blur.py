"""The blurred image against scipy's Gaussian filter, and the contract of references on images."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from onlyif.core.errors import InputError, SettingError
from onlyif.references.base import Plan
from onlyif.references.blur import BlurReference
from onlyif.testing.references import check_reference

ATOM = Plan(1, 0, 1, None)


def _images(b):
    return torch.rand(b, 2, 9, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_it_keeps_the_contract():
    keep = np.random.default_rng(0).random((1, 3, 2, 9, 8)) < 0.5
    check_reference(BlurReference(1.0), _images(3), keep)


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.3])
def test_the_blur_is_scipys(sigma):
    x = _images(2)
    found = BlurReference(sigma).draw(x, np.zeros((1, 1, 2, 9, 8), dtype=bool), ATOM).values[:, 0, 0]
    reach = max(1, round(3 * sigma))
    expected = [[gaussian_filter(c.numpy(), sigma, mode="nearest", radius=reach) for c in row] for row in x]
    for row, wanted in zip(found, expected, strict=True):
        for channel, plane in zip(row, wanted, strict=True):
            assert torch.allclose(channel, torch.from_numpy(plane), atol=1e-12)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf")])
def test_a_blur_needs_a_width(sigma):
    with pytest.raises(SettingError, match="sigma above 0"):
        BlurReference(sigma)


def test_a_row_of_a_table_has_no_blur():
    with pytest.raises(InputError, match="a blur needs images"):
        BlurReference(1.0).draw(torch.ones(2, 3), np.zeros((1, 1, 3), dtype=bool), ATOM)
