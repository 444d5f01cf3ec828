"""In which dtype, and where, our own arithmetic is done.

Never in less than single precision; what needs double precision on the CPU, for there are devices without.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError

SINGLE_HOLDS, DOUBLE_HOLDS = 2**24, 2**53


def at_least_single(dtype: torch.dtype) -> torch.dtype:
    """The dtype itself, or float32 for a narrower one, whose sums and steps would be rounding.

    Example:
        >>> at_least_single(torch.bfloat16), at_least_single(torch.float64)
        (torch.float32, torch.float64)
    """
    return torch.promote_types(dtype, torch.float32)


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """The dtype of numpy for a dtype of torch: float32 for bfloat16, which numpy has not.

    Example:
        >>> numpy_dtype(torch.float64), numpy_dtype(torch.bfloat16)
        (dtype('float64'), dtype('float32'))
    """
    return on_host(torch.empty(0, dtype=dtype)).dtype


def doubled_tensor(tensor: Tensor) -> Float64[Tensor, "..."]:
    """The numbers in double precision on the CPU, without a graph.

    Moved first and widened there: a device need not have float64.
    """
    return tensor.detach().cpu().double()


def as_floats(tensor: Tensor) -> Tensor:
    """Floating-point numbers as they are, integers as the same numbers in float32, or float64 if need be.

    Raises:
        InputError: for complex numbers, and integers that not even float64 holds.

    Example:
        >>> as_floats(torch.tensor([255], dtype=torch.uint8))
        tensor([255.])
    """
    if tensor.is_floating_point():
        return tensor
    if tensor.is_complex():
        raise InputError(f"need real numbers, got {tensor.dtype}")
    if tensor.dtype.itemsize <= 2 or not tensor.numel():  # bytes: float32 holds all of these
        return tensor.to(torch.float32)
    largest = max(abs(int(end)) for end in torch.aminmax(tensor))
    if largest > DOUBLE_HOLDS:
        raise InputError(f"an integer of size {largest} is beyond 2^53; need numbers that a float can hold")
    return tensor.to(torch.float32) if largest <= SINGLE_HOLDS else tensor.cpu().double().to(tensor.device)
