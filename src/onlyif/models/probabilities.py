"""What a network's outputs are, logits or probabilities already, and its probabilities either way."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onlyif.core.errors import OnlyIfWarning
from onlyif.models.differentiable import differentiable_module
from onlyif.models.torch_module import module_dtype

Transform: TypeAlias = Callable[[Tensor], Tensor]
TRIED = 8
# Half precision has three digits, single precision seven.
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-4}
COARSE = 1e-2
# What a graph may do with probabilities and leave them what they are.
CARRIES = (
    "View", "UnsafeView", "ReshapeAlias", "AsStrided", "Squeeze", "Unsqueeze", "Select", "Slice", "Clone",
    "ToCopy", "Expand", "Permute", "Transpose", "T", "Alias", "Clamp", "Index",
)  # fmt: skip
# A linear layer's answers have no bounds, whatever they are for some rows.
LINEAR = ("Addmm", "Mm", "Linear", "Baddbmm", "Bmm", "Convolution", "MkldnnConvolution")


class Answers(Enum):
    """What outputs are."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities already"
    UNCLEAR = "in [0, 1], with no sigmoid to be seen"


def probabilities(logits: Tensor) -> Tensor:
    """What logits mean: softmax of several, the sigmoid pair of one.

    Args:
        logits: `(rows, outputs)` or `(rows,)`.

    Example:
        >>> probabilities(torch.tensor([0.0]))
        tensor([[0.5000, 0.5000]])
    """
    each = _columns(logits)
    return each.softmax(1) if each.shape[1] > 1 else torch.cat([torch.sigmoid(-each), torch.sigmoid(each)], 1)


def both_sides(probability: Tensor) -> Tensor:
    """Probabilities as they are; that of one output beside what is left of 1.

    Args:
        probability: `(rows, outputs)` or `(rows,)`.

    Example:
        >>> both_sides(torch.tensor([0.25]))
        tensor([[0.7500, 0.2500]])
    """
    each = _columns(probability)
    return each if each.shape[1] > 1 else torch.cat([1.0 - each, each], 1)


def outputs_of(module: nn.Module, rows: Float[Tensor, "r ..."]) -> Answers:
    """What a network answers with, by its last step and by what it says to some rows.

    One output is a probability where a sigmoid is the last step, several are where they come of one or
    sum to 1; else they are logits.

    Args:
        module: The network; it is asked in evaluation mode.
        rows: Rows it is tried on.
    """
    predictor = differentiable_module(module)
    with predictor.opened() as opened, torch.enable_grad():
        outputs = opened.respond(rows[:TRIED].detach().clone().requires_grad_().clone())
    values = outputs.detach()
    # Answers of half precision come widened; what they were rounded to is the module's own.
    near = max(ROUNDING.get(dtype, COARSE) for dtype in (values.dtype, module_dtype(module)))
    if not bool(((values >= -near) & (values <= 1 + near)).all()):
        return Answers.LOGITS
    last = _last_step(outputs)
    if last.startswith(("Sigmoid", "Softmax")):
        return Answers.PROBABILITIES
    if last.startswith(LINEAR):
        return Answers.LOGITS
    if values.shape[1] == 1:
        return Answers.UNCLEAR
    sums = bool(((values.double().sum(1) - 1).abs() < near).all())
    return Answers.PROBABILITIES if sums else Answers.LOGITS


@final
@dataclass(frozen=True)
class OutputReading:
    """How a network's outputs are read as probabilities.

    Args:
        outputs: What they are.
        transform: From outputs to probabilities.
    """

    outputs: Answers
    transform: Transform


def reading_of(module: nn.Module, rows: Float[Tensor, "r ..."], say: str) -> OutputReading:
    """How to read probabilities off a network, with a warning where that is no softmax, or unclear.

    Args:
        module: The network.
        rows: Rows it is tried on.
        say: The argument by which a user says that outputs are probabilities, for the reader.
    """
    found = outputs_of(module, rows)
    if found is Answers.UNCLEAR:
        warnings.warn(
            f"the module's one output is {found.value}, and is taken for a logit; if it is a probability, "
            f"pass {say}",
            OnlyIfWarning,
            stacklevel=4,
        )
    if found is not Answers.PROBABILITIES:
        return OutputReading(found, probabilities)
    several = _count(module, rows) > 1
    if several:
        warnings.warn(
            "the module's outputs are probabilities already, and are explained as they are, with no second "
            f"softmax; pass {say} to say so",
            OnlyIfWarning,
            stacklevel=4,
        )
    return OutputReading(found, both_sides)


def _count(module: nn.Module, rows: Tensor) -> int:
    return int(differentiable_module(module).predict(rows[:1].detach().clone()).shape[1])


def _columns(outputs: Tensor) -> Tensor:
    return outputs.unsqueeze(1) if outputs.dim() == 1 else outputs


def _last_step(outputs: Tensor) -> str:
    """The name of the last operation that was more than a change of shape."""
    step: Any = outputs.grad_fn
    while step is not None and step.name().rstrip("0123456789").removesuffix("Backward") in CARRIES:
        step = step.next_functions[0][0]
    return "" if step is None else str(step.name())
