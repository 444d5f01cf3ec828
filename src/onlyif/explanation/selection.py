"""Selection: one subset of players with all that was measured of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.core.equality import same
from onlyif.core.errors import AbsentError, SettingError
from onlyif.core.visible import on_one_line
from onlyif.explanation.page.markup import shown, table, tag
from onlyif.explanation.pixels import PixelNames

NORMAL_95 = 1.959963984540054
ONE_SIDED_95 = 1.6448536269514722
LONGEST_LIST = 60
# What a short text of a set says of it.
_TOLD = ("sufficiency", "necessity", "pns")


@final
@dataclass(frozen=True)
class Measure:
    """A number about a prediction or a subset, with its standard error.

    Args:
        value: The number; of a gap in the units of the distance, 0 being perfect.
        stderr: Its standard error; 0 when it is exact, NaN when unknown.
        sample_stderr: Its standard error over the sample E: how far another sample of as many inputs
            would move it; 0 where there is no such sample.

    Example:
        >>> Measure(0.25, 0.01).interval()
        (0.230..., 0.269...)
    """

    value: float
    stderr: float = 0.0
    sample_stderr: float = 0.0

    def interval(self, n_sigma: float = NORMAL_95) -> tuple[float, float]:
        """The value plus and minus `n_sigma` standard errors, cut off at 0; 95 % by default."""
        return max(0.0, self.value - n_sigma * self.stderr), self.value + n_sigma * self.stderr

    @override
    def __eq__(self, other: object) -> bool:
        return same(self, other)


@final
class Direction(Enum):
    """Which way a member moves the prediction."""

    RAISES = "raises"
    LOWERS = "lowers"
    DEPENDS = "depends"
    NONE = "none"
    UNCLEAR = "unclear"


@final
@dataclass(frozen=True)
class Effect:
    """What one member of a set does to the prediction, beside the other members and without them.

    A member i of a sufficient set S has two changes: f_S - f_(S without i), what it adds to the others, and
    f_{i} - f_0, what it does alone. Of a necessary set S they are f_(S_c and i) - f_(S_c), what showing it
    again brings back, and f(x) - f_(all without i), what hiding it alone takes away. The unified set has
    all four, those of the one kind where α is 1 or 0. Where decisions are compared f is 1 for the
    decision of f(x) and 0 for any other.

    Args:
        changes: The changes of f. Their errors take those of the two predictions for independent, which is
            too much where they share their draws.

    Example:
        >>> Effect((Measure(0.25), Measure(0.5))).direction.value
        'raises'
        >>> Effect((Measure(0.25), Measure(-0.5))).direction.value
        'depends'
        >>> Effect((Measure(0.25, 0.2), Measure(0.5))).direction.value
        'unclear'
    """

    changes: tuple[Measure, ...]

    @property
    def direction(self) -> Direction:
        """Where all changes that are not 0 have one sign: raises or lowers; with both signs it depends.

        It is unclear where a change lies within 1.96 standard errors of 0, unless others have both signs.
        """
        known = [one.value for one in self.changes if abs(one.value) > NORMAL_95 * one.stderr]
        ups, downs = any(value > 0 for value in known), any(value < 0 for value in known)
        if ups and downs:
            return Direction.DEPENDS
        if any(one.stderr != 0 and not abs(one.value) > NORMAL_95 * one.stderr for one in self.changes):
            return Direction.UNCLEAR
        if ups or downs:
            return Direction.RAISES if ups else Direction.LOWERS
        return Direction.NONE


@final
@dataclass(frozen=True)
class Selection:
    """One subset S: its members and its measures.

    Sets that keep or hide players have the measures `sufficiency`, Δsuf(S) = ρ(f(x), f_S(x)), and
    `necessity`, Δnec(S) = ρ(f_Sc(x), f_0(x)), and where these were drawn `fresh_sufficiency` and
    `fresh_necessity`, estimated again on draws that the search never saw. A cause has

    - `pn`: where perturbing S changed the prediction, the probability that perturbing the rest would not
      have;
    - `ps`: where perturbing the rest changed nothing, the probability that perturbing S would have;
    - `p_changed`, P(A, B): an input of E is near x on S, and perturbing S changes its prediction;
    - `p_unchanged`, P(Ā, B̄): it is near x outside S, and perturbing the rest does not change it;
    - `pns` = PN·P(A, B) + PS·P(Ā, B̄), from 0 to 2;
    - `effective_pn` and `effective_ps`: how many inputs of E count for PN and PS;
    - `searched`: the PNS that the search saw, where it was estimated again afterwards;
    - `typical`: the mean PNS of all subsets of this size, where all were compared.

    Other criteria name their own. Each is read as `selection.measure(name)`; those above also as attributes.

    It is read like a set of names: `len(selection)`, `"age" in selection`, `for name in selection`. The empty
    set is false in a condition, as every empty collection is.

    Args:
        players: Sorted numbers of the players in S.
        among: The names of all players.
        measures: What was measured, by name.
        n_ties: How many subsets attain the same best value, this one included; 0 when not counted.
        exact: Whether nothing was drawn to measure it; for causes, nothing given E.
        effects: What each member does, in the order of `players`; empty where that was not asked.

    Example:
        >>> chosen = Selection((0,), ("age", "income"), {"sufficiency": Measure(0.25)})
        >>> chosen.names, chosen.sufficiency.value
        (('age',), 0.25)
        >>> len(chosen), "income" in chosen, list(chosen)
        (1, False, ['age'])

    References:
        [bharti2024] equations 3 to 6; [chen2024] equations 6 and 11 to 15, as corrected in the guide.
    """

    players: tuple[int, ...]
    among: Sequence[str]
    measures: Mapping[str, Measure]
    n_ties: int = 0
    exact: bool = True
    effects: tuple[Effect, ...] = ()

    def __len__(self) -> int:
        return len(self.players)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            raise SettingError(
                f"a set holds players by their names, got {name!r}; their numbers are in .players"
            )
        return name in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, in order."""
        return tuple(self.among[player] for player in self.players)

    @property
    def size(self) -> int:
        """|S|."""
        return len(self.players)

    @property
    def keep(self) -> Bool[np.ndarray, "d"]:
        """Which of all players are in S."""
        keep = np.zeros(len(self.among), dtype=np.bool_)
        keep[list(self.players)] = True
        return keep

    @property
    def code(self) -> int:
        """S as a whole number: bit i is player i."""
        return sum(1 << player for player in self.players)

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """Which way each member moves the prediction, in the order of `players`; empty where not asked."""
        return tuple(effect.direction for effect in self.effects)

    def measure(self, name: str) -> Measure:
        """One of the measures.

        Args:
            name: Its name.

        Raises:
            AbsentError: if nothing of this name was measured.
        """
        if name not in self.measures:
            raise AbsentError(f"no {name!r} was measured of this set, only {', '.join(self.measures)}")
        return self.measures[name]

    @property
    def sufficiency(self) -> Measure:
        """Δsuf(S): S kept, the rest hidden."""
        return self.measure("sufficiency")

    @property
    def necessity(self) -> Measure:
        """Δnec(S): S hidden, the rest kept."""
        return self.measure("necessity")

    @property
    def fresh(self) -> tuple[Measure, Measure] | None:
        """The two gaps on draws that the search never saw; None where the gaps are exact."""
        if "fresh_sufficiency" not in self.measures:
            return None
        return self.measure("fresh_sufficiency"), self.measure("fresh_necessity")

    @property
    def pn(self) -> Measure:
        """PN."""
        return self.measure("pn")

    @property
    def ps(self) -> Measure:
        """PS."""
        return self.measure("ps")

    @property
    def p_changed(self) -> Measure:
        """P(A, B)."""
        return self.measure("p_changed")

    @property
    def p_unchanged(self) -> Measure:
        """P(Ā, B̄)."""
        return self.measure("p_unchanged")

    @property
    def pns(self) -> Measure:
        """PNS, from 0 to 2."""
        return self.measure("pns")

    @property
    def pns_halved(self) -> float:
        """PNS with prior ½ on s and on its complement, from 0 to 1; it ranks subsets as PNS does."""
        return self.pns.value / 2

    @property
    def effective_pn(self) -> float:
        """Effective sample size of the weights of PN."""
        return self.measure("effective_pn").value

    @property
    def effective_ps(self) -> float:
        """Effective sample size of the weights of PS."""
        return self.measure("effective_ps").value

    @property
    def searched(self) -> float | None:
        """The PNS that the search saw; None where nothing was estimated again."""
        return self.measures["searched"].value if "searched" in self.measures else None

    @property
    def typical(self) -> float | None:
        """Mean PNS of all subsets of this size; None where not all were compared."""
        return self.measures["typical"].value if "typical" in self.measures else None

    @property
    def text(self) -> str:
        """The members' names, of pixels and long sets their number; "none" of the empty set."""
        return str(self)[1:-1] if self.players else "none"

    def _repr_html_(self) -> str:
        rows = [
            [name, f"{one.value:.4g}" + (f" ± {one.stderr:.2g}" if one.stderr else "")]
            for name, one in self.measures.items()
        ]
        measured = [table("What was measured of it", ["measure", "value"], rows)] if rows else []
        return tag("div", {"class": "onlyif"}, [tag("strong", None, [shown(self.text)]), *measured]).text

    def unified(self, alpha: float) -> float:
        """Δuni(S, α) = α Δsuf(S) + (1 - α) Δnec(S).

        Raises:
            SettingError: unless 0 <= alpha <= 1.
        """
        if not 0.0 <= alpha <= 1.0:
            raise SettingError(f"alpha must lie in [0, 1], got {alpha}")
        return alpha * self.sufficiency.value + (1.0 - alpha) * self.necessity.value

    @override
    def __repr__(self) -> str:
        told = [name for name in _TOLD if name in self.measures] or [*self.measures][:2]
        numbers = "".join(f", {name}={self.measures[name].value:.4g}" for name in told)
        return f"Selection({self}{numbers})"

    @override
    def __str__(self) -> str:
        if self.size > LONGEST_LIST or isinstance(self.among, PixelNames):
            return f"{{{self.size} of {len(self.among)}}}"
        return "{" + on_one_line(", ".join(self.names)) + "}"


def gap_selection(
    players: tuple[int, ...],
    among: Sequence[str],
    gaps: tuple[Measure, Measure],
    n_ties: int = 0,
    fresh: tuple[Measure, Measure] | None = None,
) -> Selection:
    """A subset with its two gaps, (Δsuf, Δnec), which are exact where they have no error.

    Args:
        players: Its members.
        among: The names of all players.
        gaps: Δsuf and Δnec.
        n_ties: How many subsets attain the same minimum.
        fresh: The gaps on draws that the search never saw; None where there are none.
    """
    measures = dict(zip(("sufficiency", "necessity"), gaps, strict=True))
    exact = fresh is None and not any(gap.stderr or math.isnan(gap.stderr) for gap in gaps)
    if fresh is not None:
        measures |= zip(("fresh_sufficiency", "fresh_necessity"), fresh, strict=True)
    return Selection(players, among, measures, n_ties, exact)
