"""A model of a graph as a predictor of soft masks over the edges of ego graphs, which share calls."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from onlyif.core.arrays import beside
from onlyif.core.errors import ModelError
from onlyif.modalities.base import Call
from onlyif.modalities.ego_graphs import EgoGraph
from onlyif.modalities.graphs import EdgeModality
from onlyif.models.base import Meaning
from onlyif.models.convolutions import Convolutions, Sent, convolutions_of
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.models.edge_masks import EdgeMasking, MessageMasks
from onlyif.models.outputs import digits_of
from onlyif.models.tiled import TiledFeatures
from onlyif.models.torch_module import module_guard

# By how much answers may differ where features are stood in for.
TOLERANCE = 1e-4
# Ego graphs share calls with others that have at most so many times their players.
MOST_UNLIKE = 2.0


def alike(counts: Int64[np.ndarray, "b"], least: int) -> Iterator[Int64[np.ndarray, "p"]]:
    """The ego graphs that share calls: those with about as many players, for shorter rows are filled up.

    Args:
        counts: The number of players of each.
        least: Those with fewer are left out.

    Example:
        >>> list(alike(np.array([9, 1, 2, 3]), 2))
        [array([2, 3]), array([0])]
    """
    group: list[int] = []
    for number in np.argsort(counts, kind="stable").tolist():
        if counts[number] < least:
            continue
        if group and counts[number] > MOST_UNLIKE * counts[group[0]]:
            yield np.array(group)
            group = []
        group.append(number)
    if group:
        yield np.array(group)


def whole_rows(
    counts: Int64[np.ndarray, "b"], numbers: Int64[np.ndarray, "p"], dtype: torch.dtype
) -> tuple[Float[Tensor, "p columns"], Float[Tensor, "p columns"], Bool[Tensor, "p d"]]:
    """Some ego graphs as rows: with all edges, with none, and which player is one.

    Args:
        counts: The number of players of each ego graph.
        numbers: Which of them.
        dtype: Of the rows.
    """
    own = counts[numbers]
    there = torch.from_numpy(np.arange(own.max()) < own[:, None])
    number = torch.from_numpy(numbers)[:, None]
    rows = [torch.cat([number, edges], dim=1).to(dtype) for edges in (there, torch.zeros_like(there).long())]
    return rows[0], rows[1], there


@final
@dataclass(frozen=True, eq=False)
class _Plan:
    """Ego graphs side by side, and where the mask of each edge stands.

    Args:
        call: What the model is given.
        place: Of each edge the place of its mask among the rows, each with a 1 behind it, laid end to end.
        tiled: What stands for the features, where linear maps of them are taken once.
        sent: The messages of graph convolutions with their weights, those of nodes to themselves last; None
            where edges are masked in the layers.
    """

    call: Call
    place: Int64[Tensor, "e"]
    tiled: TiledFeatures
    sent: tuple[Convolutions, Int64[Tensor, "2 m"], Float[Tensor, "m"]] | None = None

    def answers(self, model: Any, masking: EdgeMasking, rows: Float[Tensor, "r columns"]) -> Any:
        """What a model says of rows of masks."""
        ends = torch.cat([rows[:, 1:], torch.ones_like(rows[:, :1])], dim=1).flatten()
        features = self.tiled.features
        kind = features.dtype if features.is_floating_point() else torch.get_default_dtype()
        mask = ends[self.place.to(ends.device)].to(kind)
        with self.tiled:
            if self.sent is None:
                return masking.answers(model, self.call, mask)
            layers, where, weights = self.sent
            masked = weights[: len(mask)] * mask
            with layers.sending(where, torch.cat([masked, weights[len(mask) :]])):
                return self.call.answered_by(model)


# From the numbers of ego graphs, one a row, and the width of the rows to what the model is given.
Plans = Callable[[tuple[int, ...], int], _Plan]


@final
@dataclass(frozen=True, eq=False)
class EdgePredictor:
    """A model of a graph as a predictor of soft masks over the players of ego graphs.

    A row is the number of an ego graph, then one number a player, then whatever fills it up: rows of
    several ego graphs share a call, block beside block.

    Args:
        predictor: The predictor.
        lean: Whether the model takes a linear map of the features first, so that these need not be there
            for each row.
        sizes: How many nodes and edges of each ego graph the model is given in a row.
    """

    predictor: DifferentiablePredictor
    lean: bool
    sizes: tuple[tuple[int, int], ...]


def masked_ego_graphs(
    model: Any,
    modality: EdgeModality,
    egos: tuple[EgoGraph, ...],
    *,
    masking: EdgeMasking,
    readout: Callable[[Tensor], Tensor],
    output: str,
) -> EdgePredictor:
    """A model as a predictor of soft masks over edges.

    Args:
        model: The model.
        modality: The graph.
        egos: The ego graphs.
        masking: How a mask reaches the model.
        readout: From the model's answers to what is explained.
        output: What that is, for the reader.

    Raises:
        ModelError: if masks do not reach the model, or it reads features otherwise than by torch's functions.
    """
    named = f"torch {type(model).__name__}" if isinstance(model, nn.Module) else "the function"
    x, plan = modality.graph.x, _plain_plans(modality, egos)
    masking.check(model, plan((0,), 1 + egos[0].players.count).call)
    guard: Callable[[], AbstractContextManager[None]] = nullcontext
    if isinstance(model, nn.Module):
        guard = _guard_of(model)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    meaning = Meaning(named, output, digits=digits_of(wide))

    def made(plans: Plans) -> DifferentiablePredictor:
        function = _function(model, masking, readout, plans)
        return DifferentiablePredictor(function, meaning, guard, wide, x.device)

    plainly, width = _plainly(model, modality, readout), 1 + egos[0].players.count
    layers = convolutions_of(model)
    if layers is not None and isinstance(masking, MessageMasks) and not (modality.pooled or modality.named):
        sent = [layers.sent(ego, x) for ego in egos]
        lighter, sizes = _sent_plans(layers, x, sent), [(len(one.nodes), one.ends.shape[1]) for one in sent]
        # A model may look at the edges beside its layers.
        if _apart(made(lighter), egos[0], plainly) <= TOLERANCE:
            lean = lighter((0,), width).tiled.whole is None
            return EdgePredictor(made(lighter), lean, tuple(sizes))
    apart = _apart(made(plan), egos[0], plainly)
    if apart > TOLERANCE:
        raise ModelError(
            f"{named} answers otherwise where its features are stood in for, by up to {apart:.3g}: need a "
            "model of torch's own functions, not scripted"
        )
    return EdgePredictor(made(plan), plan((0,), width).tiled.whole is None, tuple(ego.size for ego in egos))


def _function(
    model: Any, masking: EdgeMasking, readout: Callable[[Tensor], Tensor], plans: Plans
) -> Callable[[Tensor], Tensor]:
    """From rows of masks to what is explained."""

    def function(rows: Float[Tensor, "r ..."]) -> Tensor:
        rows = rows.flatten(1)
        plan = plans(tuple(rows[:, 0].detach().long().tolist()), rows.shape[1])
        return readout(plan.answers(model, masking, rows))

    return function


def _plain_plans(modality: EdgeModality, egos: tuple[EgoGraph, ...]) -> Plans:
    """Plans of any model: ego graphs as they are."""
    graph, x = modality.graph, modality.graph.x
    # Nodes are repeated as numbers: their features may be wide.
    numbered = replace(
        modality, graph=replace(graph, x=torch.arange(graph.n_nodes, device=x.device)[:, None])
    )

    @lru_cache(maxsize=2)
    def plan(numbers: tuple[int, ...], width: int) -> _Plan:
        return _plan(numbered, x, egos, numbers, width)

    return plan


def _plainly(
    model: Any, modality: EdgeModality, readout: Callable[[Tensor], Tensor]
) -> Callable[[EgoGraph], Tensor]:
    """What a model says of an ego graph as it is."""

    def ask(ego: EgoGraph) -> Tensor:
        answer: Any = modality.joined([(ego, np.full((1, ego.players.count), True))]).answered_by(model)
        return readout(answer)

    return ask


def _apart(predictor: DifferentiablePredictor, ego: EgoGraph, plainly: Callable[[EgoGraph], Tensor]) -> float:
    """By how much what is said of the first ego graph differs from what the model says of it as it is.

    In units of what it says, or of 1 where that is less.
    """
    row = torch.ones(1, 1 + ego.players.count, dtype=predictor.dtype)
    row[:, 0] = 0
    masked = predictor.predict(row)
    with predictor.guard(), torch.no_grad():
        plain = plainly(ego).to(masked).view_as(masked)
    return float(((masked - plain).abs() / plain.abs().clamp(min=1.0)).max())


def _guard_of(model: nn.Module) -> Callable[[], AbstractContextManager[None]]:
    return lambda: module_guard(model)


def _plan(
    numbered: EdgeModality, x: Tensor, egos: tuple[EgoGraph, ...], numbers: tuple[int, ...], width: int
) -> _Plan:
    """Copies of ego graphs, each as often as its number stands in a row."""
    shown, places = [], []
    for number, rows in _runs(numbers):
        ego = egos[number]
        shown.append((ego, np.full((len(rows), ego.players.count), True)))
        # The last place of a row holds the 1 of edges that are no player's.
        own = np.where(ego.player < 0, width - 1, ego.player)
        places.append((rows[:, None] * width + own).ravel())
    call = numbered.joined(shown)
    distinct, index = torch.unique(call.arguments[0][:, 0], return_inverse=True)
    tiled = TiledFeatures(x[distinct], index)
    call = replace(call, arguments=(tiled.x, call.arguments[1]))
    return _Plan(call, torch.from_numpy(np.concatenate(places)), tiled)


def _sent_plans(layers: Convolutions, x: Tensor, sent: Sequence[Sent]) -> Plans:
    """Plans of a model of graph convolutions, which send nothing but messages that arrive."""

    @lru_cache(maxsize=2)
    def plan(numbers: tuple[int, ...], width: int) -> _Plan:
        nodes, ends, places, weights, loops, centres, offset = [], [], [], [], [], [], 0
        for number, rows in _runs(numbers):
            own, n = sent[number], len(rows)
            starts = offset + np.arange(n) * len(own.nodes)
            nodes.append(np.tile(own.nodes, n))
            ends.append((own.ends[:, None] + starts[:, None]).reshape(2, -1))
            places.append((rows[:, None] * width + own.player).ravel())
            weights.append(own.weights.repeat(n))
            loops.append(own.loops.repeat(n))
            centres.append(starts + own.centre)
            offset += n * len(own.nodes)
        whole, edges = np.arange(offset), np.concatenate(ends, axis=1)
        distinct, index = np.unique(np.concatenate(nodes), return_inverse=True)
        tiled = TiledFeatures(x[beside(distinct, x)], beside(index, x))
        where = np.concatenate([edges, np.stack([whole, whole])], axis=1) if layers.loops else edges
        call = Call((tiled.x, beside(edges, x)), {}, np.concatenate(centres), offset)
        factors = torch.cat([*weights, *loops]).to(x)
        place = torch.from_numpy(np.concatenate(places))
        return _Plan(call, place, tiled, (layers, beside(where, x), factors))

    return plan


def _runs(numbers: tuple[int, ...]) -> Iterator[tuple[int, Int64[np.ndarray, "r"]]]:
    """The ego graphs in order, each with the rows that follow each other and are its own."""
    ends = np.flatnonzero(np.diff(np.array((-1, *numbers, -1))))
    for first, last in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        yield numbers[first], np.arange(first, last)
