"""Every library's comparison as one: go left if x <= t, in double precision.

Libraries ask x < t or x <= t, and some round x to single precision first. Both
are a plain x <= t' for another t': this file finds it.
"""

import numpy as np
from jaxtyping import Float32, Float64


def strictly_below(thresholds: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """The t' for which x <= t' exactly if x < t.

    Args:
        thresholds: t, finite.

    Example:
        >>> bool(strictly_below(np.array([1.0]))[0] < 1)
        True
    """
    return _next(thresholds, -np.inf)


def rounded_to_single(thresholds: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """The t' for which x <= t' exactly if x, rounded to single precision, is <= t.

    For a strict comparison in single precision give `strictly_below(t)`.

    Args:
        thresholds: t, finite.

    Example:
        >>> float(np.float32(0.1)) > 0.1, float(rounded_to_single(np.array([0.1]))[0]) < 0.1
        (True, True)
    """
    below = _single_at_most(thresholds)
    above = _next(below, np.inf)
    # Beyond the largest single number the next one would be 2^128.
    ends = [one.astype(np.float64).clip(-(2.0**128), 2.0**128) for one in (below, above)]
    middle = (ends[0] + ends[1]) / 2
    # A number in the middle is rounded to the neighbour whose last bit is even.
    found = np.where(_single(middle) <= below, middle, strictly_below(middle))
    return np.where(thresholds == np.inf, thresholds, found)


def _single_at_most(values: Float64[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    """The largest single-precision number that is <= the value."""
    single = _single(values)
    return np.where(single.astype(np.float64) <= values, single, _next(single, -np.inf))


def _single(values: Float64[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    # What is too large for it becomes infinite, as it does where rows are rounded.
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _next(values: np.ndarray, towards: float) -> np.ndarray:
    """The neighbour of each value in its own precision; infinite beyond the largest."""
    with np.errstate(over="ignore", under="ignore"):
        moved: np.ndarray = np.nextafter(values, values.dtype.type(towards))
    return moved
