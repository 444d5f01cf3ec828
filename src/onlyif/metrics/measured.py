"""What a metric found: one number an instance, their mean, and how sure the mean is."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import SettingError


@final
@dataclass(frozen=True, eq=False)
class Measured:
    """The values of one metric for b instances.

    Args:
        values: One value an instance.
        by_draw: Where the values are means over random draws that the instances share, the
            value of each instance and draw; else None.

    Example:
        >>> one = Measured(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
        >>> other = Measured(torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64))
        >>> print(one, "|", one.minus(other))
        2 ± 0.577 (3 instances) | 0.5 ± 0 (3 instances)
    """

    values: Float64[Tensor, "b"]
    by_draw: Float64[Tensor, "b n"] | None = None

    @override
    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.stderr:.3g} ({len(self.values)} instances)"

    @property
    def mean(self) -> float:
        """The mean over the instances."""
        return float(self.values.mean())

    @property
    def stderr(self) -> float:
        """The standard error of the mean, from the instances and from the draws; NaN if either is single.

        Draws are shared by all instances, so that their error does not shrink with b:
        var(values) / b + var(mean of each draw) / n. Both terms hold the share of the noise
        that is of one instance and one draw, which makes the error a little too large.
        """
        variance = _of_mean(self.values)
        if self.by_draw is not None:
            variance += _of_mean(self.by_draw.mean(0))
        return math.sqrt(variance)

    @property
    def sampling_error(self) -> Float64[Tensor, "b"]:
        """The standard error of each value from its draws; 0 where there are none, NaN for a single one."""
        if self.by_draw is None:
            return torch.zeros_like(self.values)
        n = self.by_draw.shape[1]
        if n == 1:
            return torch.full_like(self.values, torch.nan)
        return self.by_draw.std(1) / math.sqrt(n)

    def minus(self, other: "Measured") -> "Measured":
        """The paired differences: their mean has the standard error of a paired comparison.

        Args:
            other: The values of the same metric, instances, seed and draws for other maps.

        Raises:
            SettingError: unless both have the same instances and draws.
        """
        one, two = (_shape(found) for found in (self, other))
        if one != two:
            raise SettingError(f"paired values need the same instances and draws, got {one} and {two}")
        if self.by_draw is None or other.by_draw is None:
            return Measured(self.values - other.values)
        return Measured(self.values - other.values, self.by_draw - other.by_draw)

    def take(self, rows: Int64[Tensor, "_"] | Bool[Tensor, "b"]) -> "Measured":
        """The values of some of the instances, such as the correctly classified ones.

        Args:
            rows: Their numbers, or True for each that is taken.
        """
        return Measured(self.values[rows], None if self.by_draw is None else self.by_draw[rows])


def _of_mean(values: Float64[Tensor, "_"]) -> float:
    """The variance of a mean, NaN for that of one value."""
    return float(values.var()) / len(values) if len(values) > 1 else math.nan


def _shape(found: Measured) -> tuple[int, int]:
    """Instances and draws, 0 draws for values that have none."""
    return len(found.values), 0 if found.by_draw is None else found.by_draw.shape[1]
