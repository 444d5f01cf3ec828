"""A model behind all that asks it: calls of bounded size, finite answers, and no row twice.

Where an instance and what replaces a part of it agree in some players, hiding these changes nothing: of the
2^d blends of both only 2^k differ, for the k players in which they differ. The distinct ones are found from
where both differ, never from finished rows: they grow player by player, each doubling what there is, and the
model is asked for them alone. Two rows that replace a part may have the same values there, too: a table says
for each set of players which rows do, whatever the instance, and one of them is asked for all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np
from array_api_compat import is_numpy_array
from jaxtyping import Bool, Float, Float64, Int, Int64, UInt

from onlyif.core.arrays import Array, beside, copied, doubled, in_dtype, namespace, where_kept
from onlyif.core.blend import blend
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.players import Players
from onlyif.core.subsets import keep_of_codes
from onlyif.engine.distinct import (
    Blends,
    Differences,
    EqualRows,
    Pairs,
    bits_of,
    equal_rows,
    filling,
    runs_of,
)
from onlyif.models.base import Predictor

# A call of more rows than the second number holds at most as many entries as the first: 16 MiB of float64.
ENTRIES_A_CALL, FEW_ROWS = 2**21, 1024
# Rows that are compared at once, where equal ones are looked for.
PAIRS_AT_ONCE = 2**18
# Entries of rows that are written at once: 256 KiB of float64.
ENTRIES_WRITTEN_AT_ONCE = 2**15
# Blends of several instances, equal ones counted each time, whose distinct ones share calls.
BLENDS_AT_ONCE = 2**19
# Keys are sorted where there could be so many times more of them, else ticked off a list of all.
KEYS_PER_ENTRY = 8
# Blends that are counted without being asked for, at most.
MOST_COUNTED = 2**22
# Subsets of so many players have a code that fits a whole number, with the number of a pair beside it.
MOST_CODED = 40
# Equal blends are looked for where at most so many of all blends are distinct. `benchmarks/calls.py`: at that
# share a network of two layers takes two thirds of the time that asking for every blend takes, and a single
# product of matrices half more; what one wants to understand is seldom cheaper than a network.
MOST_DISTINCT = 0.65


@final
@dataclass(frozen=True, eq=False)
class Engine:
    """A model, asked for instances of which some players are replaced.

    Args:
        predictor: The model f.
        players: How players tile an instance.
        max_rows: Most rows of one model call: the one knob for memory. Of rows with more than 128 entries a
            call takes fewer: at most 2^21 entries, or 1,024 rows where these are more; of networks at most
            as many as their `Meaning` says.

    Raises:
        SettingError: unless max_rows >= 1.
    """

    predictor: Predictor
    players: Players
    max_rows: int

    def __post_init__(self) -> None:
        check_max_rows(self.max_rows)

    @property
    def rows_a_call(self) -> int:
        """The most rows of one call, for rows as wide as these."""
        affordable = max(FEW_ROWS, ENTRIES_A_CALL // self.players.index.size)
        return min(self.max_rows, self.predictor.meaning.rows_a_call, affordable)

    @contextmanager
    def opened(self) -> Iterator["Engine"]:
        """The same for many calls: what each call puts back as it was is put back once, at the end."""
        with self.predictor.opened() as predictor:
            yield replace(self, predictor=predictor)

    def blends(
        self,
        x: Float[Array, "u *x"],
        other: Float[Array, "v *x"],
        which: tuple[Int64[np.ndarray, "r"], Int64[np.ndarray, "r"]],
        keep: Bool[np.ndarray, "r d"],
    ) -> Float64[np.ndarray, "r k"]:
        """The outputs for blends, each of which is asked for.

        Args:
            x: Instances.
            other: What replaces a part of them, in the same library.
            which: For each blend the number of its instance, and that of what replaces a part of it.
            keep: The players that stay at the instance's value.
        """
        dtype, parts = self.predictor.batch_dtype, []
        x, other = in_dtype(x, dtype), in_dtype(other, dtype)
        xp = namespace(x)
        for part in slices(len(keep), self.rows_a_call):
            mine, theirs = (
                xp.take(rows, beside(numbers[part], x), axis=0)
                for rows, numbers in zip((x, other), which, strict=True)
            )
            mixed = where_kept(self.players.spread(keep[part]), mine, theirs)
            parts.append(doubled(asked(self.predictor, mixed)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def rectangle(
        self,
        x: Float[Array, "b *x"],
        keep: Bool[np.ndarray, "#b m *x"],
        values: Float[Array, "#b #m n *x"],
    ) -> Float64[np.ndarray, "b m n k"]:
        """The outputs for every instance, subset and draw, in one call.

        Args:
            x: Instances.
            keep: The entries that stay at the instance's value.
            values: What replaces the others; size 1 in b or m means shared.
        """
        dtype = self.predictor.batch_dtype
        mixed = blend(in_dtype(x, dtype), in_dtype(values, dtype), keep)
        batch = namespace(mixed).reshape(mixed, (-1, *mixed.shape[3:]))
        return doubled(asked(self.predictor, batch)).reshape(*mixed.shape[:3], -1)

    def replaced(
        self,
        rows: Float[Array, "#p n *x"],
        ends: Float[Array, "#p *x"],
        hit: Bool[np.ndarray, "p #n t d"],
    ) -> Float64[np.ndarray, "p n t k"]:
        """The outputs for every row and choice of players that are replaced, in one call.

        Args:
            rows: Rows; size 1 in p means shared.
            ends: What the players are replaced by; size 1 in p means shared.
            hit: The players that are replaced, for each choice t.
        """
        mixed = where_kept(self.players.spread(~hit), rows[:, :, None], ends[:, None, None])
        batch = namespace(mixed).reshape(mixed, (-1, *mixed.shape[3:]))
        outputs = asked(self.predictor, in_dtype(batch, self.predictor.batch_dtype))
        return doubled(outputs).reshape(*mixed.shape[:3], -1)

    def differing(self, x: Float[Array, "u *x"], other: Float[Array, "v *x"]) -> Differences | None:
        """In which players instances and what replaces them differ; None where looking is not worth it.

        Entries agree if they are the same bits, so that no model can tell one from the other: 0.0 and -0.0
        differ, and so do two kinds of NaN.

        Args:
            x: Instances.
            other: What replaces a part of them.
        """
        if not (is_numpy_array(x) and is_numpy_array(other)) or x.dtype != other.dtype:
            return None
        if self.players.count > MOST_CODED or x.dtype.itemsize not in (1, 2, 4, 8):
            return None
        mine, theirs = bits_of(x), bits_of(other)
        differ = np.zeros((len(x), len(other), self.players.count), dtype=bool)
        for entry, player in enumerate(self.players.index.ravel().tolist()):
            differ[:, :, player] |= mine[:, None, entry] != theirs[None, :, entry]
        found = Differences(differ)
        share = found.rows.mean() / (len(other) * 2.0**self.players.count)
        return None if share > MOST_DISTINCT else found

    def distinct(
        self,
        x: Float[Array, "u *x"],
        other: Float[Array, "v *x"],
        which: tuple[Int64[np.ndarray, "..."], Int64[np.ndarray, "..."]],
        hidden: Int64[np.ndarray, "..."],
        differ: Differences,
    ) -> Float64[np.ndarray, "..."]:
        """The outputs for blends, (*s, k), of which equal ones are asked for once.

        Args:
            x: Instances.
            other: What replaces a part of them.
            which: The number of each blend's instance, and that of what replaces a part of it; (*s), where
                size 1 means shared.
            hidden: The code of the players that are replaced; (*s) alike.
            differ: What `differing` said of both.
        """
        count = self.players.count
        mine, theirs = which
        own = hidden & differ.codes[mine, theirs]
        key = ((mine * len(other) + theirs) << count) | own
        codes, places = _distinct(key, len(x) * len(other) << count)
        pair = codes >> count
        keep = ~keep_of_codes(codes & ((1 << count) - 1), count)
        outputs = self.blends(x, other, (pair // len(other), pair % len(other)), keep)
        found: np.ndarray = outputs[places.reshape(key.shape)]
        return found

    def equal(self, other: Float[Array, "v *x"]) -> EqualRows | None:
        """Which of those that replace a part are alike, as the model sees them; None where it is not known.

        Args:
            other: What replaces a part of instances.
        """
        return equal_rows(in_dtype(other, self.predictor.batch_dtype), self.players)

    def all_blends(
        self,
        x: Float[Array, "u *x"],
        other: Float[Array, "v *x"],
        differ: Differences,
        equal: EqualRows | None,
    ) -> Iterator[Blends]:
        """The outputs for all distinct blends of every pair, instance after instance.

        As many pairs together as fill a call, or a pair alone that takes several; memory is that of a call
        and of the answers. Where it is known which of those that replace a part are equal, all pairs of some
        instances are looked at together, and a blend that several of them have is asked for once.

        Args:
            x: Instances.
            other: What replaces a part of them.
            differ: What `differing` said of both.
            equal: What `equal` said of the latter.
        """
        dtype = self.predictor.batch_dtype
        mine, theirs = (np.ascontiguousarray(in_dtype(rows, dtype)) for rows in (x, other))
        if equal is None:
            for pairs in self._together(differ):
                yield self._all_of((mine[pairs.instance], theirs[pairs.other]), pairs)
            return
        for part in slices(len(x), self.instances_at_once(len(other))):
            yield self._all_equal(mine[part], theirs, part.start, differ.codes[part], equal)

    def n_asked(self, other: Float[Array, "v *x"], differ: Differences, equal: EqualRows | None) -> int:
        """The number of rows that `all_blends` asks for; of very many at most so many.

        Args:
            other: What replaces a part of instances.
            differ: What `differing` said of these and it.
            equal: What `equal` said of it.
        """
        if equal is None or differ.rows.sum() > MOST_COUNTED:
            return int(differ.rows.sum())
        return sum(len(equal.distinct(codes[None])[0]) for codes in differ.codes)

    def instances_at_once(self, n_others: int) -> int:
        """How many instances share calls where it is known which of those that replace a part are equal.

        Args:
            n_others: How many there are that replace a part.
        """
        return max(1, BLENDS_AT_ONCE // (n_others << self.players.count))

    def _together(self, differ: Differences) -> Iterator[Pairs]:
        """Pairs that fill a call, those of one size beside each other."""
        codes, sizes = differ.codes, differ.players.sum(2)
        instance = np.repeat(np.arange(len(codes)), codes.shape[1])
        other = np.argsort(sizes, axis=1, kind="stable").ravel()
        size = sizes[instance, other]
        for part in filling(np.left_shift(1, size), self.rows_a_call):
            yield Pairs(instance[part], other[part], codes[instance[part], other[part]], size[part])

    def _all_equal(
        self,
        mine: Float[np.ndarray, "u *x"],
        theirs: Float[np.ndarray, "v *x"],
        first: int,
        differ: Int64[np.ndarray, "u v"],
        equal: EqualRows,
    ) -> Blends:
        """Of some instances, which share calls; what several pairs have in common is asked for once.

        Args:
            mine: The instances.
            theirs: What replaces a part of them.
            first: The number of the first instance.
            differ: The codes of the players in which they differ.
            equal: Which of those that replace a part are equal.
        """
        blends, places = equal.distinct(differ)
        few = 4 * (len(mine) * len(theirs) << ((self.players.count + 1) // 2)) < len(blends)
        write = _Halves.of(mine, theirs, self.players).joined if few else partial(self._written, mine, theirs)
        parts = [
            doubled(asked(self.predictor, write(blends[part])))
            for part in slices(len(blends), self.rows_a_call)
        ]
        outputs = parts[0] if len(parts) == 1 else np.concatenate(parts)
        instance, other = np.divmod(np.arange(differ.size), len(theirs))
        return Blends(first + instance, other, places, outputs)

    def _written(
        self, mine: np.ndarray, theirs: np.ndarray, blends: Int[np.ndarray, "r"]
    ) -> Float[np.ndarray, "r *x"]:
        """Blends, entries of equal rows counted on from instance to instance, as rows.

        They are written in pieces, so that all that is needed for them stays in the cache.
        """
        rows, d = np.empty((len(blends), *self.players.index.shape), dtype=mine.dtype), self.players.count
        for part in slices(len(blends), max(1, ENTRIES_WRITTEN_AT_ONCE // self.players.index.size)):
            instance, other = np.divmod(blends[part] >> d, len(theirs))
            hidden = self.players.spread(keep_of_codes(blends[part] & ((1 << d) - 1), d))
            rows[part] = np.where(hidden, theirs.take(other, axis=0), mine.take(instance, axis=0))
        return rows

    def _all_of(self, ends: tuple[np.ndarray, np.ndarray], pairs: Pairs) -> Blends:
        """Of some pairs, whose blends are written down."""
        players, most = keep_of_codes(pairs.codes, self.players.count), self.rows_a_call.bit_length() - 1
        if pairs.size[0] > most:
            return pairs.with_outputs(self._of_one(ends, np.flatnonzero(players[0]), most))
        first, widths = pairs.first, pairs.widths
        rows = np.empty((int(widths.sum()), *self.players.index.shape), dtype=ends[0].dtype)
        for start, stop in runs_of(pairs.size):
            which = np.nonzero(players[start:stop])[1].reshape(stop - start, -1)
            grown = rows[first[start] : first[stop - 1] + widths[start]]
            self._grow(grown, ends[0][start:stop], ends[1][start:stop], which)
        return pairs.with_outputs(doubled(asked(self.predictor, rows)))

    def _of_one(
        self, ends: tuple[np.ndarray, np.ndarray], which: Int64[np.ndarray, "k"], most: int
    ) -> Float64[np.ndarray, "two_to_k k_out"]:
        """Of one pair, in calls of 2^most rows: each for one choice of the other players."""
        low, high, outputs = which[:most], which[most:], np.zeros((0, 0))
        for code in range(1 << len(high)):
            kept = np.isin(self.players.index, high[keep_of_codes(np.array([code]), len(high))[0]])
            rows = np.empty((1 << most, *self.players.index.shape), dtype=ends[0].dtype)
            self._grow(rows, ends[0], np.where(kept, ends[0], ends[1]), low[None])
            answered = doubled(asked(self.predictor, rows))
            if not len(outputs):
                outputs = np.empty((1 << len(which), answered.shape[1]))
            outputs[code << most : (code + 1) << most] = answered
        return outputs

    def _grow(
        self, rows: np.ndarray, mine: np.ndarray, base: np.ndarray, which: Int64[np.ndarray, "m k"]
    ) -> None:
        """Fill in each base with every choice of its players at the instance's value, by the choice's code.

        Args:
            rows: What is filled in.
            mine: The instance of each base.
            base: The rows where nothing is chosen.
            which: The players, for each base.
        """
        (m, k), flat = which.shape, self.players.index.ravel()
        chosen, grown = mine.reshape(m, -1), rows.reshape(m, 1 << k, -1)
        grown[:, 0] = base.reshape(m, -1)
        for place in range(k):
            # Player by player: what there is once more, with this player chosen.
            half, (row, entry) = 1 << place, np.nonzero(flat == which[:, place, None])
            grown[:, half : 2 * half] = grown[:, :half]
            grown[row, half : 2 * half, entry] = chosen[row, entry, None]


@final
@dataclass(frozen=True, eq=False)
class _Halves:
    """All blends of some pairs in the lower half of the players, and all in the upper half, as bits.

    Entries of the other half are 0, which changes nothing of what they are joined with.

    Args:
        low: By instance, what replaces a part of it, and code.
        high: The same.
        players: How players tile an instance.
        dtype: What the bits are of.
    """

    low: UInt[np.ndarray, "l entries"]
    high: UInt[np.ndarray, "h entries"]
    players: Players
    dtype: np.dtype[Any]

    @staticmethod
    def of(mine: np.ndarray, theirs: np.ndarray, players: Players) -> "_Halves":
        """Of every pair of an instance and what replaces a part of it."""
        bits, player, d = np.dtype(f"u{mine.itemsize}"), players.index.ravel(), players.count
        x, z = (np.ascontiguousarray(rows).reshape(len(rows), -1).view(bits) for rows in (mine, theirs))
        halves = []
        for start, stop in ((0, d // 2), (d // 2, d)):
            own = (start <= player) & (player < stop)
            hidden = keep_of_codes(np.arange(1 << (stop - start)) << start, d).take(player, axis=1)
            of_x, of_z = x[:, None] * (own & ~hidden), z[:, None] * hidden
            half = of_x.reshape(len(x), 1, -1) | of_z.reshape(len(z), -1)
            halves.append(half.reshape(-1, len(player)))
        low, high = halves
        return _Halves(low, high, players, mine.dtype)

    def joined(self, blends: Int[np.ndarray, "r"]) -> Float[np.ndarray, "r *x"]:
        """Blends as rows.

        Args:
            blends: Entries of equal rows, counted on from instance to instance.
        """
        d, n_entries = self.players.count, self.players.index.size
        n_low, n_high = d // 2, d - d // 2
        rows = np.empty((len(blends), n_entries), dtype=self.low.dtype)
        # In pieces that stay in the cache until both halves are written.
        for part in slices(len(blends), max(1, ENTRIES_WRITTEN_AT_ONCE // n_entries)):
            some = blends[part]
            # Pairs come first: without the bits of one half there is the place in the other.
            high = some >> n_low
            low = (high >> n_high << n_low) + (some & ((1 << n_low) - 1))
            self.low.take(low, axis=0, out=rows[part], mode="clip")
            rows[part] |= self.high.take(high, axis=0)
        return rows.view(self.dtype).reshape(len(blends), *self.players.index.shape)


def check_max_rows(max_rows: int) -> None:
    """Refuse calls without a row.

    Args:
        max_rows: Most rows of one model call.

    Raises:
        SettingError: unless it is at least 1.
    """
    if max_rows < 1:
        raise SettingError(f"max_rows must be at least 1, got {max_rows}")


def answers(predictor: Predictor, rows: Float[Array, "r *x"], max_rows: int) -> Float[Array, "r k"]:
    """The outputs for finished rows in the model's own precision; the rows stay as they are.

    Args:
        predictor: The model f; open it first for many calls.
        rows: The rows.
        max_rows: Most rows of one call.
    """
    # Copies, for an opened predictor may change its batch.
    dtype = predictor.batch_dtype
    parts = [asked(predictor, in_dtype(copied(rows[part]), dtype)) for part in slices(len(rows), max_rows)]
    return parts[0] if len(parts) == 1 else namespace(*parts).concat(parts)


def outputs_of(predictor: Predictor, rows: Float[Array, "r *x"], max_rows: int) -> Float64[np.ndarray, "r k"]:
    """The same in double precision, on the host.

    Args:
        predictor: The model f; open it first for many calls.
        rows: The rows.
        max_rows: Most rows of one call.
    """
    return doubled(answers(predictor, rows, max_rows))


def asked(predictor: Predictor, batch: Float[Array, "r *x"]) -> Float[Array, "r k"]:
    """The outputs for one batch, which is given away, as the model answered.

    Args:
        predictor: The model f.
        batch: The rows of one call.
    """
    return checked(predictor, predictor.predict(batch))


def checked(predictor: Predictor, outputs: Float[Array, "r k"]) -> Float[Array, "r k"]:
    """Outputs that are all numbers.

    Raises:
        ModelError: if an output is NaN or infinite.
    """
    finite = namespace(outputs).isfinite(outputs)
    if not bool(finite.all()):
        bad = int((~finite).any(1).sum())
        raise ModelError(
            f"{predictor.meaning.model} answered NaN or infinite for {bad} of {len(outputs)} rows; need "
            "finite outputs: check what hidden players are replaced by, or explain another output"
        )
    return outputs


def slices(total: int, step: int) -> Iterator[slice]:
    """Consecutive slices of at most `step`."""
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


def _distinct(
    keys: Int64[np.ndarray, "..."], n_possible: int
) -> tuple[Int64[np.ndarray, "_"], Int[np.ndarray, "..."]]:
    """The distinct ones among some keys, in order, and the place of each key among them."""
    if n_possible > KEYS_PER_ENTRY * keys.size:
        found, places = np.unique(keys, return_inverse=True)
        return found, places.reshape(keys.shape)
    there = np.zeros(n_possible, dtype=bool)
    there[keys] = True
    number = np.cumsum(there, dtype=np.int32)
    return np.flatnonzero(there), number.take(keys) - 1
