"""Adam for many descents at once: state as data, so that finished ones can be taken out."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EPSILON = 1e-8


@final
@dataclass(frozen=True, eq=False)
class Adam:
    """Where Adam stands.

    Args:
        first: Running mean of the slopes.
        second: Running mean of their squares.
        steps: Steps so far.

    References:
        [kingma2015] algorithm 1.
    """

    first: Float[Tensor, "b d"]
    second: Float[Tensor, "b d"]
    steps: int = 0

    def after(self, slope: Float[Tensor, "b d"], momentum: float, memory: float) -> "Adam":
        """The state after one more slope."""
        first = self.first.lerp(slope, 1 - momentum)
        second = self.second.lerp(slope.square(), 1 - memory)
        return Adam(first, second, self.steps + 1)

    def move(self, rate: float, momentum: float, memory: float) -> Float[Tensor, "b d"]:
        """The step to take."""
        mean = self.first / (1 - momentum**self.steps)
        spread = (self.second / (1 - memory**self.steps)).sqrt()
        return -rate * mean / (spread + EPSILON)

    def take(self, kept: Bool[Tensor, "b"]) -> "Adam":
        """The state of some of the descents."""
        return Adam(self.first[kept], self.second[kept], self.steps)


def fresh_adam(values: Float[Tensor, "b d"]) -> Adam:
    """Adam before its first step."""
    return Adam(torch.zeros_like(values), torch.zeros_like(values))
