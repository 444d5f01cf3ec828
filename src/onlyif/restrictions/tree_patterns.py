"""What a background asks of an instance, leaf by leaf: worked out once for all instances."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64
from torch import Tensor

from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.predictors.tree_leaves import Leaves

_BLOCK_ENTRIES = 2**22  # masks sorted at once: leaves times background rows


@final
@dataclass(frozen=True, eq=False)
class Patterns:
    """For each leaf the distinct sets A of players that background rows leave to the instance.

    A leaf is reached under (x_S, z_Sc) only if S holds every player on its path that z
    does not satisfy: that set is A. Rows with the same A are one pattern.

    Args:
        leaf: Number of the leaf; in increasing order.
        needed: A.
        weight: Weight of the background rows with this A.
        value: That weight times the leaf's values, one row an output.
    """

    leaf: Int64[np.ndarray, "q"]
    needed: Int[np.ndarray, "q"]
    weight: Float64[np.ndarray, "q"]
    value: Float64[np.ndarray, "k q"]


def equal_weights(rows: Float64[Tensor, "n c"]) -> Float64[Tensor, "n"]:
    """One weight a row, all alike and of sum 1.

    Args:
        rows: The rows.
    """
    return torch.full((len(rows),), 1 / max(len(rows), 1), dtype=torch.float64)


def check_background(rows: Float64[Tensor, "n c"], weights: Float64[Tensor, "w"]) -> None:
    """Rows and weights are those of a law.

    Args:
        rows: The atoms.
        weights: The weight of each.

    Raises:
        InputError: if there is no row.
        SettingError: unless there is one weight a row, none below 0, and their sum is 1.
    """
    if not len(rows):
        raise InputError("need at least one background row, got none")
    if weights.shape != rows.shape[:1]:
        raise SettingError(f"need one weight a background row, got {len(weights)} for {len(rows)} rows")
    if not bool((weights >= 0).all()) or abs(float(weights.sum()) - 1) > 1e-9:
        raise SettingError(f"weights must be 0 or more and sum to 1, got a sum of {float(weights.sum()):.6g}")


def compile_patterns(
    leaves: Leaves,
    values: Float64[np.ndarray, "leaves k"],
    rows: Float64[Tensor, "n c"],
    weights: Float64[Tensor, "n"],
) -> Patterns:
    """The patterns of a background.

    Args:
        leaves: The leaves.
        values: What each leaf adds to each output.
        rows: The atoms of the reference.
        weights: The weight of each.

    Raises:
        LimitError: if a mask and a row number do not fit 63 bits together.
    """
    row_bits = len(rows).bit_length()
    mask_bits = leaves.path.shape[1] if leaves.local else leaves.players.count
    if row_bits + mask_bits > 63:
        raise LimitError(f"{len(rows)} background rows are too many for paths of {mask_bits} players")
    needed = np.empty((leaves.count, len(rows)), dtype=leaves.mask_type)
    for i, row in enumerate(leaves.see(rows)):
        needed[:, i] = leaves.unsatisfied(row)
    size = max(1, _BLOCK_ENTRIES // len(rows))
    share = weights.detach().cpu().numpy()
    blocks = [
        _merge(needed[first : first + size], share, row_bits, first) for first in range(0, leaves.count, size)
    ]
    leaf, masks, weight = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return Patterns(leaf, masks, weight, np.ascontiguousarray((weight[:, None] * values[leaf]).T))


def _merge(
    needed: Int[np.ndarray, "leaves n"], weights: Float64[np.ndarray, "n"], row_bits: int, first: int
) -> tuple[Int64[np.ndarray, "q"], Int[np.ndarray, "q"], Float64[np.ndarray, "q"]]:
    """The distinct masks of each leaf, with the summed weights of their rows."""
    # The row rides in the low bits, so that a plain sort does: numpy's is far faster than its argsort.
    keys = needed.astype(np.int64) << row_bits
    keys |= np.arange(needed.shape[1])
    keys.sort(axis=1)
    masks = (keys >> row_bits).astype(needed.dtype)
    fresh = np.ones(masks.shape, dtype=bool)
    fresh[:, 1:] = masks[:, 1:] != masks[:, :-1]
    starts = np.flatnonzero(fresh)
    keys &= (1 << row_bits) - 1
    weight = np.add.reduceat(weights.take(keys.ravel()), starts)
    return starts // needed.shape[1] + first, masks.ravel()[starts], weight
