"""Which sets may be reported, as users ask for it: who must or must not be in, what needs what, costs."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from typing_extensions import override

from onlyif.core.arguments import Either, Kind, Number, Several, Text, Whole, settle
from onlyif.core.errors import SettingError
from onlyif.core.permitted import Permitted
from onlyif.core.plain_values import shown
from onlyif.core.players import Players
from onlyif.explanation.explanation import Setting

# A player: its name, or its number.
Player: TypeAlias = Any


@final
@dataclass(frozen=True)
class ByPlayer(Kind):
    """A mapping from players to values of one kind, as a tuple of pairs.

    Args:
        kind: The kind of the values.
    """

    kind: Kind

    @property
    @override
    def needed(self) -> str:
        return f"a mapping from players to {self.kind.needed}"

    @override
    def fits(self, value: Any) -> bool:
        # A Series has an index, by which its values are of players.
        is_series = hasattr(value, "index") and hasattr(value, "to_dict") and not isinstance(value, type)
        return is_series or isinstance(value, Mapping)

    @override
    def made(self, name: str, value: Any) -> tuple[tuple[Player, Any], ...]:
        mapping = value if isinstance(value, Mapping) else value.to_dict()
        if not isinstance(mapping, Mapping):
            raise self.refuse(name, value)
        return tuple(
            (
                _PLAYER.take(f"each player of {name}", player),
                self.kind.take(f"{name} of {shown(player)}", one),
            )
            for player, one in mapping.items()
        )


@final
@dataclass(frozen=True)
class Listed(Kind):
    """Any number of one kind, as a tuple; no iterator, for an explainer reads its arguments in every call.

    Args:
        kind: The kind of each.
    """

    kind: Kind

    @property
    @override
    def needed(self) -> str:
        return f"{self.kind.needed}, or a list of them"

    @override
    def fits(self, value: Any) -> bool:
        return Several(self.kind).fits(value) and not isinstance(value, Iterator)

    @override
    def made(self, name: str, value: Any) -> tuple[Any, ...]:
        return Several(self.kind).made(name, value)


_PLAYER = Either((Text(), Whole()))
_COST = Number(least=0.0)
_KINDS: Mapping[str, Kind] = {
    "keep": Listed(_PLAYER),
    "never": Listed(_PLAYER),
    "costs": Either((ByPlayer(_COST), Listed(_COST), None)),
    "order": Either((ByPlayer(Listed(_PLAYER)), None)),
}


@final
@dataclass(frozen=True)
class Constraints:
    """What the user asks of the members of every reported set; `onlyif.explain` says what each means.

    Raises:
        SettingError: if one is of another kind, or a cost is negative or not finite.
    """

    keep: Any = None
    never: Any = None
    costs: Any = None
    order: Any = None

    def __post_init__(self) -> None:
        settle(self, _KINDS)

    @property
    def given(self) -> tuple[str, ...]:
        """The names of those that ask for something."""
        there = {"keep": self.keep, "never": self.never, "costs": self.costs is not None, "order": self.order}
        return tuple(name for name, value in there.items() if value)

    def of(self, players: Players, columns: Sequence[str] = ()) -> Permitted:
        """The subsets of these players that may be reported.

        Args:
            players: Who plays.
            columns: The names of the table's columns, to say which group one is in.

        Raises:
            SettingError: if a name or a number is of no player, if they contradict each other, or if they
                leave no set.
        """
        number = _Numbers(players, columns).number
        needs = _needs(self.order or (), number, players.names)
        keep = _closed([number("keep", one) for one in self.keep], needs, "keep", players.names)
        # What needs a player that is in no set is in none itself.
        needed_by: dict[int, list[int]] = {}
        for player, needed in needs.items():
            for one in needed:
                needed_by.setdefault(one, []).append(player)
        never = _closed([number("never", one) for one in self.never], needed_by, "never", players.names)
        both = sorted({*keep} & {*never})
        if both:
            raise SettingError(
                f"{players.names[both[0]]!r} must be in every set by {keep[both[0]]} and in none by "
                f"{never[both[0]]}"
            )
        if len(never) == players.count:
            raise SettingError(f"never= leaves none of the {players.count} players for a set")
        fixed = {*keep, *never}
        pairs = sorted((one, other) for one in needs for other in needs[one] if not {one, other} & fixed)
        return Permitted(
            tuple(sorted(keep)), tuple(sorted(never)), tuple(pairs), self._costs(players, number)
        )

    def _costs(self, players: Players, number: Callable[[str, Player], int]) -> tuple[float, ...]:
        if self.costs is None:
            return ()
        if self.costs and isinstance(self.costs[0], tuple):
            costs = [1.0] * players.count
            for player, cost in self.costs:
                costs[number("costs", player)] = cost
        else:
            costs = [*self.costs]
        if len(costs) != players.count:
            raise SettingError(
                f"costs needs one for each of the {players.count} players {shown(list(players.names))}, got "
                f"{len(costs)}; or give a mapping from players to costs"
            )
        try:
            math.fsum(costs)
        except OverflowError as error:
            raise SettingError("costs are so large that their sum is not finite") from error
        return tuple(costs)

    def check_size(self, permitted: Permitted, n_players: int, size: int | None, *, exact_size: bool) -> None:
        """Refuse a size that no permitted set has.

        Args:
            permitted: What the constraints mean.
            n_players: d.
            size: τ, or None.
            exact_size: Whether sets have exactly so many players.

        Raises:
            SettingError: if no permitted set is of the size.
        """
        least, most = permitted.sizes(n_players)
        if size is None or size > n_players:
            return
        if size < least:
            raise SettingError(f"size {size} leaves no set: {least} players must be in every one by keep=")
        if exact_size and size > most:
            raise SettingError(f"exactly {size} players leave no set: only {most} may be in one by never=")


@final
@dataclass(frozen=True, eq=False)
class _Numbers:
    """The numbers of players by what users call them."""

    players: Players
    columns: Sequence[str]

    def number(self, argument: str, player: Player) -> int:
        """A name is that of a player; a number its number, unless it is the name of one."""
        names = self.players.names
        if str(player) in names:
            return names.index(str(player))
        if isinstance(player, int) and 0 <= player < len(names):
            return player
        hint = ""
        if player in self.columns:
            owner = int(self.players.index.ravel()[list(self.columns).index(player)])
            hint = f" (a column of the group {names[owner]!r}: name the group)"
        raise SettingError(
            f"{argument}= has {shown(player)}{hint}, which is none of the players {shown(list(names))}"
        )


_Needs = Mapping[int, Sequence[int]]


def _needs(
    order: Iterable[tuple[Player, Sequence[Player]]],
    number: Callable[[str, Player], int],
    names: Sequence[str],
) -> _Needs:
    """For each player those that it needs itself."""
    needs: dict[int, list[int]] = {}
    for player, needed in order:
        needs.setdefault(number("order", player), []).extend(number("order", one) for one in needed)
    for player in needs:
        circle = _circle(player, needs)
        if circle:
            said = " needs ".join(repr(names[one]) for one in circle)
            raise SettingError(
                f"order goes in a circle: {said}; players that only go together are one: make them a group"
            )
    return needs


def _circle(start: int, needs: _Needs) -> list[int]:
    """A way from a player back to itself; empty where there is none."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        for one in needs.get(way[-1], ()):
            if one == start:
                return [*way, start]
            if one not in seen:
                seen.add(one)
                ways.append([*way, one])
    return []


def _closed(players: Sequence[int], others: _Needs, argument: str, names: Sequence[str]) -> dict[int, str]:
    """Players, with all that follows for others, and why."""
    why = {player: f"{argument}={names[player]!r}" for player in players}
    left = list(why)
    while left:
        player = left.pop()
        for one in others.get(player, ()):
            if one not in why:
                why[one] = f"{why[player]} with order="
                left.append(one)
    return why


def settings_of(permitted: Permitted, names: Sequence[str]) -> dict[str, Setting]:
    """What an explanation keeps of it, by the players' names; empty where all sets may be reported.

    Args:
        permitted: Which sets may be reported.
        names: The players' names.
    """
    needs = {
        player: tuple(names[j] for i, j in permitted.needs if i == player) for player, _ in permitted.needs
    }
    settings: dict[str, Setting] = {
        "keep": tuple(names[player] for player in permitted.keep),
        "never": tuple(names[player] for player in permitted.never),
        "order": {names[player]: needed for player, needed in needs.items()},
        "costs": dict(zip(names, permitted.costs, strict=False)),
    }
    return {name: value for name, value in settings.items() if value}
