"""Nodes of a graph, explained by the edges that a model of message passing sees around them.

A model of k layers of message passing answers for a node by what is at most k hops from it. Its *ego graph*
holds these nodes, and all edges that they receive: those received less than k hops away are passed on to the
node, and are the players; those received at k hops are there for the degrees that a layer normalises by, and
stay. What the model answers on the ego graph is then what it answers on the whole graph, also when some of
the players are deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from array_api_compat import is_array_api_obj
from jaxtyping import Bool, Int64
from typing_extensions import override

from onlyif.core.arguments import Either, Flag, Whole, settle
from onlyif.core.arrays import beside, namespace, on_host
from onlyif.core.errors import InputError, LimitError
from onlyif.core.labels import Row
from onlyif.modalities.base import Call, InstancePlayers, Modality, Queries

# Edges of one node that are players, at most: a search asks for a multiple of them at every step.
MOST_EDGES = 2_000
# Who plays at a node without edges: hiding this changes nothing, so that every set is empty.
ISOLATED = InstancePlayers(
    ("no edges",),
    ("",),
    "the node receives no edges: its prediction rests on its own features, and on no edge",
)


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """A graph whose nodes have features, for whom has no `torch_geometric.data.Data`.

    Args:
        x: One row of features a node, (n, *f): an array or tensor.
        edge_index: The nodes that each edge goes from and to, whole numbers from 0, (2, e): messages go that
            way. An undirected edge stands there twice, once each way.
        edge_weight: One number an edge, (e,), or None.
        edge_attr: One row of features an edge, (e, *a), or None.

    Raises:
        InputError: unless they are arrays or tensors that fit each other, of finite numbers.

    Example:
        >>> Graph(np.eye(3), np.array([[0, 1, 1, 2], [1, 0, 2, 1]])).n_nodes
        3
    """

    x: Any
    edge_index: Any
    edge_weight: Any = None
    edge_attr: Any = None

    def __post_init__(self) -> None:
        _check_array(self.x, "x", "one row of features a node")
        _check_array(self.edge_index, "edge_index", "two rows: from which node each edge goes, and to which")
        shape, kind = tuple(self.edge_index.shape), namespace(self.edge_index)
        if len(shape) != 2 or shape[0] != 2 or not kind.isdtype(self.edge_index.dtype, "integral"):
            raise InputError(
                f"edge_index must be whole numbers of shape (2, edges), got {self.edge_index.dtype} of shape "
                f"{shape}"
            )
        ends = on_host(self.edge_index)
        if ends.size and (ends.min() < 0 or ends.max() >= self.n_nodes):
            raise InputError(
                f"edge_index has nodes from {ends.min()} to {ends.max()}, and x has {self.n_nodes} rows; "
                f"need nodes from 0 to {self.n_nodes - 1}"
            )
        for name, values in {"edge_weight": self.edge_weight, "edge_attr": self.edge_attr}.items():
            if values is None:
                continue
            _check_array(values, name, "one row an edge")
            if len(values) != shape[1]:
                raise InputError(f"{name} has {len(values)} rows for {shape[1]} edges; need one an edge")

    @property
    def n_nodes(self) -> int:
        """The number of nodes."""
        return int(self.x.shape[0])

    @property
    def n_edges(self) -> int:
        """The number of edges, each way counted."""
        return int(self.edge_index.shape[1])


def _check_array(values: Any, name: str, needed: str) -> None:
    if not is_array_api_obj(values) or values.ndim == 0:
        raise InputError(f"{name} must be an array or tensor with {needed}, got a {type(values).__name__}")
    xp = namespace(values)
    if xp.isdtype(values.dtype, "real floating") and not bool(xp.isfinite(values).all()):
        raise InputError(f"{name} has NaN or infinite values; need finite ones")


@final
@dataclass(frozen=True)
class Graphs:
    """How `onlyif.explain(model, graph, index=...)` explains nodes: which edges are players.

    Args:
        hops: How far messages travel: the layers of message passing of the model. By default as many as
            torch_geometric's layers in it say; needed for other models.
        undirected: Whether the edges between two nodes are one player, whichever way they go; by default
            where every edge of the graph has its like the other way.

    Raises:
        SettingError: unless hops is a whole number of at least 1.

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

    def __post_init__(self) -> None:
        settle(self, {"hops": Either((Whole(least=1), None)), "undirected": Either((Flag(), None))})


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
class EgoGraph:
    """What is around a node.

    Args:
        node: The node's number in the graph.
        nodes: The numbers of its nodes in the graph.
        centre: The place of the node among them.
        ends: The places that each edge goes from and to.
        edges: The number of each edge in the graph.
        player: The player of each edge; -1 where it always stays.
        players: Who plays.
    """

    node: int
    nodes: Int64[np.ndarray, "n"]
    centre: int
    ends: Int64[np.ndarray, "2 e"]
    edges: Int64[np.ndarray, "e"]
    player: Int64[np.ndarray, "e"]
    players: InstancePlayers


@final
@dataclass(frozen=True, eq=False)
class Surroundings:
    """A graph whose edges can be looked up by the node that receives them.

    Args:
        graph: The graph.
        ends: Its edges.
        order: Their numbers in the order of the nodes that receive them.
        first: Where the edges of each node begin in this order, and where those of the last one end.
        undirected: Whether the edges between two nodes are one player.
    """

    graph: Graph
    ends: Int64[np.ndarray, "2 e"]
    order: Int64[np.ndarray, "e"]
    first: Int64[np.ndarray, "n_and_1"]
    undirected: bool

    def ego(self, node: int, hops: int, more: int = 0) -> EgoGraph:
        """What is around a node.

        Nodes beyond the last hop are one: what they say does not arrive, only how many they are.

        Args:
            node: Its number.
            hops: How far messages travel.
            more: How much further away edges are that stay; 0 is enough.

        Raises:
            LimitError: if more edges are players than can be searched.
        """
        seen = far = np.array([node])
        layers: list[Int64[np.ndarray, "_"]] = []
        while len(layers) <= hops + more:
            seen = np.union1d(seen, far)
            layers.append(self._received(far))
            far = np.setdiff1d(self.ends[0, layers[-1]], seen)
        playing, edges = np.concatenate(layers[:hops]), np.sort(np.concatenate(layers))
        owner, players = self._players(node, playing, edges, hops)
        ends = np.where(
            np.isin(self.ends[:, edges], far), len(seen), np.searchsorted(seen, self.ends[:, edges])
        )
        nodes = np.concatenate([seen, far[:1]])
        return EgoGraph(node, nodes, int(np.searchsorted(seen, node)), ends, edges, owner, players)

    def whole(self, ego: EgoGraph) -> EgoGraph:
        """The same players in the whole graph.

        Args:
            ego: What is around a node.
        """
        player = np.full(self.graph.n_edges, -1)
        player[ego.edges] = ego.player
        nodes, edges = np.arange(self.graph.n_nodes), np.arange(self.graph.n_edges)
        return EgoGraph(ego.node, nodes, ego.node, self.ends, edges, player, ego.players)

    def _received(self, nodes: Int64[np.ndarray, "f"]) -> Int64[np.ndarray, "_"]:
        """The numbers of the edges that some nodes receive, node after node."""
        parts = [self.order[self.first[node] : self.first[node + 1]] for node in nodes.tolist()]
        return np.concatenate([self.order[:0], *parts])

    def _players(
        self, node: int, playing: Int64[np.ndarray, "p"], edges: Int64[np.ndarray, "e"], hops: int
    ) -> tuple[Int64[np.ndarray, "e"], InstancePlayers]:
        """The player of each edge, and who they are: the nearest first."""
        if not len(playing):
            return np.full(len(edges), -1), ISOLATED
        keys, places = np.unique(self._keys(playing), return_index=True)
        if len(keys) > MOST_EDGES:
            raise LimitError(
                f"node {node} has {len(keys):,} edges within {hops} hops, and at most {MOST_EDGES:,} can be "
                "players; leave the node out, or explain a model of fewer layers"
            )
        nearest = np.argsort(places, kind="stable")
        number = np.empty(len(keys), dtype=np.int64)
        number[nearest] = np.arange(len(keys))
        own = self._keys(edges)
        place = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
        owner = np.where(keys[place] == own, number[place], -1)
        pairs = np.stack(np.divmod(keys[nearest], self.graph.n_nodes), axis=1).tolist()
        sign = "-" if self.undirected else "->"
        names = tuple(f"{one} {sign} {other}" for one, other in pairs)
        return owner, InstancePlayers(names, self._values(owner, edges, len(keys)))

    def _keys(self, edges: Int64[np.ndarray, "e"]) -> Int64[np.ndarray, "e"]:
        """Equal numbers for edges that are one player."""
        sources, targets = self.ends[:, edges]
        if self.undirected:
            sources, targets = np.minimum(sources, targets), np.maximum(sources, targets)
        keys: np.ndarray = sources * self.graph.n_nodes + targets
        return keys

    def _values(
        self, owner: Int64[np.ndarray, "e"], edges: Int64[np.ndarray, "e"], count: int
    ) -> tuple[str, ...]:
        """What there is to say of each player: weights, and that several edges are one."""
        sources, targets = self.ends[:, edges]
        weight = None if self.graph.edge_weight is None else on_host(self.graph.edge_weight)[edges]
        texts = []
        for player in range(count):
            mine = np.flatnonzero(owner == player)
            parallel = int(np.bincount(np.searchsorted(np.unique(targets[mine]), targets[mine])).max())
            parts = [] if weight is None else [f"weight {weight[mine[0]]:.4g}"]
            if sources[mine[0]] == targets[mine[0]]:
                parts.append("self loop")
            if parallel > 1:
                parts.append(f"{parallel} edges")
            texts.append(", ".join(parts))
        return tuple(texts)


def surroundings_of(graph: Graph, undirected: bool | None) -> Surroundings:
    """A graph whose edges can be looked up.

    Args:
        graph: The graph.
        undirected: Whether the edges between two nodes are one player; None for where each has its like the
            other way.
    """
    ends = on_host(graph.edge_index).astype(np.int64)
    sources, targets = ends
    if undirected is None:
        n = graph.n_nodes
        undirected = np.array_equal(_distinct(sources * n + targets), _distinct(targets * n + sources))
    first = np.concatenate([[0], np.cumsum(np.bincount(targets, minlength=graph.n_nodes))])
    return Surroundings(graph, ends, np.argsort(targets, kind="stable"), first, undirected)


def _distinct(keys: Int64[np.ndarray, "e"]) -> Int64[np.ndarray, "_"]:
    """The distinct ones among numbers, in order: sorting millions is faster than hashes of `np.unique`."""
    held = np.sort(keys)
    distinct: np.ndarray = held[np.concatenate([held[:1] >= 0, held[1:] != held[:-1]])]
    return distinct


@final
@dataclass(frozen=True, eq=False)
class EdgeModality(Modality):
    """Nodes of a graph, whose ego graphs are the instances and whose edges play.

    All subsets of a call are one graph, block beside block.

    Args:
        graph: The graph.
        undirected: Whether the edges between two nodes are one player.
        named: What of the edges the model is given, by the name of its argument, beside where they go.
    """

    graph: Graph
    undirected: bool
    named: tuple[str, ...] = ()

    @override
    def players(self, instance: EgoGraph) -> InstancePlayers:
        return instance.players

    @override
    def label(self, instance: EgoGraph, place: int) -> Row:
        return instance.node

    @override
    def render(self, queries: Queries) -> Call:
        order, numbers = np.argsort(queries.which, kind="stable"), np.unique(queries.which).tolist()
        joined = self.joined(
            [(queries.instances[number], queries.shown[queries.which == number]) for number in numbers]
        )
        rows = np.empty_like(joined.rows)
        rows[order] = joined.rows
        return replace(joined, rows=rows)

    def joined(self, shown: Sequence[tuple[EgoGraph, Bool[np.ndarray, "_ _"]]]) -> Call:
        """Ego graphs as one graph, block beside block; they are asked for in order.

        Args:
            shown: For each, which players show; it is there once for each row of these.
        """
        blocks, offset, centres = [], 0, []
        for ego, rows in shown:
            blocks.append(_block(ego, rows, offset))
            centres.append(offset + np.arange(len(rows)) * len(ego.nodes) + ego.centre)
            offset += len(rows) * len(ego.nodes)
        nodes, ends, edges = (np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True))
        return self.call(nodes, ends, edges, np.concatenate(centres))

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
        return "edge"

    @property
    @override
    def hides(self) -> str:
        way = "both ways" if self.undirected else "each way for itself"
        return (
            f"Hidden edges are deleted, {way}, and degrees are counted without them; nodes and their "
            "features stay."
        )


def _block(
    ego: EgoGraph, shown: Bool[np.ndarray, "r d"], offset: int
) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "2 e"], Int64[np.ndarray, "e"]]:
    """An ego graph once for each row, with the edges that it shows: nodes, edges, and their numbers."""
    row, edge = np.nonzero(shown[:, ego.player] | (ego.player < 0))
    ends = ego.ends[:, edge] + (offset + row * len(ego.nodes))
    return np.tile(ego.nodes, len(shown)), ends, ego.edges[edge]
