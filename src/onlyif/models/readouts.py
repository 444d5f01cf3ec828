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

    @property
    def of_decisions(self) -> bool:
        """Whether a decision is read, which jumps where outputs tie."""
        return False

    @abstractmethod
    def counted(self, instance: int) -> slice:
        """The outputs of one instance that its number depends on: no others need be averaged.

        Args:
            instance: Its number.
        """

    @abstractmethod
    def of_counted(self, mean: Float64[np.ndarray, "*m c"]) -> Float64[np.ndarray, "*m"]:
        """The explained number from these alone.

        Args:
            mean: Averages of the outputs that count.
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
    def counted(self, instance: int) -> slice:
        number = int(self.target[instance])
        return slice(number, number + 1)

    @override
    def of_counted(self, mean: Float64[np.ndarray, "*m c"]) -> Float64[np.ndarray, "*m"]:
        return mean[..., 0]

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

    @property
    @override
    def of_decisions(self) -> bool:
        return True

    @override
    def read(self, mean: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        return self.of_counted(mean)

    @override
    def counted(self, instance: int) -> slice:
        return slice(None)

    @override
    def of_counted(self, mean: Float64[np.ndarray, "*m c"]) -> Float64[np.ndarray, "*m"]:
        decided = mean.argmax(-1) if mean.shape[-1] > 1 else mean[..., 0] > self.threshold
        return decided.astype(np.float64)

    @override
    def error(self, stderr: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        return np.where((stderr != 0).any(2), np.nan, 0.0)


@final
@dataclass(frozen=True, eq=False)
class MomentsReadout(Readout):
    """One named output an instance, with its square among those that count.

    Args:
        target: Number of the explained output of each instance.
        n_outputs: How many outputs there are, before their squares.
    """

    target: Int64[np.ndarray, "b"]
    n_outputs: int

    @override
    def part(self, instances: slice) -> "MomentsReadout":
        return MomentsReadout(self.target[instances], self.n_outputs)

    @override
    def read(self, mean: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        return mean[np.arange(len(mean)), :, self.target]

    @override
    def counted(self, instance: int) -> slice:
        number = int(self.target[instance])
        return slice(number, number + self.n_outputs + 1, self.n_outputs)

    @override
    def of_counted(self, mean: Float64[np.ndarray, "*m c"]) -> Float64[np.ndarray, "*m"]:
        return mean[..., 0]

    @override
    def error(self, stderr: Float64[np.ndarray, "b m k"]) -> Float64[np.ndarray, "b m"]:
        return self.read(stderr)
