"""Every library's comparison as one: go left if x <= t, in double precision.

Libraries ask x < t or x <= t, and some round x to single precision first. Both
are a plain x <= t' for another t': this file finds it.
"""

import torch
from jaxtyping import Float64
from torch import Tensor


def strictly_below(thresholds: Float64[Tensor, "*n"]) -> Float64[Tensor, "*n"]:
    """The t' for which x <= t' exactly if x < t.

    Args:
        thresholds: t, finite.

    Example:
        >>> bool(strictly_below(torch.tensor([1.0]).double()) < 1)
        True
    """
    return torch.nextafter(thresholds, torch.full_like(thresholds, -torch.inf))


def rounded_to_single(thresholds: Float64[Tensor, "*n"]) -> Float64[Tensor, "*n"]:
    """The t' for which x <= t' exactly if x, rounded to single precision, is <= t.

    For a strict comparison in single precision give `strictly_below(t)`.

    Args:
        thresholds: t, finite, of any precision.

    Example:
        >>> a_tenth = torch.tensor([0.1], dtype=torch.float64)
        >>> bool(a_tenth.float() > a_tenth), bool(rounded_to_single(a_tenth) < a_tenth)
        (True, True)
    """
    below = _single_at_most(thresholds)
    above = torch.nextafter(below, torch.full_like(below, torch.inf))
    # Beyond the largest single number the next one would be 2^128.
    ends = [one.double().clamp(-(2.0**128), 2.0**128) for one in (below, above)]
    middle = (ends[0] + ends[1]) / 2
    # A number in the middle is rounded to the neighbour whose last bit is even.
    found = torch.where(middle.float() <= below, middle, strictly_below(middle))
    return torch.where(thresholds == torch.inf, thresholds, found)


def _single_at_most(values: Float64[Tensor, "*n"]) -> Tensor:
    """The largest single-precision number that is <= the value."""
    single = values.float()
    lower = torch.nextafter(single, torch.full_like(single, -torch.inf))
    return torch.where(single.double() <= values, single, lower)
