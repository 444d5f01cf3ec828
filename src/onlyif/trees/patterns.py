"""What a background asks of an instance, leaf by leaf: worked out once for all instances."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int, Int64, Integer

from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.trees.leaves import Leaves
from onlyif.trees.memory import check_held

# Leaves times background rows compared at once: a few MiB, which the cache holds. With many rows it is more,
# so that not too few leaves share the work of a call.
_BLOCK_ENTRIES, _MOST_ENTRIES, _ENOUGH_LEAVES = 2**17, 2**18, 32


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
        count: How many patterns each leaf has.
        by_group: How often the pattern is among the rows of each group, over how often it is among all; of
            no group where rows are in none.
    """

    leaf: Int64[np.ndarray, "q"]
    needed: Int[np.ndarray, "q"]
    weight: Float64[np.ndarray, "q"]
    value: Float64[np.ndarray, "k q"]
    count: Int64[np.ndarray, "leaves"]
    by_group: Float32[np.ndarray, "q g"]


def equal_weights(rows: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n"]:
    """One weight a row, all alike and of sum 1."""
    return np.full(len(rows), 1 / max(len(rows), 1))


def check_background(rows: Float64[np.ndarray, "n c"], weights: Float64[np.ndarray, "w"]) -> None:
    """Rows and weights are those of a law.

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
    group: Int64[np.ndarray, "n"] | None = None,
) -> Patterns:
    """The patterns of a background.

    Some leaves after another are compared with all rows, so that what is held grows with the distinct
    patterns, not with leaves times rows.

    Args:
        leaves: The leaves.
        values: What each leaf adds to each output.
        rows: The rows of the reference.
        weights: The weight of each.
        group: The group of each, where they are in groups; then all weigh the same.

    Raises:
        LimitError: if a set of players on a path and a row number do not fit 63 bits together, or if
            the patterns would take too much memory.
    """
    if leaves.path.shape[1] + len(rows).bit_length() > 63:
        raise LimitError(
            f"{len(rows)} background rows are too many for paths of {leaves.path.shape[1]} players"
        )
    enough = max(_ENOUGH_LEAVES, _BLOCK_ENTRIES // len(rows))
    seen, size = leaves.see(rows), max(1, min(enough, _MOST_ENTRIES // len(rows)))
    parts, n_patterns = [], 0
    sizes = np.zeros(0, dtype=np.int64) if group is None else np.bincount(group)
    each = 8 * (2 + values.shape[1]) + np.dtype(leaves.mask_type).itemsize + 4 * len(sizes)
    held, equal = leaves.n_bytes, weights if np.ptp(weights) else weights[:1]
    for first in range(0, leaves.count, size):
        part = slice(first, min(first + size, leaves.count))
        codes = leaves.unsatisfied_places(seen, part)
        parts.append(_distinct(codes, equal, leaves.path.shape[1], first, group))
        n_patterns += len(parts[-1].leaf)
        check_held(held + each * n_patterns, f"{leaves.count:,} leaves and their patterns")
    leaf = np.concatenate([part.leaf for part in parts])
    needed = leaves.masks_of_places(leaf, np.concatenate([part.code for part in parts]))
    weight = np.concatenate([part.weight for part in parts])
    value = np.ascontiguousarray((weight[:, None] * values[leaf]).T)
    by_group = np.concatenate([part.by_group for part in parts])
    by_group *= (len(rows) / np.maximum(sizes, 1)).astype(np.float32)
    return Patterns(leaf, needed, weight, value, np.bincount(leaf, minlength=leaves.count), by_group)


@final
@dataclass(frozen=True, eq=False)
class _Weighed:
    """Distinct sets of places on the paths of some leaves, with the weight of the rows that have each.

    `by_group` has the share of each group in these rows.
    """

    leaf: Int64[np.ndarray, "q"]
    code: Int64[np.ndarray, "q"]
    weight: Float64[np.ndarray, "q"]
    by_group: Float32[np.ndarray, "q g"]


def _distinct(
    codes: Integer[np.ndarray, "leaves n"],
    weights: Float64[np.ndarray, "n_or_1"],
    n_places: int,
    first: int,
    group: Int64[np.ndarray, "n"] | None,
) -> _Weighed:
    """The distinct codes of each leaf, with the summed weights of their rows; one weight where all are alike.

    Where there are about as many rows as sets of places, weights are added up set by set; else codes are
    sorted.
    """
    if len(codes) << n_places <= 4 * codes.size:
        bins = (np.arange(len(codes)) << n_places)[:, None] + codes
        if len(weights) == 1:
            # To count is faster than to add up.
            summed = np.bincount(bins.ravel()) * weights
        else:
            summed = np.bincount(bins.ravel(), np.tile(weights, len(codes)))
        at = np.flatnonzero(summed)
        shares = _no_shares(at)
        if group is not None:
            shares = _of_groups((np.cumsum(summed != 0) - 1)[bins], len(at), group)
        return _Weighed((at >> n_places) + first, at & ((1 << n_places) - 1), summed[at], shares)
    row_bits = codes.shape[1].bit_length()
    # The row rides in the low bits, so that a plain sort does: numpy's is far faster than its argsort.
    keys = codes.astype(np.int64) << row_bits
    keys |= np.arange(codes.shape[1])
    keys.sort(axis=1)
    ordered = keys >> row_bits
    fresh = np.ones(ordered.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(fresh)
    keys &= (1 << row_bits) - 1
    rows = keys.ravel()
    if len(weights) == 1:
        summed = np.diff(np.append(starts, keys.size)) * weights
    else:
        summed = np.add.reduceat(weights.take(rows), starts)
    shares = _no_shares(starts)
    if group is not None:
        shares = _of_groups(np.cumsum(fresh) - 1, len(starts), group.take(rows))
    return _Weighed(starts // codes.shape[1] + first, ordered.ravel()[starts], summed, shares)


def _no_shares(patterns: Int64[np.ndarray, "q"]) -> Float32[np.ndarray, "q g"]:
    """What there is of groups where rows are in none."""
    return np.zeros((len(patterns), 0), dtype=np.float32)


def _of_groups(
    pattern: Int64[np.ndarray, "..."], n_patterns: int, group: Int64[np.ndarray, "_"]
) -> Float32[np.ndarray, "q g"]:
    """The share of each group in the rows of each pattern.

    Args:
        pattern: The pattern of each leaf and row.
        n_patterns: How many there are.
        group: The group of each leaf and row, or of each row.
    """
    n_groups = int(group.max()) + 1
    at = pattern.reshape(-1, len(group)) * n_groups + group
    counts = np.bincount(at.ravel(), minlength=n_patterns * n_groups).reshape(n_patterns, n_groups)
    shares: np.ndarray = (counts / counts.sum(1, keepdims=True)).astype(np.float32)
    return shares
