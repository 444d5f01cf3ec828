"""What a node's prediction depends on, asked for many masks of its edges in one call.

The entries u -> w of an ego graph are those with w at most two hops from the node (three layers). A mask
multiplies messages: degrees are those of the whole graph, and self loops stay. A mask of links instead counts
the degrees anew, as when links are deleted.

    ego = ego_graph(network, graph, node)
    ego.logits(masks)            # (m, entries) -> (m, classes), with gradients
    ego.deleted_logits(masks)    # (m, links) -> (m, classes)
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from graph_networks import GraphNetwork
from graph_sets import GraphSet
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Messages:
    """Graph convolutions on a small graph, for many masks of its entries at once.

    Args:
        network: Whose convolutions.
        projected: The features times the first matrix.
        ends: Source and target of each entry.
        reach: Nodes and entries of each layer: only the first so many matter there.
    """

    network: GraphNetwork
    projected: Float[Tensor, "n hidden"]
    ends: Int64[Tensor, "2 entries"]
    reach: tuple[tuple[int, int], ...]

    def logits(
        self, weights: Float[Tensor, "m entries"], loops: Float[Tensor, "#m n"], node: int = 0
    ) -> Float[Tensor, "m classes"]:
        """The logits of a node.

        Args:
            weights: By what the message of each entry is multiplied: its mask times its normalisation.
            loops: The same of self loops.
            node: Which node of the small graph.
        """
        return self.read(self.hidden(weights, loops), node)

    def read(self, hidden: list[Tensor], node: int) -> Float[Tensor, "m classes"]:
        """A node's logits from what the layers gave."""
        if self.network.head is None:
            return hidden[-1][:, node]
        return self.network.head(torch.cat([layer[:, node] for layer in hidden], dim=1))

    def hidden(self, weights: Float[Tensor, "m entries"], loops: Float[Tensor, "#m n"]) -> list[Tensor]:
        """What each layer gives for the nodes that it reaches, `(m, n, hidden)`."""
        sent, found = self.projected[None], []
        for number, (nodes, entries) in enumerate(self.reach):
            source, target = self.ends[:, :entries]
            messages = weights[:, :entries, None] * sent[:, source]
            out = loops[:, :nodes, None] * sent[:, :nodes]
            out = out.expand(len(weights), -1, -1).index_add(1, target, messages)
            out = out + self.network.convolutions[number].bias
            if number < len(self.network.activations):
                out = functional.relu(out)
            found.append(out)
            if number + 1 < len(self.reach):
                sent = self.network.convolutions[number + 1].lin(out)
        return found


@dataclass(frozen=True, eq=False)
class EgoGraph:
    """A node, the entries that its prediction depends on, and the links that they are of.

    Args:
        node: Its number in the whole graph.
        nodes: The numbers of the nodes around, nearest first.
        entries: Numbers of the entries in the whole graph.
        messages: The small graph; the node is its node 0.
        link: The link of each entry.
        link_ends: Both ends of each link.
        other_degree: The degree of each node without these links; self loops count 1.
        truth: Whether an entry belongs to the node's own motif.
        target: The predicted class.
        label: The class.
    """

    node: int
    nodes: Int64[Tensor, " n"]
    entries: Int64[Tensor, " entries"]
    messages: Messages
    link: Int64[Tensor, " entries"]
    link_ends: Int64[Tensor, "2 links"]
    other_degree: Float[Tensor, " n"]
    truth: Bool[Tensor, " entries"]
    target: int
    label: int

    @property
    def count(self) -> int:
        """Entries."""
        return len(self.entries)

    @property
    def n_links(self) -> int:
        """Links."""
        return self.link_ends.shape[1]

    @property
    def n_classes(self) -> int:
        """Classes there are."""
        network = self.messages.network
        last = network.convolutions[-1] if network.head is None else network.head
        return int(last.bias.shape[0])

    @cached_property
    def degree(self) -> Float[Tensor, " n"]:
        """Of each node in the whole graph, with its self loop."""
        ones = torch.ones(2 * self.n_links)
        return self.other_degree.index_add(0, self.link_ends.flatten(), ones)

    def logits(self, masks: Float[Tensor, "m entries"]) -> Float[Tensor, "m classes"]:
        """The node's logits where messages are multiplied by the masks."""
        return self.messages.read(self.hidden(masks), 0)

    @cached_property
    def weights(self) -> tuple[Tensor, Tensor]:
        """By what messages and self loops are multiplied in the whole graph."""
        return normalised(self.degree[None], self.messages.ends)

    def hidden(self, masks: Float[Tensor, "m entries"]) -> list[Tensor]:
        """What each layer gives where messages are multiplied by the masks."""
        weights, loops = self.weights
        return self.messages.hidden(masks * weights, loops)

    def probabilities(self, masks: Float[Tensor, "m entries"]) -> Float[Tensor, "m classes"]:
        """The node's probabilities where messages are multiplied by the masks."""
        return self.logits(masks).softmax(1)

    def deleted_logits(
        self, masks: Float[Tensor, "m links"], *, cut: bool = False
    ) -> Float[Tensor, "m classes"]:
        """The node's logits where links are multiplied by the masks before degrees are counted.

        Args:
            masks: Of the links; 0 is deleted.
            cut: Whether no gradient flows through the degrees.
        """
        both = torch.cat([masks, masks], dim=1)
        degree = self.other_degree.expand(len(masks), -1).index_add(1, self.link_ends.flatten(), both)
        weights, loops = normalised(degree.detach() if cut else degree, self.messages.ends)
        return self.messages.logits(masks[:, self.link] * weights, loops)


def normalised(degree: Float[Tensor, "m n"], ends: Int64[Tensor, "2 entries"]) -> tuple[Tensor, Tensor]:
    """By what messages and self loops are multiplied: one over the root of both ends' degrees."""
    root = degree.rsqrt()
    return root[:, ends[0]] * root[:, ends[1]], 1 / degree


class Egos:
    """The ego graphs of a graph and its network; each is made when it is asked for, and kept.

    Args:
        network: The network, of as many layers as it has convolutions.
        graph: The graph.
    """

    def __init__(self, network: GraphNetwork, graph: GraphSet) -> None:
        self.network, self.graph = network, graph
        n = len(graph.x)
        # Entries are sorted by source, and each link has both: received entries are found by their reverses.
        self.starts = np.searchsorted(graph.edge_index[0].numpy(), np.arange(n + 1))
        codes = graph.edge_index[0] * n + graph.edge_index[1]
        self.reverse = torch.searchsorted(codes, graph.edge_index[1] * n + graph.edge_index[0])
        with torch.no_grad():
            self.logits = network(graph.x, graph.edge_index)
        self.predicted = self.logits.argmax(1)
        self._kept: dict[int, EgoGraph] = {}

    def of(self, node: int) -> EgoGraph:
        """The ego graph of a node."""
        if node not in self._kept:
            self._kept[node] = self._made(node)
        return self._kept[node]

    def _made(self, node: int) -> EgoGraph:
        nodes, received, reach = self._around(node)
        local = {number: i for i, number in enumerate(nodes)}
        here = torch.tensor(nodes)
        entries = torch.tensor(received, dtype=torch.long)
        ends = self.graph.edge_index[:, entries]
        ends = torch.tensor([[local[int(i)] for i in side] for side in ends], dtype=torch.long)
        codes = ends.min(0).values * len(nodes) + ends.max(0).values
        links, link = codes.unique(return_inverse=True)
        link_ends = torch.stack([links // len(nodes), links % len(nodes)])
        degree = torch.from_numpy(np.diff(self.starts))[here].float() + 1
        inside = torch.bincount(link_ends.flatten(), minlength=len(nodes)).float()
        with torch.no_grad():
            projected = self.network.convolutions[0].lin(self.graph.x[here])
        house = int(self.graph.motif_of[node])
        return EgoGraph(
            node, here, entries, Messages(self.network, projected, ends, reach), link, link_ends,
            degree - inside, (self.graph.motif[entries] == house) & (house >= 0),
            int(self.predicted[node]), int(self.graph.y[node]),
        )  # fmt: skip

    def _around(self, node: int) -> tuple[list[int], list[int], tuple[tuple[int, int], ...]]:
        """Nodes and received entries, nearest first, and how many of them each layer needs."""
        hops = len(self.network.convolutions)
        seen, nodes, received, last, sizes = {node}, [node], [], [node], []
        for _ in range(hops):
            n_nodes, next_ones = len(nodes), []
            for target in last:
                sent = range(self.starts[target], self.starts[target + 1])
                received += [int(self.reverse[entry]) for entry in sent]
                for source in self.graph.edge_index[1, sent.start : sent.stop].tolist():
                    if source not in seen:
                        seen.add(source)
                        next_ones.append(source)
            sizes.append((n_nodes, len(received)))
            last = sorted(next_ones)
            nodes = nodes + last
        return nodes, received, tuple(reversed(sizes))
