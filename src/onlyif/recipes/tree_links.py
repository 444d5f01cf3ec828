"""The log-odds of a tree ensemble's probabilities."""

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
