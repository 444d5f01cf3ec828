"""What is made of a tree ensemble's probabilities: their log-odds, and decisions."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.models.links import Link


@final
@dataclass(frozen=True)
class LogOddsLink(Link):
    """Outputs are ln(p / (1 - p)) of another link's probabilities, clipped first.

    Args:
        probability: From margins to probabilities.
        clip: p is held within [clip, 1 - clip].

    Example:
        >>> from onlyif.models.links import TwoClassLink
        >>> LogOddsLink(TwoClassLink(), 1e-6).outputs(np.zeros((1, 1)))
        array([[0., 0.]])
    """

    probability: Link
    clip: float

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        p = self.probability.outputs(margins).clip(self.clip, 1 - self.clip)
        log_odds: np.ndarray = np.log(p / (1 - p))
        return log_odds

    @property
    @override
    def costly(self) -> bool:
        return self.probability.costly


# Probabilities that agree to so many binary digits are equal, so that the first of them is decided for.
DIGITS_OF_TIES = 40


@final
@dataclass(frozen=True)
class DecisionLink(Link):
    """Outputs are 1 for the class with the largest of another link's probabilities, 0 for all others.

    Args:
        probability: From margins to probabilities.

    Example:
        >>> from onlyif.models.links import TwoClassLink
        >>> DecisionLink(TwoClassLink()).outputs(np.array([[-1.0], [2.0]]))
        array([[1., 0.],
               [0., 1.]])
    """

    probability: Link

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        on_grid = (self.probability.outputs(margins) * 2.0**DIGITS_OF_TIES).round()
        decided: np.ndarray = np.eye(max(2, on_grid.shape[-1]))[on_grid.argmax(-1)]
        return decided
