"""A model of a graph asked with a soft mask over the edges: what a gradient with respect to edges needs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch_geometric.explain.algorithm.utils import set_masks
from torch_geometric.nn import MessagePassing
from typing_extensions import override

from onlyif.core.errors import ModelError
from onlyif.modalities.base import Call
from onlyif.modalities.ego_graphs import EgoGraph
from onlyif.modalities.graphs import EdgeModality
from onlyif.models.base import Meaning
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.models.outputs import digits_of
from onlyif.models.tiled import TiledFeatures
from onlyif.models.torch_module import module_guard

# By how much answers may differ where features are stood in for.
TOLERANCE = 1e-4


class EdgeMasking(ABC):
    """How a soft mask over the edges reaches a model; at 1 an edge is as it was."""

    @abstractmethod
    def check(self, model: Any, call: Call) -> None:
        """Refuse a model that such a mask does not reach.

        Args:
            model: The model.
            call: What it is given.

        Raises:
            ModelError: saying what it would need.
        """

    @abstractmethod
    def answers(self, model: Any, call: Call, mask: Float[Tensor, "e"]) -> Any:
        """What the model says, a row a query, with a gradient to the mask.

        Args:
            model: The model.
            call: What it is given.
            mask: One number an edge of the call.
        """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """One sentence that says what becomes of a hidden edge."""


@final
@dataclass(frozen=True)
class MessageMasks(EdgeMasking):
    """Messages along an edge are multiplied by its mask, in every layer of torch_geometric.

    Degrees stay as they are: what a layer normalises by counts hidden edges too. It takes any model of such
    layers. Self loops that a layer adds, or would add, are never hidden.
    """

    @override
    def check(self, model: Any, call: Call) -> None:
        layers = list(_layers(model))
        if not layers:
            raise ModelError(
                f"a {type(model).__name__} has no layers of torch_geometric whose messages could be masked; "
                "need some, or a model with an argument edge_weight and masks='weights'"
            )
        closed = [name for name, layer in layers if layer.explain is False]
        if closed:
            raise ModelError(
                f"the layers {closed} have explain=False, so that their messages cannot be masked; "
                "set it to None"
            )

    @override
    def answers(self, model: Any, call: Call, mask: Float[Tensor, "e"]) -> Any:
        with masked_messages(model, mask, call.arguments[1]):
            return call.answered_by(model)

    @property
    @override
    def sentence(self) -> str:
        return "Hidden edges send no messages; they still count in degrees."


@final
@dataclass(frozen=True)
class WeightMasks(EdgeMasking):
    """The weight of an edge is multiplied by its mask, for models that take `edge_weight`.

    A layer that normalises by weighted degrees counts these anew, as if the edge were deleted. The model
    may be any function of tensors.
    """

    @override
    def check(self, model: Any, call: Call) -> None:
        if "edge_weight" not in call.named:
            raise ModelError(
                f"a {type(model).__name__} has no argument edge_weight that could be masked; need one, or "
                "layers of torch_geometric and masks='messages'"
            )

    @override
    def answers(self, model: Any, call: Call, mask: Float[Tensor, "e"]) -> Any:
        weights = call.named["edge_weight"]
        masked = mask.view(-1, *[1] * (weights.dim() - 1)) * weights
        return Call(
            call.arguments, {**call.named, "edge_weight": masked}, call.rows, call.n_answers
        ).answered_by(model)

    @property
    @override
    def sentence(self) -> str:
        return "Hidden edges have the weight 0, and weighted degrees are counted without them."


def _layers(model: Any) -> Iterator[tuple[str, MessagePassing]]:
    parts = model.named_modules() if isinstance(model, nn.Module) else ()
    return ((name, part) for name, part in parts if isinstance(part, MessagePassing))


@contextmanager
def masked_messages(model: nn.Module, mask: Float[Tensor, "e"], edge_index: Tensor) -> Iterator[None]:
    """Messages multiplied by a mask while this lasts; layers are as they were at the end, also on errors.

    Args:
        model: A model of torch_geometric's layers.
        mask: One number an edge.
        edge_index: The edges that the model is asked with.
    """
    found = [_Layer(layer) for _, layer in _layers(model)]
    try:
        set_masks(model, mask, edge_index, apply_sigmoid=False)
        yield
    finally:
        for each in found:
            each.put_back()


@final
class _Layer:
    """A layer as it was found."""

    def __init__(self, layer: MessagePassing) -> None:
        self.layer, self.explain = layer, layer.explain
        self.told = layer._edge_mask, layer._loop_mask, layer._apply_sigmoid
        # Where an explainer registered a parameter, a plain tensor would be copied, without its gradient.
        self.registered = "_edge_mask" in layer._parameters
        layer._parameters.pop("_edge_mask", None)

    def put_back(self) -> None:
        """The layer as it was found."""
        layer, (mask, loops, sigmoid) = self.layer, self.told
        layer.__dict__.pop("_edge_mask", None)
        if self.registered:
            layer._parameters["_edge_mask"] = mask
        else:
            layer._edge_mask = mask
        layer.explain, layer._loop_mask, layer._apply_sigmoid = self.explain, loops, sigmoid


@final
@dataclass(frozen=True, eq=False)
class _Plan:
    """Ego graphs side by side, and where the mask of each edge stands.

    Args:
        call: What the model is given.
        place: Of each edge the place of its mask among the rows, each with a 1 behind it, laid end to end.
        tiled: What stands for the features, where linear maps of them are taken once.
    """

    call: Call
    place: Int64[Tensor, "e"]
    tiled: TiledFeatures

    def answers(self, model: Any, masking: EdgeMasking, rows: Float[Tensor, "r columns"]) -> Any:
        """What a model says of rows of masks."""
        ends = torch.cat([rows[:, 1:], torch.ones_like(rows[:, :1])], dim=1).flatten()
        features = self.tiled.features
        kind = features.dtype if features.is_floating_point() else torch.get_default_dtype()
        with self.tiled:
            return masking.answers(model, self.call, ends[self.place.to(ends.device)].to(kind))


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
    """

    predictor: DifferentiablePredictor
    lean: bool


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

    graph, x = modality.graph, modality.graph.x
    # Nodes are repeated as numbers: their features may be wide.
    numbered = replace(
        modality, graph=replace(graph, x=torch.arange(graph.n_nodes, device=x.device)[:, None])
    )

    @lru_cache(maxsize=2)
    def plan(numbers: tuple[int, ...], width: int) -> _Plan:
        return _plan(numbered, x, egos, numbers, width)

    masking.check(model, plan((0,), 1 + egos[0].players.count).call)

    def function(rows: Float[Tensor, "r ..."]) -> Tensor:
        rows = rows.flatten(1)
        made = plan(tuple(rows[:, 0].detach().long().tolist()), rows.shape[1])
        return readout(made.answers(model, masking, rows))

    guard: Callable[[], AbstractContextManager[None]] = nullcontext
    if isinstance(model, nn.Module):
        guard = _guard_of(model)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    meaning = Meaning(named, output, digits=digits_of(wide))
    predictor = DifferentiablePredictor(function, meaning, guard, wide, x.device)
    return EdgePredictor(predictor, _is_lean(predictor, egos[0], plan, _plainly(model, modality, readout)))


def _plainly(
    model: Any, modality: EdgeModality, readout: Callable[[Tensor], Tensor]
) -> Callable[[EgoGraph], Tensor]:
    """What a model says of an ego graph as it is."""

    def ask(ego: EgoGraph) -> Tensor:
        answer: Any = modality.joined([(ego, np.full((1, ego.players.count), True))]).answered_by(model)
        return readout(answer)

    return ask


def _is_lean(
    predictor: DifferentiablePredictor,
    ego: EgoGraph,
    plan: Callable[[tuple[int, ...], int], _Plan],
    plainly: Callable[[EgoGraph], Tensor],
) -> bool:
    """Whether a call does without repeated features.

    Raises:
        ModelError: if the model answers otherwise where they are stood in for.
    """
    row = torch.ones(1, 1 + ego.players.count, dtype=predictor.dtype)
    row[:, 0] = 0
    masked = predictor.predict(row)
    with predictor.guard(), torch.no_grad():
        plain = plainly(ego).to(masked).view_as(masked)
    if not torch.allclose(masked, plain, rtol=TOLERANCE, atol=TOLERANCE):
        raise ModelError(
            f"{predictor.meaning.model} answers otherwise where its features are stood in for, by up to "
            f"{float((masked - plain).abs().max()):.3g}: need a model of torch's own functions, not scripted"
        )
    return plan((0,), row.shape[1]).tiled.whole is None


def _guard_of(model: nn.Module) -> Callable[[], AbstractContextManager[None]]:
    return lambda: module_guard(model)


def _plan(
    numbered: EdgeModality, x: Tensor, egos: tuple[EgoGraph, ...], numbers: tuple[int, ...], width: int
) -> _Plan:
    """Copies of ego graphs, each as often as its number stands in a row."""
    runs = np.flatnonzero(np.diff(np.array((-1, *numbers, -1))))
    shown, places = [], []
    for first, last in zip(runs[:-1].tolist(), runs[1:].tolist(), strict=True):
        ego, rows = egos[numbers[first]], np.arange(first, last)
        shown.append((ego, np.full((len(rows), ego.players.count), True)))
        # The last place of a row holds the 1 of edges that are no player's.
        own = np.where(ego.player < 0, width - 1, ego.player)
        places.append((rows[:, None] * width + own).ravel())
    call = numbered.joined(shown)
    distinct, index = torch.unique(call.arguments[0][:, 0], return_inverse=True)
    tiled = TiledFeatures(x[distinct], index)
    call = replace(call, arguments=(tiled.x, call.arguments[1]))
    return _Plan(call, torch.from_numpy(np.concatenate(places)), tiled)
