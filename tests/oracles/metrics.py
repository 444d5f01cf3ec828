"""The metrics of attribution maps as plain loops over entries, instances and draws."""

from itertools import pairwise

import numpy as np


def gini(values):
    """1 - 2 Σ s_d / ‖s‖₁ (D - d + 0.5) / D, in ascending order."""
    s = sorted(abs(float(value)) for value in np.ravel(values))
    D = len(s)
    if sum(s) == 0:
        return 0.0
    return 1 - 2 * sum(one / sum(s) * (D - d + 0.5) / D for d, one in enumerate(s, 1))


def pairwise_gini(values):
    """Half the mean absolute difference of all pairs over the mean: another way to the same number."""
    s = np.abs(np.ravel(values))
    return np.abs(s[:, None] - s[None, :]).mean() / (2 * s.mean())


def infidelity(s, x, draws, f):
    """The mean of ((x - z)ᵀ s - (f(x) - f(z)))² over given draws z."""
    errors = []
    for z in draws:
        forecast = sum(
            float(a - b) * float(c) for a, b, c in zip(x.ravel(), z.ravel(), s.ravel(), strict=True)
        )
        errors.append((forecast - (f(x) - f(z))) ** 2)
    return sum(errors) / len(errors)


def irof(s, x, segments, fill, f):
    """The trapezoidal area above the curve, and the curve, by removing one segment after another."""
    numbers = sorted(set(segments.ravel().tolist()))
    importance = {number: s[:, segments == number].mean() for number in numbers}
    order = sorted(numbers, key=lambda number: (-importance[number], number))
    left, curve = x.copy(), [1.0]
    for number in order:
        left[:, segments == number] = fill[:, segments == number]
        curve.append(f(left) / f(x))
    heights = [1 - one for one in curve]
    area = sum((one + other) / 2 for one, other in pairwise(heights)) / len(order)
    return area, curve


def fidelity(mask, x, fill, decide):
    """1 if the decision changes when only what the mask marks is kept."""
    mixed = [m * a + (1 - m) * b for m, a, b in zip(mask.ravel(), x.ravel(), fill.ravel(), strict=True)]
    return float(decide(np.array(mixed).reshape(x.shape)) != decide(x))


def max_sensitivity(x, neighbours, explain):
    """The largest Euclidean distance of a map from that of x."""
    return max(float(np.sqrt(((explain(z) - explain(x)) ** 2).sum())) for z in neighbours)
