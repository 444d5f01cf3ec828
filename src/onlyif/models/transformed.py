"""Rows behind the steps of a pipeline, put together from what the steps made of each value.

Steps that keep columns apart make the same of a value whatever stands beside it. So every value is
transformed once, and blends of rows are gathered from what their values became: no frame is built for them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64, Int64, Shaped, UInt64
from typing_extensions import override

from onlyif.core.arrays import doubled
from onlyif.core.shapes import Batch

# A table of places for so many values at most, of two bytes each: half the fastest memory beside a processor.
MOST_HASHED, PLACE_BITS, TRIED = 512, 16, 200


@final
@dataclass(frozen=True, eq=False)
class Values:
    """The known values of one column, by their bits: 0.0 and -0.0 differ, and so do two kinds of NaN.

    Args:
        keys: The bits of each value, in order.
        factor: By which bits are multiplied so that the highest of the product tell all values apart; 0 where
            there are too many of them.
        places: The number of the value with these highest bits.
    """

    keys: UInt64[np.ndarray, "v"]
    factor: UInt64[np.ndarray, "1"]
    places: Int64[np.ndarray, "_"]

    def numbers(self, bits: UInt64[np.ndarray, "r"]) -> Int64[np.ndarray, "r"] | None:
        """The number of each value; None if one of them is not known."""
        if self.factor[0]:
            place = (bits * self.factor) >> np.uint64(65 - len(self.places).bit_length())
            number = self.places.take(place.view(np.int64))
        else:
            number = np.searchsorted(self.keys, bits).clip(max=len(self.keys) - 1)
        return number if np.array_equal(self.keys.take(number), bits) else None


def values_of(keys: UInt64[np.ndarray, "v"]) -> Values:
    """A way to find values that is much faster than a search, where they are few.

    Args:
        keys: The bits of each value, in order.
    """
    bits = min(PLACE_BITS, 2 * len(keys).bit_length())
    rng = np.random.default_rng(0)
    for _ in range(TRIED if len(keys) <= MOST_HASHED else 0):
        factor = rng.integers(0, 2**64, 1, dtype=np.uint64) | np.uint64(1)
        place = ((keys * factor) >> np.uint64(64 - bits)).astype(np.int64)
        if len(np.unique(place)) == len(keys):
            places = np.zeros(1 << bits, dtype=np.int64)
            places[place] = np.arange(len(keys))
            return Values(keys, factor, places)
    return Values(keys, np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.int64))


class Blocks(ABC):
    """What became of the values of each column."""

    @abstractmethod
    def gathered(self, numbers: Sequence[Int64[np.ndarray, "r"]]) -> Any:
        """The rows with given values.

        Args:
            numbers: The numbers of the values of each column.
        """


@final
@dataclass(frozen=True, eq=False)
class DenseBlocks(Blocks):
    """Values that become columns of an array.

    Args:
        entries: What each value of a column becomes.
        places: Where that stands in a row.
        n_columns: Columns of a row.
    """

    entries: tuple[Shaped[np.ndarray, "_ _"], ...]
    places: tuple[slice | Int64[np.ndarray, "_"], ...]
    n_columns: int

    @override
    def gathered(self, numbers: Sequence[Int64[np.ndarray, "r"]]) -> Shaped[np.ndarray, "r t"]:
        rows = np.empty((len(numbers[0]), self.n_columns), dtype=self.entries[0].dtype)
        for number, entries, place in zip(numbers, self.entries, self.places, strict=True):
            rows[:, place] = entries.take(number, axis=0)
        return rows


@final
@dataclass(frozen=True, eq=False)
class SparseBlocks(Blocks):
    """Values that become stored entries of a sparse table, those that were stored and no others.

    Args:
        stored: How many entries each value of a column becomes.
        places: The columns of these entries, what is beyond their number left out; of all values in one line
            where they are alike.
        entries: The entries, in the same way.
        kind: The class of the sparse table.
        n_columns: Columns of a row.
    """

    stored: tuple[Int64[np.ndarray, "_"], ...]
    places: tuple[Shaped[np.ndarray, "_ _"], ...]
    entries: tuple[Shaped[np.ndarray, "_ _"], ...]
    kind: type
    n_columns: int

    @override
    def gathered(self, numbers: Sequence[Int64[np.ndarray, "r"]]) -> Any:
        n, widths = len(numbers[0]), [entries.shape[1] for entries in self.entries]
        places = np.empty((n, sum(widths)), dtype=self.places[0].dtype)
        entries = np.empty(places.shape, dtype=self.entries[0].dtype)
        end = 0
        for number, place, entry, width in zip(numbers, self.places, self.entries, widths, strict=True):
            part = slice(end, end := end + width)
            places[:, part] = place if len(place) == 1 else place.take(number, axis=0)
            entries[:, part] = entry if len(entry) == 1 else entry.take(number, axis=0)
        starts = np.arange(n + 1, dtype=places.dtype) * end
        held = self._held(numbers, widths)
        if held is not None:
            places, entries = places[held], entries[held]
            np.cumsum(held.sum(1), out=starts[1:])
        rows = self.kind((entries.reshape(-1), places.reshape(-1), starts), shape=(n, self.n_columns))
        rows.sort_indices()
        return rows

    def _held(self, numbers: Sequence[Int64[np.ndarray, "r"]], widths: list[int]) -> np.ndarray | None:
        """Which entries are stored; None where all are."""
        if all(bool((stored == width).all()) for stored, width in zip(self.stored, widths, strict=True)):
            return None
        parts = [
            np.arange(width) < stored.take(number)[:, None]
            for number, stored, width in zip(numbers, self.stored, widths, strict=True)
        ]
        return np.concatenate(parts, axis=1)


@final
@dataclass(frozen=True, eq=False)
class TransformedValues:
    """What the steps of a pipeline made of values, and rows that are put together from it.

    Args:
        transform: From coded rows to rows behind the steps, for rows with a value that is not known.
        columns: The numbers of the columns of which something is left behind the steps.
        values: Their known values.
        blocks: What became of these.
    """

    transform: Callable[[Batch], Any]
    columns: tuple[int, ...]
    values: tuple[Values, ...]
    blocks: Blocks

    def rows(self, batch: Batch) -> Any:
        """Rows as the last step of the pipeline takes them.

        Args:
            batch: Coded rows of the user's table.
        """
        numbers = []
        bits = _bits(doubled(batch))
        for column, values in zip(self.columns, self.values, strict=True):
            number = values.numbers(bits[column])
            if number is None:
                return self.transform(batch)
            numbers.append(number)
        return self.blocks.gathered(numbers)


def transformed_values(
    transform: Callable[[Batch], Any], rows: Float64[np.ndarray, "r c"], source: Sequence[int]
) -> TransformedValues | None:
    """What steps make of the values in some rows; None where they make no table of numbers of these.

    Args:
        transform: From coded rows to rows behind the steps.
        rows: Coded rows.
        source: For each column behind the steps the number of the column it comes from.
    """
    whole = transform(rows)
    sparse = getattr(whole, "format", "") == "csr"
    if not (sparse or type(whole) is np.ndarray) or whole.shape != (len(rows), len(source)):
        return None
    if whole.dtype.kind not in "fiub" or not source:
        return None
    columns = tuple(sorted(set(source)))
    bits = _bits(rows)
    known = [np.unique(bits[column], return_index=True) for column in columns]
    places = [np.flatnonzero(np.array(source) == column) for column in columns]
    parts = [whole[first][:, place] for (_, first), place in zip(known, places, strict=True)]
    blocks = _sparse(parts, places, whole) if sparse else _dense(parts, places, len(source))
    return TransformedValues(transform, columns, tuple(values_of(keys) for keys, _ in known), blocks)


def _dense(parts: list[Any], places: list[Int64[np.ndarray, "_"]], n_columns: int) -> DenseBlocks:
    slices = (slice(int(place[0]), int(place[-1]) + 1) for place in places)
    together = [
        part if part.stop - part.start == len(place) else place
        for part, place in zip(slices, places, strict=True)
    ]
    return DenseBlocks(tuple(map(np.ascontiguousarray, parts)), tuple(together), n_columns)


def _sparse(parts: list[Any], places: list[Int64[np.ndarray, "_"]], whole: Any) -> SparseBlocks:
    stored, columns, entries = [], [], []
    for part, place in zip(parts, places, strict=True):
        count = np.diff(part.indptr).astype(np.int64)
        held = np.arange(int(count.max(initial=0))) < count[:, None]
        column, entry = (
            np.zeros(held.shape, dtype=whole.indices.dtype),
            np.zeros(held.shape, dtype=whole.dtype),
        )
        column[held], entry[held] = place[part.indices], part.data
        stored.append(count)
        columns.append(_once_if_alike(column))
        entries.append(_once_if_alike(entry))
    return SparseBlocks(tuple(stored), tuple(columns), tuple(entries), type(whole), whole.shape[1])


def _once_if_alike(table: Shaped[np.ndarray, "v w"]) -> Shaped[np.ndarray, "_ w"]:
    """The first line of a table where all are the same, bit by bit."""
    return table[:1] if table[:1].tobytes() * len(table) == table.tobytes() else table


def _bits(rows: Float64[np.ndarray, "r c"]) -> UInt64[np.ndarray, "c r"]:
    """The bits of numbers, column by column."""
    return np.ascontiguousarray(rows.T).view(np.uint64)
