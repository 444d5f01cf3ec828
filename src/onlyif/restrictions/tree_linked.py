"""f_S(x) of a link of a sum of trees under a background, exactly."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor
from typing_extensions import override

from onlyif.core.players import Players
from onlyif.core.progress import Meter
from onlyif.core.shapes import Instances, Keep
from onlyif.predictors.readouts import Readout
from onlyif.predictors.tree_ensemble import TreeEnsemble
from onlyif.predictors.tree_leaves import Leaves, Masks, SeenRow, compile_leaves
from onlyif.predictors.tree_memory import check_held
from onlyif.restrictions.base import Estimate, Method, Restriction
from onlyif.restrictions.tree_cubes import Cubes, add_cubes
from onlyif.restrictions.tree_patterns import check_background, equal_weights
from onlyif.restrictions.tree_subsets import inside_each
from onlyif.restrictions.tree_tables import predict_of, table_of
from onlyif.restrictions.tree_transform import add_subsets

_BLOCK_ENTRIES = 2**20  # margins held at once: subsets times background rows times outputs
_BLOCK_CUBES = 2**22  # cubes held at once: leaves times background rows


@final
@dataclass(frozen=True, eq=False)
class TreeLinkedRestriction(Restriction):
    """Exact f_S(x) = Σ_z w_z link(margin(x_S, z_Sc)) over background rows z.

    The mean of a sigmoid is no sigmoid of a mean, so every background row has its own table
    of margins, made as in `TreeMarginalRestriction`; then the link, then the mean. It costs about
    as much more as there are background rows: explain the margin where that is what you want to know.

    Args:
        leaves: The leaves, as conditions on players.
        needed: For each background row and leaf, the players that keep the row from it.
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
    needed: Int[np.ndarray, "n leaves"]
    weights: Float64[Tensor, "n"]
    meter: Meter = field(default_factory=Meter)

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return predict_of(x, keep, self.leaves, readout, self._at_subsets)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        k, link = self.leaves.value.shape[1], self.leaves.ensemble.link
        self.meter.expect(len(x) * len(self.needed))
        n_outputs = link.outputs(torch.zeros(1, k, dtype=torch.float64)).shape[1]
        # Margins; what the link makes of them on its way, their mean, and the sum so far; what is read.
        return table_of(x, self.leaves, readout, self._at_all, n_held=k + 4 * n_outputs + 1)

    @property
    @override
    def method(self) -> Method:
        return Method(
            f"exactly, from the {self.leaves.count} leaves of {len(self.leaves.ensemble.roots)} trees, "
            f"row by row of all {len(self.needed)} background rows",
            exact=True,
            rows=0,
        )

    def _at_all(self, row: SeenRow) -> Float64[Tensor, "k two_to_d"]:
        d, k = self.leaves.players.count, self.leaves.value.shape[1]
        barred, total = self.leaves.unsatisfied(row), torch.zeros(0, dtype=torch.float64)
        for part in self._parts(k << d):
            self.meter.check()
            margins = torch.zeros(k, len(self.needed[part]) << d, dtype=torch.float64)
            add_cubes(self._cubes(barred, part, d)[0], margins.numpy())
            add_subsets(margins.view(-1, 2**d))
            total = self._added(total, margins.view(k, -1, 2**d), part)
            self.meter.count(len(self.needed[part]))
        return total.T

    def _at_subsets(self, row: SeenRow, keep: Bool[Tensor, "m d"]) -> Float64[Tensor, "k m"]:
        barred, total = self.leaves.unsatisfied(row), torch.zeros(0, dtype=torch.float64)
        for part in self._parts(len(keep) * self.leaves.value.shape[1]):
            cubes, atom = self._cubes(barred, part, 0)
            n = len(self.needed[part])
            margins = np.empty((len(cubes.value), n, len(keep)))
            for i, inside in enumerate(inside_each(cubes, self.leaves, keep.numpy())):
                for output, value in zip(margins, cubes.value, strict=True):
                    output[:, i] = np.bincount(atom.take(inside), value.take(inside), n)
            total = self._added(total, torch.from_numpy(margins), part)
        return total.T

    def _parts(self, entries: int) -> Iterator[slice]:
        """Background rows in parts, so that memory does not grow with their number."""
        size = min(_BLOCK_ENTRIES // max(entries, 1), _BLOCK_CUBES // self.leaves.count)
        return (slice(first, first + max(size, 1)) for first in range(0, len(self.needed), max(size, 1)))

    def _cubes(self, barred: Masks, part: slice, n_bits: int) -> tuple[Cubes, Int[np.ndarray, "q"]]:
        """The cubes of some background rows, and each one's row, whose number stands above its mask."""
        alive = [np.flatnonzero((needed & barred) == 0) for needed in self.needed[part]]
        atom = np.repeat(np.arange(len(alive)), [len(leaves) for leaves in alive])
        leaf = np.concatenate(alive)
        needed = np.concatenate([row.take(at) for row, at in zip(self.needed[part], alive, strict=True)])
        if n_bits:
            needed = needed + (atom << n_bits)
        value = np.stack([column.take(leaf) for column in self.leaves.value.T])
        return Cubes(leaf, needed, barred.take(leaf), value), atom

    def _added(
        self, total: Float64[Tensor, "*so_far"], margins: Float64[Tensor, "k n m"], part: slice
    ) -> Float64[Tensor, "m _"]:
        """The sum so far and the outputs of some more background rows, whose margins are used up."""
        margins += self.leaves.ensemble.base.view(-1, 1, 1)
        mean = self.leaves.ensemble.link.mean(margins.permute(1, 2, 0), self.weights[part])
        # In place, for a sum of the parts at the end would hold all of them.
        return total.add_(mean) if len(total) else mean


def compile_tree_linked(
    ensemble: TreeEnsemble,
    players: Players,
    rows: Float64[Tensor, "n c"],
    weights: Float64[Tensor, "w"] | None = None,
) -> TreeLinkedRestriction:
    """Work out which leaves each background row can reach, once for all instances.

    Args:
        ensemble: The trees, with any link.
        players: How players tile the columns.
        rows: The atoms of the reference: background rows, or one baseline.
        weights: The weight of each, of sum 1; equal ones by default.

    Raises:
        InputError: if there is no row, or rows have other columns than the trees.
        SettingError: if trees and players disagree, or weights are no weights.
        LimitError: if paths have too many players, or what is held would take too much memory.
    """
    share = equal_weights(rows) if weights is None else weights.detach().cpu()
    check_background(rows, share)
    leaves = compile_leaves(ensemble, players)
    masks = len(rows) * leaves.count * np.dtype(leaves.mask_type).itemsize
    check_held(
        leaves.n_bytes + masks, f"{leaves.count:,} leaves and their masks for {len(rows)} background rows"
    )
    needed = np.empty((len(rows), leaves.count), dtype=leaves.mask_type)
    for held, row in zip(needed, leaves.see(rows), strict=True):
        held[:] = leaves.unsatisfied(row)
    return TreeLinkedRestriction(leaves, needed, share)
