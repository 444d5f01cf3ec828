"""Superpixels: two flat halves are two regions, and regions are players."""

import pytest
import torch

from onlyif.core.errors import InputError, SettingError
from onlyif.modalities.grids import SuperpixelGrid
from onlyif.modalities.slic import superpixels


@pytest.mark.parametrize("channels", [1, 3])
def test_regions_follow_colours(channels):
    image = torch.zeros(channels, 16, 16)
    image[:, :, 5:] = 1
    found = superpixels(image, 4, 0.01)
    left, right = set(found[:, :5].unique().tolist()), set(found[:, 5:].unique().tolist())
    assert not left & right
    assert SuperpixelGrid(found).shape == (len(left | right), 16, 16)


def test_an_image_without_channels_is_cut_like_one_with_one():
    image = torch.rand(12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(superpixels(image, 6), superpixels(image.unsqueeze(0), 6))


@pytest.mark.parametrize("n", [0, 145])
def test_wrong_numbers_of_regions_are_refused(n):
    with pytest.raises(SettingError, match=f"need 1 to 144 regions, got {n}"):
        superpixels(torch.rand(12, 12), n)


@pytest.mark.parametrize("image", [torch.rand(2, 12, 12), torch.full((12, 12), torch.nan)])
def test_wrong_images_are_refused(image):
    with pytest.raises(InputError, match="a finite image of 1 or 3 channels"):
        superpixels(image, 4)
