"""Blends of instances and what replaces a part of them: which are equal, told without writing them down."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int32, Int64
from typing_extensions import override

from onlyif.core.players import Players
from onlyif.core.subsets import codes_of_keep

# Outputs that are looked up at once, of subsets and pairs.
PLACES_AT_ONCE = 2**16
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

    @cached_property
    def own(self) -> Bool[np.ndarray, "v two_to_d"]:
        """Which entries stand for all that are the same."""
        every = np.arange(self.same.size, dtype=np.int32).reshape(self.same.shape)
        own: np.ndarray = self.same == every
        return own

    def distinct(self, differ: Int64[np.ndarray, "v"]) -> tuple[Int64[np.ndarray, "_"], Places]:
        """The distinct blends of an instance with all rows, as entries, and where each pair's are among them.

        Args:
            differ: The code of the players in which the instance differs from each row.
        """
        own = differ.astype(np.int32)
        blends = entries_inside(own, self.same.shape[1])
        blends &= self.own
        number = np.cumsum(blends, dtype=np.int32)
        number -= 1
        return np.flatnonzero(blends), PlacesOfEntries(own, number.take(self.same))


@final
@dataclass(frozen=True, eq=False)
class PlacesOfEntries(Places):
    """Where the outputs of an instance's distinct blends are.

    Args:
        differ: The code of the players in which the instance differs from each row.
        place: For each entry of equal rows that of its output; only those matter in which a row replaces
            such players alone.
    """

    differ: Int32[np.ndarray, "v"]
    place: Int32[np.ndarray, "v two_to_d"]

    @override
    def places(self, codes: slice) -> Int[np.ndarray, "p s"]:
        # What is hidden of those players in which the pair differs, and the row beside it.
        entries = self.differ[:, None] & ~np.arange(codes.start, codes.stop, dtype=np.int32)
        entries += np.arange(len(self.differ), dtype=np.int32)[:, None] * self.place.shape[1]
        places: np.ndarray = self.place.take(entries)
        return places

    @override
    def one_by_one(self, n_outputs: int) -> OneByOne:
        inside = entries_inside(self.differ, self.place.shape[1])
        number = np.cumsum(inside, dtype=np.int32).reshape(inside.shape)
        number -= 1
        pair = np.nonzero(inside)[0]
        return OneByOne(pair, self.place[inside], PlacesOfEntries(self.differ, number))


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
