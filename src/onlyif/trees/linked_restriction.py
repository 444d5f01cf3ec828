"""f_S(x) of a link of a sum of trees under a background, exactly."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64
from typing_extensions import override

from onlyif.core.players import Players
from onlyif.core.progress import Meter
from onlyif.core.shapes import Instances, Keep
from onlyif.models.links import SquaredLink
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, GroupedTable, Method, Restriction, check_table_size
from onlyif.restrictions.groups import Groups
from onlyif.trees.cubes import Cubes, add_cubes, bit_counts
from onlyif.trees.ensemble import TreeEnsemble
from onlyif.trees.leaves import Leaves, Masks, compile_leaves
from onlyif.trees.memory import check_held
from onlyif.trees.patterns import check_background, equal_weights
from onlyif.trees.subsets import inside_each
from onlyif.trees.tables import barred_each, exact_estimate, predict_of, table_of
from onlyif.trees.transform import add_subsets

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
    weights: Float64[np.ndarray, "n"]
    meter: Meter = field(default_factory=Meter)

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return predict_of(x, keep, self.leaves, readout, self._at_subsets)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        self.meter.expect(len(x) * len(self.needed))
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

    @override
    def with_squares(self) -> Restriction:
        ensemble = self.leaves.ensemble
        squared = replace(ensemble, link=SquaredLink(ensemble.link))
        return replace(self, leaves=replace(self.leaves, ensemble=squared))

    @property
    @override
    def method(self) -> Method:
        k, link = self.leaves.value.shape[1], self.leaves.ensemble.link
        averaged, outputs = (of(np.zeros((1, k))).shape[1] for of in (link.averaged, link.outputs))
        return Method(
            f"exactly, from the {self.leaves.count} leaves of {len(self.leaves.ensemble.roots)} trees, "
            f"row by row of all {len(self.needed)} background rows",
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
            for rows in self._beside(barred, part, group).blocks(_BLOCK_ENTRIES // k):
                self.meter.check()
                self._add(rows, barred, total)
                self.meter.count(len(rows.number))
        means = [link.completed((one / size).T).T for one, size in zip(total, sizes, strict=True)]
        whole: np.ndarray = np.stack(means)
        return whole

    @property
    def _together(self) -> Int64[np.ndarray, "n"]:
        """All background rows in one group."""
        return np.zeros(len(self.needed), dtype=np.int64)

    def _at_subsets(self, barred: Masks, keep: Bool[np.ndarray, "m d"]) -> Float64[np.ndarray, "k m"]:
        link = self.leaves.ensemble.link
        total = np.zeros(())
        for part in self._parts(len(keep) * self.leaves.value.shape[1]):
            rows = self._beside(barred, part, self._together)
            cubes, place = self._cubes(rows, barred)
            margins = np.empty((len(cubes.value), len(rows.number), len(keep)))
            for i, inside in enumerate(inside_each(cubes, self.leaves, keep)):
                for output, value in zip(margins, cubes.value, strict=True):
                    output[:, i] = np.bincount(place.take(inside), value.take(inside), len(rows.number))
            margins += self.leaves.ensemble.base[:, None, None]
            outputs = link.averaged(margins.transpose(1, 2, 0))
            # Added as they come, for a sum at the end would hold all of them.
            total = total + np.tensordot(self.weights[rows.number], outputs, 1)
        return link.completed(total).T

    def _parts(self, entries: int) -> Iterator[slice]:
        """Background rows in parts, so that memory does not grow with their number."""
        size = min(_BLOCK_ENTRIES // max(entries, 1), _BLOCK_CUBES // self.leaves.count)
        return (slice(first, first + max(size, 1)) for first in range(0, len(self.needed), max(size, 1)))

    def _beside(self, barred: Masks, part: slice, group: Int64[np.ndarray, "n"]) -> "_Beside":
        """Some background rows, those with few differences first; of those with equal ones group by group."""
        needed = self.needed[part]
        reached = (needed & barred) == 0
        at, count = np.flatnonzero(reached), np.count_nonzero(reached, axis=1)
        first = np.cumsum(count) - count
        asked = needed.take(at)
        at -= np.repeat(np.arange(len(needed)) * needed.shape[1], count)
        # Whatever a background row is, x itself reaches a leaf of every tree: no row is without one.
        differs = np.bitwise_or.reduceat(asked | barred.take(at), first).astype(np.int64)
        width = np.left_shift(1, bit_counts(differs).astype(np.int64))
        order = np.lexsort((group[part], differs, width))
        count = count[order]
        moved = np.repeat(first[order] - (np.cumsum(count) - count), count)
        moved += np.arange(len(at))
        return _Beside(
            order + part.start, group[part][order], differs[order], width[order], count, at.take(moved),
            asked.take(moved),
        )  # fmt: skip

    def _cubes(self, rows: "_Beside", barred: Masks) -> tuple[Cubes, Int64[np.ndarray, "q"]]:
        """The cubes of some background rows, and each one's place among these rows."""
        place = np.repeat(np.arange(len(rows.count)), rows.count)
        value = np.stack([column.take(rows.leaf) for column in self.leaves.value.T])
        return Cubes(rows.leaf, rows.needed, barred.take(rows.leaf), value), place

    def _add(self, rows: "_Beside", barred: Masks, total: Float64[np.ndarray, "g j two_to_d"]) -> None:
        """Add the weighted outputs of some background rows for every subset to their groups', in place."""
        fresh = np.concatenate([[True], rows.differs[1:] != rows.differs[:-1]])
        fresh[1:] |= rows.group[1:] != rows.group[:-1]
        first = np.flatnonzero(fresh)
        packing = _packing(rows.differs[first], self.leaves.players.count)
        outputs = self._outputs(rows, barred, packing, np.cumsum(fresh) - 1)
        ends = np.append(0, np.cumsum(rows.width))
        stops = [*first[1:].tolist(), len(rows.width)]

        def spread(kind: int) -> Float64[np.ndarray, "j some two_to_low"]:
            alike = slice(first[kind], stops[kind])
            weights = self.weights[rows.number[alike]]
            each = outputs[ends[alike.start] : ends[alike.stop]].T.reshape(total.shape[1], len(weights), -1)
            return packing.spread_low(weights @ each, kind)

        # Tables of a group with the same players in their high half are summed before they are spread over
        # the others.
        groups = rows.group[first].tolist()
        pairs = [*zip(groups, packing.alike, strict=True)]
        by_high = groupby(np.lexsort((packing.alike, groups)).tolist(), pairs.__getitem__)
        for (group, high), kinds in by_high:
            total[group] += packing.spread_high(reduce(np.add, map(spread, kinds)), high)

    def _outputs(
        self, rows: "_Beside", barred: Masks, packing: "_Packing", kind: Int64[np.ndarray, "n"]
    ) -> Float64[np.ndarray, "q j"]:
        """What is averaged for every subset of the players on which a row differs, row after row."""
        cubes, place = self._cubes(rows, barred)
        starts, choice = np.cumsum(rows.width) - rows.width, kind[place]
        needed = packing.packed(cubes.needed, choice) + starts[place]
        margins = np.zeros((len(cubes.value), starts[-1] + rows.width[-1]))
        add_cubes(Cubes(cubes.leaf, needed, packing.packed(cubes.barred, choice), cubes.value), margins)
        for width in np.unique(rows.width).tolist():
            alike = starts[rows.width == width]
            for output in margins:
                add_subsets(output[alike[0] : alike[-1] + width].reshape(-1, width))
        margins += self.leaves.ensemble.base[:, None]
        return self.leaves.ensemble.link.averaged(margins.T)


@final
@dataclass(frozen=True, eq=False)
class _Beside:
    """Background rows beside one instance, sorted by the number of players on which they differ.

    Args:
        number: The number of each row.
        group: Its group.
        differs: The players on which some leaf that matters tells the two apart.
        width: The number of subsets of these players.
        count: How many leaves some mixture of the two reaches.
        leaf: Those leaves, row after row.
        needed: For each of those the players that keep the row from it.
    """

    number: Int64[np.ndarray, "n"]
    group: Int64[np.ndarray, "n"]
    differs: Int64[np.ndarray, "n"]
    width: Int64[np.ndarray, "n"]
    count: Int64[np.ndarray, "n"]
    leaf: Int64[np.ndarray, "q"]
    needed: Int[np.ndarray, "q"]

    def blocks(self, entries: int) -> Iterator["_Beside"]:
        """The rows in blocks of so many margins at most, but one row at least."""
        ends, reached, first = np.cumsum(self.width), np.cumsum(self.count), 0
        while first < len(ends):
            most = ends[first] - self.width[first] + entries
            part = slice(first, max(first + 1, int(np.searchsorted(ends, most, "right"))))
            cubes = slice(reached[first] - self.count[first], reached[part.stop - 1])
            yield _Beside(
                self.number[part],
                self.group[part],
                self.differs[part],
                self.width[part],
                self.count[part],
                self.leaf[cubes],
                self.needed[cubes],
            )
            first = part.stop


@final
@dataclass(frozen=True, eq=False)
class _Packing:
    """Codes of subsets of d players as codes of subsets of fewer, for several choices of these.

    A code is looked up in two halves, so that what is held has fewer than 2^d entries.

    Args:
        low: For each choice and low half of a code, the bits of the chosen players, close together.
        high: The same for the high half; they stand above those of the low half.
        alike: For each choice the first one with the same players in the high half.
        n_low: For each choice the number of players in the low half.
    """

    low: Int64[np.ndarray, "choices two_to_low"]
    high: Int64[np.ndarray, "choices two_to_high"]
    alike: list[int]
    n_low: Int64[np.ndarray, "choices"]

    def packed(self, masks: Int[np.ndarray, "q"], choice: Int64[np.ndarray, "q"]) -> Int64[np.ndarray, "q"]:
        """Masks of players as masks of the chosen ones.

        Args:
            masks: Sets of players as bits.
            choice: The number of the choice for each.
        """
        size = self.low.shape[1]
        packed: np.ndarray = self.low.take(choice * size + (masks & (size - 1)))
        packed += self.high.take(choice * self.high.shape[1] + (masks >> (size.bit_length() - 1)))
        return packed

    def spread_low(
        self, tables: Float64[np.ndarray, "j packed"], choice: int
    ) -> Float64[np.ndarray, "j some two_to_low"]:
        """Tables of all subsets of the chosen players as those of all that are chosen or in the low half.

        Args:
            tables: By packed code.
            choice: The number of the choice.
        """
        halves = tables.reshape(len(tables), -1, 1 << int(self.n_low[choice]))
        # With all players there is nothing to spread.
        return halves if halves.shape[2] == self.low.shape[1] else halves.take(self.low[choice], axis=2)

    def spread_high(
        self, tables: Float64[np.ndarray, "j some two_to_low"], choice: int
    ) -> Float64[np.ndarray, "j two_to_d"]:
        """Tables that `spread_low` gave as those of all subsets.

        Args:
            tables: The tables.
            choice: The number of the choice.
        """
        if tables.shape[1] < self.high.shape[1]:
            tables = tables.take(self.high[choice] >> int(self.n_low[choice]), axis=1)
        return tables.reshape(len(tables), -1)


def _packing(chosen: Int64[np.ndarray, "choices"], d: int) -> _Packing:
    half = d // 2
    n_low = bit_counts(chosen & ((1 << half) - 1)).astype(np.int64)
    _, firsts, same = np.unique(chosen >> half, return_index=True, return_inverse=True)
    return _Packing(
        _packed_codes(chosen, np.zeros_like(chosen), half),
        _packed_codes(chosen >> half, n_low, d - half),
        firsts[same.reshape(-1)].tolist(),
        n_low,
    )


def _packed_codes(
    chosen: Int64[np.ndarray, "choices"], place: Int64[np.ndarray, "choices"], n_bits: int
) -> Int64[np.ndarray, "choices two_to_bits"]:
    """Every code of some bits with the chosen ones close together, the lowest at a place."""
    codes = np.zeros((len(chosen), 1), dtype=np.int64)
    for bit in range(n_bits):
        held = chosen >> bit & 1
        codes = np.concatenate([codes, codes + (held << place)[:, None]], axis=1)
        place = place + held
    return codes


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
    needed = np.empty((len(rows), leaves.count), dtype=leaves.mask_type)
    seen, size = leaves.see(rows), max(1, _BLOCK_MASKS // leaves.count)
    for first in range(0, len(rows), size):
        part = slice(first, first + size)
        needed[part] = leaves.unsatisfied(seen.part(part)).T
    return TreeLinkedRestriction(leaves, needed, share)
