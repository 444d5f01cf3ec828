"""Masks of a given size: their sums, their gradients, and who is in."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import SettingError
from onlyif.searches.mask_shapes import FreeMask, SizedMasks, of_size, top_players


def _free(seed, d, spread, b=2):
    made = torch.Generator().manual_seed(seed)
    return spread * torch.randn(b, d, generator=made, dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([0.0, 0.1, 3.0, 200.0]), st.floats(0.02, 0.98)
)
def test_masks_sum_to_their_size(seed, d, spread, share):
    free = _free(seed, d, spread)
    found = of_size(free, share * d)
    torch.testing.assert_close(found.sum(1), torch.full((2,), share * d).double(), rtol=1e-6, atol=1e-6)
    assert bool(((found >= 0) & (found <= 1)).all())
    # The mask ranks the players as the numbers do.
    order = free.argsort(1)
    assert bool((found.gather(1, order).diff(dim=1) >= -1e-12).all())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(0.1, 0.9))
def test_gradients_are_finite_differences(seed, d, share):
    free = _free(seed, d, 2.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda one: of_size(one, share * d), free, eps=1e-6, atol=1e-5)


def test_gradients_keep_the_sum():
    free = _free(0, 7, 1.0).requires_grad_()
    (slope,) = torch.autograd.grad(of_size(free, 3.0).sum(), free)
    assert slope.abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_apart_numbers_give_a_subset_with_finite_slopes(dtype):
    free = torch.tensor([[500.0, -500.0, 0.0, 900.0]], dtype=dtype).requires_grad_()
    found = of_size(free, 2.0)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=dtype), atol=1e-3, rtol=0)
    (slope,) = torch.autograd.grad(found[0, 0], free)
    assert bool(slope.isfinite().all())


def test_a_row_does_not_depend_on_the_others():
    free = _free(1, 9, 3.0, b=3)
    for i in range(3):
        torch.testing.assert_close(of_size(free[i : i + 1], 2.5)[0], of_size(free, 2.5)[i], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [SizedMasks((0.1, 0.5)), FreeMask()])
def test_players_that_are_not_there_change_nothing_for_the_others(shape):
    given = torch.rand(2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    padded = torch.cat([given, torch.full((2, 3), torch.nan, dtype=torch.float64)], 1)
    slopes, found = [], []
    for start in (given, padded):
        free = shape.start(start).requires_grad_()
        masks = shape.masks(free)
        (slope,) = torch.autograd.grad((masks * torch.arange(masks.shape[2])).sum(), free)
        slopes.append(slope)
        found.append(shape.masks(shape.inside(free.detach() - slope)))
    torch.testing.assert_close(found[0], found[1][:, :, :5], rtol=0, atol=1e-12)
    torch.testing.assert_close(slopes[0], slopes[1][:, :5], rtol=0, atol=1e-12)
    assert not found[1][:, :, 5:].any() and not slopes[1][:, 5:].any()


def test_sized_masks_are_one_for_each_share_and_start_alike():
    shape = SizedMasks((0.1, 0.25, 0.5))
    free = shape.start(torch.full((2, 20), 0.5, dtype=torch.float64))
    found = shape.masks(free)
    wanted = torch.tensor([0.1, 0.25, 0.5], dtype=torch.float64).view(1, 3, 1).expand(2, 3, 20)
    torch.testing.assert_close(found, wanted)
    assert torch.equal(shape.inside(free), free)
    # A start of 0 or 1 can still move.
    assert bool(shape.start(torch.tensor([[0.0, 1.0]])).isfinite().all())


def test_free_masks_are_the_numbers_themselves():
    shape, given = FreeMask(), torch.tensor([[0.2, 1.0]])
    free = shape.start(given)
    assert torch.equal(shape.masks(free), given.unsqueeze(1))
    free += 3.0
    assert given.tolist() == [[pytest.approx(0.2), 1.0]]
    assert torch.equal(shape.inside(torch.tensor([[-0.3, 0.4, 1.2]])), torch.tensor([[0.0, 0.4, 1.0]]))


def test_top_players_are_the_highest_and_ties_go_to_the_first():
    scores = torch.tensor([[0.1, 0.9, 0.5, 0.9], [0.3, 0.3, 0.3, 0.1]])
    assert top_players(scores, 1).tolist() == [[[False, True, False, False]], [[True, False, False, False]]]
    assert top_players(scores, 3).tolist() == [[[False, True, True, True]], [[True, True, True, False]]]
    assert bool(top_players(scores, 4).all())


@pytest.mark.parametrize("size", [0, 5])
def test_sizes_that_no_subset_has_are_refused(size):
    with pytest.raises(SettingError, match=f"between 1 and 4 players, got {size}"):
        top_players(torch.rand(1, 4), size)


@pytest.mark.parametrize("shares", [(), (0.0,), (0.2, 1.0), (float("nan"),)])
def test_shares_that_are_no_size_are_refused(shares):
    with pytest.raises(SettingError, match="shares strictly between 0 and 1"):
        SizedMasks(shares)
