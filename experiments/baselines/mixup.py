"""MixUpExplainer: masks learned on graphs mixed with what does not matter in another one.

Zhang, Luo, Wei: MixupExplainer: Generalizing Explanations for Graph Neural Networks with Data Augmentation.
KDD 2023. Settings as in github.com/jz48/MixupExplainer. Its branch for nodes is unfinished; here the ego
graphs of two nodes are joined by a few random links, and the logits are read at the node.

Messages of a's entries are multiplied by M_a and those of b's by 1 - M_b (a tenth of them dropped), and the
other way round; both masks are learned together:

    CE(f(mix), y_a) + CE(f(mix'), y_b) + .05 Σ M + mean entropy
"""

from dataclasses import dataclass

import torch
from ego_graphs import EgoGraph, Messages, normalised
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from baselines.nseg import mean_entropy
from onlyif.core.torch_seeds import torch_generator

CROSS_LINKS, DROPPED = 5, 0.1


@dataclass(frozen=True)
class MixUpSettings:
    """How both masks are found.

    Args:
        rate: Of Adam.
        size: The price of a mask's sum.
        entropy: The price of its mean entropy.
        steps: Steps, each one call with two masks of the joined graph.
    """

    rate: float = 0.003
    size: float = 0.05
    entropy: float = 1.0
    steps: int = 100

    @property
    def rows(self) -> int:
        """Graphs that the model is asked for."""
        return 2 * self.steps


@dataclass(frozen=True, eq=False)
class Joined:
    """Two ego graphs and random links between them.

    Args:
        messages: The joined graph; a's node is 0.
        second: The number of b's node.
        weights: By what normalisation multiplies each entry: a's, b's, then those of the cross links.
        loops: The same of self loops.
    """

    messages: Messages
    second: int
    weights: Float[Tensor, "1 entries"]
    loops: Float[Tensor, "1 n"]


def joined(a: EgoGraph, b: EgoGraph, cross: Int64[Tensor, "2 links"]) -> Joined:
    """The joined graph.

    Args:
        a: The one.
        b: The other, of the same network.
        cross: Nodes of a, and of b, that are linked.
    """
    first, n = len(a.nodes), len(a.nodes) + len(b.nodes)
    far = torch.stack([cross[0], cross[1] + first])
    ends = torch.cat([a.messages.ends, b.messages.ends + first, far, far.flip(0)], dim=1)
    degree = torch.cat([a.degree, b.degree]).index_add(0, far.flatten(), torch.ones(far.numel()))
    projected = torch.cat([a.messages.projected, b.messages.projected])
    layers = len(a.messages.reach)
    messages = Messages(a.messages.network, projected, ends, ((n, ends.shape[1]),) * layers)
    weights, loops = normalised(degree[None], ends)
    return Joined(messages, first, weights, loops)


def mixup(ego: EgoGraph, other: EgoGraph, settings: MixUpSettings, seed: int) -> Float[Tensor, " entries"]:
    """The mask of each entry of the first node.

    Args:
        ego: The node.
        other: The node it is mixed with.
        settings: How both masks are found.
        seed: Of start, cross links and dropped entries.
    """
    random = torch_generator(seed, "mixup", ego.node)
    free = [(0.1 * torch.randn(one.count, generator=random)).requires_grad_() for one in (ego, other)]
    sides = [torch.randint(len(one.nodes), (CROSS_LINKS,), generator=random) for one in (ego, other)]
    both = joined(ego, other, torch.stack(sides))
    descent = torch.optim.Adam(free, settings.rate)
    targets = torch.tensor([ego.target, other.target])
    for _ in range(settings.steps):
        mine, theirs = (one.sigmoid() for one in free)
        kept = [(torch.rand(len(one), generator=random) >= DROPPED).float() for one in free]
        shared = torch.ones(2 * CROSS_LINKS)
        first = torch.cat([mine, (1 - theirs) * kept[1], shared])
        second = torch.cat([(1 - mine) * kept[0], theirs, shared])
        hidden = both.messages.hidden(torch.stack([first, second]) * both.weights, both.loops)
        logits = torch.stack([
            both.messages.read(hidden, 0)[0], both.messages.read(hidden, both.second)[1],
        ])  # fmt: skip
        loss = functional.cross_entropy(logits, targets, reduction="sum")
        for mask in (mine, theirs):
            loss = loss + settings.size * mask.sum() + settings.entropy * mean_entropy(mask)
        descent.zero_grad()
        loss.backward()
        descent.step()
    return free[0].detach().sigmoid()
