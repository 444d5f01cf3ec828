"""How a soft mask over the edges reaches a model of a graph: what a gradient with respect to edges needs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.explain.algorithm.utils import set_masks
from torch_geometric.nn import MessagePassing
from typing_extensions import override

from onlyif.core.errors import ModelError
from onlyif.modalities.base import Call


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
