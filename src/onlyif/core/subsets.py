"""Subsets of d players as bit codes: bit i of a code is player i.

A table over all subsets has 2^d entries, entry k for the subset whose code is
k; the complement of code k is 2^d - 1 - k, so a flipped table is a table of
complements. The canonical order of subsets is (size, then sorted player
indices), the rule by which every tie is broken.
"""

from collections.abc import Iterable
from math import comb

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor


def keep_of_codes(codes: Int64[Tensor, "m"], n_players: int) -> Bool[Tensor, "m d"]:
    """The members of each coded subset, as booleans.

    Example:
        >>> keep_of_codes(torch.tensor([5]), 3)
        tensor([[ True, False,  True]])
    """
    bits = torch.arange(n_players, device=codes.device)
    return (codes.unsqueeze(1) >> bits).bitwise_and_(1).bool()


def codes_of_keep(keep: Bool[Tensor, "*m d"]) -> Int64[Tensor, "*m"]:
    """The code of each subset; d at most 62.

    Example:
        >>> codes_of_keep(torch.tensor([[True, False, True]]))
        tensor([5])
    """
    weights = torch.ones((), dtype=torch.int64, device=keep.device) << torch.arange(
        keep.shape[-1], device=keep.device
    )
    return (keep * weights).sum(-1)


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


def subset_sizes(n_players: int) -> Int64[Tensor, "two_to_d"]:
    """The number of members of every subset, in the order of codes.

    Example:
        >>> subset_sizes(2)
        tensor([0, 1, 1, 2])
    """
    sizes = torch.zeros(1, dtype=torch.int64)
    for _ in range(n_players):
        sizes = torch.cat([sizes, sizes + 1])
    return sizes


def canonical_rank(codes: Int64[Tensor, "m"], n_players: int) -> Int64[Tensor, "m"]:
    """A number that sorts subsets by size, then by sorted player indices; d at most 31.

    Among sets of one size the lexicographically first has the largest code
    when read with player 0 as the highest bit.

    Example:
        >>> codes = torch.tensor([6, 9, 1])  # {1, 2}, {0, 3}, {0}
        >>> codes[canonical_rank(codes, 4).argsort()].tolist()
        [1, 9, 6]
    """
    size, reversed_code = torch.zeros_like(codes), torch.zeros_like(codes)
    for i in range(n_players):
        bit = (codes >> i) & 1
        size += bit
        reversed_code = (reversed_code << 1) | bit
    return (size << n_players) + ((1 << n_players) - 1 - reversed_code)


def canonical_order(n_players: int) -> tuple[Int64[Tensor, "_"], ...]:
    """The codes of all subsets, one tensor a size 0 to d, each in canonical order.

    Memory: 8 * 2^d bytes, and twice as much while it is made.

    Example:
        >>> [codes.tolist() for codes in canonical_order(2)]
        [[0], [1, 2], [3]]
    """
    # Entry k of either is about the set of code k, read with player 0 as the highest bit.
    codes, sizes = torch.zeros(1, dtype=torch.int32), torch.zeros(1, dtype=torch.uint8)
    for player in reversed(range(n_players)):
        codes, sizes = torch.cat([codes, codes + (1 << player)]), torch.cat([sizes, sizes + 1])
    # Larger ones come first among sets of one size. numpy sorts bytes in one passage, torch does not.
    order = np.argsort(sizes.flip(0).numpy(), kind="stable")
    np.subtract(len(order) - 1, order, out=order)
    ordered = codes[torch.from_numpy(order)].long()
    return torch.split(ordered, [comb(n_players, size) for size in range(n_players + 1)])
