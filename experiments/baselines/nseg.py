"""NSEG: edges that maximise a lower bound of the probability of being necessary and sufficient.

Cai, Zhu, Chen, Fang, Wu, Qiao, Hao: On the Probability of Necessity and Sufficiency of Explaining Graph
Neural Networks: A Lower Bound Optimization Approach. 2022 (arXiv 2212.07056). Settings as in its repository.

    max p_y(M) - mean p_y(1 - M + noise) - α Σ M - β mean entropy of M

over M, the sigmoid of one free number an entry; noise is uniform on ±.025, two draws a step.
"""

from dataclasses import dataclass

import torch
from ego_graphs import EgoGraph
from jaxtyping import Float
from torch import Tensor

from onlyif.core.torch_seeds import torch_generator

NOISE, DRAWS = 0.025, 2


@dataclass(frozen=True)
class NSEGSettings:
    """How the mask of entries is found.

    Args:
        rate: Of Adam.
        size: α, the price of the mask's sum.
        entropy: β, the price of its mean entropy.
        steps: Steps, each one call with three masks.
    """

    rate: float = 0.01
    size: float = 0.005
    entropy: float = 1.0
    steps: int = 1000

    @property
    def rows(self) -> int:
        """Graphs that the model is asked for."""
        return (1 + DRAWS) * self.steps


def mean_entropy(mask: Float[Tensor, " entries"]) -> Float[Tensor, ""]:
    """The mean over entries of the entropy of a coin with this probability."""
    inside = mask.clamp(1e-6, 1 - 1e-6)
    return -(inside * inside.log() + (1 - inside) * (1 - inside).log()).mean()


def nseg(ego: EgoGraph, settings: NSEGSettings, seed: int) -> Float[Tensor, " entries"]:
    """The mask of each entry.

    Args:
        ego: The node.
        settings: How the mask is found.
        seed: Of start and noise.
    """
    random = torch_generator(seed, "nseg", ego.node)
    wide = ego.count**-0.5
    free = (2 * wide * torch.rand(ego.count, generator=random) - wide).requires_grad_()
    descent = torch.optim.Adam([free], settings.rate)
    for _ in range(settings.steps):
        mask = free.sigmoid()
        noise = 2 * NOISE * torch.rand(DRAWS, ego.count, generator=random) - NOISE
        rows = torch.cat([mask[None], 1 - mask + noise])
        p = ego.probabilities(rows)[:, ego.target]
        gain = p[0] - p[1:].mean()
        loss = settings.size * mask.sum() + settings.entropy * mean_entropy(mask) - gain
        descent.zero_grad()
        loss.backward()
        descent.step()
    return free.detach().sigmoid()
