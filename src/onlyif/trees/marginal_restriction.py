"""f_S(x) of a sum of trees under a background, exactly: all subsets at once."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.shapes import Instances, Keep
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, GroupedTable, Method, Restriction, check_table_size
from onlyif.restrictions.groups import Groups
from onlyif.trees.cubes import cubes_of, sum_all, sum_groups
from onlyif.trees.ensemble import TreeEnsemble
from onlyif.trees.leaves import Leaves, Masks, compile_leaves
from onlyif.trees.outputs import AddedOutputs, added_outputs, computed_values
from onlyif.trees.patterns import Patterns, check_background, compile_patterns, equal_weights
from onlyif.trees.subsets import sum_cubes
from onlyif.trees.tables import barred_each, predict_of, table_of


@final
@dataclass(frozen=True, eq=False)
class TreeMarginalRestriction(Restriction):
    """Exact f_S(x) = Σ_z w_z f(x_S, z_Sc) of a sum of trees over background rows z.

    A leaf is reached under (x_S, z_Sc) exactly if x satisfies every player of S on its
    path and z every other one. So each leaf and row add the leaf's value on a cube of
    subsets {S: A ⊆ S, B ∩ S = ∅}; B depends on x alone, A on z alone. All A are found
    and merged once, by `compile_tree_marginal`; `table` sums the cubes of one instance
    by one transform over 2^d, `predict` tests them subset by subset for any d.

    Choose it whenever the model is a sum of trees and the reference a fixed set of rows
    (a marginal or baseline reference); choose `TreeLinkedRestriction` for probabilities that are a
    sigmoid or softmax of a sum, `TreePathRestriction` for cover weights. Weights that
    depend on x and S, as those of the empirical conditional, break what is shared here:
    use `EnumeratedRestriction` for them.

    Args:
        leaves: The leaves, as conditions on players.
        patterns: What the background asks, leaf by leaf.
        outputs: Which outputs are computed.
        n_atoms: Number of background rows.

    Raises:
        SettingError: if the link of the trees is no identity; from `table`, beyond 25 players.
        InputError: from `predict` and `table`, if x has other columns than the trees.
        LimitError: from `table`, if it would not fit the memory limit.

    References:
        [bharti2024] section 2, the average restricted prediction.
    """

    leaves: Leaves
    patterns: Patterns
    outputs: AddedOutputs
    n_atoms: int

    def __post_init__(self) -> None:
        if not self.leaves.ensemble.link.additive:
            raise SettingError(
                f"need margins that are the outputs, got {self.leaves.ensemble.link}; "
                "use TreeLinkedRestriction, or explain the margin"
            )

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return predict_of(x, keep, self.leaves, readout, self._at_subsets)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        return table_of(x, self.leaves, readout, self._at_all, n_held=self.method.tables)

    @override
    def grouped_table(self, x: Instances, readout: Readout, groups: Groups) -> GroupedTable:
        """The same table, with that over each group of background rows alone.

        Args:
            x: The instances.
            readout: Which number is explained.
            groups: The groups that the patterns were compiled with.

        Raises:
            SettingError: if they were compiled with none.
        """
        if self.patterns.by_group.shape[1] != len(groups.members):
            raise SettingError(
                f"the background was compiled with {self.patterns.by_group.shape[1]} groups of rows, "
                f"got {len(groups.members)}; give them to compile_tree_marginal"
            )
        check_table_size(len(x) + 3 * len(self.outputs.base) * len(groups.members), self.leaves.players.count)

        def of_groups(i: int) -> Float64[np.ndarray, "two_to_d g c"]:
            return self._of_groups(next(barred_each(x[i : i + 1], self.leaves)), readout.counted(i))

        return GroupedTable(self.table(x, readout), of_groups)

    @property
    @override
    def method(self) -> Method:
        return Method(
            f"exactly, from the {self.leaves.count} leaves of {len(self.leaves.ensemble.roots)} trees and "
            f"all {self.n_atoms} background rows",
            exact=True,
            rows=0,
            tables=3 * len(self.outputs.base) + 1,
        )

    def _at_all(self, barred: Masks) -> Float64[np.ndarray, "k two_to_d"]:
        outputs = self.outputs.empty(2**self.leaves.players.count)
        computed = outputs[: self.outputs.n_computed]
        sum_all(self.patterns, barred, computed)
        self.outputs.complete(outputs)
        return outputs

    def _of_groups(self, barred: Masks, wanted: slice) -> Float64[np.ndarray, "two_to_d g c"]:
        n, every = len(self.outputs.base), 2**self.leaves.players.count
        numbers = range(n)[wanted]
        if self.outputs.total is None or numbers.stop < n:
            tables = sum_groups(self.patterns, barred, every, numbers)
            tables += self.outputs.base[wanted]
            return tables
        # The last output is what all others leave.
        tables = sum_groups(self.patterns, barred, every, range(n - 1)) + self.outputs.base[:-1]
        last = self.outputs.total - tables.sum(2, keepdims=True)
        return np.concatenate([tables, last], axis=2)[:, :, wanted]

    def _at_subsets(self, barred: Masks, keep: Bool[np.ndarray, "m d"]) -> Float64[np.ndarray, "k m"]:
        outputs = self.outputs.empty(len(keep))
        outputs[: self.outputs.n_computed] = sum_cubes(cubes_of(self.patterns, barred), self.leaves, keep)
        self.outputs.complete(outputs)
        return outputs


def compile_tree_marginal(
    ensemble: TreeEnsemble,
    players: Players,
    rows: Float64[np.ndarray, "n c"],
    weights: Float64[np.ndarray, "w"] | None = None,
    groups: Groups | None = None,
) -> TreeMarginalRestriction:
    """Work out what a background asks of every leaf, once for all instances.

    Args:
        ensemble: The trees; their link must be the identity.
        players: How players tile the columns.
        rows: The rows of the reference: background rows, or one baseline.
        weights: The weight of each, of sum 1; equal ones by default.
        groups: The atoms in groups, where tables over each of these are wanted; weights are then equal.

    Raises:
        InputError: if there is no row, or rows have other columns than the trees.
        SettingError: if trees and players disagree, the link is no identity, or weights are no weights.
        LimitError: if paths have too many players.

    Example:
        >>> from onlyif.core.players import column_players
        >>> from onlyif.models.readouts import TargetReadout
        >>> from onlyif.trees.ensemble import TreeNodes
        >>> number, code = np.zeros(3), np.array([-1, -1, -1])
        >>> left, right = np.array([1, 0, 0]), np.array([2, 0, 0])
        >>> nodes = TreeNodes(np.array([0, -1, -1]), number, left, right, code < 0, number, code)
        >>> value = np.array([[0.0], [0.0], [1.0]])
        >>> positive = TreeEnsemble(nodes, np.array([0]), value, np.zeros(1), n_columns=2)
        >>> background = np.array([[1.0, 0.0], [-1.0, 0.0]])
        >>> restriction = compile_tree_marginal(positive, column_players(["a", "b"]), background)
        >>> restriction.table(np.array([[3.0, 9.0]]), TargetReadout(np.array([0]))).mean
        array([[0.5, 1. , 0.5, 1. ]])
    """
    share = equal_weights(rows) if weights is None else weights
    check_background(rows, share)
    leaves = compile_leaves(ensemble, players)
    outputs = added_outputs(ensemble)
    group = None if groups is None else groups.group
    patterns = compile_patterns(leaves, computed_values(outputs, leaves), rows, share, group)
    return TreeMarginalRestriction(leaves, patterns, outputs, len(rows))
