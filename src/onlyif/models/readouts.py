"""How the k averaged outputs of a model become the one number that is explained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int64
from typing_extensions import override


class Readout(ABC):
    """From averaged outputs to one number an instance and subset."""

    def part(self, instances: slice) -> "Readout":
        """The readout of some of the instances; itself where all are read alike."""
        return self

    @abstractmethod
    def read(self, mean: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        """The explained number.

        Args:
            mean: Averaged outputs.
        """

    @abstractmethod
    def error(self, stderr: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        """The standard error of that number, from those of the outputs; NaN when unknown."""


@final
@dataclass(frozen=True, eq=False)
class TargetReadout(Readout):
    """One named output an instance: the usual choice.

    Args:
        target: Number of the explained output of each instance.
    """

    target: Int64[np.ndarray, "b"]

    @override
    def part(self, instances: slice) -> "TargetReadout":
        return TargetReadout(self.target[instances])

    @override
    def read(self, mean: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        return mean[np.arange(len(mean)), :, self.target]

    @override
    def error(self, stderr: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        return self.read(stderr)


@final
@dataclass(frozen=True)
class DecisionReadout(Readout):
    """The number of the predicted class: the largest averaged output.

    Its error is unknown wherever the outputs have one. Use it with the discrete
    distance, which asks only whether two decisions are the same.

    Args:
        threshold: With a single output, the value above which the decision is 1 instead of 0.
    """

    threshold: float = 0.5

    @override
    def read(self, mean: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        decided = mean.argmax(2) if mean.shape[2] > 1 else mean[..., 0] > self.threshold
        return decided.astype(np.float64)

    @override
    def error(self, stderr: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        return np.where((stderr != 0).any(2), np.nan, 0.0)
