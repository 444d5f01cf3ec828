"""Who plays: how d players tile the entries of one instance.

A player is what is kept or hidden as a whole: a column, a group of columns
(the one-hot block of one category), a pixel or a superpixel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Int64

from onlyif.core.errors import InputError, SettingError


@final
@dataclass(frozen=True, eq=False)
class Players:
    """The player of every entry of one instance, and the players' names.

    Args:
        index: For each entry of an instance the number of its player, 0 to d - 1;
            every player has at least one entry.
        names: One name a player, distinct.

    Raises:
        SettingError: if a player has no entry, a number is out of range, or names repeat.

    Example:
        >>> players = Players(np.array([0, 1, 1]), ("age", "city"))
        >>> players.spread(np.array([[[True, False]]]))
        array([[[ True, False, False]]])
    """

    index: Int64[np.ndarray, "*x"]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        used = set(self.index.ravel().tolist())
        if used != set(range(len(self.names))):
            raise SettingError(
                f"need an entry for every player 0 to {len(self.names) - 1}, got entries for {sorted(used)}"
            )
        if len(set(self.names)) != len(self.names):
            raise SettingError(f"player names must be distinct, got {duplicates(self.names)} more than once")

    @property
    def count(self) -> int:
        """The number d of players."""
        return len(self.names)

    def spread(self, keep: Bool[np.ndarray, "*m d"]) -> Bool[np.ndarray, "..."]:
        """From one boolean a player to one boolean an entry, `(*m, d)` to `(*m, *x)`."""
        return keep.take(self.index, axis=-1)

    def columns(self, player: int) -> tuple[int, ...]:
        """The flat positions of the entries of one player."""
        return self._columns[player]

    @cached_property
    def _columns(self) -> tuple[tuple[int, ...], ...]:
        order = np.argsort(self.index, axis=None, kind="stable")
        ends = np.cumsum(np.bincount(self.index.ravel(), minlength=self.count))
        return tuple(tuple(part.tolist()) for part in np.split(order, ends[:-1]))


def duplicates(names: Sequence[str]) -> list[str]:
    """The names that occur more than once, sorted."""
    return sorted({name for name in names if list(names).count(name) > 1})


def column_players(columns: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None) -> Players:
    """Players of a table: one a column, and one a group of columns.

    Args:
        columns: The table's column names, in order.
        groups: Names of groups and the columns in each. Columns in no group are
            players of their own. Players are in the order of their first column.

    Raises:
        InputError: if column names repeat or there is no column.
        SettingError: if a group is empty, names an unknown column, overlaps another
            one or bears the name of a column outside it.

    Example:
        >>> column_players(["age", "city_a", "city_b"], {"city": ["city_a", "city_b"]}).names
        ('age', 'city')
    """
    if not columns:
        raise InputError("need at least one column to explain, got a table with none")
    if len(set(columns)) != len(columns):
        raise InputError(f"column names must be distinct, got {duplicates(columns)} more than once")
    owner = _owners(columns, groups or {})
    named = [owner.get(column, column) for column in columns]
    names = tuple(dict.fromkeys(named))
    clash = sorted(name for name in (groups or {}) if name in columns and owner.get(name) != name)
    if clash:
        raise SettingError(
            f"group {clash[0]!r} bears the name of a column that is not in it; rename the group"
        )
    order = {name: i for i, name in enumerate(names)}
    return Players(np.array([order[name] for name in named], dtype=np.int64), names)


def _owners(columns: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    owner: dict[str, str] = {}
    for group, held in groups.items():
        if isinstance(held, str) or not held:
            raise SettingError(f"group {group!r} must be a list of column names, got {held!r}")
        unknown = [column for column in held if column not in columns]
        if unknown:
            raise SettingError(
                f"group {group!r} names unknown columns {unknown}; the columns are {list(columns)}"
            )
        for column in held:
            if column in owner:
                raise SettingError(
                    f"groups overlap: column {column!r} is in {owner[column]!r} and in {group!r}"
                )
            owner[column] = group
    return owner
