"""A model behind all that asks it: calls of bounded size, finite answers, and no row twice.

Where an instance and what replaces a part of it agree in some players, hiding these changes nothing: of the
2^d blends of both only 2^k differ, for the k players in which they differ. The distinct ones are found from
where both differ, never from finished rows, and the model is asked for them alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from array_api_compat import is_numpy_array
from jaxtyping import Bool, Float, Float64, Int64

from onlyif.core.arrays import Array, beside, copied, doubled, in_dtype, namespace, where_kept
from onlyif.core.blend import blend
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.players import Players
from onlyif.core.subsets import codes_of_keep, keep_of_codes
from onlyif.models.base import Predictor

# A call of more rows than the second number holds at most as many entries as the first: 16 MiB of float64.
ENTRIES_A_CALL, FEW_ROWS = 2**21, 1024
# Rows that are compared at once, where equal ones are looked for.
PAIRS_AT_ONCE = 2**18
# Subsets of so many players have a code that fits a whole number, with the number of a pair beside it.
MOST_CODED = 40
# Equal blends are looked for where at most so many of all blends are distinct: asking a cheap model twice
# costs less than looking.
MOST_DISTINCT = 0.5


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

    def part(self, instances: slice) -> "Differences":
        """The same of some instances."""
        return Differences(self.players[instances])


@final
@dataclass(frozen=True, eq=False)
class Engine:
    """A model, asked for instances of which some players are replaced.

    Args:
        predictor: The model f.
        players: How players tile an instance.
        max_rows: Most rows of one model call: the one knob for memory. Of rows with more than 128 entries a
            call takes fewer: at most 2^21 entries, or 1,024 rows where these are more.

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
        return min(self.max_rows, max(FEW_ROWS, ENTRIES_A_CALL // self.players.index.size))

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
        for part in slices(len(keep), self.rows_a_call):
            mine, theirs = (beside(numbers[part], x) for numbers in which)
            mixed = where_kept(self.players.spread(keep[part]), x[mine], other[theirs])
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
        mine, theirs = _bits(x), _bits(other)
        differ = np.zeros((len(x), len(other), self.players.count), dtype=bool)
        for entry, player in enumerate(self.players.index.ravel().tolist()):
            differ[:, :, player] |= mine[:, None, entry] != theirs[None, :, entry]
        share = (2.0 ** (differ.sum(2) - self.players.count)).mean()
        return None if share > MOST_DISTINCT else Differences(differ)

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
        codes, places = np.unique(key, return_inverse=True)
        pair = codes >> count
        keep = ~keep_of_codes(codes & ((1 << count) - 1), count)
        outputs = self.blends(x, other, (pair // len(other), pair % len(other)), keep)
        found: np.ndarray = outputs[places.reshape(key.shape)]
        return found

    def all_blends(
        self, x: Float[Array, "u *x"], other: Float[Array, "v *x"], differ: Differences
    ) -> Iterator[tuple[int, int, Float64[np.ndarray, "two_to_k k_out"]]]:
        """The outputs for all distinct blends of every pair, by the code of the players that are *kept*.

        The code counts the players in which the pair differs, in order; memory is that of a few calls and
        of the largest of the answers.

        Args:
            x: Instances.
            other: What replaces a part of them.
            differ: What `differing` said of both.
        """
        waiting: list[tuple[int, int]] = []
        rows = 0
        for pair in np.ndindex(*differ.players.shape[:2]):
            count = 1 << int(differ.players[pair].sum())
            if waiting and rows + count > self.rows_a_call:
                yield from self._all_of(x, other, differ.players, waiting)
                waiting, rows = [], 0
            waiting.append((pair[0], pair[1]))
            rows += count
        yield from self._all_of(x, other, differ.players, waiting)

    def _all_of(
        self,
        x: Float[Array, "u *x"],
        other: Float[Array, "v *x"],
        differ: Bool[np.ndarray, "u v d"],
        pairs: list[tuple[int, int]],
    ) -> Iterator[tuple[int, int, Float64[np.ndarray, "two_to_k k_out"]]]:
        """Of some pairs in one call, or of one pair in as many as it takes."""
        counts = np.array([1 << int(differ[pair].sum()) for pair in pairs])
        ends = np.cumsum(counts)
        number = np.repeat(np.arange(len(pairs)), counts) if len(pairs) > 1 else np.zeros(1, dtype=np.int64)
        outputs = np.zeros(0)
        for part in slices(int(ends[-1]), self.rows_a_call):
            of = number[part] if len(pairs) > 1 else np.zeros(part.stop - part.start, dtype=np.int64)
            codes = np.arange(part.start, part.stop) - (ends - counts)[of]
            mine, theirs = np.array(pairs).T[:, of]
            keep = np.concatenate(
                [_keeps(codes[of == one], differ[pairs[one]]) for one in np.unique(of).tolist()]
            )
            answered = self.blends(x, other, (mine, theirs), keep)
            if not len(outputs):
                outputs = np.empty((int(ends[-1]), answered.shape[1]))
            outputs[part] = answered
        for (mine, theirs), start, stop in zip(pairs, ends - counts, ends, strict=True):
            yield mine, theirs, outputs[start:stop]


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


def spread(
    outputs: Float64[np.ndarray, "two_to_k *o"], differ: Bool[np.ndarray, "d"]
) -> Float64[np.ndarray, "..."]:
    """The outputs of the distinct blends of one pair as a table of all subsets that can be broadcast.

    Its axes are runs of players, the last player first: of size 1 where they agree, else of as many entries
    as there are subsets of the run. Beside a table of 2^d entries in the shape `runs(differ)` it broadcasts.

    Args:
        outputs: By the code of the players in which the pair differs.
        differ: Those players.

    Example:
        >>> spread(np.array([1.0, 2.0]), np.array([False, True]))
        array([[1.],
               [2.]])
    """
    shape = [1 << length if different else 1 for different, length in _runs(differ)]
    return outputs.reshape(*shape, *outputs.shape[1:])


def runs(differ: Bool[np.ndarray, "d"]) -> tuple[int, ...]:
    """The shape in which a table of 2^d entries stands beside what `spread` gives.

    Args:
        differ: The players in which a pair differs.

    Example:
        >>> runs(np.array([False, True]))
        (2, 2)
    """
    return tuple(1 << length for _, length in _runs(differ))


def _runs(differ: Bool[np.ndarray, "d"]) -> list[tuple[bool, int]]:
    """Players that follow each other and all differ or all agree, the last player first."""
    ends = np.flatnonzero(np.diff(differ[::-1]))
    lengths = np.diff(np.concatenate([[-1], ends, [len(differ) - 1]]))
    first = bool(differ[-1])
    return [(first ^ bool(number % 2), int(length)) for number, length in enumerate(lengths)]


def _keeps(codes: Int64[np.ndarray, "r"], differ: Bool[np.ndarray, "d"]) -> Bool[np.ndarray, "r d"]:
    """What to keep for some distinct blends of a pair: of players that agree, nothing need be kept."""
    places = np.flatnonzero(differ)
    keep = np.zeros((len(codes), len(differ)), dtype=bool)
    keep[:, places] = keep_of_codes(codes, len(places))
    return keep


def _bits(rows: np.ndarray) -> Int64[np.ndarray, "n entries"]:
    """The entries of rows as whole numbers with the same bits."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    return flat.view(f"i{rows.dtype.itemsize}").astype(np.int64)
