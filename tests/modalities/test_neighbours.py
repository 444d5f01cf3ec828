"""Total variation and mean of masks against plain loops, for planes, regions and any pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.modalities.grids import CoarseGrid, PixelGrid, SuperpixelGrid
from onlyif.modalities.neighbours import PairNeighbours, PlaneNeighbours
from oracles.soft import variation


def _random(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_total_variation_of_pixels_is_the_plain_sum(height, width, seed):
    masks, weight = _random(seed, 2, height, width).requires_grad_(), torch.tensor([2.0, -3.0])
    found = PixelGrid(height, width).neighbours.variation(masks.flatten(1))
    wanted = torch.stack([variation(mask) for mask in masks])
    assert torch.allclose(found, wanted, atol=1e-12)
    if wanted.requires_grad:
        slope, expected = (torch.autograd.grad(one @ weight.double(), masks)[0] for one in (found, wanted))
        assert torch.allclose(slope, expected, atol=1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_regions_have_the_mean_and_variation_of_their_pixels(height, width, seed):
    made = torch.Generator().manual_seed(seed)
    index = torch.randint(0, 4, (height, width), generator=made).unique(return_inverse=True)[1]
    grid = SuperpixelGrid(index)
    values = _random(seed, 3, grid.shape[0]).requires_grad_()
    pixels = grid.spread(values)
    for found, wanted in (
        (grid.neighbours.variation(values), torch.stack([variation(mask) for mask in pixels])),
        (grid.neighbours.mean(values), pixels.mean((1, 2))),
    ):
        assert torch.allclose(found, wanted, atol=1e-12)
        if wanted.requires_grad:
            slope, expected = (
                torch.autograd.grad(one.sum(), values, retain_graph=True)[0] for one in (found, wanted)
            )
            assert torch.allclose(slope, expected, atol=1e-12)


def test_equal_neighbours_have_no_slope():
    values = torch.tensor([[0.5, 0.5, 0.0, 1.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(PlaneNeighbours(1, 4).variation(values).sum(), values)
    assert slope.tolist() == [[0.0, 0.25, -0.5, 0.25]]


def test_a_coarse_grid_is_judged_by_its_pixels():
    grid = CoarseGrid(2, 2, 4, 6)
    assert grid.drawn == PixelGrid(4, 6) and grid.neighbours == PlaneNeighbours(4, 6)
    assert PixelGrid(4, 6).drawn == PixelGrid(4, 6)


def test_any_pairs_are_neighbours():
    """A triangle with one player more, of no neighbour."""
    triangle = PairNeighbours(
        torch.ones(4), torch.tensor([[0, 1], [1, 2], [0, 2]]), torch.tensor([1.0, 2.0, 1.0])
    )
    values = torch.tensor([[0.0, 0.5, 1.0, 0.3], [1.0, 1.0, 1.0, 0.0]])
    assert triangle.variation(values).tolist() == pytest.approx([(0.5 + 2 * 0.5 + 1.0) / 4, 0.0])
    assert triangle.mean(values).tolist() == pytest.approx([0.45, 0.75])
    alone = PairNeighbours(torch.ones(3), torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0))
    assert alone.variation(values[:, :3]).tolist() == [0.0, 0.0]
