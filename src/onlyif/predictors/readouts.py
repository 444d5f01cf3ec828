"""How the k averaged outputs of a model become the one number that is explained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from typing_extensions import override


class Readout(ABC):
    """From averaged outputs to one number an instance and subset."""

    def part(self, instances: slice) -> "Readout":
        """The readout of some of the instances; itself where all are read alike."""
        return self

    @abstractmethod
    def read(self, mean: Float64[Tensor, "b m k"]) -> Float64[Tensor, "b m"]:
        """The explained number.

        Args:
            mean: Averaged outputs.
        """

    @abstractmethod
    def error(self, stderr: Float64[Tensor, "b m k"]) -> Float64[Tensor, "b m"]:
        """The standard error of that number, from those of the outputs; NaN when unknown."""


@final
@dataclass(frozen=True, eq=False)
class TargetReadout(Readout):
    """One named output an instance: the usual choice.

    Args:
        target: Number of the explained output of each instance.
    """

    target: Int64[Tensor, "b"]

    @override
    def part(self, instances: slice) -> "TargetReadout":
        return TargetReadout(self.target[instances])

    @override
    def read(self, mean: Float64[Tensor, "b m k"]) -> Float64[Tensor, "b m"]:
        chosen = self.target.to(mean.device)
        return mean.gather(2, chosen.view(-1, 1, 1).expand(-1, mean.shape[1], 1)).squeeze(2)

    @override
    def error(self, stderr: Float64[Tensor, "b m k"]) -> Float64[Tensor, "b m"]:
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
    def read(self, mean: Float64[Tensor, "b m k"]) -> Float64[Tensor, "b m"]:
        decided = mean.argmax(2) if mean.shape[2] > 1 else mean.squeeze(2) > self.threshold
        return decided.double()

    @override
    def error(self, stderr: Float64[Tensor, "b m k"]) -> Float64[Tensor, "b m"]:
        unknown = (stderr != 0).any(2)
        return torch.where(unknown, torch.nan, 0.0).double()
