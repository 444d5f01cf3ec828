"""How the values of one column become numbers, and what readers see of them.

A column is a *number* (float64 holds every value exactly, NaN is missing) or
has *levels*: its distinct values are numbered in order of first appearance,
missing included, and a number in the coded table is the code of a level.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import InputError
from onlyif.modalities.table_values import MISSING, Plain, Values, check_finite, is_missing, position, some


class ColumnKind(Enum):
    """How the values of a column compare."""

    NUMBER = "numbers: the coded table holds the values themselves"
    ORDERED = "ordered levels: the coded table holds codes, `positions` has comparable numbers"
    UNORDERED = "unordered levels: the coded table holds codes, which are only equal or not"


@final
@dataclass(frozen=True, eq=False)
class Levels:
    """The distinct values of one column.

    Args:
        codes: The code of every value, by its key.
        positions: A comparable number a level: seconds for times, ranks for ordered
            categories, NaN for missing; the codes themselves where levels have no order.
        labels: Each level as text.
        first: Where each level appeared first in the values it was learned from.
        typed: Whether 1, 1.0 and True are three levels (columns of mixed objects).
    """

    codes: dict[Hashable, int]
    positions: Float64[np.ndarray, "levels"]
    labels: tuple[str, ...]
    first: tuple[int, ...]
    typed: bool


@final
@dataclass(frozen=True, eq=False)
class Column:
    """One column of a coded table.

    Args:
        name: Its name.
        kind: How its values compare.
        plain: The Python type of its numbers: bool, int or float.
        levels: Its distinct values, or None for a column of numbers.
        missing_is_null: Whether NaN stands for the null of a column that can hold both.
        sparse: Whether -0.0 stands for what is not stored.
    """

    name: str
    kind: ColumnKind
    plain: Plain = float
    levels: Levels | None = None
    missing_is_null: bool = False
    sparse: bool = False

    def text(self, value: float) -> str:
        """One coded value, for a reader."""
        if self.levels is not None:
            return self.levels.labels[round(value)]
        if np.isnan(value):
            return MISSING
        if self.sparse and value == 0 and np.signbit(value):
            return "not stored"
        return f"{value:.6g}" if self.plain is float else str(self.plain(value))


def number_column(name: str, values: Values, plain: Plain, *, missing_is_null: bool = False) -> Column:
    """A column of numbers, checked to be finite (NaN is missing).

    Raises:
        InputError: if a value is infinite.
    """
    check_finite(name, values)
    return Column(name, ColumnKind.NUMBER, plain, missing_is_null=missing_is_null)


def level_column(
    name: str,
    values: Sequence[Any],
    shown: Sequence[Any],
    ranks: Mapping[Hashable, int] | None = None,
    *,
    typed: bool = False,
) -> Column:
    """A column of levels, learned from all its values.

    Args:
        name: The column's name.
        values: Its values as Python objects, or numpy datetimes and timedeltas.
        shown: The same values as a reader knows them.
        ranks: Ranks of ordered categories; empty where categories have no order; None where
            the order is that of the values, if they have one.
        typed: Whether equal values of different types are different levels.

    Raises:
        InputError: if the values are lists, arrays or others that have no hash.
    """
    codes: dict[Hashable, int] = {}
    first: list[int] = []
    for i, key in enumerate(_keys(name, values, typed=typed)):
        if key not in codes:
            codes[key] = len(codes)
            first.append(i)
    positions = _positions([values[i] for i in first], ranks)
    kind = ColumnKind.UNORDERED if positions is None else ColumnKind.ORDERED
    if positions is None:
        positions = [float(code) for code in range(len(first))]
    labels = tuple(MISSING if is_missing(shown[i]) else _label(shown[i]) for i in first)
    levels = Levels(codes, np.array(positions, dtype=np.float64), labels, tuple(first), typed)
    return Column(name, kind, levels=levels)


def level_codes(column: Column, levels: Levels, values: Sequence[Any], *, exact: bool = False) -> Values:
    """The codes of values whose levels are known.

    Args:
        column: The column.
        levels: Its levels.
        values: The values.
        exact: Whether None and NaN are two values, as they are to some models.

    Raises:
        InputError: if a value is no known level.
    """
    found = [levels.codes.get(key, -1) for key in _keys(column.name, values, typed=levels.typed)]
    # A missing value is the missing level, whether it is written None or NaN.
    blanks = [code for key, code in levels.codes.items() if isinstance(key, tuple) and key[0] == MISSING]
    if len(blanks) == 1 and not exact:
        found = [
            blanks[0] if code < 0 and is_missing(value) else code
            for code, value in zip(found, values, strict=True)
        ]
    codes = np.array(found, dtype=np.float64)
    unseen = np.flatnonzero(codes < 0)
    if unseen.size:
        raise InputError(
            f"column {column.name!r} holds the unseen level {values[unseen[0]]!r} in row {unseen[0]}; "
            f"known are {some(levels.labels)}"
        )
    return codes


def _label(value: object) -> str:
    return str(value).removesuffix(" 00:00:00")


def _positions(distinct: Sequence[Any], ranks: Mapping[Hashable, int] | None) -> list[float] | None:
    """Comparable numbers of all levels, or None unless every level but missing has one."""
    if ranks is not None and not ranks:
        return None
    places = [
        float("nan") if is_missing(value) else position(value) if ranks is None else float(ranks[value])
        for value in distinct
    ]
    numbers = [place for place in places if place is not None]
    if len(numbers) < len(places) or all(np.isnan(numbers)):
        return None
    return numbers


def _keys(name: str, values: Sequence[Any], *, typed: bool) -> list[Hashable]:
    try:
        keys: list[Hashable] = [
            (MISSING, type(value).__name__) if is_missing(value) else (type(value), value) if typed else value
            for value in values
        ]
        hash(tuple(keys))
    except TypeError as error:
        raise InputError(
            f"column {name!r} holds values that cannot be told apart ({error}), as {some(list(values), 1)}; "
            "need numbers, strings, categories, dates or other plain values"
        ) from error
    return keys
