"""The continuum by brute force: every subset at every α where anything can change, in whole numbers."""

from fractions import Fraction
from itertools import combinations, pairwise


def members(code, d):
    return tuple(i for i in range(d) if code >> i & 1)


def points_of(table):
    """(Δsuf, Δnec) of every subset by code, with ρ = |a - b|."""
    full, base = table[-1], table[0]
    return [(abs(full - table[s]), abs(table[len(table) - 1 - s] - base)) for s in range(len(table))]


def admissible(d, size, exact):
    """The codes a size rule allows, in canonical order."""
    sizes = [size] if exact else range(size + 1)
    return [sum(1 << i for i in chosen) for t in sizes for chosen in combinations(range(d), t)]


def solve(points, allowed, alpha):
    """The least Δuni, the canonical subset that attains it, and all that do."""
    value = {code: alpha * points[code][0] + (1 - alpha) * points[code][1] for code in allowed}
    least = min(value.values())
    tied = [code for code in allowed if value[code] == least]
    return least, tied[0], tied


def crossings(points, allowed):
    """Every α in (0, 1) where the lines of two subsets cross."""
    found = set()
    for (s1, n1), (s2, n2) in combinations({points[code] for code in allowed}, 2):
        if (s1 - n1) != (s2 - n2):
            alpha = Fraction(n2 - n1, (s1 - n1) - (s2 - n2))
            if 0 < alpha < 1:
                found.add(alpha)
    return found


def breakpoints(points, allowed):
    """0, 1 and every α in between at which subsets at different points attain the minimum."""
    inside = [
        alpha
        for alpha in crossings(points, allowed)
        if len({points[code] for code in solve(points, allowed, alpha)[2]}) > 1
    ]
    return [Fraction(0), *sorted(inside), Fraction(1)]


def fine_alphas(points, allowed):
    """Every crossing, both ends, and a point between each two neighbours of these."""
    corners = [Fraction(0), *sorted(crossings(points, allowed)), Fraction(1)]
    return sorted({*corners, *((a + b) / 2 for a, b in pairwise(corners))})
