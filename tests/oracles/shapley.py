"""Shapley values by their definition: the mean over all orders in which players can arrive."""

from itertools import permutations


def shapley(table, d):
    total = [0.0 * table[0]] * d
    orders = list(permutations(range(d)))
    for order in orders:
        reached = 0
        for player in order:
            total[player] += table[reached | 1 << player] - table[reached]
            reached |= 1 << player
    return [value / len(orders) for value in total]
