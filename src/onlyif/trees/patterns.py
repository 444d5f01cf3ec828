"""What a background asks of an instance, leaf by leaf: worked out once for all instances."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int, Int64

from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.trees.leaves import Leaves
from onlyif.trees.memory import check_held

_PART_ENTRIES = 2**24  # masks held at once: leaves times background rows
_BLOCK_ENTRIES = 2**22  # of which so many are sorted at once


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


def equal_weights(rows: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n"]:
    """One weight a row, all alike and of sum 1.

    Args:
        rows: The rows.
    """
    return np.full(len(rows), 1 / max(len(rows), 1))


def check_background(rows: Float64[np.ndarray, "n c"], weights: Float64[np.ndarray, "w"]) -> None:
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
    if not (weights >= 0).all() or abs(float(weights.sum()) - 1) > 1e-9:
        raise SettingError(f"weights must be 0 or more and sum to 1, got a sum of {float(weights.sum()):.6g}")


def compile_patterns(
    leaves: Leaves,
    values: Float64[np.ndarray, "leaves k"],
    rows: Float64[np.ndarray, "n c"],
    weights: Float64[np.ndarray, "n"],
) -> Patterns:
    """The patterns of a background.

    Background rows are taken in parts whose patterns are merged, so that what is held grows with
    the distinct patterns, not with leaves times rows.

    Args:
        leaves: The leaves.
        values: What each leaf adds to each output.
        rows: The atoms of the reference.
        weights: The weight of each.

    Raises:
        LimitError: if a leaf, a mask and a row number do not fit 63 bits together, or if the
            patterns would take too much memory.
    """
    size = max(1, _PART_ENTRIES // leaves.count)
    mask_bits = leaves.path.shape[1] if leaves.local else leaves.players.count
    if max(min(len(rows), size), leaves.count).bit_length() + mask_bits > 63:
        raise LimitError(
            f"{len(rows)} background rows and {leaves.count} leaves are too many for paths of "
            f"{mask_bits} players"
        )
    found = _weighed(leaves, rows[:size], weights[:size])
    for first in range(size, len(rows), size):
        part = slice(first, first + size)
        found = _merged([found, _weighed(leaves, rows[part], weights[part])], mask_bits)
        _check(leaves, values, found)
    _check(leaves, values, found)
    weight = found.weight
    value = np.ascontiguousarray((weight[:, None] * values[found.leaf]).T)
    return Patterns(found.leaf, found.needed, weight, value)


@final
@dataclass(frozen=True, eq=False)
class _Weighed:
    """Patterns of some background rows, before the leaves' values meet them."""

    leaf: Int64[np.ndarray, "q"]
    needed: Int[np.ndarray, "q"]
    weight: Float64[np.ndarray, "q"]


def _check(leaves: Leaves, values: Float64[np.ndarray, "leaves k"], found: _Weighed) -> None:
    each = 8 * (2 + values.shape[1]) + found.needed.itemsize
    check_held(leaves.n_bytes + each * len(found.leaf), f"{leaves.count:,} leaves and their patterns")


def _weighed(leaves: Leaves, rows: Float64[np.ndarray, "n c"], weights: Float64[np.ndarray, "n"]) -> _Weighed:
    needed = np.empty((leaves.count, len(rows)), dtype=leaves.mask_type)
    for i, row in enumerate(leaves.see(rows)):
        needed[:, i] = leaves.unsatisfied(row)
    size = max(1, _BLOCK_ENTRIES // len(rows))
    blocks = [
        _distinct(needed[first : first + size], weights, first) for first in range(0, leaves.count, size)
    ]
    return _Weighed(
        np.concatenate([block.leaf for block in blocks]),
        np.concatenate([block.needed for block in blocks]),
        np.concatenate([block.weight for block in blocks]),
    )


def _distinct(needed: Int[np.ndarray, "leaves n"], weights: Float64[np.ndarray, "n"], first: int) -> _Weighed:
    """The distinct masks of each leaf, with the summed weights of their rows."""
    row_bits = needed.shape[1].bit_length()
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
    return _Weighed(starts // needed.shape[1] + first, masks.ravel()[starts], weight)


def _merged(parts: list[_Weighed], mask_bits: int) -> _Weighed:
    """The patterns of several parts of a background, each once; sorted by leaf, then mask."""
    keys = np.concatenate([(part.leaf << mask_bits) | part.needed for part in parts])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    weight = np.add.reduceat(np.concatenate([part.weight for part in parts])[order], starts)
    keys = keys[starts]
    masks = (keys & ((1 << mask_bits) - 1)).astype(parts[0].needed.dtype)
    return _Weighed(keys >> mask_bits, masks, weight)
