"""Gaussian conditionals, one subset at a time, by inverting the kept block in numpy."""

import numpy as np


def conditional(mean, covariance, x, kept):
    """Mean and covariance of the hidden entries given the kept ones; `kept` is a list of columns."""
    hidden = [j for j in range(len(mean)) if j not in kept]
    if not kept:
        return mean[hidden], covariance[np.ix_(hidden, hidden)]
    gain = covariance[np.ix_(hidden, kept)] @ np.linalg.inv(covariance[np.ix_(kept, kept)])
    centre = mean[hidden] + gain @ (x[kept] - mean[kept])
    return centre, covariance[np.ix_(hidden, hidden)] - gain @ covariance[np.ix_(kept, hidden)]


def restricted_linear(mean, covariance, weights, x, kept):
    """E[w'X | x_kept], for one row and one subset."""
    filled = x.copy()
    hidden = [j for j in range(len(mean)) if j not in kept]
    filled[hidden] = conditional(mean, covariance, x, kept)[0]
    return filled @ weights


def random_gaussian(c, seed):
    """A mean and a covariance with columns on very different scales."""
    rng = np.random.default_rng(seed)
    root = rng.uniform(0.1, 1, (c, c)) + np.eye(c)
    scale = 10.0 ** rng.uniform(-2, 3, c)
    return rng.normal(size=c) * scale, (root @ root.T) * np.outer(scale, scale)
