"""Values of given subsets straight from cubes, for any number of players."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

from onlyif.trees.cubes import Cubes
from onlyif.trees.leaves import Leaves

_BLOCK_ENTRIES = 2**22  # subsets times leaves looked at together


def sum_cubes(cubes: Cubes, leaves: Leaves, keep: Bool[np.ndarray, "m d"]) -> Float64[np.ndarray, "k m"]:
    """For each subset the sum over the cubes that it lies in.

    Args:
        cubes: The cubes of one instance.
        leaves: The leaves they come from.
        keep: The subsets.
    """
    found = np.empty((len(cubes.value), len(keep)))
    for i, inside in enumerate(inside_each(cubes, leaves, keep)):
        found[:, i] = cubes.value.take(inside, axis=1).sum(1)
    return found


def inside_each(
    cubes: Cubes, leaves: Leaves, keep: Bool[np.ndarray, "m d"]
) -> Iterator[Int64[np.ndarray, "_"]]:
    """For each subset the numbers of the cubes that it lies in.

    Args:
        cubes: The cubes of one instance.
        leaves: The leaves they come from.
        keep: The subsets.
    """
    used, place = np.unique(cubes.leaf, return_inverse=True)
    size = max(1, _BLOCK_ENTRIES // max(len(used), 1))
    for first in range(0, len(keep), size):
        for mask in subset_masks(leaves, used, keep[first : first + size]):
            kept = mask.take(place) if leaves.local else mask[0]
            yield np.flatnonzero(((cubes.needed & ~kept) | (cubes.barred & kept)) == 0)


def subset_masks(
    leaves: Leaves, used: Int[np.ndarray, "u"], keep: Bool[np.ndarray, "m d"]
) -> Int[np.ndarray, "m u_or_1"]:
    """Each subset as masks: one for all leaves, or one for each where leaves number their own players.

    Args:
        leaves: The leaves.
        used: The leaves that are asked for.
        keep: The subsets.
    """
    kind = leaves.mask_type
    if not leaves.local:
        bits = np.left_shift(np.ones((), dtype=kind), np.arange(keep.shape[1], dtype=kind))
        shared: np.ndarray = (keep * bits).sum(1, keepdims=True, dtype=kind)
        return shared
    masks = np.zeros((len(keep), len(used)), dtype=kind)
    for place, player in enumerate(leaves.path[used].T):
        # Players -1 stand where a path has fewer: no condition asks for their bits.
        masks |= keep[:, player].astype(kind) << kind(place)
    return masks
