"""Hulls and breakpoints as a plain loop over sizes and spots, in whole numbers and fractions."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np


@dataclass(frozen=True)
class Spot:
    """All subsets at one point of the plane.

    Args:
        s: Δsuf in grid units.
        n: Δnec in grid units.
        order: Size and place in the canonical order of the first of these subsets.
        number: The number of that subset in its cloud.
        count: How many subsets are there.
    """

    s: int
    n: int
    order: tuple[int, int]
    number: int
    count: int

    def with_(self, other: "Spot") -> "Spot":
        """The same place, with the subsets of both."""
        first = min(self, other, key=lambda spot: spot.order)
        return Spot(self.s, self.n, first.order, first.number, self.count + other.count)


@dataclass(frozen=True)
class Hull:
    """What matters of a set of subsets for every α in [0, 1].

    Args:
        chain: Spots on the lower-left hull, from least Δnec to least Δsuf, those on its edges included.
        left: All subsets with the least Δnec (any Δsuf), as one spot: the solutions at α = 0.
        right: All subsets with the least Δsuf, likewise: the solutions at α = 1.
    """

    chain: tuple[Spot, ...]
    left: Spot
    right: Spot

    def with_(self, other: "Hull") -> "Hull":
        """The hull of both sets of subsets."""
        chain = _chain_of(list(self.chain + other.chain))
        left = _least(self.left, other.left, self.left.n - other.left.n)
        right = _least(self.right, other.right, self.right.s - other.right.s)
        return Hull(chain, left, right)


@dataclass(frozen=True)
class Record:
    """One solution of (P_uni): valid for low < α < high, or at the single point low = high."""

    low: Fraction
    high: Fraction
    number: int
    count: int


def hulls(cloud):
    """The hull of the subsets of each size 0 to d; None where no subset of a size was compared."""
    s, n = cloud.on_grid
    return tuple(
        _hull_of_size(s[numbers].astype(np.int64), n[numbers].astype(np.int64), numbers, size)
        if len(numbers)
        else None
        for size, numbers in enumerate(cloud.by_size)
    )


def records(hull: Hull) -> list[Record]:
    """Every solution over α in [0, 1]: one on each open piece, one at each breakpoint.

    At a breakpoint, at α = 0 and at α = 1 further subsets may attain the minimum;
    the canonical one of them stands there, with their number.
    """
    vertices = _strict(hull.chain)
    found = [Record(Fraction(0), Fraction(0), hull.left.number, hull.left.count)]
    low = Fraction(0)
    for here, there in pairwise(vertices):
        rise, fall = there.n - here.n, here.s - there.s
        high = Fraction(rise, rise + fall)
        found.append(Record(low, high, here.number, here.count))
        tied = [spot for spot in hull.chain if _cross(here, there, spot) == 0]
        first = min(tied, key=lambda spot: spot.order)
        found.append(Record(high, high, first.number, sum(spot.count for spot in tied)))
        low = high
    found.append(Record(low, Fraction(1), vertices[-1].number, vertices[-1].count))
    found.append(Record(Fraction(1), Fraction(1), hull.right.number, hull.right.count))
    return found


def rows_of(cloud):
    """(τ, whether |S| = τ, low, high, number, count) of every record: all |S| = τ, then all |S| <= τ."""
    exactly = hulls(cloud)
    at_most = accumulate(exactly, lambda a, b: a.with_(b) if a and b else a or b)
    return [
        (size, exact, float(record.low), float(record.high), record.number, record.count)
        for exact, of_rule in ((True, exactly), (False, at_most))
        for size, hull in enumerate(of_rule)
        if hull
        for record in records(hull)
    ]


def _hull_of_size(s, n, numbers, size):
    at_left, at_right = np.flatnonzero(n == n.min()), np.flatnonzero(s == s.min())
    left, right = _spot(s, n, numbers, at_left, size), _spot(s, n, numbers, at_right, size)
    start = at_left[s[at_left].argmin()]
    end = at_right[n[at_right].argmin()]
    a, b = (int(s[start]), int(n[start])), (int(s[end]), int(n[end]))
    places = _below(s, n, np.arange(len(s)), a, b)
    # Both numbers have 31 bits at most: one of 64 holds them.
    points = (s[places] << 32) + n[places]
    spots = [_spot(s, n, numbers, places[points == point], size) for point in np.unique(points)]
    return Hull(_chain_of(spots), left, right)


def _below(s, n, places, a, b):
    """The places of points on the lower-left hull between its points a and b, by quickhull."""
    if a == b:
        return places[(s[places] == a[0]) & (n[places] == a[1])]
    depth = (b[0] - a[0]) * (n[places] - a[1]) - (b[1] - a[1]) * (s[places] - a[0])
    # From a (upper left in Δnec, Δsuf) to b the hull bends to where the depth is positive.
    outside = depth >= 0
    places, depth = places[outside], depth[outside]
    deepest = int(depth.argmax())
    if int(depth[deepest]) == 0:
        return places
    c = int(s[places[deepest]]), int(n[places[deepest]])
    return np.union1d(_below(s, n, places, a, c), _below(s, n, places, c, b))


def _spot(s, n, numbers, places, size):
    first = int(places.min())
    return Spot(int(s[first]), int(n[first]), (size, first), int(numbers[first]), len(places))


def _chain_of(spots: list[Spot]) -> tuple[Spot, ...]:
    """The spots on the lower-left hull, edges included, from least Δnec to least Δsuf."""
    merged: dict[tuple[int, int], Spot] = {}
    for spot in spots:
        place = (spot.n, spot.s)
        merged[place] = merged[place].with_(spot) if place in merged else spot
    chain: list[Spot] = []
    for _, spot in sorted(merged.items()):
        if chain and spot.s >= chain[-1].s:
            continue
        while len(chain) > 1 and _cross(chain[-2], chain[-1], spot) > 0:
            chain.pop()
        chain.append(spot)
    return tuple(chain)


def _strict(chain: tuple[Spot, ...]) -> list[Spot]:
    """The vertices of a chain: its spots without those inside an edge."""
    vertices: list[Spot] = []
    for spot in chain:
        while len(vertices) > 1 and _cross(vertices[-2], vertices[-1], spot) == 0:
            vertices.pop()
        vertices.append(spot)
    return vertices


def _cross(a: Spot, b: Spot, c: Spot) -> int:
    """Positive where c lies on the lower-left side of the line from a to b, 0 on it."""
    return (b.s - a.s) * (c.n - a.n) - (b.n - a.n) * (c.s - a.s)


def _least(mine: Spot, other: Spot, difference: int) -> Spot:
    if difference == 0:
        return mine.with_(other)
    return mine if difference < 0 else other
