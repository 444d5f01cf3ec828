"""Two kinds of array: numpy's for numbers about sets, and whichever the data came in.

What is known of sets of players (who is kept, f_S, gaps, probabilities) is numpy, in double precision.
Instances and what replaces a part of them stay in the library and on the device that they came in. Lines
that serve both are written over the array API: `xp = namespace(x)`.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array
from jaxtyping import Bool, Float64, Shaped

# An array of numpy's or of another library of the array API; jaxtyping checks its shape and dtype alike.
Array = Any


def namespace(*arrays: Array) -> Any:
    """The functions of the array API for the library of some arrays, those of numpy for numpy's.

    Example:
        >>> float(namespace(np.zeros(2)).sum(np.ones(2)))
        2.0
    """
    return array_namespace(*arrays)


def on_host(array: Array) -> Shaped[np.ndarray, "..."]:
    """The same values as a numpy array, without a graph; memory is shared where that is possible.

    Args:
        array: Of numpy or torch. What numpy has no type for (bfloat16) becomes float32.

    Example:
        >>> on_host(np.array([1, 2]))
        array([1, 2])
    """
    if not is_torch_array(array):
        return np.asarray(array)
    held = array.detach().cpu()
    if held.is_floating_point() and held.dtype.itemsize < 4 and str(held.dtype) != "torch.float16":
        held = held.float()
    values: np.ndarray = held.resolve_conj().resolve_neg().numpy()
    return values


def doubled(array: Array) -> Float64[np.ndarray, "..."]:
    """Numbers in double precision as a numpy array, without a graph.

    Moved to the host first and widened there: a device need not have float64.

    Args:
        array: Numbers of numpy or torch, on any device.

    Example:
        >>> doubled(np.array([True, False]))
        array([1., 0.])
    """
    return on_host(array).astype(np.float64, copy=False)


def in_dtype(array: Shaped[Array, "*s"], dtype: np.dtype[Any]) -> Shaped[Array, "*s"]:
    """The same values in a dtype of numpy's name, in their own library; themselves where they have it.

    Example:
        >>> in_dtype(np.array([1.5]), np.dtype(np.float32))
        array([1.5], dtype=float32)
    """
    xp = namespace(array)
    return xp.astype(array, getattr(xp, dtype.name), copy=False)


def copied(array: Shaped[Array, "*s"]) -> Shaped[Array, "*s"]:
    """The same values in memory of their own, in their own library and without a graph.

    Example:
        >>> values = np.zeros(2)
        >>> np.shares_memory(copied(values), values)
        False
    """
    return array.detach().clone() if is_torch_array(array) else array.copy()


def beside(values: Shaped[np.ndarray, "*s"], x: Array) -> Shaped[Array, "*s"]:
    """numpy values in the library and on the device of x, in their own dtype.

    Args:
        values: The values. Those of a device without float64 must be narrowed by the caller.
        x: What they are needed beside.

    Example:
        >>> beside(np.array([True]), np.zeros(3))
        array([ True])
    """
    if not is_torch_array(x):
        return values
    # Neither a view that is read only nor one that runs backwards can be a tensor's memory.
    return namespace(x).asarray(np.require(values, requirements=["C", "W"]), device=x.device)


def like(values: Shaped[Array, "*s"], x: Array) -> Shaped[Array, "*s"]:
    """The same values in the library, in the dtype and on the device of x; memory is shared where possible.

    Args:
        values: Of numpy or of x's library.
        x: What they are needed beside.

    Example:
        >>> like(np.array([1, 2]), np.zeros(3))
        array([1., 2.])
    """
    return namespace(x).asarray(values, dtype=x.dtype, device=device(x))


def where_kept(keep: Bool[np.ndarray, "*s"], x: Array, other: Array) -> Array:
    """x where `keep` is True, the other elsewhere, broadcasting.

    Args:
        keep: Which entries stay at x's value.
        x: The values that are kept.
        other: What replaces the rest, of the same library, device and dtype as x.
    """
    return namespace(x).where(beside(keep, x), x, other)
