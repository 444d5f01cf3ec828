"""CF-GNNExplainer: the fewest links whose deletion changes the class.

Lucic, ter Hoeve, Tolomei, de Rijke, Silvestri: CF-GNNExplainer: Counterfactual Explanations for Graph Neural
Networks. AISTATS 2022. Settings as in github.com/a-lucic/cf-gnnexplainer.

One free number a link; links with a sigmoid below 1/2 are deleted. The loss is the log-probability of the
class while it is not changed, and β for each deleted link, whose count has the slope of the sigmoid. The
smallest set that changes the class is kept.
"""

from dataclasses import dataclass

import torch
from ego_graphs import EgoGraph
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class CFGNNSettings:
    """How links are deleted.

    Args:
        rate: Of gradient descent.
        momentum: Nesterov's; 0 is none.
        beta: The price of a deleted link.
        steps: Steps, each one call of the model with two masks.
    """

    rate: float = 0.1
    momentum: float = 0.9
    beta: float = 0.5
    steps: int = 500

    @property
    def rows(self) -> int:
        """Graphs that the model is asked for."""
        return 2 * self.steps


def cfgnn(ego: EgoGraph, settings: CFGNNSettings) -> tuple[Float[Tensor, " entries"], bool]:
    """1 - sigmoid of each entry's link, above 1/2 if it is deleted, and whether the class changed.

    Args:
        ego: The node.
        settings: How links are deleted.
    """
    free = torch.ones(ego.n_links, requires_grad=True)
    momentum, nesterov = settings.momentum, settings.momentum > 0
    descent = torch.optim.SGD([free], settings.rate, momentum=momentum, nesterov=nesterov)
    best, fewest = None, ego.n_links + 1
    for _ in range(settings.steps):
        soft = free.sigmoid()
        hard = (soft >= 0.5).float()
        logits = ego.deleted_logits(torch.stack([soft, hard]), cut=True)
        changed = int(logits[1].argmax()) != ego.target
        n_deleted = int((1 - hard).sum())
        if changed and n_deleted < fewest:
            best, fewest = 1 - soft.detach(), n_deleted
        deleted = (1 - (hard + soft - soft.detach())).sum()
        loss = settings.beta * deleted
        if not changed:
            loss = loss + logits[0].log_softmax(0)[ego.target]
        descent.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([free], 2.0)
        descent.step()
    scores = 1 - free.detach().sigmoid() if best is None else best
    return scores[ego.link], best is not None
