"""Mixtures of an instance and background rows: which leaves they reach."""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from jaxtyping import Float64, Int, Int64

from onlyif.core.subsets import bit_counts, lowest_bits
from onlyif.engine.small_tables import SmallTables
from onlyif.trees.cubes import Cubes, add_terms, terms_of
from onlyif.trees.leaves import Leaves, Masks
from onlyif.trees.transform import add_subsets_beside

_BLOCK_MASKS = 2**18  # leaves times background rows compared at once: half a MiB of short masks
_BLOCK_TERMS = 2**17  # coefficients written at once


@final
@dataclass(frozen=True, eq=False)
class Mixtures:
    """The leaves that some mixture of an instance and a background row reaches, with each such row.

    Leaves that bar fewer players come first.

    Args:
        barred: For each leaf of the ensemble the players that keep the instance from it.
        leaf: The leaves, each once for every such row.
        row: The place of that row.
        needed: The players that keep it from the leaf.
        differs: For each row the players on which some of its leaves tells it from the instance.
    """

    barred: Masks
    leaf: Int64[np.ndarray, "q"]
    row: Int64[np.ndarray, "q"]
    needed: Int[np.ndarray, "q"]
    differs: Int64[np.ndarray, "n"]

    @property
    def ends(self) -> Int64[np.ndarray, "_"]:
        """Where those end that bar no player, one, two and so on."""
        return np.cumsum(np.bincount(bit_counts(self.barred).take(self.leaf), minlength=1))

    def cubes(self, leaves: Leaves) -> Cubes:
        """For each leaf and row the subsets of which their mixture reaches the leaf.

        Args:
            leaves: All leaves.
        """
        value = np.stack([column.take(self.leaf) for column in leaves.value.T])
        return Cubes(self.leaf, self.needed, self.barred.take(self.leaf), value)

    def of(self, rows: Int64[np.ndarray, "m"]) -> "Mixtures":
        """Those of some rows, which keep their places."""
        if len(rows) == len(self.differs):
            return self
        chosen = np.zeros(len(self.differs), dtype=bool)
        chosen[rows] = True
        at = np.flatnonzero(chosen.take(self.row))
        return Mixtures(
            self.barred, self.leaf.take(at), self.row.take(at), self.needed.take(at), self.differs
        )


def mixtures_of(needed: Int[np.ndarray, "leaves n"], barred: Masks) -> Mixtures:
    """The leaves that mixtures of one instance and background rows reach.

    Args:
        needed: For each leaf and background row the players that keep the row from it.
        barred: For each leaf the players that keep the instance from it.
    """
    order, n_rows = np.argsort(bit_counts(barred), kind="stable"), needed.shape[1]
    differs, parts = np.zeros(n_rows, dtype=needed.dtype), []
    step = max(1, _BLOCK_MASKS // n_rows)
    for first in range(0, len(order), step):
        leaf = order[first : first + step]
        asked = needed.take(leaf, axis=0)
        reached = (asked & barred.take(leaf)[:, None]) == 0
        at, starts = np.flatnonzero(reached), np.arange(len(leaf) + 1) * n_rows
        count, alive = np.diff(np.searchsorted(at, starts)), asked.take(at)
        at -= np.repeat(starts[:-1], count)
        parts.append((np.repeat(leaf, count), at, alive))
        # Players that keep the instance from a leaf lead it to another, from which they keep the row.
        asked *= reached
        differs |= np.bitwise_or.reduce(asked, axis=0)
    leaves, rows, alive = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Mixtures(barred, leaves, rows, alive, differs.astype(np.int64))


def margins_of(tables: SmallTables, mixtures: Mixtures, leaves: Leaves) -> Float64[np.ndarray, "k q"]:
    """The margins for every subset, table after table.

    Args:
        tables: The tables of some background rows.
        mixtures: The leaves that mixtures of the instance and these rows reach.
        leaves: All leaves.
    """
    margins = np.zeros((leaves.value.shape[1], tables.runs[-1].entries.stop))
    codes, ends = tables.packing.times(tables.steps), mixtures.ends.tolist()
    # The number of a player is how many bits stand below its own.
    members = [bit_counts(bit - 1).astype(np.int64) for bit in lowest_bits(mixtures.barred, len(ends) - 1)]
    for size, (start, stop) in enumerate(pairwise([0, *ends])):
        for at in range(start, stop, _BLOCK_TERMS >> size):
            part = slice(at, min(at + (_BLOCK_TERMS >> size), stop))
            leaf, row = mixtures.leaf[part], mixtures.row[part]
            kind = tables.kind.take(row)
            needed = codes.of_sets(mixtures.needed[part], kind)
            needed += tables.start.take(row)
            terms = terms_of(needed, [codes.of_players(one.take(leaf), kind) for one in members[:size]])
            add_terms(*terms, np.stack([column.take(leaf) for column in leaves.value.T]), margins)
    for run in tables.runs:
        for output in margins[:, run.entries]:
            add_subsets_beside(output.reshape(-1, run.columns))
    margins += leaves.ensemble.base[:, None]
    return margins
