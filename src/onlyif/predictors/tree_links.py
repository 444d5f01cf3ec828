"""From the sums of leaf values to a tree ensemble's outputs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor
from typing_extensions import override


class Link(ABC):
    """The function from margins (sums over trees) to outputs."""

    @abstractmethod
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        """The outputs.

        Args:
            margins: Sums of leaf values, the base included.
        """

    def mean(
        self, margins: Float64[Tensor, "n m k"], weights: Float64[Tensor, "n"]
    ) -> Float64[Tensor, "m _"]:
        """The weighted sum of the outputs over n draws: their mean, or the share of some draws in it.

        Args:
            margins: Those of each draw and subset.
            weights: The draws' weights, of sum 1 where these are all draws.
        """
        return torch.einsum("n,nmk->mk", weights, self.outputs(margins))

    @property
    def additive(self) -> bool:
        """Whether outputs are the margins themselves, so that means pass through the link."""
        return False


@final
@dataclass(frozen=True)
class IdentityLink(Link):
    """Outputs are the margins: raw scores, values, averaged probabilities of a forest."""

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        return margins

    @property
    @override
    def additive(self) -> bool:
        return True


@final
@dataclass(frozen=True)
class SigmoidLink(Link):
    """Each output is 1 / (1 + exp(-slope · margin)).

    Args:
        slope: Factor of the margin.
    """

    slope: float = 1.0

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        return torch.sigmoid(margins if self.slope == 1 else margins * self.slope)


@final
@dataclass(frozen=True)
class TwoClassLink(Link):
    """One margin becomes two probabilities, 1 - p and p, with p = 1 / (1 + exp(-slope · margin)).

    Args:
        slope: Factor of the margin.

    Example:
        >>> TwoClassLink().outputs(torch.zeros(1, 1).double())
        tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """

    slope: float = 1.0

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        scaled = margins if self.slope == 1 else margins * self.slope
        # 1 - p would lose the digits of a p close to 1.
        return torch.cat([torch.sigmoid(-scaled), torch.sigmoid(scaled)], -1)

    @override
    def mean(
        self, margins: Float64[Tensor, "n m k"], weights: Float64[Tensor, "n"]
    ) -> Float64[Tensor, "m _"]:
        second = weights @ SigmoidLink(self.slope).outputs(margins).squeeze(2)
        # Of a part of the draws the weights sum to less than 1.
        return torch.stack([weights.sum() - second, second], -1)


@final
@dataclass(frozen=True)
class SoftmaxLink(Link):
    """Outputs are proportional to exp(margin) and sum to 1."""

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        return torch.softmax(margins, -1)


@final
@dataclass(frozen=True)
class OneVersusRestLink(Link):
    """Sigmoids of the margins, divided by their sum.

    Args:
        slope: Factor of the margins.
    """

    slope: float = 1.0

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        each = torch.sigmoid(margins * self.slope)
        return each / each.sum(-1, keepdim=True)


@final
@dataclass(frozen=True)
class ExpLink(Link):
    """Outputs are exp(margin): Poisson, gamma and Tweedie regression."""

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        return torch.exp(margins)
