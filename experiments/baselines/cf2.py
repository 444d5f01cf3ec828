"""CF²: links that keep the class when kept and change it when deleted.

Tan, Geng, Fu, Ge, Xu, Li, Zhang: Learning and Evaluating Graph Neural Network Explanations based on
Counterfactual and Factual Reasoning. WWW 2022. Settings as in github.com/chrisjtan/gnn_cff.

    min ‖M‖₁ + λ [ α relu(γ + p_other - p_y)(links M) + (1 - α) relu(γ + p_y - p_other)(links 1 - M) ]

M is the sigmoid of one free number a link, and p_other the largest probability of another class.
"""

from dataclasses import dataclass

import torch
from ego_graphs import EgoGraph
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from onlyif.core.torch_seeds import torch_generator


@dataclass(frozen=True)
class CF2Settings:
    """How the mask of links is found.

    Args:
        rate: Of Adam.
        alpha: The share of keeping the class.
        weight: λ, of both against the size.
        margin: γ, by how much a class must win.
        steps: Steps, each one call with two masks.
    """

    rate: float = 0.01
    alpha: float = 0.6
    weight: float = 500.0
    margin: float = 0.5
    steps: int = 500

    @property
    def rows(self) -> int:
        """Graphs that the model is asked for."""
        return 2 * self.steps


def cf2(ego: EgoGraph, settings: CF2Settings, seed: int) -> Float[Tensor, " entries"]:
    """The mask of each entry's link.

    Args:
        ego: The node.
        settings: How the mask is found.
        seed: Of the start.
    """
    n_nodes = len(ego.nodes)
    noise = torch.randn(ego.n_links, generator=torch_generator(seed, "cf2", ego.node))
    free = (1 + noise * (2 / n_nodes) ** 0.5).requires_grad_()
    descent = torch.optim.Adam([free], settings.rate)
    others = torch.arange(ego.n_classes) != ego.target
    for _ in range(settings.steps):
        mask = free.sigmoid()
        p = ego.deleted_logits(torch.stack([mask, 1 - mask])).softmax(1)
        lead = p[:, ego.target] - p[:, others].max(1).values
        factual = functional.relu(settings.margin - lead[0])
        counterfactual = functional.relu(settings.margin + lead[1])
        both = settings.alpha * factual + (1 - settings.alpha) * counterfactual
        loss = mask.sum() + settings.weight * both
        descent.zero_grad()
        loss.backward()
        descent.step()
    return free.detach().sigmoid()[ego.link]
