"""From compared subsets to solutions: hulls, breakpoints, ties, smallest sets.

For a fixed size rule the least Δuni(S, α) over α in [0, 1] is the lower envelope of lines in α, so its
solutions are the vertices of the lower-left hull of the points (Δsuf, Δnec). All comparisons are made
in whole multiples of the cloud's grid, hence exact: no tolerance enters twice, and ties are transitive.

Nothing overflows. Gaps are at least 0 and at most 2^30 on the grid, so that two of them differ by at most
2^30; a product of two such differences is at most 2^60 and a difference of two products at most 2^61,
within the 63 bits of int64. The rise and the fall of an edge add up to at most 2^31, so that a breakpoint,
their quotient in float64, is the exact fraction rounded once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

from onlyif.core.errors import SettingError
from onlyif.searches.base import MOST_DIGITS, Cloud

# Sizes are worked on together up to about this many subsets: few calls, and little memory beside the table.
SUBSETS_AT_ONCE = 1 << 15
# More than any gap on the grid.
BEYOND = (1 << MOST_DIGITS) + 1
# Δsuf and Δnec in grid units.
_Points = tuple[Integer[np.ndarray, "_"], Integer[np.ndarray, "_"]]


@final
@dataclass(frozen=True, eq=False)
class Frontier:
    """Every solution of (P_uni) over α in [0, 1] for all size rules, as columns of q records.

    Records of one instance stand together. One is the solution for low < α < high, or at the single point
    low = high: at 0, at 1 or at a breakpoint further subsets may attain the minimum; there stands the
    canonical one, with their number.

    Args:
        instance: The place of the record's cloud among the clouds.
        size: τ of the record's size rule.
        exact_size: True for the rule |S| = τ, False for |S| <= τ.
        low: Lower end of α.
        high: Upper end of α.
        number: The number of the solution in its cloud.
        count: How many subsets attain the minimum there.
    """

    instance: Int64[np.ndarray, "q"]
    size: Int64[np.ndarray, "q"]
    exact_size: Bool[np.ndarray, "q"]
    low: Float64[np.ndarray, "q"]
    high: Float64[np.ndarray, "q"]
    number: Int64[np.ndarray, "q"]
    count: Int64[np.ndarray, "q"]


@final
@dataclass(frozen=True, eq=False)
class _Spots:
    """Places in the plane, each with the subsets of one group there: of one size, or of one size rule.

    Groups of sizes are numbered instance * n_sizes + τ. Groups of rules are numbered
    2 * instance * n_sizes + τ where |S| = τ, and n_sizes more where |S| <= τ.
    """

    group: Int64[np.ndarray, "p"]
    s: Int64[np.ndarray, "p"]  # Δsuf in grid units
    n: Int64[np.ndarray, "p"]  # Δnec in grid units
    first: Int64[np.ndarray, "p"]  # the first of them, by its place in the order that breaks ties
    number: Int64[np.ndarray, "p"]  # its number in the cloud
    count: Int64[np.ndarray, "p"]  # how many they are

    @property
    def columns(self) -> tuple[Int64[np.ndarray, "p"], ...]:
        return self.group, self.s, self.n, self.first, self.number, self.count

    def take(self, places: Int64[np.ndarray, "q"]) -> "_Spots":
        return _Spots(*(column[places] for column in self.columns))


def frontier(clouds: Sequence[Cloud]) -> Frontier:
    """The solutions over α in [0, 1] for every size: of the rules |S| = τ, then of the rules |S| <= τ.

    There is no rule |S| = τ where no subset of that size was compared, and none of |S| <= τ where no
    subset that small was.

    Args:
        clouds: For each instance subsets of the same players, compared by (Δsuf, Δnec).

    Raises:
        SettingError: if a gap is negative.

    References:
        [bharti2024] section 4, problem (P_uni).
    """
    n_sizes = len(clouds[0].by_size)
    lengths = np.array([len(numbers) for cloud in clouds for numbers in cloud.by_size])
    groups = np.flatnonzero(lengths)
    batches = np.cumsum(lengths[groups]) // SUBSETS_AT_ONCE
    parts = np.split(groups, np.flatnonzero(np.diff(batches)) + 1)
    found = [_of_sizes(clouds, part) for part in parts]
    near, left, right = (_in_order(clouds, _joined(spots)) for spots in zip(*found, strict=True))
    of_sizes = _chains(near)
    of_rules, left, right = (_under_rules(spots, n_sizes) for spots in (of_sizes, left, right))
    return _records(_chains(of_rules), _least(left, left.n), _least(right, right.s), n_sizes)


@final
@dataclass(frozen=True)
class Smallest:
    """The smallest subset whose gap is at most ε.

    Args:
        number: Its number in the cloud.
        size: Its size.
        count: How many subsets of that size, where players have costs of that cost, have a gap of at most ε.
    """

    number: int
    size: int
    count: int


def smallest(cloud: Cloud, part: int, epsilon: float) -> Smallest | None:
    """The smallest subset with a gap of at most ε; of that size the one with the least gap.

    Where players have costs it is the cheapest, of these the smallest, of these the one with the least gap.
    Further ties are broken by the canonical order. None if no compared subset qualifies.

    Args:
        cloud: The compared subsets.
        part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
        epsilon: ε, in the units of the gap; compared on the cloud's grid.
    """
    gap = cloud.on_grid[part]
    limit = min(cloud.steps(epsilon), BEYOND)
    if cloud.permitted.costs:
        return _cheapest(cloud, gap, limit)
    for size, numbers in enumerate(cloud.by_size):
        if len(numbers):
            gaps = gap[numbers]
            # The first of the least is the canonical one.
            first = int(gaps.argmin())
            if gaps[first] <= limit:
                return Smallest(int(numbers[first]), size, int(np.count_nonzero(gaps <= limit)))
    return None


def _cheapest(cloud: Cloud, gap: Integer[np.ndarray, "v"], limit: int) -> Smallest | None:
    # The smaller first, of one size and cost in canonical order.
    numbers = np.concatenate(cloud.by_size)
    sizes = np.repeat(np.arange(len(cloud.by_size)), [len(one) for one in cloud.by_size])
    within = gap[numbers] <= limit
    if not within.any():
        return None
    numbers, sizes = numbers[within], sizes[within]
    costs = cloud.costs(numbers)
    cheapest = costs == costs.min()
    numbers, sizes = numbers[cheapest], sizes[cheapest]
    candidates = numbers[sizes == sizes[0]]
    return Smallest(int(candidates[gap[candidates].argmin()]), int(sizes[0]), len(numbers))


def _joined(parts: Iterable[_Spots]) -> _Spots:
    columns = zip(*(part.columns for part in parts), strict=True)
    return _Spots(*(np.concatenate(column) for column in columns))


def _in_order(clouds: Sequence[Cloud], spots: _Spots) -> _Spots:
    """The same with the order that breaks ties: as they stand; if players have costs the cheapest first."""
    place = np.arange(len(spots.number))
    if not clouds[0].permitted.costs:
        return replace(spots, first=place)
    instance, costs = spots.group // len(clouds[0].by_size), np.empty_like(place)
    for i, cloud in enumerate(clouds):
        costs[instance == i] = cloud.costs(spots.number[instance == i])
    first = np.empty_like(place)
    first[np.argsort(costs, kind="stable")] = place
    return replace(spots, first=first)


def _of_sizes(clouds: Sequence[Cloud], groups: Int64[np.ndarray, "g"]) -> tuple[_Spots, _Spots, _Spots]:
    """Subsets near the hulls of some sizes; of each size those with the least Δnec; the same for Δsuf.

    The hull of a size runs from its least Δnec (and of those the least Δsuf) to its least Δsuf: nothing
    on it has more of a gap than these ends. What lies above the lines from the ends to the spot that is
    deepest below both is left out too, which leaves few.
    """
    n_sizes = len(clouds[0].by_size)
    chosen = [(clouds[group // n_sizes], group % n_sizes) for group in groups.tolist()]
    numbers = [cloud.by_size[size] for cloud, size in chosen]
    pairs = list(zip(chosen, numbers, strict=True))
    s, n = (np.concatenate([cloud.on_grid[part][at] for (cloud, _), at in pairs]) for part in (0, 1))
    number, lengths = np.concatenate(numbers), np.array([len(at) for at in numbers])
    at_left, from_left = _attaining(n, lengths)
    at_right, from_right = _attaining(s, lengths)
    left, right = at_left[from_left], at_right[from_right]
    if min(n[left].min(), s[right].min()) < 0:
        raise SettingError("Δsuf and Δnec are distances and at least 0, got a negative one")
    left_s = np.minimum.reduceat(s[at_left], from_left)
    right_n = np.minimum.reduceat(n[at_right], from_right)
    inside = np.flatnonzero((s <= left_s.repeat(lengths)) & (n <= right_n.repeat(lengths)))
    group = np.arange(len(groups)).repeat(lengths)[inside]
    at = s[inside].astype(np.int64), n[inside].astype(np.int64)
    outside = _outside(at, group, (left_s, n[left]), (s[right], right_n))
    near, group = inside[outside], groups[group[outside]]
    n_left, n_right = (
        np.diff(np.append(from_left, len(at_left))),
        np.diff(np.append(from_right, len(at_right))),
    )
    points = s, n, number
    return (
        _spots(points, group, near, np.ones_like(near)),
        _spots(points, groups, left, n_left),
        _spots(points, groups, right, n_right),
    )


def _spots(
    points: tuple[Integer[np.ndarray, "m"], Integer[np.ndarray, "m"], Int64[np.ndarray, "m"]],
    group: Int64[np.ndarray, "p"],
    places: Int64[np.ndarray, "p"],
    count: Int64[np.ndarray, "p"],
) -> _Spots:
    s, n, number = (column[places] for column in points)
    return _Spots(group, s.astype(np.int64), n.astype(np.int64), places, number, count)


def _attaining(
    gap: Integer[np.ndarray, "m"], lengths: Int64[np.ndarray, "g"]
) -> tuple[Int64[np.ndarray, "t"], Int64[np.ndarray, "g"]]:
    """The places where the gap is the least of its group, and where among them each group begins."""
    starts = np.cumsum(lengths) - lengths
    places = np.flatnonzero(gap == np.minimum.reduceat(gap, starts).repeat(lengths))
    return places, np.searchsorted(places, starts)


def _outside(
    at: _Points, group: Int64[np.ndarray, "m"], left: _Points, right: _Points
) -> Bool[np.ndarray, "m"]:
    """Which points do not lie above the lines from both ends of their group to its deepest point."""
    a, b = ((s.astype(np.int64)[group], n.astype(np.int64)[group]) for s, n in (left, right))
    depth, starts = _depth(at, a, b), np.searchsorted(group, np.arange(len(left[0])))
    deepest = np.flatnonzero(depth == np.maximum.reduceat(depth, starts)[group])
    deepest = deepest[np.searchsorted(deepest, starts)][group]
    c = at[0][deepest], at[1][deepest]
    outside: np.ndarray = (_depth(at, a, c) >= 0) | (_depth(at, c, b) >= 0)
    return outside


def _depth(at: _Points, a: _Points, b: _Points) -> Int64[np.ndarray, "m"]:
    """How far points lie to the lower left of the lines from a to b, each times the length of its line."""
    (s, n), (a_s, a_n), (b_s, b_n) = at, a, b
    depth: np.ndarray = (b_s - a_s) * (n - a_n) - (b_n - a_n) * (s - a_s)
    return depth


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
    stairs = merged.take(np.flatnonzero(lower))
    return stairs.take(_convex(stairs))


def _convex(stairs: _Spots) -> Int64[np.ndarray, "q"]:
    """The places of the spots that no line between two others of their group passes below."""
    places = np.arange(len(stairs.group))
    while True:
        group, s, n = (column[places] for column in (stairs.group, stairs.s, stairs.n))
        a, b, c = ((s[cut], n[cut]) for cut in (slice(-2), slice(1, -1), slice(2, None)))
        # What lies above the line between its neighbours is on no hull, whatever else is left out.
        above = (group[2:] == group[:-2]) & (_depth(b, a, c) < 0)
        if not above.any():
            return places
        places = np.delete(places, np.flatnonzero(above) + 1)


def _under_rules(spots: _Spots, n_sizes: int) -> _Spots:
    """Spots of sizes under all rules that allow them: |S| = τ, and |S| <= τ from their size on."""
    instance, size = np.divmod(spots.group, n_sizes)
    n_rules = n_sizes - size
    again = np.arange(len(size)).repeat(n_rules)
    larger = np.arange(len(again)) - (np.cumsum(n_rules) - n_rules).repeat(n_rules)
    exact = 2 * n_sizes * instance + size
    both = np.concatenate([np.arange(len(size)), again])
    return replace(spots.take(both), group=np.concatenate([exact, exact[again] + n_sizes + larger]))


def _least(ends: _Spots, gap: Int64[np.ndarray, "p"]) -> _Spots:
    """What attains the least of a gap in each group: the first of it, with how many there are."""
    order = np.lexsort((ends.first, gap, ends.group))
    ends, gap = ends.take(order), gap[order]
    starts = np.flatnonzero(np.append(True, np.diff(ends.group) != 0))
    lengths = np.diff(np.append(starts, len(gap)))
    tied = gap == gap[starts].repeat(lengths)
    return replace(ends.take(starts), count=np.add.reduceat(tied * ends.count, starts))


def _records(chains: _Spots, left: _Spots, right: _Spots, n_sizes: int) -> Frontier:
    """A piece for each vertex, a corner for each edge (where all that lie on it tie) and both ends of α.

    They stand in the order of α: of the v vertices of a rule come 2 v + 1 records.
    """
    group, s, n = chains.group, chains.s, chains.n
    before, middle, after = ((s[cut], n[cut]) for cut in (slice(-2), slice(1, -1), slice(2, None)))
    vertex = np.ones(len(group), dtype=np.bool_)
    vertex[1:-1] = (_depth(after, before, middle) != 0) | (group[2:] != group[:-2])
    here = np.flatnonzero(vertex)
    there = np.append(here[1:], here[-1])
    last = np.append(np.diff(group[here]) != 0, True)
    rise, fall = n[there] - n[here], s[here] - s[there]
    high = np.where(last, 1.0, rise / np.where(last, 1, rise + fall))
    low = np.append(0.0, np.where(last, 0.0, high)[:-1])
    # On an edge lie its spots from here up to there, both included.
    count = np.add.reduceat(chains.count, here) + chains.count[there]
    first = np.minimum(np.minimum.reduceat(chains.first, here), chains.first[there])
    by_place = np.argsort(chains.first)
    number = chains.number[by_place[np.searchsorted(chains.first, first, sorter=by_place)]]
    count[last], number[last] = right.count, right.number
    rule = np.cumsum(last) - last
    piece = 2 * np.arange(len(here)) + 1 + rule
    order = np.argsort(np.concatenate([piece[np.append(True, last[:-1])] - 1, piece, piece + 1]))
    of = np.concatenate([np.arange(len(left.group)), rule, rule])[order]
    instance, of_instance = np.divmod(left.group[of], 2 * n_sizes)
    zero = np.zeros(len(left.group))
    return Frontier(
        instance,
        of_instance % n_sizes,
        of_instance < n_sizes,
        np.concatenate([zero, low, high])[order],
        np.concatenate([zero, high, high])[order],
        np.concatenate([left.number, chains.number[here], number])[order],
        np.concatenate([left.count, chains.count[here], count])[order],
    )
