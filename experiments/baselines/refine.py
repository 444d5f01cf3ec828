"""ReFine: a network of masks for each class, trained on many nodes and refined on the one explained.

Wang, Wu, Zhang, He, Chua: Towards Multi-Grained Explainability for Graph Neural Networks. NeurIPS 2021.
Settings as in github.com/Wuyxin/ReFine; the graph of a node is its ego graph, and its representation the last
hidden layer at the node.

A network of masks projects features, convolves twice and gives each entry a logit from both ends. Training
minimises

    -p_y(masked) + 1e-4 mean mask + 1e-2 mean entropy + γ · contrast

with relaxed Bernoulli masks, where the contrast pulls together what is left of nodes of one predicted class.
Refining keeps the top entries, and has neither noise nor contrast.
"""

import copy
from dataclasses import dataclass

import torch
from ego_graphs import EgoGraph
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import ARMAConv

from baselines.nseg import mean_entropy
from onlyif.core.seeds import child_seed
from onlyif.core.torch_seeds import torch_generator

HIDDEN, SIZE, ENTROPY, SIMILARITY, NOISE = 50, 1e-4, 1e-2, 0.1, 1e-3
PATIENCE, FALL = 3, 0.2


@dataclass(frozen=True)
class ReFineSettings:
    """How masks are learned and refined.

    Args:
        rate: Of Adam in training.
        contrast: γ.
        ratio: The share of entries that are kept.
        epochs: Of training.
        refining_rate: Of Adam in refining; 0 steps leave the trained masks.
        steps: Of refining.
    """

    rate: float = 1e-3
    contrast: float = 1.0
    ratio: float = 0.4
    epochs: int = 20
    refining_rate: float = 1e-4
    steps: int = 50

    @property
    def rows(self) -> int:
        """Graphs that the model is asked for by refining a node."""
        return self.steps


class MaskNetwork(nn.Module):
    """One logit an entry.

    Args:
        features: Of a node.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.project = nn.Linear(features, HIDDEN)
        self.convolutions = nn.ModuleList([ARMAConv(HIDDEN, HIDDEN) for _ in range(2)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(HIDDEN) for _ in range(2)])
        self.last = nn.Sequential(nn.Linear(2 * HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(self, x: Float[Tensor, "n features"], ego: EgoGraph) -> Float[Tensor, " entries"]:
        """The logit of each entry of an ego graph."""
        ends, hidden = ego.messages.ends, self.project(x)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = functional.relu(norm(convolution(hidden, ends)))
        return self.last(torch.cat([hidden[ends[0]], hidden[ends[1]]], dim=1)).flatten()


def top_share(logits: Float[Tensor, " entries"], ratio: float) -> Float[Tensor, " entries"]:
    """1 for the share of entries with the highest logits, 0 for the others."""
    size = max(1, round(ratio * len(logits)))
    return torch.zeros_like(logits).index_fill(0, logits.argsort(descending=True)[:size], 1.0)


def contrast(states: Float[Tensor, "b hidden"], classes: Tensor) -> Float[Tensor, ""]:
    """How much less alike states of one class are than all are: 0 where there are no two of a class."""
    near = functional.relu(functional.cosine_similarity(states[:, None], states[None], dim=2)) / SIMILARITY
    itself = torch.eye(len(states), dtype=torch.bool)
    share = near.masked_fill(itself, -torch.inf).log_softmax(1)
    alike = (classes[:, None] == classes) & ~itself
    return -share[alike].mean() if alike.any() else near.sum() * 0


class ReFine:
    """Networks of masks, one a predicted class.

    Args:
        x: Features of all nodes.
        n_classes: Classes there are.
        settings: How they are trained and refined.
        seed: Of all that is drawn.
    """

    def __init__(self, x: Tensor, n_classes: int, settings: ReFineSettings, seed: int) -> None:
        self.x, self.settings, self.seed = x, settings, seed
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(child_seed(seed, "refine"))
            self.networks = nn.ModuleList([MaskNetwork(x.shape[1]) for _ in range(n_classes)])

    def train(self, egos: list[EgoGraph]) -> list[float]:
        """Train on some nodes; the mean loss of each epoch.

        Args:
            egos: All of them are one batch.
        """
        settings, random, losses = self.settings, torch_generator(self.seed, "refine noise"), []
        descent = torch.optim.Adam(self.networks.parameters(), settings.rate)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(descent, factor=FALL, patience=PATIENCE)
        classes = torch.tensor([ego.target for ego in egos])
        self.networks.train()
        for _ in range(settings.epochs):
            each, states = [], []
            for ego in egos:
                logits = self.networks[ego.target](self.x[ego.nodes], ego)
                noise = NOISE + (1 - 2 * NOISE) * torch.rand(ego.count, generator=random)
                mask = (logits + noise.logit()).sigmoid()
                hidden = ego.hidden(torch.stack([mask, mask * top_share(logits, settings.ratio)]))
                p = ego.messages.read(hidden, 0)[0].softmax(0)[ego.target]
                each.append(SIZE * mask.mean() + ENTROPY * mean_entropy(mask) - p)
                states.append(hidden[-1][1, 0])
            loss = torch.stack(each).mean() + settings.contrast * contrast(torch.stack(states), classes)
            descent.zero_grad()
            loss.backward()
            descent.step()
            losses.append(float(loss.detach()))
            plateau.step(losses[-1])
        self.networks.eval()
        return losses

    def scores(self, ego: EgoGraph) -> Float[Tensor, " entries"]:
        """The refined mask; entries outside the kept share come after these, in their order.

        Args:
            ego: The node.
        """
        network, x = copy.deepcopy(self.networks[ego.target]), self.x[ego.nodes]
        with torch.no_grad():
            before = network(x, ego)
        kept = top_share(before, self.settings.ratio)
        descent = torch.optim.Adam(network.parameters(), self.settings.refining_rate)
        for _ in range(self.settings.steps):
            mask = network(x, ego).sigmoid()
            p = ego.probabilities((mask * kept)[None])[0, ego.target]
            loss = SIZE * mask.mean() + ENTROPY * mean_entropy(mask) - p
            descent.zero_grad()
            loss.backward()
            descent.step()
        with torch.no_grad():
            return torch.where(kept > 0, network(x, ego).sigmoid(), 1e-3 * before.sigmoid())
