"""Arrays of numpy and of torch through the same lines."""

import numpy as np
import pytest
import torch

from onlyif.core.arrays import beside, doubled, namespace, on_host, where_kept


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int32, torch.bool]
)
def test_numbers_of_every_dtype_are_moved_exactly(dtype):
    values = torch.tensor([0, 1, 1]).to(dtype).requires_grad_(dtype.is_floating_point)
    assert doubled(values).tolist() == [0.0, 1.0, 1.0]
    assert on_host(values).tolist() == [0, 1, 1]


def test_numpy_arrays_are_shared_and_left_as_they_are():
    values = np.arange(3.0)
    assert on_host(values) is values
    assert doubled(values) is values
    assert beside(values, values) is values


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_a_mixture_is_of_the_library_of_x(library):
    x, other = library(np.array([[1.0, 2.0]])), library(np.zeros((1, 2)))
    mixed = where_kept(np.array([[True, False]]), x, other)
    assert type(mixed) is type(x)
    assert on_host(mixed).tolist() == [[1.0, 0.0]]
    assert on_host(namespace(mixed).sum(mixed)) == 1.0
