"""Tables of few players: for each row beside an instance of all subsets of those on which both differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import groupby, pairwise
from typing import final

import numpy as np
from jaxtyping import Float64, Int, Int32, Int64

from onlyif.core.subsets import bit_counts, lowest_bits


@final
@dataclass(frozen=True)
class Run:
    """Tables that have equally many subsets, which stand beside each other, one a column.

    Args:
        rows: Their rows, in the order of the tables.
        kinds: The kinds of these.
        entries: Where the tables stand.
    """

    rows: slice
    kinds: slice
    entries: slice

    @property
    def width(self) -> int:
        """How many subsets each has."""
        n_entries: int = self.entries.stop - self.entries.start
        return n_entries // self.columns

    @property
    def columns(self) -> int:
        """How many they are."""
        count: int = self.rows.stop - self.rows.start
        return count


@final
@dataclass(frozen=True, eq=False)
class SmallTables:
    """A table for each of some rows beside an instance, of the subsets of the players on which both differ.

    Rows are of one kind if they are of one group and differ on the same players.

    Args:
        rows: The places of the rows: those with few differences first, those of a kind together.
        start: Where the table of each row begins, by its place.
        kind: The number of its kind, by its place.
        first: The first row of each kind.
        group: The group of each kind.
        differs: The players on which each kind differs.
        packing: The same players, to look up codes with.
        runs: The tables in order.
    """

    rows: Int64[np.ndarray, "n"]
    start: Int64[np.ndarray, "places"]
    kind: Int64[np.ndarray, "places"]
    first: Int64[np.ndarray, "kinds"]
    group: Int64[np.ndarray, "kinds"]
    differs: Int64[np.ndarray, "kinds"]
    packing: "Packing"
    runs: tuple[Run, ...]

    @property
    def steps(self) -> Int64[np.ndarray, "kinds"]:
        """How far from each other the entries of a table stand, for each kind."""
        n_kinds = [run.kinds.stop - run.kinds.start for run in self.runs]
        return np.repeat([run.columns for run in self.runs], n_kinds)

    def codes(self, run: Run) -> Int64[np.ndarray, "width columns"]:
        """The subsets of the entries of a run, among all players.

        Args:
            run: Some of the tables.
        """
        codes = np.zeros((run.width, run.kinds.stop - run.kinds.start), dtype=np.int64)
        for j in range((run.width - 1).bit_length()):
            half = 1 << j
            np.add(codes[:half], self._bits[j][run.kinds], out=codes[half : 2 * half])
        of_columns: np.ndarray = codes.take(self.kind[self.rows[run.rows]] - run.kinds.start, axis=1)
        return of_columns

    def differs_of(self, run: Run) -> Int64[np.ndarray, "columns"]:
        """The players on which each row of a run differs.

        Args:
            run: Some of the tables.
        """
        differs: np.ndarray = self.differs[self.kind[self.rows[run.rows]]]
        return differs

    @cached_property
    def _bits(self) -> list[Int64[np.ndarray, "kinds"]]:
        """The lowest player on which each kind differs, the second and so on, as masks."""
        return [*lowest_bits(self.differs, (self.runs[-1].width - 1).bit_length())]

    def add_sums(
        self,
        outputs: Float64[np.ndarray, "q j"],
        weights: Float64[np.ndarray, "s n"],
        total: Float64[np.ndarray, "g s j two_to_d"],
    ) -> None:
        """Add the weighted sums of tables to those of their groups over all subsets, in place.

        Args:
            outputs: The outputs, table after table.
            weights: The weights of the rows, in the order of `rows`, for each sum.
            total: The sums of each group.
        """
        sums = [table for run in self.runs for table in self._sums_of_kinds(run, outputs.T, weights)]
        # Sums with the same players in their high half are added up before they are spread over the others.
        keys = [*zip(self.group.tolist(), self.packing.alike, strict=True)]
        by_high = groupby(sorted(range(len(keys)), key=keys.__getitem__), keys.__getitem__)
        for (group, high), kinds in by_high:
            spread = (self.packing.spread_low(sums[kind], kind) for kind in kinds)
            total[group] += self.packing.spread_high(reduce(np.add, spread), high).reshape(total.shape[1:])

    def _sums_of_kinds(
        self, run: Run, outputs: Float64[np.ndarray, "j q"], weights: Float64[np.ndarray, "s n"]
    ) -> Float64[np.ndarray, "kinds sj width"]:
        """The weighted sums of the tables of each kind of a run."""
        each = outputs[:, run.entries].reshape(len(outputs), run.width, run.columns)
        starts = self.first[run.kinds] - run.rows.start
        weighted = (each * own for own in weights[:, run.rows])
        if len(starts) < run.columns:
            weighted = (np.add.reduceat(one, starts, axis=2) for one in weighted)
        return np.ascontiguousarray(np.concatenate([*weighted]).transpose(2, 0, 1))


def small_tables(
    differs: Int64[np.ndarray, "places"], group: Int64[np.ndarray, "places"], d: int, most: int
) -> Iterator[SmallTables]:
    """Tables of some rows, in blocks of so many entries at most, but of one row at least.

    Args:
        differs: For each row the players on which it differs from the instance.
        group: The group of each.
        d: The number of all players.
        most: The most entries of a block.
    """
    width = np.left_shift(1, bit_counts(differs).astype(np.int64))
    order = np.lexsort((group, differs, width))
    ends, first = np.cumsum(width[order]), 0
    while first < len(order):
        before = ends[first - 1] if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, before + most, "right")))
        yield _tables_of(order[first:stop], (width, differs, group), d)
        first = stop


def _tables_of(
    rows: Int64[np.ndarray, "n"],
    of_places: tuple[Int64[np.ndarray, "places"], Int64[np.ndarray, "places"], Int64[np.ndarray, "places"]],
    d: int,
) -> SmallTables:
    width, differs, group = (column[rows] for column in of_places)
    fresh = np.append(True, (np.diff(differs) != 0) | (np.diff(group) != 0))
    first, number = np.flatnonzero(fresh), np.cumsum(fresh) - 1
    start, kind = np.zeros((2, len(of_places[0])), dtype=np.int64)
    kind[rows] = number
    stops = [*(np.flatnonzero(np.diff(width)) + 1).tolist(), len(rows)]
    runs, at = list[Run](), 0
    for begin, stop in pairwise([0, *stops]):
        end = at + int(width[begin]) * (stop - begin)
        kinds = slice(int(number[begin]), int(number[stop - 1]) + 1)
        runs.append(Run(slice(begin, stop), kinds, slice(at, end)))
        start[rows[begin:stop]] = at + np.arange(stop - begin)
        at = end
    kinds = differs[first]
    return SmallTables(rows, start, kind, first, group[first], kinds, _packing(kinds, d), tuple(runs))


@final
@dataclass(frozen=True, eq=False)
class Packing:
    """Codes of subsets of d players as codes of subsets of fewer, for several choices of these.

    A code is looked up in two halves, so that what is held has fewer than 2^d entries.

    Args:
        low: For each choice and low half of a code, the bits of the chosen players, close together.
        high: The same for the high half; they stand above those of the low half.
        player: The same for each player alone.
        alike: For each choice the first one with the same players in the high half.
        n_low: For each choice the number of players in the low half.
    """

    low: Int32[np.ndarray, "choices two_to_low"]
    high: Int32[np.ndarray, "choices two_to_high"]
    player: Int64[np.ndarray, "choices d"]
    alike: list[int]
    n_low: Int64[np.ndarray, "choices"]

    def times(self, step: Int64[np.ndarray, "choices"]) -> "Packing":
        """The same codes, each times a number of its choice: of tables that stand beside each other.

        Args:
            step: The number of each choice.
        """
        low, high = (codes * step.astype(np.int32)[:, None] for codes in (self.low, self.high))
        return Packing(low, high, self.player * step[:, None], self.alike, self.n_low)

    def of_sets(self, masks: Int[np.ndarray, "q"], choice: Int64[np.ndarray, "q"]) -> Int64[np.ndarray, "q"]:
        """Masks of players as codes of the chosen ones.

        Args:
            masks: Sets of players as bits.
            choice: The number of the choice for each.
        """
        size = self.low.shape[1]
        codes: np.ndarray = self.low.take(choice * size + (masks & (size - 1))).astype(np.int64)
        codes += self.high.take(choice * self.high.shape[1] + (masks >> (size.bit_length() - 1)))
        return codes

    def of_players(
        self, players: Int64[np.ndarray, "q"], choice: Int64[np.ndarray, "q"]
    ) -> Int64[np.ndarray, "q"]:
        """The codes of single players, which are among the chosen ones.

        Args:
            players: Their numbers.
            choice: The number of the choice for each.
        """
        codes: np.ndarray = self.player.take(choice * self.player.shape[1] + players)
        return codes

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


def _packing(chosen: Int64[np.ndarray, "choices"], d: int) -> Packing:
    half = d // 2
    n_low = bit_counts(chosen & ((1 << half) - 1)).astype(np.int64)
    firsts: dict[int, int] = {}
    alike = [firsts.setdefault(high, number) for number, high in enumerate((chosen >> half).tolist())]
    held = chosen[:, None] >> np.arange(d) & 1
    return Packing(
        _packed_codes(chosen, np.zeros_like(chosen), half),
        _packed_codes(chosen >> half, n_low, d - half),
        np.left_shift(held, np.cumsum(held, axis=1) - held),
        alike,
        n_low,
    )


def _packed_codes(
    chosen: Int64[np.ndarray, "choices"], place: Int64[np.ndarray, "choices"], n_bits: int
) -> Int32[np.ndarray, "choices two_to_bits"]:
    """Every code of some bits with the chosen ones close together, the lowest at a place."""
    codes = np.zeros((len(chosen), 1 << n_bits), dtype=np.int32)
    for bit in range(n_bits):
        held, half = chosen >> bit & 1, 1 << bit
        np.add(codes[:, :half], (held << place)[:, None], out=codes[:, half : 2 * half], casting="unsafe")
        place = place + held
    return codes
