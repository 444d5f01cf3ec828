"""Graph, network and nodes of the graph tables.

Explained are nodes whose class is predicted, with at least twelve entries: nodes of motifs outside the
training part (BACommunity), or of the test part. What is tuned is tuned on development nodes of seed 0: of
the training part (BACommunity), or of the validation part. Methods that learn do so on training nodes.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from ego_graphs import Egos
from graph_methods import MOST_ENTRIES, TRAINED_ON, World
from graph_networks import network_of, read
from graph_sets import GraphSet, read_planetoid
from images import add_data_argument
from torch import Tensor

from onlyif.core.torch_seeds import torch_generator

FEWEST_ENTRIES = 12
MOTIFS, FOLDER = "bacommunity", "planetoid-folder"
TEST_NODES = {MOTIFS: 60}
OTHER_TEST_NODES = 50
BLOCK = 10


@dataclass(frozen=True, eq=False)
class Nodes:
    """A world and the nodes that are explained in it.

    Args:
        world: The world.
        tested: Nodes of the table, in their order.
        development: Nodes for tuning.
    """

    world: World
    tested: tuple[int, ...]
    development: tuple[int, ...]


def nodes_of(given: argparse.Namespace, seed: int) -> Nodes:
    """The world of a seed.

    Args:
        given: The arguments of `arguments`.
        seed: Of network and nodes, and of the graph where it is generated.
    """
    graph = (
        read_planetoid(given.data, given.prefix) if given.dataset == FOLDER
        else read(given.data, given.dataset, seed)
    )  # fmt: skip
    given.models.mkdir(parents=True, exist_ok=True)
    egos = Egos(network_of(given.models, graph, seed), graph)
    right, motif = egos.predicted == graph.y, graph.motif_of >= 0
    train, others = graph.parts["train"], graph.parts["val"] | graph.parts["test"]
    pools = (others & motif, train & motif) if motif.any() else (graph.parts["test"], graph.parts["val"])
    tested, development = (
        drawn_nodes(egos, right & pool, count, f"graph nodes {number}", seed)
        for number, (pool, count) in enumerate(zip(pools, (given.nodes, given.development), strict=True))
    )
    learners = drawn_nodes(
        egos, right & train & ~at(graph, development), TRAINED_ON, "graph learners", seed, most=MOST_ENTRIES
    )
    return Nodes(World(egos, learners, seed), tested, development)


def drawn_nodes(
    egos: Egos, pool: Tensor, count: int, use: str, seed: int, *, most: float = torch.inf
) -> tuple[int, ...]:
    """Up to so many nodes of a pool in random order; more of them begin with the same.

    Args:
        egos: The ego graphs.
        pool: One boolean a node.
        count: How many.
        use: What they are for.
        seed: Of the order.
        most: Nodes with more entries are passed over.
    """
    all_of_them = pool.nonzero().flatten()
    order = torch.randperm(len(all_of_them), generator=torch_generator(seed, use))
    found: list[int] = []
    for node in all_of_them[order].tolist():
        if len(found) == count:
            break
        if FEWEST_ENTRIES <= egos.of(node).count <= most:
            found.append(node)
    return tuple(found)


def at(graph: GraphSet, nodes: tuple[int, ...]) -> Tensor:
    """One boolean a node."""
    return torch.zeros(len(graph.x), dtype=torch.bool).index_fill(0, torch.tensor(nodes, dtype=int), True)


def slug(name: str) -> str:
    """A name as part of a file's."""
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower().replace("²", "2"))


def arguments(text: str) -> argparse.ArgumentParser:
    """The arguments that both scripts have."""
    parser = argparse.ArgumentParser(description=text)
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of networks")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--dataset", choices=[MOTIFS, "citeseer", "dblp", FOLDER], default=MOTIFS)
    parser.add_argument(
        "--prefix", default="pubmed", help="NAME of ind.NAME.x, in a Planetoid folder (--data)"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--nodes", type=int, help="a seed; 60 of BACommunity, 50 of others unless given")
    parser.add_argument("--development", type=int, default=10, help="nodes for tuning")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was given, with the number of nodes filled in."""
    given = parser.parse_args()
    if given.nodes is None:
        given.nodes = TEST_NODES.get(given.dataset, OTHER_TEST_NODES)
    torch.set_num_threads(1)
    return given
