"""The subset-sum transform: from Möbius coefficients to values of all subsets."""

from functools import cache

import numpy as np
from jaxtyping import Float64

_LOW_BITS = 5  # summed by a small matrix: additions of so short runs are slow
_CACHE_BITS = 17  # a part of 2^17 numbers, 1 MiB, stays in the second-level cache
_SHORT = 12  # numbers of a run that are fewer than runs
_HIGH_BITS = 5  # bits summed in one passage through memory


def add_subsets(table: Float64[np.ndarray, "rows two_to_d"]) -> None:
    """Replace each entry S by the sum of the entries of its subsets, in place.

        f_S = Σ_{T ⊆ S} m_T

    Bits are summed in groups, part by part, so that a large table passes through
    memory once a group instead of once a bit.

    Args:
        table: One or more tables by bit code, contiguous.

    Example:
        >>> table = np.array([[1.0, 2.0, 3.0, 4.0]])
        >>> add_subsets(table)
        >>> table
        array([[ 1.,  3.,  4., 10.]])
    """
    n_bits = table.shape[1].bit_length() - 1
    # Sums stay within a row, so all rows are one run of numbers.
    flat = table.reshape(-1)
    _add_low(flat, min(n_bits, _CACHE_BITS))
    for start in range(_CACHE_BITS, n_bits, _HIGH_BITS):
        _add_high(flat, start, min(start + _HIGH_BITS, n_bits))


def add_subsets_beside(table: Float64[np.ndarray, "two_to_d columns"]) -> None:
    """The same for many tables that stand beside each other, one a column, in place.

    Args:
        table: The tables, contiguous.

    Example:
        >>> table = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 0.0]])
        >>> add_subsets_beside(table)
        >>> table.T
        array([[ 1.,  3.,  4., 10.],
               [ 0.,  1.,  0.,  1.]])
    """
    (size, columns), flat = table.shape, table.reshape(-1)
    in_cache = min(size, 1 << max(0, (2**_CACHE_BITS // columns).bit_length() - 1))
    for first in range(0, size, in_cache):
        part, half = flat[first * columns : (first + in_cache) * columns], columns
        while half < len(part):
            _add_pairs(part, half)
            half *= 2
    half = in_cache * columns
    while half < len(flat):
        _add_pairs(flat, half)
        half *= 2


def _add_pairs(flat: Float64[np.ndarray, "n"], half: int) -> None:
    """Add each run of so many numbers to the next one, of every two."""
    if half < _SHORT:
        # Additions of so short runs are slow: one number of all of them after another.
        for place in range(half):
            flat[half + place :: 2 * half] += flat[place :: 2 * half]
        return
    pairs = flat.reshape(-1, 2, half)
    pairs[:, 1] += pairs[:, 0]


def _add_low(flat: Float64[np.ndarray, "n"], n_bits: int) -> None:
    """Sum over bits 0 to n_bits - 1."""
    low = min(n_bits, _LOW_BITS)
    matrix = _subset_matrix(low)
    for first in range(0, len(flat), 2**_CACHE_BITS):
        part = flat[first : first + 2**_CACHE_BITS]
        runs = part.reshape(-1, 2**low)
        np.matmul(runs.copy(), matrix, out=runs)
        for i in range(low, n_bits):
            pairs = part.reshape(-1, 2, 2**i)
            pairs[:, 1] += pairs[:, 0]


def _add_high(flat: Float64[np.ndarray, "n"], start: int, stop: int) -> None:
    """Sum over bits `start` to `stop` - 1."""
    width = 1 << (_CACHE_BITS - (stop - start))
    for block in flat.reshape(-1, 2 ** (stop - start), 2**start):
        for first in range(0, 2**start, width):
            for i in range(stop - start):
                pairs = block.reshape(-1, 2, 2**i, 2**start)[..., first : first + width]
                pairs[:, 1] += pairs[:, 0]


@cache
def _subset_matrix(n_bits: int) -> Float64[np.ndarray, "size size"]:
    codes = np.arange(2**n_bits)
    matrix: np.ndarray = ((codes[:, None] & ~codes) == 0).astype(np.float64)
    return matrix
