"""What each member of the chosen sets does to the prediction, read off f_S(x)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from onlyif.explanation.selection import Effect, Measure, Selection
from onlyif.restrictions.base import Estimate
from onlyif.restrictions.set_function import SetFunction

# A change is f of the first subset minus f of the second, each by its code: bit i is player i.
Change = tuple[int, int]


@final
@dataclass(frozen=True, eq=False)
class Changes:
    """The changes of one instance's prediction that tell what members do, for several sets.

    Args:
        sets: For each set and each of its members the changes, as numbers of subsets.
        sides: For each set the numbers of the set itself and of its complement.
        subsets: The codes of the subsets that these numbers mean.
    """

    sets: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]
    sides: tuple[tuple[int, int], ...]
    subsets: tuple[int, ...]


def of_sufficient(chosen: Selection) -> Iterator[tuple[Change, ...]]:
    """For each member the change that it brings to the others, and alone.

    Args:
        chosen: A set that is kept.
    """
    code = chosen.code
    for player in chosen.players:
        one = 1 << player
        yield (code, code ^ one), (one, 0)


def of_necessary(chosen: Selection) -> Iterator[tuple[Change, ...]]:
    """For each member the change that showing it again brings, and that hiding it alone takes away.

    Args:
        chosen: A set that is hidden.
    """
    everything = (1 << len(chosen.among)) - 1
    shown = everything ^ chosen.code
    for player in chosen.players:
        one = 1 << player
        yield (shown ^ one, shown), (everything, everything ^ one)


def of_unified(chosen: Selection, alpha: float) -> Iterator[tuple[Change, ...]]:
    """For each member all four changes; those that α does not weigh are left out.

    Args:
        chosen: A set that is to be both.
        alpha: α.
    """
    for kept, hidden in zip(of_sufficient(chosen), of_necessary(chosen), strict=True):
        yield (*(kept if alpha > 0.0 else ()), *(hidden if alpha < 1.0 else ()))


def numbered(chosen: Sequence[Selection], members: Sequence[Iterator[tuple[Change, ...]]]) -> Changes:
    """Changes as numbers of subsets, each subset once.

    Args:
        chosen: The sets of one instance.
        members: For each set the changes of its members.
    """
    numbers: dict[int, int] = {}

    def number(code: int) -> int:
        return numbers.setdefault(code, len(numbers))

    sides = tuple((number(one.code), number((1 << len(one.among)) - 1 ^ one.code)) for one in chosen)
    sets = tuple(
        tuple(tuple((number(high), number(low)) for high, low in changes) for changes in of_set)
        for of_set in members
    )
    return Changes(sets, sides, tuple(numbers))


def asked(function: SetFunction, changes: Sequence[Changes], *, of_decisions: bool) -> Estimate:
    """f_S(x) of all the subsets of each instance; where decisions are compared 1 for that of f(x), else 0.

    Args:
        function: f_S(x) of the block.
        changes: One an instance.
        of_decisions: Whether f_S(x) is the number of a class.
    """
    d, most = function.n_players, max(len(one.subsets) for one in changes)
    full, n_bytes = (1 << d) - 1, -(-d // 8)
    # Instances with fewer subsets are asked for f(x) again.
    codes = [code for one in changes for code in (*one.subsets, *[full] * (1 + most - len(one.subsets)))]
    bits = np.frombuffer(b"".join(code.to_bytes(n_bytes, "little") for code in codes), dtype=np.uint8)
    keep = np.unpackbits(bits.reshape(len(codes), n_bytes), axis=1, count=d, bitorder="little").astype(bool)
    estimate = function.predict(keep.reshape(len(changes), most + 1, d))
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
    empty = changes.subsets.index(0) if 0 in changes.subsets else None

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
