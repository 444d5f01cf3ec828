"""Graphs, and what a model of message passing sees around a node.

A model of k layers of message passing answers for a node by what is at most k hops from it. Its *ego graph*
holds these nodes, and all edges that they receive: those received less than k hops away are passed on to the
node, and are the players; those received at k hops are there for the degrees that a layer normalises by, and
stay. What the model answers on the ego graph is then what it answers on the whole graph, also when some of
the players are deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from array_api_compat import is_array_api_obj
from jaxtyping import Int64

from onlyif.core.arrays import namespace, on_host
from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.modalities.base import InstancePlayers

# Who plays at a node without edges: hiding this changes nothing, so that every set is empty.
ISOLATED = InstancePlayers(
    ("no edges",),
    ("",),
    "the node receives no edges: its prediction rests on its own features, and on no edge",
)


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """A graph whose nodes have features; it needs no torch_geometric.

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

    @property
    def size(self) -> tuple[int, int]:
        """How many nodes and edges there are."""
        return len(self.nodes), len(self.edges)

    @property
    def other_way(self) -> Int64[np.ndarray, "d"]:
        """The player of the edge the other way of each player's; itself where there is none."""
        playing = self.player >= 0
        player, (source, target) = self.player[playing], self.nodes[self.ends[:, playing]].astype(np.int64)
        n = int(self.nodes.max()) + 1
        order = np.argsort(source * n + target)
        keys, wanted = (source * n + target)[order], target * n + source
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[place] == wanted
        other = np.arange(self.players.count)
        other[player[there]] = player[order][place[there]]
        return other


def grouped(ego: EgoGraph, groups: Mapping[str, Sequence[str]]) -> EgoGraph:
    """The same with groups of edges as players, each in the place of the first of them.

    Args:
        ego: What is around a node.
        groups: The names of the edges in each group; those that are not around this node are passed over.

    Raises:
        SettingError: if an edge is in two groups, or a group is called like another edge.
    """
    group_of = dict[str, str]()
    for group, edges in groups.items():
        for edge in edges:
            if group_of.setdefault(edge, group) != group:
                raise SettingError(f"the edge {edge!r} is in the groups {group_of[edge]!r} and {group!r}")
    members = dict[str, list[int]]()
    for player, name in enumerate(ego.players.names):
        group = group_of.get(name, name)
        if group == name and name in groups and name not in groups[name]:
            raise SettingError(f"a group is called like the edge {name!r}; give it another name")
        members.setdefault(group, []).append(player)
    number = np.full(ego.players.count + 1, -1)
    for place, own in enumerate(members.values()):
        number[own] = place
    values = tuple(
        ", ".join(ego.players.names[player] for player in own) if group in groups
        else ego.players.values[own[0]]
        for group, own in members.items()
    )  # fmt: skip
    players = InstancePlayers(tuple(members), values, ego.players.note)
    # The last place stands for edges that are nobody's.
    return replace(ego, player=number[ego.player], players=players)


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
        most_edges: Players that a node may have.
    """

    graph: Graph
    ends: Int64[np.ndarray, "2 e"]
    order: Int64[np.ndarray, "e"]
    first: Int64[np.ndarray, "n_and_1"]
    undirected: bool
    most_edges: int

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

    def component(self, number: int, of: Int64[np.ndarray, "n"]) -> EgoGraph:
        """One of several graphs that stand side by side, whose edges all play.

        Args:
            number: Its number.
            of: The graph that each node is of.
        """
        nodes, edges = np.flatnonzero(of == number), np.flatnonzero(of[self.ends[1]] == number)
        owner, players = self._players(number, edges, edges, 0)
        ends = np.searchsorted(nodes, self.ends[:, edges])
        return EgoGraph(number, nodes, 0, ends, edges, owner, players)

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
        if len(keys) > self.most_edges:
            raise LimitError(
                f"node {node} has {len(keys):,} edges within {hops} hops, and at most "
                f"{self.most_edges:,} can be players; leave the node out, explain a model of fewer "
                "layers, or allow for more: Graphs(most_edges=...)"
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
        own = np.flatnonzero(owner >= 0)
        first = np.full(count, len(owner))
        np.minimum.at(first, owner[own], own)
        keys, times = np.unique(owner[own] * self.graph.n_nodes + targets[own], return_counts=True)
        parallel = np.zeros(count, dtype=np.int64)
        np.maximum.at(parallel, keys // self.graph.n_nodes, times)
        weight = None if self.graph.edge_weight is None else on_host(self.graph.edge_weight)[edges[first]]
        texts = []
        for player, loops in enumerate((sources[first] == targets[first]).tolist()):
            parts = [] if weight is None else [f"weight {weight[player]:.4g}"]
            if loops:
                parts.append("self loop")
            if parallel[player] > 1:
                parts.append(f"{parallel[player]} edges")
            texts.append(", ".join(parts))
        return tuple(texts)


def surroundings_of(graph: Graph, undirected: bool | None, most_edges: int = 2_000) -> Surroundings:
    """A graph whose edges can be looked up.

    Args:
        graph: The graph.
        undirected: Whether the edges between two nodes are one player; None for where each has its like the
            other way.
        most_edges: Players that a node may have.
    """
    ends = on_host(graph.edge_index).astype(np.int64)
    sources, targets = ends
    if undirected is None:
        n = graph.n_nodes
        undirected = np.array_equal(_distinct(sources * n + targets), _distinct(targets * n + sources))
    first = np.concatenate([[0], np.cumsum(np.bincount(targets, minlength=graph.n_nodes))])
    return Surroundings(graph, ends, np.argsort(targets, kind="stable"), first, undirected, most_edges)


def _distinct(keys: Int64[np.ndarray, "e"]) -> Int64[np.ndarray, "_"]:
    """The distinct ones among numbers, in order: sorting millions is faster than hashes of `np.unique`."""
    held = np.sort(keys)
    distinct: np.ndarray = held[np.concatenate([held[:1] >= 0, held[1:] != held[:-1]])]
    return distinct
