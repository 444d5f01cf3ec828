"""Smallest sets, super-sufficiency, φ and the lemmas by running through all subsets."""

from oracles.continuum import admissible, members, points_of


def smallest(points, part, d, epsilon):
    """The smallest subset with a gap of at most ε (least gap, then canonical), and their number."""
    for size in range(d + 1):
        held = [code for code in admissible(d, size, exact=True) if points[code][part] <= epsilon]
        if held:
            return min(held, key=lambda code: points[code][part]), len(held)
    raise AssertionError("the set of all players has both gaps 0")


def worst_of_supersets(points, part, code):
    return max(points[other][part] for other in range(len(points)) if other & code == code)


def phi(table, code):
    """The Shapley value of S in the game of S against its complement, v(S) = -ρ(f(x), f_S(x))."""

    def value(one):
        return -abs(table[-1] - table[one])

    everyone = len(table) - 1
    return ((value(everyone) - value(everyone ^ code)) + (value(code) - value(0))) / 2


def certificate(table, d, epsilon):
    """What the certificate must say of the smallest sets."""
    points = points_of(table)
    total = abs(table[-1] - table[0])
    sufficient, n_sufficient = smallest(points, 0, d, epsilon)
    necessary, n_necessary = smallest(points, 1, d, epsilon)
    worst = (worst_of_supersets(points, 0, sufficient), worst_of_supersets(points, 1, necessary))
    is_super = tuple(one <= epsilon for one in worst)
    return {
        "sufficient": members(sufficient, d),
        "necessary": members(necessary, d),
        "n_sufficient": n_sufficient,
        "n_necessary": n_necessary,
        "worst_sufficiency": worst[0],
        "worst_necessity": worst[1],
        "super_sufficient": is_super[0],
        "super_necessary": is_super[1],
        "meet": bool(sufficient & necessary),
        "must_meet": epsilon < total / 2 and any(is_super),
        "union_bound": epsilon if all(is_super) else None,
        "informative": total > 0,
    }
