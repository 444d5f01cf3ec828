"""Graph convolutions whose normalised weights are taken before the call: masks multiply them.

A convolution that normalises by degrees needs all edges that a node receives, though most of them bear
messages that do not arrive. Here only messages that arrive are sent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch_geometric.nn import GCNConv, MessagePassing
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from onlyif.modalities.ego_graphs import EgoGraph


@final
@dataclass(frozen=True, eq=False)
class Sent:
    """The messages of an ego graph that arrive at its node.

    Args:
        nodes: The numbers of its nodes in the graph.
        centre: The place of the node among them.
        ends: The places that each message goes from and to.
        player: The player of each message.
        weights: By what each is multiplied.
        loops: By what each node's message to itself is multiplied; none where there are no such messages.
    """

    nodes: Int64[np.ndarray, "n"]
    centre: int
    ends: Int64[np.ndarray, "2 e"]
    player: Int64[np.ndarray, "e"]
    weights: Float[Tensor, "e"]
    loops: Float[Tensor, "l"]


@final
@dataclass(frozen=True, eq=False)
class Convolutions:
    """The layers of a model of graph convolutions alone, which normalise alike.

    Args:
        layers: The layers.
        improved: Whether a node's own message counts twice.
        loops: Whether nodes send messages to themselves.
    """

    layers: tuple[GCNConv, ...]
    improved: bool
    loops: bool

    def sent(self, ego: EgoGraph, x: Float[Tensor, "n ..."]) -> Sent:
        """The messages of an ego graph that arrive.

        Args:
            ego: The ego graph.
            x: The features of the whole graph.
        """
        ends, weights = gcn_norm(
            torch.from_numpy(ego.ends), None, len(ego.nodes), self.improved, self.loops, dtype=x.dtype
        )
        # Where layers add messages of nodes to themselves, an edge of that kind is none of its own.
        edges = np.flatnonzero(ego.ends[0] != ego.ends[1]) if self.loops else np.arange(len(ego.edges))
        arrives = np.flatnonzero(ego.player[edges] >= 0)
        used = np.union1d(ends[:, arrives].numpy(), [ego.centre])
        return Sent(
            ego.nodes[used],
            int(np.searchsorted(used, ego.centre)),
            np.searchsorted(used, ends[:, arrives].numpy()),
            ego.player[edges][arrives],
            weights[arrives],
            weights[len(edges) :][used] if self.loops else weights[:0],
        )

    @contextmanager
    def sending(self, ends: Int64[Tensor, "2 m"], weights: Float[Tensor, "m"]) -> Iterator[None]:
        """While this lasts, the layers send these messages, whatever edges they are called with.

        Args:
            ends: From where to where each goes, those of nodes to themselves last.
            weights: By what each is multiplied.
        """
        before = [layer._cached_edge_index for layer in self.layers]
        try:
            for layer in self.layers:
                layer._cached_edge_index = ends, weights
            yield
        finally:
            for layer, kept in zip(self.layers, before, strict=True):
                layer._cached_edge_index = kept


def convolutions_of(model: Any) -> Convolutions | None:
    """The layers of a model, if they are graph convolutions that normalise alike; None for any other model.

    Args:
        model: The model.
    """
    parts = model.modules() if isinstance(model, nn.Module) else ()
    layers = [part for part in parts if isinstance(part, MessagePassing)]
    kinds = {_kind(layer) for layer in layers}
    if len(kinds) != 1 or None in kinds:
        return None
    return Convolutions(tuple(layers), layers[0].improved, layers[0].add_self_loops)


def _kind(layer: MessagePassing) -> tuple[bool, bool] | None:
    """How a graph convolution normalises; None for any other layer."""
    plain = type(layer) is GCNConv and layer.normalize and not layer.cached and layer.explain is None
    return (layer.improved, layer.add_self_loops) if plain and layer.flow == "source_to_target" else None
