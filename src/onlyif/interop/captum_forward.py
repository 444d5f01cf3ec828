"""A forward function in Captum's convention: its further arguments, its target, and how it was found."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from onlyif.core.arguments import Several, Whole
from onlyif.core.errors import ModelError, SettingError
from onlyif.interop.captum_further import copied, further_arguments, has_row, key_of, rows_for
from onlyif.interop.captum_inputs import Layout, Tensors, as_tuple, layout_of
from onlyif.interop.captum_progress import Told
from onlyif.models.base import Meaning
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.models.outputs import DIGITS_SINGLE
from onlyif.models.raising import model_faults
from onlyif.models.random_states import random_states
from onlyif.models.torch_module import module_guard

Target: TypeAlias = int | tuple[int, ...] | Tensor | list[int] | list[tuple[int, ...]] | None


@final
@dataclass(frozen=True, eq=False)
class Packed:
    """The inputs of a call as rows.

    Args:
        layout: How they lie in a row.
        x: The rows.
        further: The further arguments, checked.
        features: The feature of each entry.
    """

    layout: Layout
    x: Float[Tensor, "b entries"]
    further: tuple[Any, ...]
    features: Int64[Tensor, "b entries"]


def packed(
    inputs: Tensors, additional_forward_args: Any, feature_mask: Tensors | None, max_rows: int
) -> Packed:
    """The inputs of a call as rows, with every argument checked.

    Args:
        inputs: A tensor or a tuple of tensors, one instance a row.
        additional_forward_args: None, one further argument, or a tuple of them.
        feature_mask: The feature of each entry, or None.
        max_rows: Most rows of one model call.

    Raises:
        InputError: if they do not fit each other.
    """
    layout = layout_of(inputs)
    x = layout.pack(as_tuple(inputs))
    further = further_arguments(additional_forward_args, len(x), max_rows)
    return Packed(layout, x, further, layout.features(feature_mask, len(x)))


@final
@dataclass(frozen=True, eq=False)
class Forward:
    """A forward function as a predictor of rows.

    Args:
        function: What is explained.
        layout: How its inputs lie in a row.
        further: Its further arguments. Tensors with one row an instance are repeated with it; of all else
            every call gets a copy.
        b: Number of instances.
        max_rows: Most rows of one call.
        told: Is told the rows of each call, for whoever watches.
    """

    function: Callable[..., Any]
    layout: Layout
    further: tuple[Any, ...]
    b: int
    max_rows: int
    told: Told = int

    def predictor(self, instance: int) -> DifferentiablePredictor:
        """The model for rows of an instance, and of all that have the same further arguments."""

        def function(rows: Tensor) -> Tensor:
            answer = self.answer(rows.flatten(1), instance)
            return answer.flatten(1) if torch.is_tensor(answer) and answer.dim() > 1 else answer

        return DifferentiablePredictor(
            function, Meaning(self.named, "value", digits=DIGITS_SINGLE), dtype=self.layout.dtype
        )

    @property
    def named(self) -> str:
        """What is asked, for the reader."""
        kind = type(self.function).__name__
        return f"torch {kind}" if isinstance(self.function, nn.Module) else "the forward function"

    def answer(self, rows: Float[Tensor, "r entries"], instance: int) -> Any:
        """What the function answers to rows.

        Args:
            rows: The rows.
            instance: Whose further arguments go with them.
        """
        further = [
            rows_for(one, instance, len(rows)) if has_row(one, self.b) else copied(one)
            for one in self.further
        ]
        answer = self.function(*self.layout.unpack(rows), *further)
        self.told(len(rows))
        return answer

    @property
    def keys(self) -> list[Tensor]:
        """The further arguments that may differ from instance to instance."""
        return [key_of(one) for one in self.further if has_row(one, self.b)]

    @contextmanager
    def left_as_found(self) -> Iterator[None]:
        """Around all work: a module is asked in evaluation mode; modes and random states are put back."""
        owner = getattr(self.function, "__self__", None)
        modules = [one for one in (self.function, owner) if isinstance(one, nn.Module)]
        with ExitStack() as stack:
            for device in self.layout.devices:
                stack.enter_context(random_states(device))
            for module in modules:
                stack.enter_context(module_guard(module))
            yield

    def output_shape(self, one: Float[Tensor, "1 entries"], end: Float[Tensor, "1 entries"]) -> list[int]:
        """The shape of one row's outputs; the function is tried on two rows, twice, or on one row at a time.

        Args:
            one: A row.
            end: Another one, as its baseline.

        Raises:
            ModelError: unless it answers with one tensor, one row an instance, always alike for a row.
        """
        calls = [one, one] if self.max_rows == 1 else [torch.cat([one, other]) for other in (one, end)]
        answers = [self._tried(rows) for rows in calls]
        first = [answers[0][0], answers[0][-1], answers[1][0]]
        if any(not torch.allclose(first[0], other, 1e-3, 1e-5, equal_nan=True) for other in first[1:]):
            raise ModelError(
                "the forward function answers one row differently from call to call, or by what other rows "
                "are asked with it, as with dropout or batch normalisation in training mode; need a "
                "function of each row alone: call eval() on the model"
            )
        return list(answers[0].shape[1:])

    def _tried(self, rows: Float[Tensor, "r entries"]) -> Tensor:
        hint = "" if len(rows) == 1 else "; a function of one row at a time needs max_rows=1"
        try:
            with torch.no_grad(), model_faults(self.named, len(rows)):
                answer = self.answer(rows, 0)
        except ModelError as error:
            raise ModelError(f"{error}{hint}") from error.__cause__
        if not torch.is_tensor(answer) or answer.dim() == 0 or len(answer) != len(rows):
            shape = f"shape {tuple(answer.shape)}" if torch.is_tensor(answer) else type(answer).__name__
            raise ModelError(
                f"the forward function answered {len(rows)} rows with {shape}; need one row for each{hint}"
            )
        return answer


def target_numbers(target: Any, shape: list[int], b: int) -> Int64[Tensor, "b"] | None:
    """The number of the explained output of each instance, outputs being numbered row by row.

    None where none is named and there are several.

    Args:
        target: What is explained, as in Captum.
        shape: The shape of one row's outputs.
        b: Number of instances.

    Raises:
        SettingError: unless it names one output of one row, for all instances or for each.
    """
    if target is None:
        return torch.zeros(b, dtype=torch.int64) if prod(shape) == 1 else None
    if isinstance(target, np.ndarray):
        target = torch.from_numpy(target)
    if isinstance(target, Tensor):
        listed = target.tolist() if target.dim() and target.numel() != 1 else [target.item()] * b
    else:
        listed = target if isinstance(target, list) else [target] * b
    if len(listed) != b:
        raise SettingError(f"need one target, or one for each of the {b} instances; got {len(listed)}")
    return torch.tensor([_number(one, shape) for one in listed])


def _number(one: Any, shape: list[int]) -> int:
    try:
        places = Several(Whole()).take("a target", one if isinstance(one, tuple) else (one,))
    except SettingError as error:
        raise SettingError(f"a target must be an integer or a tuple of integers, got {one!r}") from error
    inside = [-count <= place < count for place, count in zip(places, shape, strict=False)]
    if len(places) != len(shape) or not all(inside):
        raise SettingError(
            f"target {one!r} is out of range: one row's outputs have shape {tuple(shape)}, of which a target "
            "names one"
        )
    number = 0
    for place, count in zip(places, shape, strict=True):
        number = number * count + place % count
    return number
