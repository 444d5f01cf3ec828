"""Draws of a mask from [0, 1] through which gradients flow: binary Gumbel-softmax."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import SettingError
from onlyif.core.torch_seeds import torch_generator

# Entries nearer to 0 and 1 than this have the slope of this distance: nearer by, slopes grow without bound.
NEAR = 1e-3
# torch's float32 uniforms are whole multiples of this, below 1.
SPACING = 2.0**-24


@final
@dataclass(frozen=True)
class Relaxation:
    """How binary masks are drawn from a soft one, and how gradients pass through the draw.

    With u uniform, a player of mask S is in when u >= 1 - S, which has probability S exactly. The
    relaxed draw is sigmoid((logit S + logit u) / temperature), the binary Gumbel-softmax.

    Args:
        temperature: Above 0. Low ones are nearly binary and have noisy gradients, high ones are
            biased; the paper gives none.
        straight_through: Hand binary draws to the model and the relaxed ones' slopes back, as the paper
            does; otherwise the model sees the relaxed draws themselves.
        n_draws: Draws a step, K.
        antithetic: Draw pairs from u and 1 - u: less noise at the same cost; K must then be even.

    Raises:
        SettingError: unless temperature > 0 and n_draws >= 1, even if antithetic.

    References:
        [bharti2024] appendix A.2.1.
        [jang2017] the Gumbel-softmax.
    """

    temperature: float = 0.5
    straight_through: bool = True
    n_draws: int = 10
    antithetic: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < float("inf"):
            raise SettingError(f"the temperature must be a number above 0, got {self.temperature}")
        if self.n_draws < 1 or (self.antithetic and self.n_draws % 2):
            needed = "an even number of draws, 2 or more" if self.antithetic else "at least 1 draw"
            raise SettingError(f"need {needed}, got n_draws={self.n_draws}")

    def noise(self, n_players: int, seed: int, step: int, index: int) -> Float[Tensor, "n d"]:
        """Uniform numbers for one step and one stream, float32 on the CPU.

        Args:
            n_players: How many are drawn.
            seed: The user's seed.
            step: Number of the step.
            index: Which stream: those with one index share their numbers.
        """
        numbers = torch_generator(seed, f"mask draws of step {step}", index)
        half = self.n_draws // 2 if self.antithetic else self.n_draws
        uniform = torch.rand(half, n_players, generator=numbers, dtype=torch.float32, device="cpu")
        return torch.cat([uniform, 1 - SPACING - uniform]) if self.antithetic else uniform

    def draw(self, mask: Float[Tensor, "b d"], uniform: Float[Tensor, "#b n d"]) -> Float[Tensor, "b n d"]:
        """One mask a draw: 1 keeps a player. Binary if straight-through, but with slopes of the relaxed draw.

        Args:
            mask: The soft masks S.
            uniform: Uniform numbers; size 1 in b means shared.
        """
        every = mask.unsqueeze(1)
        with torch.no_grad():
            value = (uniform >= 1 - every).to(mask) if self.straight_through else self._relaxed(mask, uniform)
        if not (torch.is_grad_enabled() and mask.requires_grad):
            return value
        with torch.no_grad():
            relaxed, inner = self._relaxed(mask, uniform), _inner(mask)
            slope = relaxed * (1 - relaxed) / (self.temperature * inner * (1 - inner)).unsqueeze(1)
        return torch.addcmul(value, slope, every - every.detach())

    def _relaxed(self, mask: Tensor, uniform: Tensor) -> Tensor:
        chances = torch.logit(_inner(mask)).unsqueeze(1) + torch.logit(uniform, SPACING)
        return torch.sigmoid(chances / self.temperature)


def _inner(mask: Tensor) -> Tensor:
    return mask.clamp(NEAR, 1 - NEAR)


def uniform_of(
    relaxation: Relaxation, index: Int64[Tensor, "b"], n_players: int, seed: int, step: int
) -> Float[Tensor, "u n d"]:
    """The uniform numbers of several instances; of size 1 where all share one stream.

    Args:
        relaxation: How masks are drawn.
        index: The stream of each instance.
        n_players: How many are drawn, each as a whole.
        seed: The user's seed.
        step: Number of the step.
    """
    numbers = index.tolist()
    streams = sorted(set(numbers))
    drawn = torch.stack([relaxation.noise(n_players, seed, step, i) for i in streams])
    return drawn if len(streams) == 1 else drawn[[streams.index(i) for i in numbers]]
