"""Threshold curves by plain loops over images, thresholds and pixels."""

import math


def normalised(scores):
    """A list of rows of scores, as the paper says it: the top 1 % of the nonzero ones become 1."""
    nonzero = sorted((value for row in scores for value in row if value != 0), reverse=True)
    if not nonzero:
        return [[0.0 for _ in row] for row in scores]
    least = nonzero[math.ceil(len(nonzero) / 100) - 1]
    return [[1.0 if value >= least else value / least for value in row] for row in scores]


def gaps(output, image, reference, members):
    """(Δsuf, Δnec) of one set of pixels; `image` and `reference` are (channels, h, w) numpy arrays."""
    kept, hidden = reference.copy(), image.copy()
    for i, row in enumerate(members):
        for j, member in enumerate(row):
            if member:
                kept[:, i, j], hidden[:, i, j] = image[:, i, j], reference[:, i, j]
    return abs(output(image) - output(kept)), abs(output(hidden) - output(reference))


def area(heights, places):
    """The area under straight lines between points."""
    total = 0.0
    for i in range(len(places) - 1):
        total += (places[i + 1] - places[i]) * (heights[i] + heights[i + 1]) / 2
    return total
