"""Every method of the graph tables: from a node's ego graph to one score an entry, with its tuning grid.

A method's grid begins with its published settings. How many of a grid are tried is decided by how many graphs
the model is asked for, the same number for every method (`settings_tried`).
"""

import copy
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from baselines.cf2 import CF2Settings, cf2
from baselines.cfgnn import CFGNNSettings, cfgnn
from baselines.mixup import MixUpSettings, mixup
from baselines.nseg import NSEGSettings, nseg
from baselines.refine import ReFine, ReFineSettings
from ego_graphs import EgoGraph, Egos
from graph_ours import DEFAULT, FLAT, PAPER, SETS, OurSettings, Together, gap_scores, pns_scores
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.explain import CaptumExplainer, Explainer, GNNExplainer, PGExplainer
from torch_geometric.utils import k_hop_subgraph

from onlyif.core.seeds import child_seed
from onlyif.core.torch_seeds import torch_generator

TRAINED_ON = 30
# Nodes with more entries are not trained on: one of them would take as long as all others.
MOST_ENTRIES = 4000


@dataclass(frozen=True, eq=False)
class World:
    """What a method may look at: one graph, its network, and nodes that it may train on.

    Args:
        egos: The ego graphs.
        learners: Nodes of the training part.
        seed: Of all that is drawn.
    """

    egos: Egos
    learners: tuple[int, ...]
    seed: int


Scorer = Callable[[EgoGraph], Float[Tensor, " entries"]]


@dataclass(frozen=True, eq=False)
class Method:
    """A method and what it may be tuned by.

    Args:
        begin: From a world and settings to a function of one node, or of many; whatever is trained is
            trained here.
        grid: The settings that may be tried, the published ones first.
        rows: From settings to the graphs that the model is asked for, a node.
        many: Whether what it begins with takes many nodes at once.
    """

    begin: Callable[[World, Any], Any]
    grid: tuple[Any, ...] = (None,)
    rows: Callable[[Any], int] = lambda settings: 0
    many: bool = False

    def begun(self, world: World, settings: Any) -> Together:
        """What `begin` gives, as a function of many nodes."""
        made = self.begin(world, settings)
        return made if self.many else lambda egos: [made(ego) for ego in egos]

    def settings_tried(self, budget: int) -> tuple[Any, ...]:
        """As many of the grid as a budget of graphs a node pays for, and at least one."""
        tried, spent = [], 0
        for settings in self.grid:
            spent += self.rows(settings)
            if tried and spent > budget:
                break
            tried.append(settings)
        return tuple(tried)


def told(settings: Any) -> str:
    """Settings as text."""
    if settings is None or isinstance(settings, float):
        return "-" if settings is None else str(settings)
    if isinstance(settings, OurSettings):
        return settings.sentence
    fields = settings if isinstance(settings, dict) else asdict(settings)
    return ", ".join(f"{key} {value}" for key, value in fields.items())


class Probabilities(nn.Module):
    """A network's probabilities instead of its logits.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Probabilities of every node."""
        return self.network(x, edge_index).softmax(1)


@dataclass(frozen=True, eq=False)
class Asked:
    """A node's surroundings as torch_geometric's explainers want them.

    Args:
        x: Features.
        edge_index: Entries of all within four hops, so that every degree is that of the whole graph.
        index: The node's number there.
        places: Where the ego graph's entries are.
        target: The predicted class of every node there.
    """

    x: Tensor
    edge_index: Tensor
    index: int
    places: Tensor
    target: Tensor


def asked(world: World, ego: EgoGraph) -> Asked:
    """The surroundings of a node."""
    graph, hops = world.egos.graph, len(world.egos.network.convolutions) + 1
    nodes, edge_index, index, there = k_hop_subgraph(
        ego.node, hops, graph.edge_index, relabel_nodes=True, num_nodes=len(graph.x)
    )
    places = (there.cumsum(0) - 1)[ego.entries]
    return Asked(graph.x[nodes], edge_index, int(index), places, world.egos.predicted[nodes])


def explainer(network: nn.Module, algorithm: Any, output: str, kind: str = "model") -> Explainer:
    """torch_geometric's explainer of edges, of a network of its own.

    Masks that are parameters stay registered on layers, which then cut the gradients of other explainers.
    """
    config = {"mode": "multiclass_classification", "task_level": "node", "return_type": output}
    return Explainer(
        copy.deepcopy(network), algorithm, explanation_type=kind, edge_mask_type="object", model_config=config
    )


def _seeded(world: World, name: str, ego: EgoGraph) -> int:
    return child_seed(world.seed, name, ego.node)


def gradients(name: str, world: World, settings: dict[str, str]) -> Scorer:
    """Attributions of messages by one of captum's methods, of the predicted class."""
    network = Probabilities(world.egos.network) if settings["output"] == "probs" else world.egos.network

    def scores(ego: EgoGraph) -> Tensor:
        here = asked(world, ego)
        made = explainer(network, CaptumExplainer(name), settings["output"])
        with warnings.catch_warnings():
            # Captum says of guided backpropagation that it puts hooks, and takes them off.
            warnings.filterwarnings("ignore", "Setting backward hooks")
            return made(here.x, here.edge_index, index=here.index).edge_mask[here.places].detach()

    return scores


def gnn_explainer(world: World, settings: dict[str, float]) -> Scorer:
    """torch_geometric's GNNExplainer."""

    def scores(ego: EgoGraph) -> Tensor:
        here = asked(world, ego)
        made = explainer(world.egos.network, GNNExplainer(**settings), "raw")
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(_seeded(world, "gnn explainer", ego))
            return made(here.x, here.edge_index, index=here.index).edge_mask[here.places].detach()

    return scores


def pg_explainer(world: World, settings: dict[str, float]) -> Scorer:
    """torch_geometric's PGExplainer, trained on nodes of the training part."""
    # Its coefficients are a dictionary of the class, which arguments of other instances have changed.
    whole = {"edge_size": 0.05, "edge_ent": 1.0, "temp": [5.0, 2.0], "bias": 0.01, **settings}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # It turns a loss with a graph into a number.
        warnings.filterwarnings("ignore", "Converting a tensor with requires_grad")
        torch.random.default_generator.manual_seed(child_seed(world.seed, "pg explainer"))
        algorithm = PGExplainer(**whole)
        made = explainer(world.egos.network, algorithm, "raw", kind="phenomenon")
        known = [asked(world, world.egos.of(node)) for node in world.learners]
        for epoch in range(whole["epochs"]):
            for here in known:
                algorithm.train(
                    epoch, made.model, here.x, here.edge_index, target=here.target, index=here.index
                )

    def scores(ego: EgoGraph) -> Tensor:
        here = asked(world, ego)
        found = made(here.x, here.edge_index, target=here.target, index=here.index)
        return found.edge_mask[here.places].detach()

    return scores


def refine(world: World, settings: ReFineSettings) -> Scorer:
    """ReFine, trained on nodes of the training part."""
    graph = world.egos.graph
    made = ReFine(graph.x, graph.n_classes, settings, world.seed)
    made.train([world.egos.of(node) for node in world.learners])
    return made.scores


def mixed(world: World, settings: MixUpSettings) -> Scorer:
    """MixUpExplainer, each node mixed with a random one of the training part."""

    def scores(ego: EgoGraph) -> Tensor:
        random = torch_generator(world.seed, "mixed with", ego.node)
        other = world.learners[int(torch.randint(len(world.learners), (), generator=random))]
        return mixup(ego, world.egos.of(other), settings, world.seed)

    return scores


def ones(world: World, settings: None) -> Scorer:
    """All entries alike."""
    return lambda ego: torch.ones(ego.count)


def drawn(world: World, settings: None) -> Scorer:
    """Uniform noise."""
    return lambda ego: torch.rand(ego.count, generator=torch_generator(world.seed, "random scores", ego.node))


def ours(world: World, settings: OurSettings) -> Together:
    """FANS for graphs."""
    return pns_scores(world.egos, settings, world.seed)


def gaps(world: World, alpha: float) -> Together:
    """Relaxed masks of both gaps."""
    return gap_scores(world.egos, SETS, alpha, world.seed)


OUTPUTS = ({"output": "raw"}, {"output": "probs"})
GNN = {"epochs": 100, "lr": 0.01, "edge_size": 0.005}
PG = {"epochs": 30, "lr": 0.003}
METHODS: dict[str, Method] = {
    "ones": Method(ones),
    "random": Method(drawn),
    "Saliency": Method(partial(gradients, "Saliency"), OUTPUTS, lambda settings: 1),
    "Guided Backprop": Method(partial(gradients, "GuidedBackprop"), OUTPUTS, lambda settings: 1),
    "Integrated Gradients": Method(partial(gradients, "IntegratedGradients"), OUTPUTS, lambda settings: 50),
    "GNNExplainer": Method(
        gnn_explainer,
        (
            GNN,
            GNN | {"lr": 0.1},
            GNN | {"lr": 0.1, "edge_size": 0.05},
            GNN | {"epochs": 300, "lr": 0.05},
            GNN | {"edge_size": 0.05},
            GNN | {"epochs": 300, "lr": 0.1, "edge_size": 0.05},
        ),
        lambda settings: settings["epochs"],
    ),
    "PGExplainer": Method(
        pg_explainer,
        (PG, PG | {"lr": 0.01, "edge_size": 0.005}),
        # Training, shared by the sixty nodes that are explained.
        lambda settings: settings["epochs"] * TRAINED_ON // 60 + 1,
    ),
    "ReFine": Method(
        refine,
        tuple(
            replace(ReFineSettings(), **changed)
            for changed in ({}, {"contrast": 5.0}, {"ratio": 0.6}, {"rate": 1e-2}, {"refining_rate": 2e-4})
        ),
        lambda settings: settings.rows + 2 * settings.epochs * TRAINED_ON // 60,
    ),
    "CF-GNNExplainer": Method(
        lambda world, settings: lambda ego: cfgnn(ego, settings)[0],
        tuple(
            replace(CFGNNSettings(), **changed)
            for changed in ({}, {"rate": 0.01}, {"momentum": 0.0}, {"beta": 0.1}, {"steps": 200})
        ),
        lambda settings: settings.rows,
    ),
    "CF²": Method(
        lambda world, settings: lambda ego: cf2(ego, settings, world.seed),
        tuple(
            replace(CF2Settings(), **changed)
            for changed in ({}, {"rate": 0.05}, {"weight": 1000.0, "rate": 0.05}, {"steps": 1000})
        ),
        lambda settings: settings.rows,
    ),
    "NSEG": Method(
        lambda world, settings: lambda ego: nseg(ego, settings, world.seed),
        tuple(
            replace(NSEGSettings(), **changed)
            for changed in ({}, {"rate": 0.05, "steps": 300}, {"size": 0.05, "rate": 0.05, "steps": 300})
        ),
        lambda settings: settings.rows,
    ),
    "MixUpExplainer": Method(
        mixed,
        tuple(
            replace(MixUpSettings(), **changed)
            for changed in ({}, {"rate": 0.03}, {"rate": 0.1}, {"size": 0.005, "rate": 0.1}, {"steps": 300})
        ),
        lambda settings: settings.rows,
    ),
    "ours, paper": Method(ours, (PAPER,), lambda settings: settings.rows, many=True),
    "ours, relaxed sets": Method(gaps, (0.5, 1.0), lambda alpha: 8 * SETS.schedule.steps, many=True),
    "ours, flat start": Method(ours, (FLAT,), lambda settings: settings.rows, many=True),
    # What the library does where nothing is chosen: it was chosen on development nodes, and is tried alone.
    "ours": Method(ours, (DEFAULT,), lambda settings: settings.rows, many=True),
}
