"""What is made of a tree ensemble's probabilities: their log-odds, and decisions."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor
from typing_extensions import override

from onlyif.predictors.tree_links import Link


@final
@dataclass(frozen=True)
class LogOddsLink(Link):
    """Outputs are ln(p / (1 - p)) of another link's probabilities, clipped first.

    Args:
        probability: From margins to probabilities.
        clip: p is held within [clip, 1 - clip].

    Example:
        >>> from onlyif.predictors.tree_links import TwoClassLink
        >>> LogOddsLink(TwoClassLink(), 1e-6).outputs(torch.zeros(1, 1).double())
        tensor([[0., 0.]], dtype=torch.float64)
    """

    probability: Link
    clip: float

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        return torch.logit(self.probability.outputs(margins), eps=self.clip)


# Probabilities that agree to so many binary digits are equal, so that the first of them is decided for.
DIGITS_OF_TIES = 40


@final
@dataclass(frozen=True)
class DecisionLink(Link):
    """Outputs are 1 for the class with the largest of another link's probabilities, 0 for all others.

    Args:
        probability: From margins to probabilities.

    Example:
        >>> from onlyif.predictors.tree_links import TwoClassLink
        >>> DecisionLink(TwoClassLink()).outputs(torch.tensor([[-1.0], [2.0]]).double())
        tensor([[1., 0.],
                [0., 1.]], dtype=torch.float64)
    """

    probability: Link

    @override
    def outputs(self, margins: Float64[Tensor, "*m k"]) -> Float64[Tensor, "*m _"]:
        on_grid = (self.probability.outputs(margins) * 2.0**DIGITS_OF_TIES).round()
        return torch.nn.functional.one_hot(on_grid.argmax(-1), max(2, on_grid.shape[-1])).double()
