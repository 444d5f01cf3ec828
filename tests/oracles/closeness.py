"""The empirical conditional weights by plain loops over rows and columns."""

import math


def gap(a, b, ordered, span):
    """Gower's distance of two values of one column."""
    if math.isnan(a) or math.isnan(b):
        return 0.0 if math.isnan(a) and math.isnan(b) else 1.0
    return abs(a - b) / span if ordered and span > 0 else float(a != b)


def distance(row, other, kept, ordered, spans):
    """Mean distance over the kept columns; 0 when there is none."""
    if not kept:
        return 0.0
    return sum(gap(row[j], other[j], ordered[j], spans[j]) for j in kept) / len(kept)


def spans_of(rows):
    """Largest minus smallest value of each column, missing ones aside."""
    columns = [[value for value in column if not math.isnan(value)] for column in zip(*rows, strict=True)]
    return [max(column) - min(column) if column else 0.0 for column in columns]


def scott_width(rows, kept, ordered, spans):
    """N^(-1/(s+4)) times the mean distance of all pairs of rows, over sqrt(s)."""
    total = sum(distance(a, b, kept, ordered, spans) for a in rows for b in rows)
    return len(rows) ** (-1 / (len(kept) + 4)) * total / len(rows) ** 2 / math.sqrt(len(kept))


def weights(rows, x, kept, ordered, width=None):
    """The weight of each row; Scott's rule unless a width is given."""
    if not kept:
        return [1 / len(rows)] * len(rows)
    spans = spans_of(rows)
    h = scott_width(rows, kept, ordered, spans) if width is None else width
    apart = [distance(x, row, kept, ordered, spans) for row in rows]
    kernel = [math.exp(-(d**2 - min(apart) ** 2) / (2 * h**2)) for d in apart]
    return [value / sum(kernel) for value in kernel]
