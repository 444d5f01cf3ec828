"""f_S(x) of a sum of trees whose hidden splits are taken both ways, by training weight."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.shapes import Instances, Keep
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, Method, Restriction
from onlyif.trees.ensemble import TreeEnsemble
from onlyif.trees.leaves import Leaves, Masks, compile_leaves
from onlyif.trees.outputs import AddedOutputs, added_outputs, computed_values
from onlyif.trees.tables import predict_of, table_of
from onlyif.trees.transform import add_subsets

_BLOCK_TERMS = 2**18


@final
@dataclass(frozen=True, eq=False)
class TreePathRestriction(Restriction):
    """f_S(x) by cover weights: splits on hidden players go both ways, in proportion to training weight.

        f_S(x) = Σ_leaf value · Π_{i in path ∩ S} [x satisfies i] · Π_{i in path, not in S} share_i

    This is the "tree_path_dependent" game of tree SHAP: no background is needed, but what
    hidden features are replaced by depends on how the trees grew, and no distribution of
    rows stands behind it. Prefer `TreeMarginalRestriction` with a background unless you
    compare with such Shapley values or have only the model.

    Args:
        leaves: The leaves, as conditions on players.
        shares: Share of the training weight that takes the path at each player's splits, a column a
            place of the path.
        outputs: Which outputs are computed.

    Raises:
        SettingError: if the link of the trees is no identity; from `table`, beyond 25 players.
        InputError: from `predict` and `table`, if x has other columns than the trees.
        LimitError: from `table`, if it would not fit the memory limit.
    """

    leaves: Leaves
    shares: Float64[np.ndarray, "leaves places"]
    outputs: AddedOutputs

    def __post_init__(self) -> None:
        if not self.leaves.ensemble.link.additive:
            raise SettingError(
                f"cover weights average margins, got {self.leaves.ensemble.link}; explain the margin"
            )

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return predict_of(x, keep, self.leaves, readout, self._at_subsets)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        return table_of(x, self.leaves, readout, self._at_all, n_held=self.method.tables)

    @property
    @override
    def method(self) -> Method:
        return Method(
            f"exactly, from the {self.leaves.count} leaves and cover weights of "
            f"{len(self.leaves.ensemble.roots)} trees",
            exact=True,
            rows=0,
            tables=2 * len(self.outputs.base) + 1,
        )

    def _at_all(self, barred: Masks) -> Float64[np.ndarray, "k two_to_d"]:
        outputs = self.outputs.empty(2**self.leaves.players.count)
        computed = outputs[: self.outputs.n_computed]
        _add_products(self._products(barred), computed)
        add_subsets(computed)
        self.outputs.complete(outputs)
        # The products were summed by what is hidden; flipping the table takes complements.
        return np.flip(outputs, 1)

    def _at_subsets(self, barred: Masks, keep: Bool[np.ndarray, "m d"]) -> Float64[np.ndarray, "k m"]:
        outputs = self.outputs.empty(len(keep))
        satisfied = self._satisfied(barred)
        value = computed_values(self.outputs, self.leaves)
        for i, kept in enumerate(keep):
            factors = np.where(kept[self.leaves.path], satisfied, self.shares)
            outputs[: self.outputs.n_computed, i] = factors.prod(1) @ value
        self.outputs.complete(outputs)
        return outputs

    def _satisfied(self, barred: Masks) -> Bool[np.ndarray, "leaves places"]:
        """Which players of each path x satisfies; True beyond its end."""
        path = self.leaves.path
        place = np.broadcast_to(np.arange(path.shape[1]), path.shape) if self.leaves.local else path
        satisfied: np.ndarray = (barred[:, None] >> np.maximum(place, 0)) & 1 == 0
        return satisfied | (path < 0)

    def _products(self, barred: Masks) -> "_Products":
        satisfied, path = self._satisfied(barred), self.leaves.path
        free = satisfied & (path >= 0)
        order = np.argsort(~free, axis=1, kind="stable")
        bits = np.left_shift(1, np.maximum(path, 0), dtype=np.int64)
        value = computed_values(self.outputs, self.leaves)
        start = value.T * np.where(satisfied, 1.0, self.shares).prod(1)
        return _Products(
            hidden=np.where(satisfied, 0, bits).sum(1),
            value=start,
            count=free.sum(1),
            player=np.take_along_axis(bits, order, 1),
            factor=np.take_along_axis(self.shares, order, 1) - 1,
        )


@final
@dataclass(frozen=True, eq=False)
class _Products:
    """Each leaf as a product over players, by the hidden set H: v · [B ⊆ H] · Π (1 + factor_i [i in H]).

    Args:
        hidden: B, the players that x does not satisfy.
        value: The leaf's value times the shares of B.
        count: Number of players in the product.
        player: Their bits.
        factor: Share minus 1.
    """

    hidden: Int64[np.ndarray, "leaves"]
    value: Float64[np.ndarray, "k leaves"]
    count: Int[np.ndarray, "leaves"]
    player: Int64[np.ndarray, "leaves places"]
    factor: Float64[np.ndarray, "leaves places"]


def _add_products(products: _Products, table: Float64[np.ndarray, "k two_to_d"]) -> None:
    """Multiply out the products and add their Möbius coefficients to a table, in place."""
    for size in range(products.player.shape[1] + 1):
        at = np.flatnonzero(products.count == size)
        step = max(1, _BLOCK_TERMS >> size)
        for first in range(0, len(at), step):
            _add_block(products, at[first : first + step], size, table)


def _add_block(
    products: _Products, at: Int64[np.ndarray, "n"], size: int, table: Float64[np.ndarray, "k two_to_d"]
) -> None:
    codes = np.empty((1 << size, len(at)), dtype=np.int64)
    factors = np.ones((1 << size, len(at)))
    codes[0] = products.hidden[at]
    for j in range(size):
        np.add(codes[: 1 << j], products.player[at, j], out=codes[1 << j : 2 << j])
        np.multiply(factors[: 1 << j], products.factor[at, j], out=factors[1 << j : 2 << j])
    for row, value in zip(table, products.value, strict=True):
        np.add.at(row, codes.ravel(), (factors * value[at]).ravel())


def compile_tree_path(ensemble: TreeEnsemble, players: Players) -> TreePathRestriction:
    """Work out the shares of training weight along every path, once for all instances.

    Args:
        ensemble: The trees, with their covers; the link must be the identity.
        players: How players tile the columns.

    Raises:
        SettingError: if trees and players disagree, the link is no identity, or a tree has no cover.
        LimitError: if paths have too many players.
    """
    if not (ensemble.nodes.cover[ensemble.roots] > 0).all() or (ensemble.nodes.cover < 0).any():
        raise SettingError("cover weights need the training weight of every node; these trees have none")
    leaves = compile_leaves(ensemble, players)
    shares = np.ones(leaves.path.shape)
    for slot in leaves.slots:
        shares[np.arange(len(slot.place)), slot.place] *= slot.share
    return TreePathRestriction(leaves, shares, added_outputs(ensemble))
