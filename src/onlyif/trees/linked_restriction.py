"""f_S(x) of a link of a sum of trees under a background, exactly."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64
from typing_extensions import override

from onlyif.core.players import Players
from onlyif.core.progress import Meter
from onlyif.core.shapes import Instances, Keep
from onlyif.engine.small_tables import small_tables
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, GroupedTable, Method, Restriction, check_table_size
from onlyif.restrictions.groups import Groups
from onlyif.trees.ensemble import TreeEnsemble
from onlyif.trees.leaves import Leaves, Masks, compile_leaves
from onlyif.trees.memory import check_held
from onlyif.trees.mixtures import margins_of, mixtures_of
from onlyif.trees.patterns import check_background, equal_weights
from onlyif.trees.subsets import inside_each
from onlyif.trees.tables import barred_each, exact_estimate, predict_of, table_of

_BLOCK_ENTRIES = 2**20  # margins held at once: subsets times background rows times outputs
_BLOCK_CUBES = 2**22  # cubes held at once: leaves times background rows
_BLOCK_MASKS = 2**20  # masks made at once: leaves times background rows


@final
@dataclass(frozen=True, eq=False)
class TreeLinkedRestriction(Restriction):
    """Exact f_S(x) = Σ_z w_z link(margin(x_S, z_Sc)) over background rows z.

    The mean of a sigmoid is no sigmoid of a mean, so every background row has its own table
    of margins, made as in `TreeMarginalRestriction`; then the link, then the mean. Of the players
    only those count on which some leaf tells x from z: with e of them a background row has 2^e
    different margins, however many subsets there are. It still costs about as much more as there are
    background rows: explain the margin where that is what you want to know.

    Args:
        leaves: The leaves, as conditions on players.
        needed: For each leaf and background row, the players that keep the row from it.
        weights: The weight of each background row.
        meter: What counts the background rows of a table, which takes long where they are many.

    Raises:
        SettingError: from `table`, if there are more than 25 players.
        InputError: from `predict` and `table`, if x has other columns than the trees.
        LimitError: from `table`, if it would not fit the memory limit.

    References:
        [bharti2024] section 2, the average restricted prediction.
    """

    leaves: Leaves
    needed: Int[np.ndarray, "leaves n"]
    weights: Float64[np.ndarray, "n"]
    meter: Meter = field(default_factory=Meter)

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return predict_of(x, keep, self.leaves, readout, self._at_subsets)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        self.meter.expect(len(x) * len(self.weights))
        return table_of(x, self.leaves, readout, self._at_all, n_held=self.method.tables)

    @override
    def grouped_table(self, x: Instances, readout: Readout, groups: Groups) -> GroupedTable:
        group, sizes, d = groups.group, groups.sizes / len(groups.group), self.leaves.players.count
        check_table_size(len(x) * (1 + len(sizes)) + len(sizes) * self.method.tables, d)
        outputs, mean = list[np.ndarray](), np.empty((len(x), 2**d))
        for i, barred in enumerate(barred_each(x, self.leaves)):
            made = self._of_groups(barred, group, sizes)
            # An average decision may be a tie, which rounding breaks: it is added up as ever.
            plain = self._at_all(barred) if readout.of_decisions else np.tensordot(sizes, made, 1)
            mean[i] = readout.part(slice(i, i + 1)).read(plain.T[None])[0]
            outputs.append(made[:, readout.counted(i)].transpose(2, 0, 1))
        return GroupedTable(exact_estimate(mean), outputs.__getitem__)

    @property
    @override
    def method(self) -> Method:
        k, link = self.leaves.value.shape[1], self.leaves.ensemble.link
        averaged, outputs = (of(np.zeros((1, k))).shape[1] for of in (link.averaged, link.outputs))
        return Method(
            f"exactly, from the {self.leaves.count} leaves of {len(self.leaves.ensemble.roots)} trees, "
            f"row by row of all {len(self.weights)} background rows",
            exact=True,
            rows=0,
            # Margins; what the link makes of them, their mean, and the sum so far; what that is completed to.
            tables=k + 3 * averaged + outputs,
        )

    def _at_all(self, barred: Masks) -> Float64[np.ndarray, "k two_to_d"]:
        whole: np.ndarray = self._of_groups(barred, self._together, np.ones(1))[0]
        return whole

    def _of_groups(
        self, barred: Masks, group: Int64[np.ndarray, "n"], sizes: Float64[np.ndarray, "g"]
    ) -> Float64[np.ndarray, "g k two_to_d"]:
        """The outputs for every subset over each group of background rows, whose weights sum to its size."""
        d, k = self.leaves.players.count, self.leaves.value.shape[1]
        link = self.leaves.ensemble.link
        total = np.zeros((len(sizes), link.averaged(np.zeros((1, k))).shape[1], 2**d))
        for part in self._parts(1):
            mixtures, weights = mixtures_of(self.needed[:, part], barred), self.weights[part]
            for tables in small_tables(mixtures.differs, group[part], d, _BLOCK_ENTRIES // k):
                self.meter.check()
                margins = margins_of(tables, mixtures.of(tables.rows), self.leaves)
                tables.add_sums(link.averaged(margins.T), weights[None, tables.rows], total[:, None])
                self.meter.count(len(tables.rows))
        means = [link.completed((one / size).T).T for one, size in zip(total, sizes, strict=True)]
        whole: np.ndarray = np.stack(means)
        return whole

    @property
    def _together(self) -> Int64[np.ndarray, "n"]:
        """All background rows in one group."""
        return np.zeros(len(self.weights), dtype=np.int64)

    def _at_subsets(self, barred: Masks, keep: Bool[np.ndarray, "m d"]) -> Float64[np.ndarray, "k m"]:
        link = self.leaves.ensemble.link
        total = np.zeros(())
        for part in self._parts(len(keep) * self.leaves.value.shape[1]):
            mixtures, weights = mixtures_of(self.needed[:, part], barred), self.weights[part]
            cubes = mixtures.cubes(self.leaves)
            margins = np.empty((len(cubes.value), len(weights), len(keep)))
            for i, inside in enumerate(inside_each(cubes, self.leaves, keep)):
                for output, value in zip(margins, cubes.value, strict=True):
                    output[:, i] = np.bincount(mixtures.row.take(inside), value.take(inside), len(weights))
            margins += self.leaves.ensemble.base[:, None, None]
            outputs = link.averaged(margins.transpose(1, 2, 0))
            # Added as they come, for a sum at the end would hold all of them.
            total = total + np.tensordot(weights, outputs, 1)
        return link.completed(total).T

    def _parts(self, entries: int) -> Iterator[slice]:
        """Background rows in parts, so that memory does not grow with their number."""
        size = max(1, min(_BLOCK_ENTRIES // max(entries, 1), _BLOCK_CUBES // self.leaves.count))
        return (slice(first, first + size) for first in range(0, len(self.weights), size))


def compile_tree_linked(
    ensemble: TreeEnsemble,
    players: Players,
    rows: Float64[np.ndarray, "n c"],
    weights: Float64[np.ndarray, "w"] | None = None,
) -> TreeLinkedRestriction:
    """Work out which leaves each background row can reach, once for all instances.

    Args:
        ensemble: The trees, with any link.
        players: How players tile the columns.
        rows: The rows of the reference: background rows, or one baseline.
        weights: The weight of each, of sum 1; equal ones by default.

    Raises:
        InputError: if there is no row, or rows have other columns than the trees.
        SettingError: if trees and players disagree, or weights are no weights.
        LimitError: if paths have too many players, or what is held would take too much memory.
    """
    share = equal_weights(rows) if weights is None else weights
    check_background(rows, share)
    leaves = compile_leaves(ensemble, players)
    masks = len(rows) * leaves.count * np.dtype(leaves.mask_type).itemsize
    check_held(
        leaves.n_bytes + masks, f"{leaves.count:,} leaves and their masks for {len(rows)} background rows"
    )
    needed = np.empty((leaves.count, len(rows)), dtype=leaves.mask_type)
    seen, size = leaves.see(rows), max(1, _BLOCK_MASKS // leaves.count)
    for first in range(0, len(rows), size):
        part = slice(first, first + size)
        needed[:, part] = leaves.unsatisfied(seen.part(part))
    return TreeLinkedRestriction(leaves, needed, share)
