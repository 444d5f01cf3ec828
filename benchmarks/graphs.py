"""FANS for graphs beside torch_geometric's GNNExplainer, and what a node costs: one thread, in one run.

    python benchmarks/graphs.py [--data FOLDER] [--nodes N] [--turns N] [--parts speed size million]

FOLDER holds the data sets (citeseer/citeseer.npz); without it Citeseer is left out. Seconds are processor
times of this process. Every turn asks all methods, and the median of the turns counts.
"""

import argparse
import resource
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn
from torch_geometric.datasets import ExplainerDataset
from torch_geometric.datasets.graph_generator import BAGraph
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.nn import GCN

from onlyif.interop.pyg import FANSExplainer, SufficientNecessaryExplainer

CONFIG = {"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"}
EPOCHS, WIDTH, GNN_NODES = 100, 32, 2


def houses():
    """Two communities of a preferential-attachment graph with 80 houses each, and 350 links between them."""
    random, parts = np.random.default_rng(0), []
    for community in range(2):
        torch.manual_seed(community)
        graph = ExplainerDataset(BAGraph(300, 5), "house", num_motifs=80)[0]
        parts.append((graph.edge_index + 700 * community, graph.y + 4 * community))
    cross = torch.from_numpy(random.integers(0, 700, (2, 350)) + np.array([[0], [700]]))
    ends = torch.cat([parts[0][0], parts[1][0], cross, cross.flip(0)], 1)
    x = random.normal(size=(1400, 10))
    x[:, :2] = x[:, :2] * 0.5**0.5 + np.repeat([-1, 1], 700)[:, None]
    return torch.tensor(x, dtype=torch.float32), ends, torch.cat([parts[0][1], parts[1][1]])


def citeseer(folder):
    """The citation graph."""
    held = np.load(folder / "citeseer" / "citeseer.npz", allow_pickle=False)
    x = csr_matrix((held["x_data"], held["x_indices"], held["x_indptr"]), shape=held["x_shape"])
    x = torch.tensor(x.toarray(), dtype=torch.float32)
    return x, torch.from_numpy(held["edge_index"]), torch.from_numpy(held["y"])


def trained(x, ends, y):
    """Three graph convolutions, trained for a while."""
    torch.manual_seed(0)
    network = GCN(x.shape[1], WIDTH, 3, int(y.max()) + 1)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x, ends), y).backward()
        optimiser.step()
    return network.eval().requires_grad_(False)


def seconds(network, algorithm, x, ends, nodes, *, together):
    """Processor time a node."""
    explainer = Explainer(network, algorithm, "model", CONFIG, edge_mask_type="object")
    begun = time.process_time()
    for index in [nodes] if together else nodes:
        explainer(x, ends, index=index)
    return (time.process_time() - begun) / len(nodes)


def speed(args):
    """Seconds a node of each method: of nodes of houses, and of any papers."""
    graphs = {"BACommunity": houses()} | ({"Citeseer": citeseer(args.data)} if args.data else {})
    for name, (x, ends, y) in graphs.items():
        network = trained(x, ends, y)
        asked = np.flatnonzero(y % 4 > 0) if name == "BACommunity" else np.arange(len(x))
        nodes = torch.from_numpy(np.random.default_rng(1).permutation(asked)[: args.nodes])
        told = {}
        for _ in range(args.turns):
            for label, algorithm, some in (
                ("GNNExplainer", GNNExplainer(epochs=EPOCHS), nodes[:GNN_NODES]),
                ("FANS", FANSExplainer(probabilities=False), nodes),
                ("FANS, with PN, PS, PNS", FANSExplainer(), nodes),
                ("sufficient and necessary", SufficientNecessaryExplainer(probabilities=False), nodes),
            ):
                once = seconds(network, algorithm, x, ends, some, together="GNN" not in label)
                told.setdefault(label, []).append(once)
                if args.turns == 1:
                    print(f"{name}, {label}: {once:.3f} s a node", flush=True)
        medians = {label: statistics.median(each) for label, each in told.items()}
        for label, median in medians.items():
            ratio = medians["GNNExplainer"] / median
            print(f"{name}, {label}: {median:.3f} s a node, GNNExplainer / this {ratio:.1f}", flush=True)


def size(args):
    """Seconds and memory of one node against the edges around it."""
    for around in (30, 100, 300, 1_000, 3_000, 9_900):
        first = max(2, round(around**0.5))
        second = np.arange(1 + first, 1 + around)
        tree = np.stack(
            [np.append(np.arange(1, 1 + first), second), np.append(np.zeros(first), 1 + second % first)]
        )
        ends = torch.tensor(np.concatenate([tree, tree[::-1]], 1), dtype=torch.long)
        torch.manual_seed(0)
        network, x = GCN(16, WIDTH, 2, 3).eval(), torch.randn(1 + around, 16)
        once = seconds(network, FANSExplainer(probabilities=False), x, ends, torch.tensor([0]), together=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{around + first:,} entries: {once:.2f} s, peak of the process so far {peak:,.0f} MiB",
            flush=True,
        )


def million(args):
    """100 nodes of a large graph, and as many of a small one of the same kind."""
    for n_nodes in (10_000, 1_000_000):
        random = np.random.default_rng(0)
        # Sources by a power law, targets alike, so that no node receives many edges.
        sources = (n_nodes * random.random(3 * n_nodes) ** 3).astype(np.int64)
        ends = torch.from_numpy(np.stack([sources, random.integers(0, n_nodes, 3 * n_nodes)]))
        torch.manual_seed(0)
        network, x = GCN(16, WIDTH, 2, 3).eval(), torch.randn(n_nodes, 16)
        nodes = torch.from_numpy(random.permutation(n_nodes)[:100])
        explainer = FANSExplainer(probabilities=False)
        once = 100 * seconds(network, explainer, x, ends, nodes, together=True)
        print(f"100 nodes of {n_nodes:,}: {once:.1f} s, with one pass of the whole graph", flush=True)


def main():
    """The parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=["speed", "size", "million"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for part in args.parts:
        {"speed": speed, "size": size, "million": million}[part](args)


if __name__ == "__main__":
    main()
