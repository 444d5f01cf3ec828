"""Trivial maps and maps cut to a size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.errors import SettingError
from onlyif.metrics.controls import random_maps, sanity_maps, soft_mask, soft_threshold, top_mask


def test_the_trivial_maps():
    x = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    maps = sanity_maps(x, 7)
    assert torch.equal(maps["ones"], torch.ones_like(x))
    assert torch.equal(maps["zeros"], torch.zeros_like(x))
    assert torch.equal(maps["random"], random_maps(x, 7))


def test_random_maps_differ_from_one_instance_and_seed_to_the_next_and_do_not_depend_on_the_split():
    x = torch.zeros(5, 30, dtype=torch.float64)
    whole = random_maps(x, 1)
    assert len(whole.flatten().unique()) == 150
    assert torch.equal(random_maps(x[2:], 1, first=2), whole[2:])
    assert not torch.equal(random_maps(x, 2), whole)
    assert 0 <= whole.min() < 0.1
    assert 0.9 < whole.max() < 1


@given(
    st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=8, unique_by=abs),
    st.integers(0, 8),
)
def test_a_cut_leaves_the_largest_and_shrinks_them_alike(values, size):
    maps = torch.tensor([values])
    size = min(size, len(values))
    by_size = sorted(values, key=abs, reverse=True)
    t = abs(by_size[size]) if size < len(values) else 0.0
    expected = [max(abs(a) - t, 0) * (1 if a > 0 else -1) for a in values]
    assert soft_threshold(maps, size)[0].tolist() == pytest.approx(expected, abs=1e-6)
    largest = sorted(values, reverse=True)[:size]
    assert top_mask(maps, size)[0].tolist() == [float(a in largest) for a in values]


def test_ties_go_to_the_first_in_a_mask_and_to_none_in_a_soft_threshold():
    maps = torch.tensor([[1.0, 2.0, 2.0, 2.0]])
    assert top_mask(maps, 2).tolist() == [[0, 1, 1, 0]]
    assert soft_threshold(maps, 2).tolist() == [[0, 0, 0, 0]]
    assert soft_threshold(maps, 3).tolist() == [[0, 1, 1, 1]]


def test_a_soft_mask_is_one_also_of_maps_without_positive_values():
    maps = torch.tensor([[[4.0, 2.0], [1.0, -9.0]], [[-1.0, -2.0], [0.0, -3.0]]])
    assert soft_mask(maps, 2).tolist() == [[[1, pytest.approx(1 / 3)], [0, 0]], [[0, 0], [0, 0]]]


@pytest.mark.parametrize("cut", [top_mask, soft_threshold, soft_mask])
@pytest.mark.parametrize("size", [-1, 4])
def test_a_size_out_of_range_is_refused(cut, size):
    with pytest.raises(SettingError, match=f"size must lie in 0 to 3, the number of entries, got {size}"):
        cut(torch.ones(2, 3), size)
