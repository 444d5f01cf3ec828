"""The random choices of a relaxed dual-stage test."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.arrays import beside
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.precision import doubled_tensor
from onlyif.core.torch_seeds import torch_generator


@final
@dataclass(frozen=True)
class StepDraws:
    """How many random choices of players a step makes, and how.

    Args:
        n_intervened: t, choices for each input that is perturbed in the interventional stage; without
            resampling they serve the factual stage too.
        n_factual: Choices for the weight of each input, with resampling.
        antithetic: Whether choices come in pairs of a choice and its opposite; for φ = ½.
        p_replace: φ.
        n_inputs: How many inputs of E a step looks at, others each time; None is all of them. One is
            enough where all are copies of the instance with little noise. Without resampling only.
        by_player: Whether what is drawn for a player does not depend on how many others there are, as
            instances with different numbers of players need.

    Raises:
        SettingError: unless counts are at least 1 (even, with pairs) and 0 < φ < 1 (½, with pairs).
    """

    n_intervened: int = 4
    n_factual: int = 1
    antithetic: bool = True
    p_replace: float = 0.5
    n_inputs: int | None = None
    by_player: bool = False

    def __post_init__(self) -> None:
        if self.n_inputs is not None and self.n_inputs < 1:
            raise SettingError(
                f"a step looks at 1 input of E or more, or at all with None; got {self.n_inputs}"
            )
        if min(self.n_intervened, self.n_factual) < 1:
            raise SettingError(
                f"need at least 1 perturbation, got n_intervened={self.n_intervened}, "
                f"n_factual={self.n_factual}"
            )
        if not 0.0 < self.p_replace < 1.0:
            raise SettingError(f"φ must lie strictly between 0 and 1, got {self.p_replace}")
        if self.antithetic and (self.n_intervened % 2 or self.p_replace != 0.5):
            raise SettingError(
                f"antithetic pairs need an even number of perturbations and φ = 0.5; got "
                f"{self.n_intervened} and {self.p_replace}"
            )

    def inputs(self, n: int, seed: int, step: int) -> Int64[Tensor, "i"]:
        """Which inputs of E a step looks at, for all masks and instances.

        Args:
            n: Size of E.
            seed: The one seed.
            step: The step.
        """
        if self.n_inputs is None or self.n_inputs >= n:
            return torch.arange(n)
        return torch.randperm(n, generator=torch_generator(seed, "ascent inputs", step))[: self.n_inputs]

    def rows_a_mask(self, n: int, n_resampled: int | None) -> int:
        """Rows that one evaluation of one mask asks the model for.

        Args:
            n: Size of E.
            n_resampled: How many inputs are drawn again by weight; None weighs all.
        """
        if n_resampled is None:
            return 2 * min(n, self.n_inputs or n) * self.n_intervened
        return 2 * n * self.n_factual + 2 * n_resampled * self.n_intervened

    def intervened(self, n: int, n_players: int, seed: int, step: int) -> Float[Tensor, "n t d"]:
        """The choices of a step for n inputs, 1 where a player goes to the baseline."""
        half = self.n_intervened // 2 if self.antithetic else self.n_intervened
        first = self._drawn((n, half, n_players), torch_generator(seed, "ascent", step))
        return torch.cat([first, 1.0 - first], dim=1) if self.antithetic else first

    def factual(self, n: int, n_players: int, seed: int, step: int) -> Float[Tensor, "n t d"]:
        """The choices of a step for the weights of n inputs."""
        return self._drawn((n, self.n_factual, n_players), torch_generator(seed, "ascent weights", step))

    def _drawn(self, shape: tuple[int, int, int], source: torch.Generator) -> Float[Tensor, "n t d"]:
        if not self.by_player:
            return (torch.rand(shape, generator=source) < self.p_replace).float()
        n, t, d = shape
        return (torch.rand((d, n, t), generator=source) < self.p_replace).float().permute(1, 2, 0)


def spread(values: Float[Tensor, "*m d"], players: Players) -> Float[Tensor, "..."]:
    """From one number a player to one an entry, `(*m, d)` to `(*m, *x)`, with a fast gradient.

    Args:
        values: The numbers.
        players: How players tile an instance.
    """
    flat, owner = values.flatten(0, -2), players.index.ravel()
    if np.array_equal(owner, np.arange(len(owner))):
        return values.view(*values.shape[:-1], *players.index.shape)
    return flat.index_select(1, beside(owner, values)).view(*values.shape[:-1], *players.index.shape)


def drawn_again(logs: Float[Tensor, "b z n"], size: int, source: torch.Generator) -> Int64[Tensor, "b z s"]:
    """Numbers of inputs, drawn in proportion to their weights; the same random numbers for all masks.

    Args:
        logs: The logarithms of the weights; all -inf draws the first input.
        size: How many are drawn.
        source: Where the random numbers come from.
    """
    uniform = torch.rand(size, generator=source, dtype=torch.float64)
    wide = doubled_tensor(logs)
    largest = wide.amax(2, keepdim=True)
    cumulated = (wide - largest.clamp(min=torch.finfo(wide.dtype).min)).exp().cumsum(2)
    number = torch.searchsorted(cumulated, (uniform * cumulated[..., -1:]).contiguous(), right=True)
    return torch.where(cumulated[..., -1:] > 0, number.clamp(max=logs.shape[2] - 1), 0)
