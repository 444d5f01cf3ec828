"""The leaves of an ensemble, ready to be asked which players keep a row from each of them.

Everything is held leaf by leaf in arrays of the narrowest types.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float64, Int, Int8, Int64, Integer, UInt

from onlyif.core.errors import LimitError, SettingError
from onlyif.core.players import Players
from onlyif.trees.ensemble import TreeEnsemble
from onlyif.trees.paths import Cells, Conditions, cells_of, conditions_of, leaf_nodes

Masks: TypeAlias = Int[np.ndarray, "leaves"]
MAX_GLOBAL = 40  # players up to which masks need no translation
_BLOCK_LEAVES = 2**13  # leaves whose paths are sorted at once


@final
@dataclass(frozen=True, eq=False)
class Slot:
    """The j-th condition of every leaf that has so many: those of leaves 0 to n - 1.

    Args:
        column: The column.
        first: The lowest allowed cell.
        width: Number of allowed cells.
        missing: Whether a missing value is allowed.
        bit: The bit of the column's player, in the masks of this leaf.
        place: The place of that player among those on the path.
        categories: Which of these conditions are on categories.
        allowed: The row of `Leaves.category_cells` for each of those.
        share: Share of the training weight that takes the path at this column's nodes.
    """

    column: Int64[np.ndarray, "n"]
    first: UInt[np.ndarray, "n"]
    width: UInt[np.ndarray, "n"]
    missing: Bool[np.ndarray, "n"]
    bit: Int[np.ndarray, "n"]
    place: Int8[np.ndarray, "n"]
    categories: Int64[np.ndarray, "q"]
    allowed: Int64[np.ndarray, "q"]
    share: Float64[np.ndarray, "n"]

    @property
    def n_bytes(self) -> int:
        """Memory of the arrays."""
        numbers = (self.column, self.first, self.width, self.missing, self.bit, self.place, self.share)
        return sum(array.nbytes for array in (*numbers, self.categories, self.allowed))

    def part(self, leaves: slice) -> "Slot":
        """The same for some leaves only."""
        start, stop = np.searchsorted(self.categories, [leaves.start, leaves.stop])
        return Slot(
            self.column[leaves],
            self.first[leaves],
            self.width[leaves],
            self.missing[leaves],
            self.bit[leaves],
            self.place[leaves],
            self.categories[start:stop] - leaves.start,
            self.allowed[start:stop],
            self.share[leaves],
        )

    def fails(
        self, rows: "CellRows", category_cells: Bool[np.ndarray, "conditions codes"]
    ) -> Bool[np.ndarray, "n r"]:
        """Which rows do not satisfy the condition of which leaf.

        Args:
            rows: The rows.
            category_cells: Those of `Leaves`.
        """
        cell = rows.cell.take(self.column, axis=0)
        # Numbers have no sign: those of cells below the first one become huge.
        cell -= self.first[:, None]
        fails: np.ndarray = cell >= self.width[:, None]
        if len(self.categories):
            codes = rows.cell[self.column[self.categories]]
            fails[self.categories] = ~category_cells[self.allowed[:, None], codes]
        if rows.any_missing:
            missing = rows.missing.take(self.column, axis=0)
            np.copyto(fails, ~self.missing[:, None], where=missing)
        return fails


@final
@dataclass(frozen=True, eq=False)
class CellRows:
    """Rows in cells, column by column.

    Args:
        cell: The cell of each value.
        missing: Which values are missing.
    """

    cell: UInt[np.ndarray, "c r"]
    missing: Bool[np.ndarray, "c r"]

    @property
    def any_missing(self) -> bool:
        """Whether some value is missing."""
        return bool(self.missing.any())

    def part(self, rows: slice) -> "CellRows":
        """Some of the rows."""
        return CellRows(np.ascontiguousarray(self.cell[:, rows]), np.ascontiguousarray(self.missing[:, rows]))


@final
@dataclass(frozen=True, eq=False)
class Leaves:
    """All leaves, those with most conditions first.

    A mask is a set of players as bits. Up to 40 players, bit i is player i in every
    leaf; beyond, each leaf numbers the players on its own path.

    Args:
        ensemble: The trees.
        players: How players tile the columns.
        cells: The cells of the columns.
        slots: The conditions.
        category_cells: For each distinct condition on categories, the allowed codes.
        path: The players on each leaf's path, one column a place, -1 where there are fewer.
        value: What each leaf adds to the margins.
        local: Whether each leaf numbers its own players.
    """

    ensemble: TreeEnsemble
    players: Players
    cells: Cells
    slots: tuple[Slot, ...]
    category_cells: Bool[np.ndarray, "conditions codes"]
    path: Int[np.ndarray, "leaves places"]
    value: Float64[np.ndarray, "leaves k"]
    local: bool

    @property
    def count(self) -> int:
        """Number of leaves."""
        return len(self.value)

    @property
    def n_bytes(self) -> int:
        """Memory of all that is held leaf by leaf."""
        whole = self.path.nbytes + self.value.nbytes + self.category_cells.nbytes
        return whole + sum(slot.n_bytes for slot in self.slots)

    @property
    def mask_type(self) -> Any:
        """The narrowest integer type that holds a mask."""
        bits = self.path.shape[1] if self.local else self.players.count
        return np.int16 if bits < 15 else np.int32 if bits < 31 else np.int64

    def see(self, rows: Float64[np.ndarray, "r c"]) -> CellRows:
        """Rows in cells.

        Args:
            rows: Numbers and category codes; NaN is missing.

        Raises:
            InputError: if rows have another number of columns.
        """
        numbers = self.ensemble.seen(rows)
        kind = self.slots[0].first.dtype if self.slots else np.uint8
        cell = np.zeros(numbers.T.shape, dtype=kind)
        for c, known in self.cells.thresholds.items():
            cell[c] = np.searchsorted(known, numbers[:, c])
        for column in np.flatnonzero(self.cells.categorical).tolist():
            cell[column] = self.ensemble.codes(numbers[:, column])
        return CellRows(cell, np.isnan(numbers.T))

    def unsatisfied(self, rows: CellRows) -> Int[np.ndarray, "leaves r"]:
        """For each leaf and row the players on the leaf's path that keep the row from it, as masks."""
        masks = np.zeros((self.count, rows.cell.shape[1]), dtype=self.mask_type)
        for slot in self.slots:
            fails = slot.fails(rows, self.category_cells)
            masks[: len(fails)] |= fails * slot.bit[:, None]
        return masks

    def unsatisfied_places(self, rows: CellRows, part: slice) -> Integer[np.ndarray, "some r"]:
        """The same for some leaves, with the players of each numbered by their places on its path.

        Args:
            rows: The rows.
            part: The numbers of the leaves.
        """
        n_places = self.path.shape[1]
        kind = np.uint8 if n_places <= 8 else np.uint16 if n_places <= 16 else np.int64
        codes = np.zeros((len(self.path[part]), rows.cell.shape[1]), dtype=kind)
        for slot in self.slots:
            fails = slot.part(part).fails(rows, self.category_cells)
            # Products are faster than shifts.
            bits = np.left_shift(kind(1), slot.place[part].astype(kind))
            codes[: len(fails)] |= np.multiply(fails, bits[:, None], dtype=kind)
        return codes

    def masks_of_places(
        self, leaf: Int64[np.ndarray, "q"], codes: Int64[np.ndarray, "q"]
    ) -> Int[np.ndarray, "q"]:
        """Players that are numbered by their places on a leaf's path, as masks.

        Args:
            leaf: The leaf of each.
            codes: The places as bits.
        """
        if self.local:
            return codes.astype(self.mask_type)
        masks = np.zeros(len(codes), dtype=self.mask_type)
        for place, player in enumerate(np.maximum(self.path, 0).T):
            masks |= (codes >> place & 1).astype(masks.dtype) << player.astype(masks.dtype).take(leaf)
        return masks


def compile_leaves(ensemble: TreeEnsemble, players: Players) -> Leaves:
    """The leaves of an ensemble as conditions on players.

    Args:
        ensemble: The trees.
        players: How players tile the columns.

    Raises:
        SettingError: if trees and players disagree on the columns.
        LimitError: if a path has more than 40 of more than 40 players.
    """
    if players.index.shape != (ensemble.n_columns,):
        raise SettingError(
            f"the trees compare {ensemble.n_columns} columns, "
            f"the players tile {tuple(players.index.shape)}; both must be the same"
        )
    cells = cells_of(ensemble)
    conditions = conditions_of(ensemble, cells)
    nodes = leaf_nodes(ensemble)
    count = np.bincount(conditions.leaf, minlength=len(nodes))
    order = np.argsort(-count, kind="stable")
    path, place = _paths(conditions, players, len(nodes))
    local = players.count > MAX_GLOBAL
    value = ensemble.value[nodes][order]
    # Player numbers of conditions, or their places on the path, become bits slot by slot.
    number = place if local else players.index[conditions.column].astype(np.int8)
    slots = tuple(_slots(conditions, order, count[order], (number, place), _most_cells(ensemble, cells)))
    return Leaves(ensemble, players, cells, slots, conditions.category_cells, path[order], value, local)


def _most_cells(ensemble: TreeEnsemble, cells: Cells) -> int:
    """More cells than any column has: one for each threshold and one above, or one for each category."""
    most = max((len(known) for known in cells.thresholds.values()), default=0)
    n_codes: int = ensemble.goes_left.shape[1]
    return max(1 + most, n_codes)


def _paths(
    conditions: Conditions, players: Players, n_leaves: int
) -> tuple[Int[np.ndarray, "leaves places"], Int8[np.ndarray, "n"]]:
    """The players on each path in increasing order, and the place of each condition's player."""
    blocks = []
    for first in range(0, n_leaves, _BLOCK_LEAVES):
        start, stop = np.searchsorted(conditions.leaf, [first, first + _BLOCK_LEAVES])
        player = players.index[conditions.column[start:stop]]
        own = conditions.leaf[start:stop].astype(np.int64) - first
        key, number = np.unique(own * players.count + player, return_inverse=True)
        leaf = key // players.count
        place = np.arange(len(key)) - np.searchsorted(leaf, leaf)
        blocks.append((leaf + first, place, key % players.count, place[number.reshape(-1)]))
    longest = max(int(place.max(initial=-1)) + 1 for _, place, _, _ in blocks)
    if players.count > MAX_GLOBAL < longest:
        raise LimitError(
            f"a path through the trees passes {longest} of {players.count} players, at most "
            f"{MAX_GLOBAL} are allowed beyond {MAX_GLOBAL} players; group columns or grow shallower trees"
        )
    path = np.full((n_leaves, longest), -1, dtype=np.int32)
    for leaf, place, player, _ in blocks:
        path[leaf, place] = player
    return path, np.concatenate([each.astype(np.int8) for *_, each in blocks])


def _slots(
    conditions: Conditions,
    order: Int64[np.ndarray, "leaves"],
    count: Int64[np.ndarray, "leaves"],
    numbers: tuple[Int8[np.ndarray, "n"], Int8[np.ndarray, "n"]],
    n_cells: int,
) -> list[Slot]:
    (number, place), starts = numbers, np.searchsorted(conditions.leaf, order.astype(np.int32))
    # Differences of cells, those below 0 too, fit twice as many.
    narrow = np.uint8 if n_cells <= 2**7 else np.uint16 if n_cells <= 2**15 else np.uint32
    highest = number.max(initial=0)
    kind = np.int16 if highest < 15 else np.int32 if highest < 31 else np.int64
    slots = []
    for j in range(int(count.max())):
        # Leaves are sorted by their number of conditions, so these are the first ones.
        at = starts[: int((count > j).sum())] + j
        categories = np.flatnonzero(conditions.allowed[at] >= 0)
        last = np.minimum(conditions.last[at], n_cells - 1)
        width = np.maximum(last - conditions.first[at] + 1, 0)
        slots.append(
            Slot(
                conditions.column[at].astype(np.int64),
                conditions.first[at].astype(narrow),
                width.astype(narrow),
                conditions.missing[at],
                np.left_shift(kind(1), number[at], dtype=kind),
                place[at],
                categories,
                conditions.allowed[at][categories].astype(np.int64),
                conditions.share[at],
            )
        )
    return slots
