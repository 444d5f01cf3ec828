"""Which outputs of an ensemble are computed, and how the others follow from them."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.trees.ensemble import TreeEnsemble
from onlyif.trees.leaves import Leaves
from onlyif.trees.paths import leaf_nodes

_ROUNDING = 1e-12


@final
@dataclass(frozen=True, eq=False)
class AddedOutputs:
    """The outputs of a sum of trees.

    Where every leaf's values sum to its tree's constant, as class probabilities do,
    the last output is what the others leave of that sum and is not computed.

    Args:
        base: What is added to each output.
        total: The sum of all outputs, where it is constant; else None.
    """

    base: Float64[np.ndarray, "k"]
    total: float | None

    @property
    def n_computed(self) -> int:
        """How many outputs are computed."""
        return len(self.base) - (self.total is not None)

    def empty(self, size: int) -> Float64[np.ndarray, "k size"]:
        """Room for all outputs, 0 where they are to be computed."""
        room = np.empty((len(self.base), size))
        room[: self.n_computed] = 0
        return room

    def complete(self, outputs: Float64[np.ndarray, "k size"]) -> None:
        """From sums of leaf values to outputs, in place.

        Args:
            outputs: One row an output; the last one is written where it was not computed.
        """
        for i, base in enumerate(self.base[: self.n_computed].tolist()):
            if base:
                outputs[i] += base
        if self.total is not None:
            last = outputs[-1]
            last.fill(self.total)
            for row in outputs[:-1]:
                last -= row


def added_outputs(ensemble: TreeEnsemble) -> AddedOutputs:
    """The outputs of an ensemble whose link adds nothing."""
    if ensemble.value.shape[1] < 2:
        return AddedOutputs(ensemble.base, None)
    sums = ensemble.value.sum(1)[leaf_nodes(ensemble)]
    tree = _tree_of_leaves(ensemble)
    low, high = np.full(len(ensemble.roots), np.inf), np.full(len(ensemble.roots), -np.inf)
    np.minimum.at(low, tree, sums)
    np.maximum.at(high, tree, sums)
    if (high - low).max() > _ROUNDING * np.abs(ensemble.value).max():
        return AddedOutputs(ensemble.base, None)
    return AddedOutputs(ensemble.base, float(((high + low) / 2).sum() + ensemble.base.sum()))


def computed_values(outputs: AddedOutputs, leaves: Leaves) -> Float64[np.ndarray, "leaves k"]:
    """What each leaf adds to each computed output."""
    return leaves.value[:, : outputs.n_computed]


def _tree_of_leaves(ensemble: TreeEnsemble) -> np.ndarray:
    left, right, inner = ensemble.nodes.left, ensemble.nodes.right, ensemble.nodes.column >= 0
    tree = np.zeros(len(inner), dtype=np.int64)
    level = ensemble.roots
    tree[level] = np.arange(len(level))
    while len(level):
        level = level[inner[level]]
        for child in (left[level], right[level]):
            tree[child] = tree[level]
        level = np.concatenate([left[level], right[level]])
    found: np.ndarray = tree[leaf_nodes(ensemble)]
    return found
