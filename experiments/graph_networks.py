"""The graph networks of the experiments: trained once a seed, kept as safetensors.

| data | network | epochs |
|---|---|---|
| bacommunity | three graph convolutions x 32, a linear head on all three, weight decay 5e-3 | 1,500 |
| citeseer, dblp, Planetoid folders | three graph convolutions x 32, dropout .5, weight decay 5e-4 | 100 |

    python experiments/graph_networks.py --data DIR --models DIR [--datasets NAME ...] [--seeds N]

Prints the accuracy of each on its test nodes.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from graph_sets import CLASSES, GraphSet, ba_community, read_graph
from images import add_data_argument
from jaxtyping import Float, Int64
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GCNConv

from onlyif.core.seeds import child_seed
from onlyif.core.whole_files import write_whole

HIDDEN, LAYERS = 32, 3


@dataclass(frozen=True)
class GraphRecipe:
    """How a network is built and trained.

    Args:
        head: Whether a linear layer reads all hidden layers; if not, the last convolution gives the logits.
        dropout: Before each convolution but the first.
        decay: Weight decay.
        rate: Learning rate of Adam.
        epochs: Steps, each on all training nodes.
    """

    head: bool
    dropout: float
    decay: float
    rate: float
    epochs: int


MOTIFS = GraphRecipe(head=True, dropout=0.0, decay=5e-3, rate=1e-3, epochs=1500)
CITATIONS = GraphRecipe(head=False, dropout=0.5, decay=5e-4, rate=1e-2, epochs=100)


class GraphNetwork(nn.Module):
    """Graph convolutions with a ReLU of its own after each, as guided backpropagation needs.

    Args:
        features: Of a node.
        classes: Logits.
        recipe: Whether there is a head, and the dropout.
    """

    def __init__(self, features: int, classes: int, recipe: GraphRecipe) -> None:
        super().__init__()
        last = HIDDEN if recipe.head else classes
        sizes = [features, *[HIDDEN] * (LAYERS - 1), last]
        self.convolutions = nn.ModuleList([GCNConv(*pair) for pair in pairwise(sizes)])
        self.activations = nn.ModuleList([nn.ReLU() for _ in range(LAYERS if recipe.head else LAYERS - 1)])
        self.dropout = nn.Dropout(recipe.dropout)
        self.head = nn.Linear(LAYERS * HIDDEN, classes) if recipe.head else None

    def forward(
        self, x: Float[Tensor, "n features"], edge_index: Int64[Tensor, "2 entries"]
    ) -> Float[Tensor, "n classes"]:
        """Logits of every node."""
        hidden: list[Tensor] = []
        for number, convolution in enumerate(self.convolutions):
            x = convolution(self.dropout(x) if number else x, edge_index)
            if number < len(self.activations):
                x = self.activations[number](x)
            hidden.append(x)
        return x if self.head is None else self.head(torch.cat(hidden, dim=1))


def read(data: Path, name: str, seed: int) -> GraphSet:
    """The graph of a name; the seed draws one that is generated."""
    return ba_community(seed) if name == "bacommunity" else read_graph(data, name)


def recipe_of(name: str) -> GraphRecipe:
    """How the network of a graph is trained."""
    return MOTIFS if name == "bacommunity" else CITATIONS


def train(graph: GraphSet, recipe: GraphRecipe, seed: int) -> GraphNetwork:
    """A network in evaluation mode; the global random state is left alone.

    Args:
        graph: What it learns.
        recipe: How.
        seed: Of first weights and dropout.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(child_seed(seed, "graph network"))
        network = GraphNetwork(graph.x.shape[1], graph.n_classes, recipe)
        optimiser = torch.optim.Adam(network.parameters(), recipe.rate, weight_decay=recipe.decay)
        learned = graph.parts["train"]
        for _ in range(recipe.epochs):
            optimiser.zero_grad()
            loss = functional.cross_entropy(network(graph.x, graph.edge_index)[learned], graph.y[learned])
            loss.backward()
            optimiser.step()
    return network.eval().requires_grad_(False)


def network_of(models: Path, graph: GraphSet, seed: int) -> GraphNetwork:
    """The network of a graph and seed: read where it was trained before, trained and kept otherwise.

    Args:
        models: The folder of networks.
        graph: The graph.
        seed: Of the network (and of the graph, where it is generated).
    """
    recipe, path = recipe_of(graph.name), models / f"graph_{graph.name}_{seed}.safetensors"
    if not path.is_file():
        network = train(graph, recipe, seed)
        weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        write_whole(path, save(weights, {"recipe": json.dumps(asdict(recipe))}))
    network = GraphNetwork(graph.x.shape[1], graph.n_classes, recipe)
    with safe_open(path, "pt") as file:
        network.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118  # no dict
    return network.eval().requires_grad_(False)


def accuracies(network: GraphNetwork, graph: GraphSet) -> Iterator[tuple[str, float]]:
    """The share of nodes of each part that are classified correctly."""
    with torch.no_grad():
        right = network(graph.x, graph.edge_index).argmax(1) == graph.y
    for part, mask in graph.parts.items():
        yield part, float(right[mask].float().mean())


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--datasets", nargs="+", default=["bacommunity", *CLASSES])
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.models.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in given.datasets:
        for seed in range(given.seeds):
            graph = read(given.data, name, seed)
            found = accuracies(network_of(given.models, graph, seed), graph)
            told = ", ".join(f"{part} {share:.3f}" for part, share in found)
            print(f"{name} {seed}: {graph.edge_index.shape[1]:,} entries, {told}", flush=True)


if __name__ == "__main__":
    main()
