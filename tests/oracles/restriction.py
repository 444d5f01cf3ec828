"""f_S(x) for one instance and one subset: one row at a time."""

import math


def restricted(f, x, replacements, weights, *, kept, group_of):
    """Σ_i w_i f(x where its player is kept, replacement i elsewhere), and every single output.

    Args:
        f: From a list of numbers to one number.
        x: One instance, a list of numbers.
        replacements: Rows that hidden entries are taken from.
        weights: One weight a replacement.
        kept: The set of kept players.
        group_of: The player of every column.
    """
    outputs = []
    for row in replacements:
        mixed = [x[c] if group_of[c] in kept else row[c] for c in range(len(x))]
        outputs.append(f(mixed))
    return sum(w * out for w, out in zip(weights, outputs, strict=True)), outputs


def stderr_of_mean(values):
    """The standard deviation over n - 1, over the root of n."""
    n, mean = len(values), sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)
