"""Cubes of subsets: a value for every S that holds all of A and none of B.

[A ⊆ S] [B ∩ S = ∅] = Σ_{T ⊆ B} (-1)^|T| [A ∪ T ⊆ S], so a cube is 2^|B| Möbius
coefficients, and one transform over the subsets adds up those of all cubes.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Float64, Int, Int64, UInt8

from onlyif.trees.leaves import Masks
from onlyif.trees.patterns import Patterns

Coefficients: TypeAlias = Float64[np.ndarray, "k two_to_d"]
_BLOCK_TERMS = 2**18  # coefficients written at once: 4 MiB


@final
@dataclass(frozen=True, eq=False)
class Cubes:
    """The cubes of one instance.

    Args:
        leaf: Number of the leaf each cube comes from.
        needed: A, the players that S must hold.
        barred: B, the players that S must not hold.
        value: What is added there, one row an output.
    """

    leaf: Int64[np.ndarray, "q"]
    needed: Int[np.ndarray, "q"]
    barred: Int[np.ndarray, "q"]
    value: Float64[np.ndarray, "k q"]


def cubes_of(patterns: Patterns, barred: Masks) -> Cubes:
    """The cubes of one instance: patterns that ask nothing of it that it cannot give.

    Args:
        patterns: What the background asks.
        barred: For each leaf, the players that keep the instance from it.
    """
    each = barred.take(patterns.leaf)
    alive = np.flatnonzero((each & patterns.needed) == 0)
    return Cubes(
        patterns.leaf.take(alive),
        patterns.needed.take(alive),
        each.take(alive),
        patterns.value.take(alive, axis=1),
    )


def add_cubes(cubes: Cubes, table: Coefficients) -> None:
    """Add the Möbius coefficients of cubes to a table, in place.

    Args:
        cubes: The cubes, with masks of players.
        table: One row an output, by bit code.
    """
    sizes = bit_counts(cubes.barred)
    order = np.argsort(sizes, kind="stable")
    ends = np.cumsum(np.bincount(sizes))
    for size, end in enumerate(ends):
        step = max(1, _BLOCK_TERMS >> size)
        start = int(ends[size - 1]) if size else 0
        for first in range(start, int(end), step):
            _add_block(cubes, order[first : min(first + step, int(end))], size, table)


def _add_block(cubes: Cubes, chosen: Int64[np.ndarray, "n"], size: int, table: Coefficients) -> None:
    """Cubes that all bar `size` players: their subsets T by doubling, one barred player after another."""
    codes = np.empty((1 << size, len(chosen)), dtype=np.int64)
    signs = np.ones(1 << size)
    codes[0] = cubes.needed.take(chosen)
    left = cubes.barred.take(chosen)
    for j in range(size):
        lowest = left & -left
        left ^= lowest
        np.add(codes[: 1 << j], lowest, out=codes[1 << j : 2 << j])
        signs[1 << j : 2 << j] = -signs[: 1 << j]
    for row, value in zip(table, cubes.value, strict=True):
        np.add.at(row, codes.ravel(), np.multiply.outer(signs, value.take(chosen)).ravel())


def bit_counts(masks: Int[np.ndarray, "n"]) -> UInt8[np.ndarray, "n"]:
    """The number of players in each mask.

    Args:
        masks: Sets of players as bits.

    Example:
        >>> bit_counts(np.array([0, 5, 255])).tolist()
        [0, 2, 8]
    """
    counts = np.zeros(len(masks), dtype=np.uint8)
    left = masks
    while left.any():
        counts += _BYTE_COUNTS.take(left & 255)
        left = left >> 8
    return counts


_BYTE_COUNTS = np.array([code.bit_count() for code in range(256)], dtype=np.uint8)
