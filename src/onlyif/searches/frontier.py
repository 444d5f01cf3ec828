"""From compared subsets to solutions: hulls, breakpoints, ties, smallest sets.

For a fixed size rule the least Δuni(S, α) over α in [0, 1] is the lower envelope of lines in α, so its
solutions are the vertices of the lower-left hull of the points (Δsuf, Δnec). All comparisons are made
in whole multiples of the cloud's grid, hence exact: no tolerance enters twice, and ties are transitive.

Nothing overflows. Gaps are at least 0 and at most 2^30 on the grid, so that two of them differ by at most
2^30; a product of two such differences is at most 2^60 and a difference of two products at most 2^61,
within the 63 bits of int64. The rise and the fall of an edge add up to at most 2^31, so that a breakpoint,
their quotient in float64, is the exact fraction rounded once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onlyif.core.errors import SettingError
from onlyif.searches.base import MOST_DIGITS, Cloud

# Sizes are worked on together up to about this many subsets: few calls, and little memory beside the table.
SUBSETS_AT_ONCE = 1 << 15
# More than any gap on the grid.
BEYOND = (1 << MOST_DIGITS) + 1


@final
@dataclass(frozen=True, eq=False)
class Frontier:
    """Every solution of (P_uni) over α in [0, 1] for all size rules, as columns of q records.

    A record is the solution for low < α < high, or at the single point low = high: at 0, at 1 or at a
    breakpoint further subsets may attain the minimum; there stands the canonical one, with their number.

    Args:
        size: τ of the record's size rule.
        exact_size: True for the rule |S| = τ, False for |S| <= τ.
        low: Lower end of α.
        high: Upper end of α.
        number: The number of the solution in its cloud.
        count: How many subsets attain the minimum there.
    """

    size: Int64[np.ndarray, "q"]
    exact_size: Bool[np.ndarray, "q"]
    low: Float64[np.ndarray, "q"]
    high: Float64[np.ndarray, "q"]
    number: Int64[np.ndarray, "q"]
    count: Int64[np.ndarray, "q"]


@final
@dataclass(frozen=True, eq=False)
class _Spots:
    """Places in the plane, each with the subsets of one group there: of one size, or of one size rule."""

    group: Int64[np.ndarray, "p"]
    s: Int64[np.ndarray, "p"]  # Δsuf in grid units
    n: Int64[np.ndarray, "p"]  # Δnec in grid units
    first: Int64[np.ndarray, "p"]  # the place of the first of them in the canonical order of all subsets
    number: Int64[np.ndarray, "p"]  # its number in the cloud
    count: Int64[np.ndarray, "p"]  # how many they are

    @property
    def columns(self) -> tuple[Int64[np.ndarray, "p"], ...]:
        return self.group, self.s, self.n, self.first, self.number, self.count

    def take(self, places: Int64[np.ndarray, "q"]) -> "_Spots":
        return _Spots(*(column[places] for column in self.columns))


def frontier(cloud: Cloud) -> Frontier:
    """The solutions over α in [0, 1] for every size: of the rules |S| = τ, then of the rules |S| <= τ.

    There is no rule |S| = τ where no subset of that size was compared, and none of |S| <= τ where no
    subset that small was.

    Args:
        cloud: Subsets compared by (Δsuf, Δnec).

    Raises:
        SettingError: if a gap is negative.

    References:
        [bharti2024] section 4, problem (P_uni).
    """
    lengths = np.array([len(numbers) for numbers in cloud.by_size])
    sizes = np.flatnonzero(lengths)
    batches = np.cumsum(lengths[sizes]) // SUBSETS_AT_ONCE
    parts = np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(batches)) + 1)
    found = [_of_sizes(cloud, sizes[part], part) for part in parts]
    near, left, right = (_joined(spots) for spots in zip(*found, strict=True))
    of_size = _chains(near)
    rules = np.concatenate([sizes, np.arange(sizes[0], len(lengths))])
    exact = np.arange(len(rules)) < len(sizes)
    allowed = np.where(exact[:, None], rules[:, None] == sizes, rules[:, None] >= sizes)
    rule, spot = np.nonzero(allowed[:, of_size.group])
    of_rule = _chains(replace(of_size.take(spot), group=rule))
    ends = _least(left, left.n, allowed), _least(right, right.s, allowed)
    return _records(of_rule, *ends, rules, exact)


@final
@dataclass(frozen=True)
class Smallest:
    """The smallest subset whose gap is at most ε.

    Args:
        number: Its number in the cloud.
        size: Its size.
        count: How many subsets of that size have a gap of at most ε.
    """

    number: int
    size: int
    count: int


def smallest(cloud: Cloud, part: int, epsilon: float) -> Smallest | None:
    """The smallest subset with a gap of at most ε; of that size the one with the least gap.

    Further ties are broken by the canonical order. None if no compared subset qualifies.

    Args:
        cloud: The compared subsets.
        part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
        epsilon: ε, in the units of the gap; compared on the cloud's grid.
    """
    gap = cloud.on_grid[part]
    limit = min(cloud.steps(epsilon), BEYOND)
    for size, numbers in enumerate(cloud.by_size):
        if len(numbers):
            gaps = gap[numbers]
            # The first of the least is the canonical one.
            first = int(gaps.argmin())
            if gaps[first] <= limit:
                return Smallest(int(numbers[first]), size, int(np.count_nonzero(gaps <= limit)))
    return None


def _joined(parts: Iterable[_Spots]) -> _Spots:
    columns = zip(*(part.columns for part in parts), strict=True)
    return _Spots(*(np.concatenate(column) for column in columns))


def _of_sizes(
    cloud: Cloud, sizes: Int64[np.ndarray, "g"], groups: Int64[np.ndarray, "g"]
) -> tuple[_Spots, _Spots, _Spots]:
    """Subsets near the hulls of some sizes; of each size the first with the least Δnec; the same for Δsuf.

    The hull of a size runs from its least Δnec (and of those the least Δsuf) to its least Δsuf: nothing
    on it has more of a gap than these ends, or lies above the line between them.
    """
    numbers = np.concatenate([cloud.by_size[size] for size in sizes])
    lengths = np.array([len(cloud.by_size[size]) for size in sizes])
    starts = np.cumsum(lengths) - lengths
    before = sum(len(cloud.by_size[size]) for size in range(sizes[0]))
    s, n = (gap[numbers] for gap in cloud.on_grid)
    left_n, right_s = (np.minimum.reduceat(gap, starts).astype(np.int64) for gap in (n, s))
    if min(left_n.min(), right_s.min()) < 0:
        raise SettingError("Δsuf and Δnec are distances and at least 0, got a negative one")
    at_left, at_right = (gap == least.repeat(lengths) for gap, least in ((n, left_n), (s, right_s)))
    left_s = np.minimum.reduceat(np.where(at_left, s, BEYOND), starts).astype(np.int64)
    right_n = np.minimum.reduceat(np.where(at_right, n, BEYOND), starts).astype(np.int64)

    def spots(places: Int64[np.ndarray, "p"], count: Int64[np.ndarray, "p"]) -> _Spots:
        group = groups[np.searchsorted(starts, places, side="right") - 1]
        return _Spots(
            group,
            s[places].astype(np.int64),
            n[places].astype(np.int64),
            before + places,
            numbers[places],
            count,
        )

    def end(attained: Bool[np.ndarray, "m"]) -> _Spots:
        places = np.flatnonzero(attained)
        return spots(
            places[np.searchsorted(places, starts)], np.add.reduceat(attained, starts, dtype=np.int64)
        )

    inside = np.flatnonzero((s <= left_s.repeat(lengths)) & (n <= right_n.repeat(lengths)))
    near = spots(inside, np.ones_like(inside))
    a = near.group - groups[0]
    depth = (right_s - left_s)[a] * (near.n - left_n[a]) - (right_n - left_n)[a] * (near.s - left_s[a])
    return near.take(np.flatnonzero(depth >= 0)), end(at_left), end(at_right)


def _chains(spots: _Spots) -> _Spots:
    """The lower-left hull of each group, edges included, from the least Δnec to the least Δsuf."""
    spots = spots.take(np.lexsort((spots.first, spots.s, spots.n, spots.group)))
    other = np.ones(len(spots.group), dtype=np.bool_)
    other[1:] = (np.diff(spots.s) != 0) | (np.diff(spots.n) != 0) | (np.diff(spots.group) != 0)
    starts = np.flatnonzero(other)
    merged = replace(spots.take(starts), count=np.add.reduceat(spots.count, starts))
    # Δsuf must fall below all before; with a step down from group to group one running minimum does.
    falling = merged.s - 2 * BEYOND * merged.group
    lower = np.ones_like(falling, dtype=np.bool_)
    lower[1:] = falling[1:] < np.minimum.accumulate(falling)[:-1]
    places = np.flatnonzero(lower)
    return merged.take(places[_convex(merged.take(places))])


def _convex(stairs: _Spots) -> list[int]:
    """The places of the spots that no line between two others of their group passes below."""
    group, s, n = stairs.group.tolist(), stairs.s.tolist(), stairs.n.tolist()
    hull: list[int] = []
    for c in range(len(group)):
        while len(hull) > 1 and group[hull[-2]] == group[c]:
            a, b = hull[-2:]
            if (s[b] - s[a]) * (n[c] - n[a]) <= (n[b] - n[a]) * (s[c] - s[a]):
                break
            hull.pop()
        hull.append(c)
    return hull


def _least(ends: _Spots, gap: Int64[np.ndarray, "g"], allowed: Bool[np.ndarray, "r g"]) -> _Spots:
    """What attains the least of a gap under each rule: the first of it, with how many there are."""
    of_rule = np.where(allowed, gap, BEYOND)
    tied = of_rule == of_rule.min(1)[:, None]
    return replace(ends.take(tied.argmax(1)), count=tied @ ends.count)


def _records(
    chains: _Spots, left: _Spots, right: _Spots, sizes: Int64[np.ndarray, "r"], exact: Bool[np.ndarray, "r"]
) -> Frontier:
    """A piece for each vertex, a corner for each edge (where all that lie on it tie) and both ends of α.

    They stand in the order of α: of a rule's v vertices come 2 v + 1 records.
    """
    group, s, n = chains.group, chains.s, chains.n
    cross = (s[1:-1] - s[:-2]) * (n[2:] - n[:-2]) - (n[1:-1] - n[:-2]) * (s[2:] - s[:-2])
    vertex = np.ones(len(group), dtype=np.bool_)
    vertex[1:-1] = (cross != 0) | (group[2:] != group[:-2])
    here = np.flatnonzero(vertex)
    there = np.append(here[1:], here[-1])
    rule, piece = group[here], 2 * np.arange(len(here)) + 1 + group[here]
    last = np.append(rule[1:] != rule[:-1], True)
    rise, fall = n[there] - n[here], s[here] - s[there]
    high = np.where(last, 1.0, rise / np.where(last, 1, rise + fall))
    low = np.append(0.0, np.where(last, 0.0, high)[:-1])
    # On an edge lie its spots from here up to there, both included.
    count = np.where(last, right.count[rule], np.add.reduceat(chains.count, here) + chains.count[there])
    first = np.minimum(np.minimum.reduceat(chains.first, here), chains.first[there])
    by_place = np.argsort(chains.first)
    number = chains.number[by_place[np.searchsorted(chains.first, first, sorter=by_place)]]
    number = np.where(last, right.number[rule], number)
    order = np.argsort(np.concatenate([piece[np.append(True, last[:-1])] - 1, piece, piece + 1]))
    zero = np.zeros(len(sizes))
    of = np.concatenate([np.arange(len(sizes)), rule, rule])[order]
    return Frontier(
        sizes[of],
        exact[of],
        np.concatenate([zero, low, high])[order],
        np.concatenate([zero, high, high])[order],
        np.concatenate([left.number, chains.number[here], number])[order],
        np.concatenate([left.count, chains.count[here], count])[order],
    )
