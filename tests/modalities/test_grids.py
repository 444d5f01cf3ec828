"""Grids against torch's own interpolation, plain loops and their refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from onlyif.core.errors import SettingError
from onlyif.modalities.grids import CoarseGrid, NumberedRow, PixelGrid, SuperpixelGrid, image_players

REGIONS = torch.tensor([[0, 0, 1], [2, 2, 1]])


def test_superpixels_take_the_number_of_their_region():
    values = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.8, 0.7]])
    found = SuperpixelGrid(REGIONS).spread(values)
    for b in range(2):
        for i in range(2):
            for j in range(3):
                assert found[b, i, j] == values[b, REGIONS[i, j]]


def test_superpixels_gather_the_mean_of_their_region():
    mask = torch.rand(2, 2, 3)
    found = SuperpixelGrid(REGIONS).gather(mask)
    for region in range(3):
        assert torch.allclose(found[:, region], mask[:, region == REGIONS].mean(1))


def test_a_coarse_grid_is_torchs_bilinear_interpolation_and_its_slope_goes_back():
    grid, values = CoarseGrid(2, 3, 5, 7), torch.rand(4, 6, requires_grad=True)
    expected = functional.interpolate(values.view(4, 1, 2, 3), (5, 7), mode="bilinear")[:, 0]
    assert torch.equal(grid.spread(values), expected)
    grid.spread(values).sum().backward()
    assert values.grad.sum().item() == pytest.approx(4 * 35)  # the weights of every pixel sum to 1


@given(st.integers(1, 6), st.integers(1, 6), st.floats(0, 1))
def test_a_flat_mask_stays_flat_on_every_grid(rows, columns, value):
    for grid in (CoarseGrid(rows, columns, 6, 7), PixelGrid(6, 7)):
        mask = grid.spread(torch.full((1, grid.shape[0]), value))
        assert torch.allclose(mask, torch.full((1, 6, 7), value))
        assert torch.allclose(grid.gather(mask), torch.full((1, grid.shape[0]), value))


@given(st.integers(0, 1000))
def test_pixels_and_superpixels_gather_what_they_spread(seed):
    numbers = torch.Generator().manual_seed(seed)
    for grid in (PixelGrid(2, 3), SuperpixelGrid(REGIONS)):
        values = torch.rand(3, grid.shape[0], generator=numbers)
        assert torch.allclose(grid.gather(grid.spread(values)), values)


def test_pixels_and_superpixels_are_drawn_as_wholes_and_coarse_grids_by_their_pixels():
    regions = SuperpixelGrid(REGIONS)
    assert regions.drawn is regions
    assert CoarseGrid(1, 1, 2, 3).drawn == PixelGrid(2, 3)


@pytest.mark.parametrize("size", [(3, 1, 2, 3), (1, 4, 2, 3), (0, 1, 2, 3)])
def test_a_mask_finer_than_the_image_is_refused(size):
    with pytest.raises(SettingError, match=r"may not be finer than the image: got a grid of \d x \d"):
        CoarseGrid(*size)


@pytest.mark.parametrize("wrong", [[[0, 2]], [[-1, 0]], [[1, 2]]])
def test_left_out_regions_are_refused(wrong):
    with pytest.raises(SettingError, match="numbered 0 to d - 1 with none left out"):
        SuperpixelGrid(torch.tensor(wrong))


def test_an_image_without_pixels_is_refused():
    with pytest.raises(SettingError, match="at least 1 pixel a side, got 0 x 3"):
        PixelGrid(0, 3)


def test_regions_are_players_of_all_channels():
    players = image_players(REGIONS, (2, 2, 3))
    kept = players.spread(np.array([[[True, False, False]]]))
    assert np.array_equal(kept[0, 0], (REGIONS == 0).expand(2, 2, 3))
    with pytest.raises(SettingError, match=r"cover \(2, 3\) pixels, the image \(3, 3\)"):
        image_players(REGIONS, (1, 3, 3))


def test_a_numbered_row_leaves_its_number_alone():
    row, values = NumberedRow(3), torch.rand(2, 3)
    spread = row.spread(values)
    assert spread.shape == (2, *row.shape[1:])
    assert not spread[..., 0].any()
    assert torch.equal(row.gather(spread), values)
    with pytest.raises(SettingError, match="at least 1 player, got 0"):
        NumberedRow(0)
