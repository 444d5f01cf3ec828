"""All minimal subsets within ε: those of which no proper subset is within ε, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Int64, UInt64

from onlyif.core.subsets import canonical_rank
from onlyif.searches.base import Cloud

# Bytes of the flags that instances are worked on together with.
FLAGS_AT_ONCE = 1 << 24
# Of a word of 64 flags the places whose code lacks one of the first six players.
BITS = 6
WITHOUT = tuple(np.uint64(sum(1 << code for code in range(64) if not code >> bit & 1)) for bit in range(BITS))


@final
@dataclass(frozen=True, eq=False)
class Minimal:
    """The minimal subsets of one instance, of those that were compared.

    Args:
        numbers: Their numbers in the cloud, the cheapest first where players have costs, then the smallest,
            in canonical order; the first ones, as many as are listed.
        count: How many there are.
        core: The players that are in every one of them.
        union: The players that are in any of them.
    """

    numbers: Int64[np.ndarray, "m"]
    count: int
    core: Bool[np.ndarray, "d"]
    union: Bool[np.ndarray, "d"]


def minimal_subsets(
    clouds: Sequence[Cloud], part: int, epsilons: Sequence[float], most: int
) -> list[Minimal]:
    """The minimal ε-sufficient or ε-necessary subsets of each instance.

    The property need not be monotone: a subset is minimal if it is within ε and no proper subset of it is, be
    it by one player smaller or by several; those that are not permitted do not count. With all 2^d subsets
    that takes d passes over flags.

    Args:
        clouds: The compared subsets of each instance.
        part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
        epsilons: ε of each instance, in the units of the gap.
        most: How many are listed of an instance; the others are counted.
    """
    within = [_within(cloud, part, epsilon) for cloud, epsilon in zip(clouds, epsilons, strict=True)]
    if not all(cloud.complete for cloud in clouds):
        return [_of_some(cloud, ok, most) for cloud, ok in zip(clouds, within, strict=True)]
    step = max(1, FLAGS_AT_ONCE >> clouds[0].n_players)
    found: list[Minimal] = []
    for first in range(0, len(clouds), step):
        flags = _minimal_flags(np.stack(within[first : first + step]), clouds[0].n_players)
        found += [
            _described(cloud, np.flatnonzero(row), most)
            for cloud, row in zip(clouds[first : first + step], flags, strict=True)
        ]
    return found


def _within(cloud: Cloud, part: int, epsilon: float) -> Bool[np.ndarray, "v"]:
    """Which of the subsets to choose from are within ε."""
    within: np.ndarray = cloud.on_grid[part] <= cloud.steps(epsilon)
    if not cloud.permitted.everything:
        to_choose = np.zeros_like(within)
        to_choose[np.concatenate(cloud.by_size)] = True
        within &= to_choose
    return within


def _minimal_flags(within: Bool[np.ndarray, "b v"], d: int) -> Bool[np.ndarray, "b v"]:
    """Which subsets, by bit code, are within while no proper subset is."""
    held = within if d >= BITS else np.pad(within, ((0, 0), (0, (1 << BITS) - (1 << d))))
    words = np.packbits(held, axis=1, bitorder="little").view("<u8")
    # At last: whether the subset or any subset of it is within.
    reached, beneath = words.copy(), np.zeros_like(words)
    for player in range(d):
        _spread(reached, reached, player)
    for player in range(d):
        _spread(reached, beneath, player)
    minimal = words & ~beneath
    return np.unpackbits(minimal.view(np.uint8), axis=1, count=1 << d, bitorder="little").view(np.bool_)


def _spread(flags: UInt64[np.ndarray, "b w"], to: UInt64[np.ndarray, "b w"], player: int) -> None:
    """Mark every subset with a player that, without it, has a flag; in place.

    Args:
        flags: Subsets by code, 64 a word: those of a word differ in the first six players.
        to: Where they are marked.
        player: The player.
    """
    if player < BITS:
        to |= (flags & WITHOUT[player]) << np.uint64(1 << player)
        return
    shape = len(flags), -1, 2, 1 << (player - BITS)
    marked = to.reshape(shape)[:, :, 1]
    marked |= flags.reshape(shape)[:, :, 0]


def _described(cloud: Cloud, codes: Int64[np.ndarray, "m"], most: int) -> Minimal:
    ordered = codes[np.argsort(canonical_rank(codes, cloud.n_players))]
    return _in_order(cloud, ordered, most)


def _in_order(cloud: Cloud, numbers: Int64[np.ndarray, "m"], most: int) -> Minimal:
    """Minimal subsets, in canonical order; the cheapest first where players have costs."""
    if cloud.permitted.costs:
        numbers = numbers[np.argsort(cloud.costs(numbers), kind="stable")]
    keep = cloud.keep_of(numbers)
    core = np.logical_and.reduce(keep) if len(keep) else np.zeros(cloud.n_players, dtype=np.bool_)
    return Minimal(numbers[:most], len(numbers), core, np.logical_or.reduce(keep))


def _of_some(cloud: Cloud, within: Bool[np.ndarray, "v"], most: int) -> Minimal:
    """The same of some compared subsets, the smaller first."""
    numbers = np.concatenate([numbers[within[numbers]] for numbers in cloud.by_size])
    keep = cloud.keep_of(numbers)
    chosen = np.empty_like(keep)
    places: list[int] = []
    for place, members in enumerate(keep):
        if (chosen[: len(places)] & ~members).any(1).all():
            chosen[len(places)] = members
            places.append(place)
    return _in_order(cloud, numbers[places], most)
