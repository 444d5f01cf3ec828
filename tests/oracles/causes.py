"""PN, PS and PNS of one subset by plain loops over E and all perturbations."""

import itertools
import math


def pns_of(f, sample, x, baseline, *, subset, spans, b, c, hard=False, mean=True):
    """(PN, PS, P(A,B), P(Ā,B̄), PNS) with φ = 1/2 and Gower's distance on columns with these spans."""
    d = len(x)
    rest = [i for i in range(d) if i not in subset]
    changed_sum = unchanged_sum = necessary = sufficient = 0.0
    for row in sample:
        soft_s, hard_s = _exceedance(f, row, baseline, columns=subset, c=c, hard=hard)
        soft_r, hard_r = _exceedance(f, row, baseline, columns=rest, c=c, hard=hard)
        w_nc = _near(row, x, subset, spans=spans, b=b, hard=hard, mean=mean) * soft_s
        w_sf = _near(row, x, rest, spans=spans, b=b, hard=hard, mean=mean) * (1 - soft_r) if rest else 0.0
        changed_sum += w_nc
        unchanged_sum += w_sf
        necessary += w_nc * (1 - hard_r)
        sufficient += w_sf * hard_s
    n = len(sample)
    pn = necessary / changed_sum if changed_sum else 0.0
    ps = sufficient / unchanged_sum if unchanged_sum else 0.0
    return pn, ps, changed_sum / n, unchanged_sum / n, (necessary + sufficient) / n


def best_of_size(f, sample, x, baseline, *, size, spans, b, c):
    """The subset of a size with the highest PNS, and that PNS."""
    sets = itertools.combinations(range(len(x)), size)
    return max(
        ((pns_of(f, sample, x, baseline, subset=s, spans=spans, b=b, c=c)[4], s) for s in sets),
        key=lambda one: one[0],
    )


def _near(row, x, columns, *, spans, b, hard, mean):
    square = sum(((row[i] - x[i]) / spans[i]) ** 2 for i in columns)
    square = square / len(columns) if mean and columns else square
    if math.isinf(b):
        return 1.0
    return float(math.sqrt(square) <= b) if hard else math.exp(-square / (2 * b * b))


def _exceedance(f, row, baseline, *, columns, c, hard):
    soft_sum = hard_sum = 0.0
    for chosen in itertools.product([False, True], repeat=len(columns)):
        moved = list(row)
        for column, hit in zip(columns, chosen, strict=True):
            if hit:
                moved[column] = baseline[column]
        change = abs(f(moved) - f(row))
        hard_sum += change > c
        soft_sum += (change > c) if hard else 1 - math.exp(-change * change / (2 * c * c))
    return soft_sum / 2 ** len(columns), hard_sum / 2 ** len(columns)
