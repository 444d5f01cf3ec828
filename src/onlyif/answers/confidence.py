"""Upper confidence bounds of gaps, for sets that are to be within ε for other rows, too."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.criteria.distances import Distance
from onlyif.criteria.unified import gaps_of_table
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.verdicts import BOUND
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate
from onlyif.searches.base import Cloud


@final
@dataclass(frozen=True, eq=False)
class Bounded:
    """The compared subsets of one instance, and the bounds by which the smallest within ε are chosen.

    Args:
        cloud: The subsets with their gaps.
        bounds: The same with upper bounds of the gaps; the cloud itself where no confidence was asked for.
    """

    cloud: Cloud
    bounds: Cloud

    @property
    def margins(self) -> Float64[np.ndarray, "v p"] | None:
        """How far the bounds are above the gaps; None where no confidence was asked for."""
        return None if self.bounds is self.cloud else self.bounds.parts - self.cloud.parts

    def with_bound(self, chosen: Selection, part: int, number: int) -> Selection:
        """A chosen set, with the bound of the gap that it was chosen by among its measures.

        Args:
            chosen: The set.
            part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
            number: Its number in the cloud.
        """
        if self.bounds is self.cloud:
            return chosen
        bound = Measure(float(self.bounds.parts[number, part]))
        return replace(chosen, measures={**chosen.measures, BOUND: bound})


def bounded(cloud: Cloud, stderr: Float64[np.ndarray, "v p"], quantile: float) -> Bounded:
    """Gaps and so many of their standard errors.

    Args:
        cloud: The compared subsets.
        stderr: The standard error of each of their gaps, over other backgrounds of as many rows.
        quantile: How many of them.
    """
    return Bounded(cloud, replace(cloud, parts=cloud.parts + quantile * stderr))


def errors_of_groups(
    outputs: Float64[np.ndarray, "two_to_d g c"], readout: Readout, distance: Distance
) -> Float64[np.ndarray, "two_to_d p"]:
    """The standard errors of the gaps of all subsets, from the spread of f_S(x) over groups of rows.

    f_S(x) is the mean of its values over the groups, which are independent of each other. What the gap
    Δnec compares shares these rows, so that its error is that of the difference.

    Args:
        outputs: For each group the averaged outputs of every subset.
        readout: Which number is explained.
        distance: ρ.
    """
    values = readout.of_counted(outputs)
    share = 1 / math.sqrt(values.shape[1])
    stderr, from_base = (one.std(1, ddof=1) * share for one in (values, values - values[:1]))
    # With all players kept every group has f(x): what is left there is rounding.
    stderr[-1] = 0.0
    estimate = Estimate(values.mean(1)[None], stderr[None], from_base[None], 0.0)
    errors: np.ndarray = gaps_of_table(distance, estimate).stderr[0]
    return errors


def quantile_of(confidence: float, n_groups: int | None) -> float:
    """How many standard errors a one-sided bound is away.

    Where errors are estimated from few groups it is a quantile of Student's t, by its expansion about the
    normal one, which is right to .002 from 8 degrees of freedom on up to a confidence of .99.

    Args:
        confidence: How often the bound is to hold.
        n_groups: From how many groups errors are estimated; None where from many draws.

    Example:
        >>> round(quantile_of(0.95, None), 3), round(quantile_of(0.95, 17), 3)
        (1.645, 1.746)

    References:
        [abramowitz1964] formula 26.7.5.
    """
    z = NormalDist().inv_cdf(confidence)
    if n_groups is None:
        return z
    nu = n_groups - 1
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / nu + second / nu**2 + third / nu**3
