"""Subsets of d players as bit codes: bit i of a code is player i.

A table over all subsets has 2^d entries, entry k for the subset whose code is
k; the complement of code k is 2^d - 1 - k, so a flipped table is a table of
complements. The canonical order of subsets is (size, then sorted player
indices), the rule by which every tie is broken.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from math import comb

import numpy as np
from jaxtyping import Bool, Int, Int64, UInt8


def keep_of_codes(codes: Int[np.ndarray, "m"], n_players: int) -> Bool[np.ndarray, "m d"]:
    """The members of each coded subset, as booleans.

    Example:
        >>> keep_of_codes(np.array([5]), 3)
        array([[ True, False,  True]])
    """
    # Bytes, the lowest first, whatever the machine's order: eight players each.
    of_codes = np.ascontiguousarray(codes, dtype="<i8").view(np.uint8).reshape(-1, 8)
    keep: np.ndarray = np.unpackbits(of_codes, axis=1, count=n_players, bitorder="little").view(np.bool_)
    return keep


def codes_of_keep(keep: Bool[np.ndarray, "*m d"]) -> Int64[np.ndarray, "*m"]:
    """The code of each subset; d at most 62.

    Example:
        >>> codes_of_keep(np.array([[True, False, True]]))
        array([5])
    """
    # einsum adds up the products without holding them.
    codes: np.ndarray = np.einsum("...d,d->...", keep, np.int64(1) << np.arange(keep.shape[-1]))
    return codes


def members(code: int) -> tuple[int, ...]:
    """The sorted players of one coded subset.

    Example:
        >>> members(5)
        (0, 2)
    """
    return tuple(i for i in range(code.bit_length()) if code >> i & 1)


def code_of(players: Iterable[int]) -> int:
    """The code of a set of players.

    Example:
        >>> code_of((0, 2))
        5
    """
    return sum(1 << i for i in set(players))


def lowest_bits(masks: Int[np.ndarray, "n"], count: int) -> Iterator[Int[np.ndarray, "n"]]:
    """The lowest player of each mask, the second, and so on, as masks; 0 where there are fewer.

    Args:
        masks: Sets of players as bits.
        count: How many are wanted.
    """
    left = masks.copy()
    for _ in range(count):
        lowest = left & -left
        left ^= lowest
        yield lowest


def bit_counts(masks: Int[np.ndarray, "n"]) -> UInt8[np.ndarray, "n"]:
    """The number of players in each mask.

    Args:
        masks: Sets of players as bits.

    Example:
        >>> bit_counts(np.array([0, 5, 255])).tolist()
        [0, 2, 8]
    """
    words = np.ascontiguousarray(masks).view(np.uint16).reshape(len(masks), -1).T
    counts: np.ndarray = _COUNTS.take(words[0])
    for more in words[1:]:
        counts += _COUNTS.take(more)
    return counts


def _counts_of_codes(n_bits: int) -> UInt8[np.ndarray, "codes"]:
    counts = np.zeros(1, dtype=np.uint8)
    for _ in range(n_bits):
        counts = np.concatenate([counts, counts + np.uint8(1)])
    return counts


_COUNTS = _counts_of_codes(16)


def subset_sizes(n_players: int) -> Int64[np.ndarray, "two_to_d"]:
    """The number of members of every subset, in the order of codes.

    Example:
        >>> subset_sizes(2)
        array([0, 1, 1, 2])
    """
    sizes = np.zeros(1, dtype=np.int64)
    for _ in range(n_players):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes


def canonical_rank(codes: Int64[np.ndarray, "m"], n_players: int) -> Int64[np.ndarray, "m"]:
    """A number that sorts subsets by size, then by sorted player indices; d at most 31.

    Among sets of one size the lexicographically first has the largest code
    when read with player 0 as the highest bit.

    Example:
        >>> codes = np.array([6, 9, 1])  # {1, 2}, {0, 3}, {0}
        >>> codes[canonical_rank(codes, 4).argsort()].tolist()
        [1, 9, 6]
    """
    sizes, turned = _of_sixteen()
    low, high = codes & 0xFFFF, codes >> 16
    size, reversed_code = sizes[low] + sizes[high], (turned[low] << 16 | turned[high]) >> (32 - n_players)
    rank: np.ndarray = (size << n_players) + ((1 << n_players) - 1 - reversed_code)
    return rank


@cache
def _of_sixteen() -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
    """The number of ones in each whole number of 16 bits, and the number that is read backwards."""
    codes = np.arange(2**16)
    sizes, turned = np.zeros_like(codes), np.zeros_like(codes)
    for i in range(16):
        bit = codes >> i & 1
        sizes += bit
        turned |= bit << (15 - i)
    return sizes, turned


def canonical_order(n_players: int) -> tuple[Int64[np.ndarray, "_"], ...]:
    """The codes of all subsets, one array a size 0 to d, each in canonical order.

    Memory: 8 * 2^d bytes, and twice as much while it is made.

    Example:
        >>> [codes.tolist() for codes in canonical_order(2)]
        [[0], [1, 2], [3]]
    """
    # Entry k of either is about the set of code k, read with player 0 as the highest bit.
    codes, sizes = np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.uint8)
    for player in reversed(range(n_players)):
        codes = np.concatenate([codes, codes + np.int32(1 << player)])
        sizes = np.concatenate([sizes, sizes + np.uint8(1)])
    # Larger ones come first among sets of one size.
    order = np.argsort(sizes[::-1], kind="stable")
    np.subtract(len(order) - 1, order, out=order)
    ends = np.cumsum([comb(n_players, size) for size in range(n_players)])
    return tuple(np.split(codes[order].astype(np.int64), ends))
