"""Blends of instances and what replaces a part of them: which are equal, told without writing them down."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int32, Int64
from typing_extensions import override

from onlyif.core.players import Players
from onlyif.core.subsets import codes_of_keep
from onlyif.engine.small_tables import SmallTables, small_tables

# Outputs that are looked up at once, of subsets and pairs.
PLACES_AT_ONCE = 2**16
# Entries of tables of pairs that are added up at once.
ENTRIES_AT_ONCE = 2**17
# Entries of the table that says which rows are equal: sets of players times rows.
MOST_ENTRIES = 2**21
# Places for pairs of a row and a value, where that table is made: 4 MiB.
SLOTS_AT_ONCE = 2**20


@final
@dataclass(frozen=True, eq=False)
class Differences:
    """In which players instances and what replaces a part of them differ.

    Args:
        players: True where they differ.
    """

    players: Bool[np.ndarray, "u v d"]

    @cached_property
    def codes(self) -> Int64[np.ndarray, "u v"]:
        """The same players as codes."""
        return codes_of_keep(self.players)

    @cached_property
    def rows(self) -> Float64[np.ndarray, "u"]:
        """How many distinct blends there are of each instance, pair by pair."""
        counts: np.ndarray = (2.0 ** self.players.sum(2)).sum(1)
        return counts

    def part(self, instances: slice) -> "Differences":
        """The same of some instances."""
        return Differences(self.players[instances])


class Places(ABC):
    """Where among outputs those of a subset are, pair by pair."""

    @abstractmethod
    def places(self, codes: slice) -> Int[np.ndarray, "p s"]:
        """Where those are for which each of some subsets is kept.

        Args:
            codes: The subsets; a power of two of them, which divides the first code.
        """

    @abstractmethod
    def small_tables(
        self, instance: Int64[np.ndarray, "p"], d: int
    ) -> Iterator[tuple[SmallTables, Int[np.ndarray, "q"]]]:
        """Tables of pairs, of the subsets of the players in which each differs, and where their outputs are.

        Args:
            instance: The instance of each pair, which is the group of its table.
            d: The number of all players.
        """

    @abstractmethod
    def one_by_one(self, n_outputs: int) -> "OneByOne":
        """The same where no two pairs have an output in common.

        Args:
            n_outputs: The number of outputs.
        """


@final
@dataclass(frozen=True, eq=False)
class OneByOne:
    """Outputs of which each belongs to one pair.

    Args:
        pair: The number of each one's pair.
        output: The output itself, by its number among those that pairs may share.
        of_pairs: Where each pair's are.
    """

    pair: Int64[np.ndarray, "r"]
    output: Int[np.ndarray, "r"]
    of_pairs: Places


@final
@dataclass(frozen=True, eq=False)
class Blends:
    """The outputs for all distinct blends of some pairs of an instance and what replaces a part of it.

    Args:
        instance: The number of each pair's instance.
        other: That of what replaces a part of it.
        of_pairs: Where their outputs are.
        outputs: The outputs.
    """

    instance: Int64[np.ndarray, "p"]
    other: Int64[np.ndarray, "p"]
    of_pairs: Places
    outputs: Float64[np.ndarray, "r k"]

    def of(self, codes: slice) -> Float64[np.ndarray, "p s k"]:
        """The outputs where each of some subsets is kept.

        Args:
            codes: The subsets; a power of two of them, which divides the first code.
        """
        found: np.ndarray = self.outputs.take(self.of_pairs.places(codes), axis=0)
        return found

    def add_sums(
        self, shares: Float64[np.ndarray, "s v"], total: Float64[np.ndarray, "b s k two_to_d"]
    ) -> None:
        """Add weighted sums over what replaces a part of each instance to those for all subsets, in place.

        Args:
            shares: The weights of all that replaces a part, for each sum.
            total: The sums of each instance.
        """
        d = (total.shape[-1] - 1).bit_length()
        for tables, places in self.of_pairs.small_tables(self.instance, d):
            weights = shares[:, self.other[tables.rows]]
            tables.add_sums(self.outputs.take(places, axis=0), weights, total)

    def one_by_one(self) -> tuple[Int64[np.ndarray, "r"], "Blends"]:
        """The same where no two pairs have an output in common, and for each output its pair's other."""
        each = self.of_pairs.one_by_one(len(self.outputs))
        outputs = self.outputs.take(each.output, axis=0)
        return self.other[each.pair], Blends(self.instance, self.other, each.of_pairs, outputs)


@final
@dataclass(frozen=True, eq=False)
class PlacesOfPairs(Places):
    """Where outputs are that stand pair by pair.

    Args:
        differ: The code of the players in which both of a pair differ.
        first: Where each pair's outputs begin: they are in the order of the codes of the players that are
            kept, which count those players alone in which the pair differs.
    """

    differ: Int64[np.ndarray, "p"]
    first: Int64[np.ndarray, "p"]

    @override
    def places(self, codes: slice) -> Int[np.ndarray, "p s"]:
        count = codes.stop - codes.start
        places, step = np.empty((len(self.first), count), dtype=np.int64), np.ones_like(self.first)
        places[:, 0] = self.first
        for player in range((codes.stop - 1).bit_length()):
            differs, half = self.differ >> player & 1, 1 << player
            moved = (step * differs)[:, None]
            if half < count:
                np.add(places[:, :half], moved, out=places[:, half : 2 * half])
            elif codes.start & half:
                places += moved
            step <<= differs
        return places

    @override
    def small_tables(
        self, instance: Int64[np.ndarray, "p"], d: int
    ) -> Iterator[tuple[SmallTables, Int[np.ndarray, "q"]]]:
        for tables in small_tables(self.differ, instance, d, ENTRIES_AT_ONCE):
            firsts = ((self.first[tables.rows[run.rows]], run.width) for run in tables.runs)
            yield tables, np.concatenate([(at + np.arange(n)[:, None]).ravel() for at, n in firsts])

    @override
    def one_by_one(self, n_outputs: int) -> OneByOne:
        widths = np.diff(np.append(self.first, n_outputs))
        return OneByOne(np.repeat(np.arange(len(widths)), widths), np.arange(n_outputs), self)


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of an instance and what replaces a part of it, sorted by in how many players they differ.

    Args:
        instance: The number of each pair's instance.
        other: That of what replaces a part of it.
        codes: The code of the players in which both differ.
        size: Their number.
    """

    instance: Int64[np.ndarray, "p"]
    other: Int64[np.ndarray, "p"]
    codes: Int64[np.ndarray, "p"]
    size: Int64[np.ndarray, "p"]

    @property
    def widths(self) -> Int64[np.ndarray, "p"]:
        """How many distinct blends each has."""
        widths: np.ndarray = np.left_shift(1, self.size)
        return widths

    @property
    def first(self) -> Int64[np.ndarray, "p"]:
        """Where its blends begin."""
        first: np.ndarray = np.cumsum(self.widths) - self.widths
        return first

    def with_outputs(self, outputs: Float64[np.ndarray, "r k"]) -> Blends:
        """With the outputs for all blends of each pair."""
        return Blends(self.instance, self.other, PlacesOfPairs(self.codes, self.first), outputs)


@final
@dataclass(frozen=True, eq=False)
class EqualRows:
    """Which rows have the same values in some players, so that they replace these alike.

    An entry is a row and a set of players, those that it replaces: the number of the row times 2^d, and the
    code of the set.

    Args:
        same: For each entry the one of a row with the same values in these players: of all that agree in
            them the same one.
    """

    same: Int32[np.ndarray, "v two_to_d"]

    def distinct(self, differ: Int64[np.ndarray, "u v"]) -> tuple[Int[np.ndarray, "_"], "PlacesOfEntries"]:
        """The distinct blends of instances with all rows, and where each pair's are among them.

        Args:
            differ: The code of the players in which instances differ from rows.

        Returns:
            Entries, counted on from instance to instance, and places.
        """
        n_players, instance = (self.same.shape[1] - 1).bit_length(), np.arange(differ.size) // len(self.same)
        blends, laid_out = list[np.ndarray](), []
        for tables in small_tables(differ.ravel(), instance, n_players, ENTRIES_AT_ONCE):
            entries = self._entries(tables)
            first = entries // self.same.size
            first *= self.same.size
            standing = self.same.take(entries - first)
            standing += first
            laid_out.append((tables, standing))
            blends.append(entries[standing == entries])
        every = np.concatenate(blends)
        # Filled where a blend is, which is all that is read.
        number = np.zeros((len(differ), self.same.size), dtype=np.int32)
        number.reshape(-1)[every] = np.arange(len(every), dtype=np.int32)
        return every, PlacesOfEntries(differ.ravel(), self.same, number, tuple(laid_out))

    def _entries(self, tables: SmallTables) -> Int32[np.ndarray, "q"]:
        """What is hidden of the players that differ, and the pair beside it, for each entry of tables."""
        parts = [
            (tables.codes(run) ^ tables.differs_of(run)) + tables.rows[run.rows] * self.same.shape[1]
            for run in tables.runs
        ]
        return np.concatenate([part.ravel() for part in parts]).astype(np.int32)


@final
@dataclass(frozen=True, eq=False)
class PlacesOfEntries(Places):
    """Where the outputs of some instances' distinct blends are.

    Args:
        differ: The code of the players in which the instance and the row of each pair differ.
        same: For each entry of `EqualRows` the one that stands for it.
        number: For each instance and entry that stands for others the place of its output, where its row
            replaces players that differ alone.
        laid_out: Tables of the subsets of the players in which each pair differs, and what stands for their
            entries, counted on from instance to instance.
    """

    differ: Int64[np.ndarray, "p"]
    same: Int32[np.ndarray, "v two_to_d"]
    number: Int32[np.ndarray, "u entries"]
    laid_out: tuple[tuple[SmallTables, Int32[np.ndarray, "q"]], ...]

    @override
    def places(self, codes: slice) -> Int[np.ndarray, "p s"]:
        # What is hidden of those players in which the pair differs, and the row beside it.
        differ = self.differ.astype(np.int32)[:, None]
        entries = differ & ~np.arange(codes.start, codes.stop, dtype=np.int32)
        entries += np.arange(len(differ), dtype=np.int32)[:, None] * self._place.shape[1]
        return self._place.take(entries)

    @override
    def small_tables(
        self, instance: Int64[np.ndarray, "p"], d: int
    ) -> Iterator[tuple[SmallTables, Int[np.ndarray, "q"]]]:
        for tables, standing in self.laid_out:
            yield replace(tables, group=tables.group + instance[0]), self.number.take(standing)

    @override
    def one_by_one(self, n_outputs: int) -> OneByOne:
        # Less is hidden where more is kept.
        inside = entries_inside(self.differ.astype(np.int32), self._place.shape[1])[:, ::-1]
        widths = np.count_nonzero(inside, axis=1)
        of_pairs = PlacesOfPairs(self.differ, np.cumsum(widths) - widths)
        return OneByOne(np.nonzero(inside)[0], self._place[:, ::-1][inside], of_pairs)

    @cached_property
    def _place(self) -> Int32[np.ndarray, "p two_to_d"]:
        """The place of the output of each entry."""
        return self.number.take(self.same.ravel(), axis=1).reshape(-1, self.same.shape[1])


def entries_inside(differ: Int32[np.ndarray, "v"], n_sets: int) -> Bool[np.ndarray, "v two_to_d"]:
    """Which sets of players lie in each of some sets.

    Args:
        differ: The latter, by their codes.
        n_sets: 2^d.
    """
    inside: np.ndarray = (~differ[:, None] & np.arange(n_sets, dtype=np.int32)) == 0
    return inside


def equal_rows(rows: Float[np.ndarray, "v *x"], players: Players) -> EqualRows | None:
    """Which rows have the same values, by their bits; None where few do or the table would be large.

    The table grows player by player: rows agree in a set and one more player if they agree in both.

    Args:
        rows: What replaces a part of instances.
        players: How players tile an instance.
    """
    if len(rows) << players.count > MOST_ENTRIES:
        return None
    numbers = _numbers_of_values(rows, players)
    counts = 1 + numbers.max(0)
    if 2 * counts.min() > len(rows):
        return None
    first = np.zeros((1 << players.count, len(rows)), dtype=np.int32)
    every = np.arange(len(rows), dtype=np.int32)
    for player, count in enumerate(counts.tolist()):
        half, pairs = 1 << player, len(rows) * count
        at_once = min(half, max(1, SLOTS_AT_ONCE // pairs))
        slots = np.empty(at_once * pairs, dtype=np.int32)
        for start in range(0, half, at_once):
            sets = slice(start, min(start + at_once, half))
            # A slot for each set, row of it and value of the player: whoever is last in it stands for all.
            keys = first[sets] * np.int64(count) + numbers[:, player]
            keys += np.arange(len(keys))[:, None] * pairs
            slots[keys] = every
            first[half + sets.start : half + sets.stop] = slots[keys]
    same = np.ascontiguousarray(first.T << players.count)
    same |= np.arange(1 << players.count, dtype=np.int32)
    return EqualRows(same)


def _numbers_of_values(rows: Float[np.ndarray, "v *x"], players: Players) -> Int64[np.ndarray, "v d"]:
    """Each row's values of each player as a whole number, from 0: equal ones have equal bits."""
    bits, flat = bits_of(rows), players.index.ravel()
    numbers = np.empty((len(rows), players.count), dtype=np.int64)
    for player in range(players.count):
        own = np.ascontiguousarray(bits[:, flat == player])
        whole = own.view(f"V{own.itemsize * own.shape[1]}") if own.shape[1] > 1 else own
        numbers[:, player] = np.unique(whole[:, 0], return_inverse=True)[1].reshape(-1)
    return numbers


def code_blocks(n_subsets: int, each: int) -> Iterator[slice]:
    """Blocks of subsets for which outputs are looked up at once, as `Blends.of` takes them.

    Args:
        n_subsets: 2^d.
        each: How many numbers are looked up for each subset.
    """
    step = min(n_subsets, 1 << max(0, (PLACES_AT_ONCE // each).bit_length() - 1))
    return (slice(start, start + step) for start in range(0, n_subsets, step))


def filling(widths: Int64[np.ndarray, "p"], most: int) -> Iterator[slice]:
    """Consecutive slices whose widths sum up to at most so many; of one where that alone is more."""
    ends, start = np.cumsum(widths), 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, "right")))
        yield slice(start, stop)
        start = stop


def runs_of(values: Int64[np.ndarray, "p"]) -> Iterator[tuple[int, int]]:
    """Where equal values follow each other."""
    changes = (np.flatnonzero(np.diff(values)) + 1).tolist()
    return zip([0, *changes], [*changes, len(values)], strict=True)


def bits_of(rows: np.ndarray) -> Int64[np.ndarray, "n entries"]:
    """The entries of rows as whole numbers with the same bits."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    return flat.view(f"i{rows.dtype.itemsize}").astype(np.int64)
