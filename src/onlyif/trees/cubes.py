"""Cubes of subsets: a value for every S that holds all of A and none of B.

[A ⊆ S] [B ∩ S = ∅] = Σ_{T ⊆ B} (-1)^|T| [A ∪ T ⊆ S], so a cube is 2^|B| Möbius
coefficients, and one transform over the subsets adds up those of all cubes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Float64, Int, Int64

from onlyif.core.subsets import bit_counts, lowest_bits
from onlyif.trees.leaves import Masks
from onlyif.trees.patterns import Patterns
from onlyif.trees.transform import add_subsets, add_subsets_beside

Coefficients: TypeAlias = Float64[np.ndarray, "k two_to_d"]
_BLOCK_TERMS = 2**18  # coefficients written at once: 4 MiB
_WORTH = 2  # coefficients saved for each subset, from which on a second table is made


@final
@dataclass(frozen=True, eq=False)
class Cubes:
    """The cubes of one instance.

    Args:
        leaf: Number of the leaf each cube comes from.
        needed: A, the players that S must hold.
        barred: B, the players that S must not hold.
        value: What is added there, one row an output.
    """

    leaf: Int64[np.ndarray, "q"]
    needed: Int[np.ndarray, "q"]
    barred: Int[np.ndarray, "q"]
    value: Float64[np.ndarray, "k q"]


def cubes_of(patterns: Patterns, barred: Masks) -> Cubes:
    """The cubes of one instance: patterns that ask nothing of it that it cannot give.

    Args:
        patterns: What the background asks.
        barred: For each leaf, the players that keep the instance from it.
    """
    each, alive = _alive(patterns, barred)
    return Cubes(
        patterns.leaf.take(alive), patterns.needed.take(alive), each, patterns.value.take(alive, axis=1)
    )


def _alive(patterns: Patterns, barred: Masks) -> tuple[Int[np.ndarray, "q"], Int64[np.ndarray, "q"]]:
    """The numbers of the patterns that are cubes of an instance, and what each of these bars."""
    # Patterns stand leaf by leaf: to repeat is faster than to look up.
    each = np.repeat(barred, patterns.count)
    alive = np.flatnonzero((each & patterns.needed) == 0)
    return each.take(alive), alive


def sum_all(patterns: Patterns, barred: Masks, table: Coefficients) -> None:
    """Write for every subset the sum over the cubes of one instance that it lies in.

    In terms of what is hidden a cube is a cube again, with A and B exchanged: all of B is hidden and none
    of A is. So each cube can be multiplied out over the smaller of the two, by what is kept or by what
    is hidden; the second table is read backwards. It is made where it saves more than it costs.

    Args:
        patterns: What the background asks.
        barred: For each leaf, the players that keep the instance from it.
        table: One row an output, by bit code.
    """
    size = table.shape[1]
    rest, alive = _alive(patterns, barred)
    first, rest, n_tables = _over_the_smaller(patterns.needed.take(alive), rest, size)
    if n_tables == 1:
        table.fill(0)
        _add_by_size(first, rest, patterns.value, alive, table)
        add_subsets(table)
        return
    both = np.zeros((len(table), 2, size))
    _add_by_size(first, rest, patterns.value, alive, both.reshape(len(table), -1))
    add_subsets(both.reshape(-1, size))
    np.add(both[:, 0], both[:, 1, ::-1], out=table)


def _over_the_smaller(
    first: Int[np.ndarray, "q"], rest: Int[np.ndarray, "q"], size: int
) -> tuple[Int[np.ndarray, "q"], Int[np.ndarray, "q"], int]:
    """A and B of cubes, each with A multiplied out where that is smaller; and in how many tables they go.

    Cubes that are turned have a bit above all players, which leads into a second table, by what is hidden.
    There is none where it would cost more than it saves.
    """
    n_first, n_rest = bit_counts(first), bit_counts(rest)
    turned = n_first < n_rest
    saved = (1 << n_rest.astype(np.int64)) - (1 << n_first.astype(np.int64))
    if saved.sum(where=turned) < _WORTH * size:
        return first, rest, 1
    return np.where(turned, rest | size, first), np.where(turned, first, rest), 2


def sum_groups(
    patterns: Patterns, barred: Masks, size: int, outputs: Sequence[int]
) -> Float64[np.ndarray, "two_to_d g k"]:
    """For every subset the sum over the cubes of one instance that it lies in, of each group alone.

    The coefficients of a cube are the same for all groups but for a factor: they are one sparse matrix,
    times a dense one of the factors.

    Args:
        patterns: What the background asks.
        barred: For each leaf, the players that keep the instance from it.
        size: How many subsets there are.
        outputs: The numbers of the outputs that are wanted.
    """
    from scipy.sparse import csc_array  # here, for nothing else of trees needs it

    rest, alive = _alive(patterns, barred)
    needed, rest, n_tables = _over_the_smaller(patterns.needed.take(alive), rest, size)
    sizes = bit_counts(rest)
    order = np.argsort(sizes, kind="stable")
    alive, needed, rest = alive.take(order), needed.take(order), rest.take(order)
    ends = np.cumsum(np.bincount(sizes, minlength=1)).tolist()
    terms = [
        terms_of(needed[start:end], [*lowest_bits(rest[start:end], n)])
        for n, (start, end) in enumerate(pairwise([0, *ends]))
    ]
    codes = np.concatenate([code.T.ravel() for code, _ in terms])
    signs = np.concatenate([np.tile(sign, code.shape[1]) for code, sign in terms])
    starts = np.append(0, np.cumsum(np.left_shift(1, sizes.take(order).astype(np.int64))))
    coefficients = csc_array((signs, codes, starts), shape=(n_tables * size, len(alive)))
    shares, n_groups = patterns.by_group.take(alive, axis=0), patterns.by_group.shape[1]
    values = patterns.value[list(outputs)].take(alive, axis=1)
    factors = (shares[:, :, None] * values.T[:, None]).reshape(len(alive), -1)
    tables: np.ndarray = (coefficients @ factors).reshape(n_tables, size, -1)
    for table in tables:
        add_subsets_beside(table)
    if n_tables == 2:
        tables[0] += tables[1, ::-1]
    whole: np.ndarray = tables[0].reshape(size, n_groups, len(outputs))
    return whole


def _add_by_size(
    needed: Int[np.ndarray, "q"],
    barred: Int[np.ndarray, "q"],
    values: Float64[np.ndarray, "k _"],
    at: Int64[np.ndarray, "q"],
    table: Coefficients,
) -> None:
    """Add the cubes whose values stand at some places, those that bar equally many players together."""
    sizes = bit_counts(barred)
    order = np.argsort(sizes, kind="stable")
    needed, barred, value = needed.take(order), barred.take(order), values.take(at.take(order), axis=1)
    ends = np.cumsum(np.bincount(sizes, minlength=1)).tolist()
    for size, (start, end) in enumerate(pairwise([0, *ends])):
        step = max(1, _BLOCK_TERMS >> size)
        for i in range(start, end, step):
            part = slice(i, min(i + step, end))
            terms = terms_of(needed[part], [*lowest_bits(barred[part], size)])
            add_terms(*terms, value[:, part], table)


def add_terms(
    codes: Int64[np.ndarray, "m n"],
    signs: Float64[np.ndarray, "m"],
    values: Float64[np.ndarray, "k n"],
    table: Coefficients,
) -> None:
    """Add the Möbius coefficients of cubes to a table, in place.

    Args:
        codes: For each cube the subsets that have coefficients.
        signs: The sign of each.
        values: The value of each cube, one row an output.
        table: One row an output.
    """
    for row, value in zip(table, values, strict=True):
        np.add.at(row, codes.ravel(), np.multiply.outer(signs, value).ravel())


def terms_of(
    needed: Int[np.ndarray, "n"], barred: Sequence[Int[np.ndarray, "n"]]
) -> tuple[Int64[np.ndarray, "m n"], Float64[np.ndarray, "m"]]:
    """The codes and signs of the coefficients of cubes that all bar equally many players.

    Their subsets T by doubling, one barred player after another.

    Args:
        needed: The code of A.
        barred: The codes of the first player of B, of the second, and so on.
    """
    codes = np.empty((1 << len(barred), len(needed)), dtype=np.int64)
    signs = np.ones(1 << len(barred))
    codes[0] = needed
    for j, player in enumerate(barred):
        np.add(codes[: 1 << j], player, out=codes[1 << j : 2 << j])
        signs[1 << j : 2 << j] = -signs[: 1 << j]
    return codes, signs
