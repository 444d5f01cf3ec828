"""Nodes of a graph, explained by the edges that a model of message passing sees around them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Int64
from typing_extensions import override

from onlyif.core.arguments import Either, Flag, Kind, Name, Number, Whole, settle
from onlyif.core.arrays import beside, like
from onlyif.core.labels import Row
from onlyif.core.nouns import EDGE
from onlyif.core.seeds import generator
from onlyif.modalities.base import Call, InstancePlayers, Modality, Queries
from onlyif.modalities.ego_graphs import EgoGraph, Graph


@final
@dataclass(frozen=True)
class Graphs:
    """How `onlyif.explain(model, graph, index=...)` explains nodes: which edges are players.

    Args:
        hops: How far messages travel: the layers of message passing of the model. By default as many as
            torch_geometric's layers in it say; needed for other models.
        undirected: Whether the edges between two nodes are one player, whichever way they go; by default
            where every edge of the graph has its like the other way.
        hidden: "deleted" takes hidden edges out of the graph, so that degrees are counted without them;
            "messages" keeps them in the degrees, and multiplies their messages by 0 in every layer of
            torch_geometric.
        density: With which probability a hidden edge is there in a draw. 0 is never; "graph" is the graph's
            own density, its edges over all pairs of nodes.
        n_draws: Draws, where the density is above 0.
        most_edges: A node with more players is refused: a search asks for a multiple of them at every step.

    Raises:
        SettingError: if a setting is of another kind or out of range.

    Example:
        >>> import onlyif
        >>> x = np.array([[1.0], [5.0], [0.0]])
        >>> ends = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> def model(x, edge_index):
        ...     return np.stack([x[edge_index[0, edge_index[1] == node]].sum(0) for node in range(len(x))])
        >>> found = onlyif.explain(model, onlyif.Graph(x, ends), index=0, modality=onlyif.Graphs(hops=1))
        >>> found[0].names, found[0].sufficient.names
        (('0 - 1',), ('0 - 1',))
    """

    hops: int | None = None
    undirected: bool | None = None
    hidden: str = "deleted"
    density: float | str = 0.0
    n_draws: int = 32
    most_edges: int = 2_000

    def __post_init__(self) -> None:
        settle(self, _KINDS)


_KINDS: dict[str, Kind] = {
    "hops": Either((Whole(least=1), None)),
    "undirected": Either((Flag(), None)),
    "hidden": Name(("deleted", "messages"), "way to hide edges"),
    "density": Either((Number(least=0.0, below=1.0), Name(("graph",), "density"))),
    "n_draws": Whole(least=1),
    "most_edges": Whole(least=1),
}


@final
@dataclass(frozen=True, eq=False)
class GraphNodes:
    """Some nodes of a graph, as the user gives them.

    Args:
        graph: The graph.
        index: The nodes.
    """

    graph: Any
    index: Any


@final
@dataclass(frozen=True, eq=False)
class EdgeModality(Modality):
    """Nodes of a graph, whose ego graphs are the instances and whose edges play.

    All subsets of a call are one graph, block beside block.

    Args:
        graph: The graph.
        undirected: Whether the edges between two nodes are one player.
        named: What of the edges the model is given, by the name of its argument, beside where they go.
        masked: What is around a call of a model whose messages are multiplied by a mask over the edges, made
            from the model, the mask and the edges. None deletes hidden edges.
        density: With which probability a hidden edge is there in a draw.
        draws: The draws; one where the density is 0.
        seed: Seed of the draws.
        pooled: Whether the model answers for whole graphs, and is told by its argument `batch` which graph
            each node is of.
    """

    graph: Graph
    undirected: bool
    named: tuple[str, ...] = ()
    masked: Callable[[Any, Any, Any], AbstractContextManager[None]] | None = None
    density: float = 0.0
    draws: int = 1
    seed: int = 0
    pooled: bool = False

    @override
    def players(self, instance: EgoGraph) -> InstancePlayers:
        return instance.players

    @override
    def label(self, instance: EgoGraph, place: int) -> Row:
        return instance.node

    @override
    def render(self, queries: Queries) -> Call:
        order, numbers = np.argsort(queries.which, kind="stable"), np.unique(queries.which).tolist()
        joined = self.joined([self._drawn(queries, number) for number in numbers])
        rows = np.empty_like(joined.rows)
        rows[order] = joined.rows
        return replace(joined, rows=rows)

    @property
    @override
    def n_draws(self) -> int:
        return self.draws

    def _drawn(self, queries: Queries, number: int) -> tuple[EgoGraph, Bool[np.ndarray, "_ _"]]:
        """The rows of one ego graph, with the hidden edges that are there in their draws."""
        ego, rows = queries.instances[number], queries.which == number
        shown = queries.shown[rows]
        if not self.density:
            return ego, shown
        return ego, shown | self.hidden(ego)[queries.draw[rows], np.arange(ego.players.count)]

    def hidden(self, ego: EgoGraph) -> Bool[np.ndarray, "draws d"]:
        """Which hidden edges are there, in each draw.

        Args:
            ego: What is around a node.
        """
        uniform = generator(self.seed, "edges", ego.node).random((self.draws, ego.players.count))
        there: np.ndarray = uniform < self.density
        return there

    def joined(self, shown: Sequence[tuple[EgoGraph, Bool[np.ndarray, "_ _"]]]) -> Call:
        """Ego graphs as one graph, block beside block; they are asked for in order.

        Args:
            shown: For each, which players show; it is there once for each row of these.
        """
        blocks, offset, centres, sizes, deletes = [], 0, [], [], self.masked is None
        for ego, rows in shown:
            blocks.append(_block(ego, rows if deletes else np.full_like(rows, True), offset))
            centres.append(offset + np.arange(len(rows)) * len(ego.nodes) + ego.centre)
            sizes.append(np.full(len(rows), len(ego.nodes)))
            offset += len(rows) * len(ego.nodes)
        nodes, ends, edges = (np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True))
        call = self.call(nodes, ends, edges, np.concatenate(centres))
        if self.pooled:
            call = _of_whole(call, np.concatenate(sizes))
        return call if self.masked is None else replace(call, inside=self._mask_of(call, shown))

    def _mask_of(
        self, call: Call, shown: Sequence[tuple[EgoGraph, Bool[np.ndarray, "_ _"]]]
    ) -> Callable[[Any], AbstractContextManager[None]]:
        """What hides edges in a call that has them all."""
        masked, (x, ends) = self.masked, call.arguments
        stays = np.concatenate([(rows[:, ego.player] | (ego.player < 0)).ravel() for ego, rows in shown])
        mask = like(stays.astype(np.float64), x)
        assert masked is not None
        return lambda model: masked(model, mask, ends)

    def call(
        self,
        nodes: Int64[np.ndarray, "n"],
        ends: Int64[np.ndarray, "2 e"],
        edges: Int64[np.ndarray, "e"],
        rows: Int64[np.ndarray, "r"],
    ) -> Call:
        """What the model is given.

        Args:
            nodes: Nodes of the graph, which may be there several times.
            ends: The places among them that each edge goes from and to.
            edges: The number of each edge in the graph.
            rows: The places of the nodes that are asked about.
        """
        x, of_edges = self.graph.x, {}
        values = {"edge_weight": self.graph.edge_weight, "edge_attr": self.graph.edge_attr}
        for name in self.named:
            held: Any = values[name]
            of_edges[name] = held[beside(edges, held)]
        return Call((x[beside(nodes, x)], beside(ends, x)), of_edges, rows, len(nodes))

    @property
    @override
    def noun(self) -> str:
        return EDGE

    @property
    @override
    def hides(self) -> str:
        way = "both ways" if self.undirected else "each way for itself"
        how = f"deleted, {way}, and degrees are counted without them"
        if self.masked is not None:
            how = f"kept in the degrees and send no messages, {way}"
        often = f"there with probability {self.density:.3g}, else " if self.density else ""
        return f"Hidden edges are {often}{how}; nodes and their features stay."


def _of_whole(call: Call, sizes: Int64[np.ndarray, "r"]) -> Call:
    """The same for a model that answers for whole graphs, of so many nodes each."""
    every = np.arange(len(sizes))
    batch = beside(np.repeat(every, sizes), call.arguments[0])
    return replace(call, named={**call.named, "batch": batch}, rows=every, n_answers=len(sizes))


def _block(
    ego: EgoGraph, shown: Bool[np.ndarray, "r d"], offset: int
) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "2 e"], Int64[np.ndarray, "e"]]:
    """An ego graph once for each row, with the edges that it shows: nodes, edges, and their numbers."""
    row, edge = np.nonzero(shown[:, ego.player] | (ego.player < 0))
    ends = ego.ends[:, edge] + (offset + row * len(ego.nodes))
    return np.tile(ego.nodes, len(shown)), ends, ego.edges[edge]
