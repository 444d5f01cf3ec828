"""Blends of instances and what replaces a part of them: which are equal, told without writing them down."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from onlyif.core.players import Players
from onlyif.core.subsets import codes_of_keep

# Bits of a whole number that says which value each player has; the sign is left out.
MOST_BITS = 62


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
        first: Where each pair's outputs begin: they are in the order of the codes of the players that are
            kept, which count those players alone in which the pair differs.
        outputs: The outputs of all pairs.
    """

    instance: Int64[np.ndarray, "p"]
    other: Int64[np.ndarray, "p"]
    differ: Int64[np.ndarray, "p"]
    first: Int64[np.ndarray, "p"]
    outputs: Float64[np.ndarray, "r k"]

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

    def one_is_large(self, most: int) -> bool:
        """Whether this is a pair alone that has more blends than so many."""
        return 1 << int(self.size[0]) > most

    def with_outputs(self, outputs: Float64[np.ndarray, "r k"]) -> Blends:
        """With the outputs for all blends of each pair."""
        return Blends(self.instance, self.other, self.codes, self.first, outputs)


@final
@dataclass(frozen=True, eq=False)
class BlendKeys:
    """Blends as whole numbers: the number of the value that replaces each player, from 1, or 0 for none.

    Two blends of an instance are the same row exactly if their numbers are equal.

    Args:
        players: How players tile an instance.
        numbers: The numbers of the values of each row that replaces a part of an instance.
        known: The row with the n-th value of each player, behind a first that stands for none.
        shifts: The bit at which each player's number begins, and that of the instance's.
    """

    players: Players
    numbers: Int64[np.ndarray, "v d"]
    known: tuple[Float[np.ndarray, "_ *x"], ...]
    shifts: Int64[np.ndarray, "d_and_1"]

    def grow(
        self,
        keys: Int64[np.ndarray, "p two_to_k"],
        instance: Int64[np.ndarray, "p"],
        other: Int64[np.ndarray, "p"],
        which: Int64[np.ndarray, "p k"],
    ) -> None:
        """Fill in the blends of some pairs, in the order of the codes of the players that are kept.

        Args:
            keys: What is filled in.
            instance: The number of each pair's instance.
            other: That of what replaces a part of it.
            which: The players in which both differ.
        """
        steps = self.numbers[other[:, None], which] << self.shifts[which]
        keys[:, 0] = steps.sum(1) + (instance << self.shifts[-1])
        for place in range(which.shape[1]):
            half = 1 << place
            np.subtract(keys[:, :half], steps[:, place, None], out=keys[:, half : 2 * half])

    def rows(self, keys: Int64[np.ndarray, "r"], mine: Float[np.ndarray, "u *x"]) -> np.ndarray:
        """The blends themselves.

        Args:
            keys: The whole numbers.
            mine: The instances.
        """
        rows: np.ndarray = mine[keys >> self.shifts[-1]]
        entries, flat = rows.reshape(len(keys), -1), self.players.index.ravel()
        for player, known in enumerate(self.known):
            number = keys >> self.shifts[player] & (1 << int(np.diff(self.shifts)[player])) - 1
            for entry in np.flatnonzero(flat == player).tolist():
                values = known.reshape(len(known), -1)[:, entry].take(number)
                np.copyto(entries[:, entry], values, where=number > 0)
        return rows


def blend_keys(rows: Float[np.ndarray, "v *x"], players: Players, n_instances: int) -> BlendKeys | None:
    """The values of each player among rows, by their bits; None where few repeat or they are too many.

    Args:
        rows: What replaces a part of instances.
        players: How players tile an instance.
        n_instances: The number of instances.
    """
    bits, flat = bits_of(rows), players.index.ravel()
    numbers, known = np.empty((len(rows), players.count), dtype=np.int64), []
    for player in range(players.count):
        own = np.ascontiguousarray(bits[:, flat == player])
        whole = own.view(f"V{own.itemsize * own.shape[1]}") if own.shape[1] > 1 else own
        _, first, places = np.unique(whole[:, 0], return_index=True, return_inverse=True)
        numbers[:, player] = places.reshape(-1) + 1
        known.append(rows[np.append(0, first)])
    counts = numbers.max(0)
    shifts = np.cumsum([0, *(int(count).bit_length() for count in counts)])
    if 2 * counts.min() > len(rows) or shifts[-1] + n_instances.bit_length() > MOST_BITS:
        return None
    return BlendKeys(players, numbers, tuple(known), shifts)


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
