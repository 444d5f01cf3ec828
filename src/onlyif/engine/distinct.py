"""Blends of instances and what replaces a part of them: which are equal, told without writing them down."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int32, Int64

from onlyif.core.players import Players
from onlyif.core.subsets import codes_of_keep, keep_of_codes

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


@final
@dataclass(frozen=True, eq=False)
class Blends:
    """The outputs for all distinct blends of some pairs of an instance and what replaces a part of it.

    Args:
        instance: The number of each pair's instance.
        other: That of what replaces a part of it.
        differ: The code of the players in which both differ.
        size: The number of these players.
        first: Where each pair's outputs begin: they are in the order of the codes of the players that are
            kept, which count those players alone in which the pair differs.
        outputs: The outputs of all pairs.
    """

    instance: Int64[np.ndarray, "p"]
    other: Int64[np.ndarray, "p"]
    differ: Int64[np.ndarray, "p"]
    size: Int64[np.ndarray, "p"]
    first: Int64[np.ndarray, "p"]
    outputs: Float64[np.ndarray, "r k"]

    @property
    def other_of_outputs(self) -> Int64[np.ndarray, "r"]:
        """For each output the number of what replaces a part of its instance."""
        order = np.argsort(self.first)
        return np.repeat(self.other[order], np.left_shift(1, self.size[order]))

    def places(self, codes: slice) -> Int64[np.ndarray, "p s"]:
        """Where among the outputs those are for which each of some subsets is kept.

        Args:
            codes: The subsets; a power of two of them, which divides the first code.
        """
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
        """With the outputs for all blends of each pair; those of an instance are beside each other."""
        order = np.argsort(self.instance, kind="stable")
        of_pairs = self.instance, self.other, self.codes, self.size, self.first
        return Blends(*(each[order] for each in of_pairs), outputs)

    def hidden(self, n_players: int, n_others: int) -> Int64[np.ndarray, "r"]:
        """Each blend, in the order of its outputs, as the players that are replaced and by what.

        Args:
            n_players: The number of players.
            n_others: How many there are that replace a part of an instance.

        Returns:
            The code of the players, times `n_others`, and the number of what replaces them.
        """
        players, first, widths = keep_of_codes(self.codes, n_players), self.first, self.widths
        blends = np.empty(int(widths.sum()), dtype=np.int64)
        for start, stop in runs_of(self.size):
            grown = blends[first[start] : first[stop - 1] + widths[start]].reshape(stop - start, -1)
            which = np.nonzero(players[start:stop])[1].reshape(stop - start, -1)
            grown[:, 0] = self.codes[start:stop] * n_others + self.other[start:stop]
            steps = np.left_shift(n_others, which)
            for place in range(which.shape[1]):
                # What there is once more, with this player kept.
                half = 1 << place
                np.subtract(grown[:, :half], steps[:, place, None], out=grown[:, half : 2 * half])
        return blends


@final
@dataclass(frozen=True, eq=False)
class EqualRows:
    """Which rows have the same values in some players, so that they replace these alike.

    Args:
        first: For each set of players, by its code, and each row the number of one row that has the same
            values in these players: of all that agree in them the same one.
    """

    first: Int32[np.ndarray, "two_to_d v"]

    @cached_property
    def entries(self) -> Int64[np.ndarray, "m"]:
        """The same as places in the table, laid flat."""
        n_sets, n_rows = self.first.shape
        places: np.ndarray = (np.arange(n_sets)[:, None] * n_rows + self.first).ravel()
        return places


def equal_rows(rows: Float[np.ndarray, "v *x"], players: Players) -> EqualRows | None:
    """Which rows have the same values, by their bits; None where few do or the table would be large.

    The table grows player by player: rows agree in a set and one more player if they agree in both.

    Args:
        rows: What replaces a part of instances.
        players: How players tile an instance.
    """
    if len(rows) << min(players.count, MOST_ENTRIES) > MOST_ENTRIES:
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
    return EqualRows(first)


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
    """Blocks of subsets for which outputs are looked up at once, as `Blends.places` takes them.

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
