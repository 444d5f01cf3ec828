"""Least gaps by plain loops over sets, and greedy search as one would write it down."""

from itertools import combinations

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)


def all_sets(d):
    """Every subset by size, in canonical order."""
    return [[tuple(one) for one in combinations(range(d), size)] for size in range(d + 1)]


def code(players):
    return sum(1 << i for i in players)


def gap(table, players, alpha):
    """α |f - f_S| + (1 - α) |f_Sc - f_0|."""
    last = len(table) - 1
    kept, hidden = code(players), last - code(players)
    return alpha * abs(table[last] - table[kept]) + (1 - alpha) * abs(table[hidden] - table[0])


def least(table, d, alpha):
    """The least gap of each size."""
    return [min(gap(table, players, alpha) for players in one_size) for one_size in all_sets(d)]


def greedy_path(table, d, alpha, forward):
    """The sets that greedy search goes through, ties in canonical order."""
    reached, path = (frozenset() if forward else frozenset(range(d))), []
    for _ in range(d):
        if forward:
            near = [reached | {i} for i in range(d) if i not in reached]
        else:
            near = [reached - {i} for i in reached]
        reached = min(near, key=lambda one: (gap(table, one, alpha), sorted(one)))
        path.append(reached)
    return path


def greedy_visits(table, d, alpha, forward):
    """All sets that greedy search compares, complements included."""
    everyone = frozenset(range(d))
    visited = {frozenset(), everyone} | {frozenset({i}) for i in range(d)}
    start = frozenset() if forward else everyone
    for reached in [start, *greedy_path(table, d, alpha, forward)]:
        for i in range(d):
            visited.add(reached | {i} if forward else reached - {i})
    return visited | {everyone - one for one in visited}
