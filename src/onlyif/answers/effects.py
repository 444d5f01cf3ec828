"""What each member of the chosen sets does to the prediction, read off f_S(x)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool

from onlyif.explanation.selection import Effect, Measure, Selection
from onlyif.restrictions.base import Estimate
from onlyif.restrictions.set_function import SetFunction

Subset = Bool[np.ndarray, "d"]
# A change is f of the first subset minus f of the second.
Change = tuple[Subset, Subset]


@final
@dataclass(frozen=True, eq=False)
class Changes:
    """The changes of one instance's prediction that tell what members do, for several sets.

    Args:
        sets: For each set and each of its members the changes, as numbers of subsets.
        sides: For each set the numbers of the set itself and of its complement.
        subsets: The subsets that these numbers mean.
    """

    sets: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]
    sides: tuple[tuple[int, int], ...]
    subsets: tuple[Subset, ...]


def of_sufficient(chosen: Selection) -> Iterator[tuple[Change, ...]]:
    """For each member the change that it brings to the others, and alone.

    Args:
        chosen: A set that is kept.
    """
    none = np.zeros(len(chosen.among), dtype=np.bool_)
    for player in chosen.players:
        yield (chosen.keep, flipped(chosen.keep, player)), (flipped(none, player), none)


def of_necessary(chosen: Selection) -> Iterator[tuple[Change, ...]]:
    """For each member the change that showing it again brings, and that hiding it alone takes away.

    Args:
        chosen: A set that is hidden.
    """
    everything = np.ones(len(chosen.among), dtype=np.bool_)
    for player in chosen.players:
        yield (flipped(~chosen.keep, player), ~chosen.keep), (everything, flipped(everything, player))


def of_unified(chosen: Selection, alpha: float) -> Iterator[tuple[Change, ...]]:
    """For each member all four changes; those that α does not weigh are left out.

    Args:
        chosen: A set that is to be both.
        alpha: α.
    """
    for kept, hidden in zip(of_sufficient(chosen), of_necessary(chosen), strict=True):
        yield (*(kept if alpha > 0.0 else ()), *(hidden if alpha < 1.0 else ()))


def flipped(subset: Subset, player: int) -> Subset:
    """The subset with one player put in or taken out."""
    other = subset.copy()
    other[player] = not other[player]
    return other


def numbered(chosen: Sequence[Selection], members: Sequence[Iterator[tuple[Change, ...]]]) -> Changes:
    """Changes as numbers of subsets, each subset once.

    Args:
        chosen: The sets of one instance.
        members: For each set the changes of its members.
    """
    numbers: dict[bytes, int] = {}
    subsets: list[Subset] = []

    def number(subset: Subset) -> int:
        place = numbers.setdefault(subset.tobytes(), len(subsets))
        if place == len(subsets):
            subsets.append(subset)
        return place

    sides = tuple((number(one.keep), number(~one.keep)) for one in chosen)
    sets = tuple(
        tuple(tuple((number(high), number(low)) for high, low in changes) for changes in of_set)
        for of_set in members
    )
    return Changes(sets, sides, tuple(subsets))


def asked(function: SetFunction, changes: Sequence[Changes], *, of_decisions: bool) -> Estimate:
    """f_S(x) of all the subsets of each instance; where decisions are compared 1 for that of f(x), else 0.

    Args:
        function: f_S(x) of the block.
        changes: One an instance.
        of_decisions: Whether f_S(x) is the number of a class.
    """
    full = np.ones(function.n_players, dtype=np.bool_)
    most = max(len(one.subsets) for one in changes)
    # Instances with fewer subsets are asked for f(x) again.
    keep = np.array([[*one.subsets, *[full] * (1 + most - len(one.subsets))] for one in changes])
    estimate = function.predict(keep)
    if not of_decisions:
        return estimate
    same = (estimate.mean == estimate.mean[:, -1:]).astype(np.float64)
    return replace(estimate, mean=same)


def with_effects(
    chosen: Sequence[Selection], changes: Changes, estimate: Estimate, instance: int, digits: int
) -> tuple[Selection, ...]:
    """The same sets, with f_S(x) and f_Sc(x) among their measures, and what their members do.

    Args:
        chosen: The sets of one instance.
        changes: Their changes.
        estimate: f_S(x) of the block's subsets.
        instance: Which instance of the block it is.
        digits: Binary digits of predictions that can be trusted: a smaller change is none.
    """
    mean, stderr, from_base = (
        column[instance].tolist() for column in (estimate.mean, estimate.stderr, estimate.stderr_from_base)
    )
    nothing = max(map(abs, mean)) * 2.0**-digits
    empty = next((number for number, subset in enumerate(changes.subsets) if not subset.any()), None)

    def change(high: int, low: int) -> Measure:
        value = mean[high] - mean[low]
        error = from_base[high] if low == empty else math.hypot(stderr[high], stderr[low])
        return Measure(value if abs(value) > nothing else 0.0, error)

    def side(number: int) -> Measure:
        return Measure(mean[number], stderr[number])

    return tuple(
        replace(
            one,
            measures={**one.measures, "kept": side(kept), "hidden": side(hidden)},
            effects=tuple(Effect(tuple(change(*pair) for pair in pairs)) for pairs in members),
        )
        for one, members, (kept, hidden) in zip(chosen, changes.sets, changes.sides, strict=True)
    )
