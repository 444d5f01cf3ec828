"""torch.nn.Module: asked in evaluation mode, left exactly as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, final

import torch
from torch import Tensor, nn

from onlyif.core.errors import ModelError
from onlyif.modalities.base import Call
from onlyif.modalities.table_tensor import TensorForm
from onlyif.models.base import ANY_ROWS, NETWORK_ROWS
from onlyif.models.outputs import Head, HeadKind, Heads, digits_of
from onlyif.models.put_back import evaluation
from onlyif.models.random_states import random_states

CPU_ROWS = 2048
# A module does not say what it answers with. Several outputs are scores of classes more often than not.
ASSUMED = (
    "the outputs of the module are taken for scores of classes, of which the largest is explained; "
    "if they are something else, name one with target=..."
)


@final
@dataclass(frozen=True, eq=False)
class ModuleCall:
    """A module as a function of batches.

    Under its guard it runs in evaluation mode and without gradients; the mode and the buffers of every
    submodule and the global random states are put back, also when the module raises.

    Args:
        module: The module.
    """

    module: nn.Module

    def __call__(self, batch: Any) -> Tensor:
        """The module's raw outputs, under its guard.

        Raises:
            ModelError: if the module answers with something other than a tensor.
        """
        with self.guard():
            return self.plain(batch)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """In evaluation mode and without gradients; all is put back at the end."""
        with module_guard(self.module), torch.no_grad():
            yield

    def plain(self, batch: Any) -> Tensor:
        """The module's raw outputs, with nothing put back.

        Args:
            batch: A tensor, a `Call` of several arguments, or whatever else the module takes.

        Raises:
            ModelError: if the module answers with something other than a tensor.
        """
        if isinstance(batch, Call):
            return _tensor(batch.answered_by(self.module))
        if not torch.is_tensor(batch):
            return _tensor(self.module(batch))
        # On a CPU activations of more rows leave the cache, and the same work takes up to twice as long.
        rows = CPU_ROWS if batch.device.type == "cpu" else max(1, len(batch))
        answers = [_tensor(self.module(part)) for part in torch.split(batch, rows)]
        return answers[0] if len(answers) == 1 else torch.cat(answers)


def _tensor(answer: Any) -> Tensor:
    if not torch.is_tensor(answer):
        raise ModelError(f"the module answered with a {type(answer).__name__}; need one tensor")
    return answer


def module_heads(module: nn.Module) -> Heads:
    """The raw output of a module, and the probabilities if it is taken for logits.

    One logit becomes two probabilities by the sigmoid, several become as many by softmax.
    """
    call = ModuleCall(module)
    digits = digits_of(module_dtype(module))

    def probabilities(batch: Any) -> Tensor:
        logits = _columns(call.plain(batch), len(batch))
        if logits.ndim != 2 or logits.shape[1] > 1:
            # What is no table of outputs is refused by who asks.
            return logits.softmax(1) if logits.ndim == 2 else logits
        return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], 1)

    return Heads(
        f"torch {type(module).__name__}",
        (
            Head(HeadKind.VALUE, call.plain, digits=digits, exclusive=True, assumed=ASSUMED),
            Head(HeadKind.PROBABILITY, probabilities, digits=digits, exclusive=True),
            Head(HeadKind.MARGIN, call.plain, threshold=0.0, digits=digits, exclusive=True),
        ),
        call.guard,
        rows_a_call=ANY_ROWS if _is_elsewhere(module) else NETWORK_ROWS,
    )


def _is_elsewhere(module: nn.Module) -> bool:
    """Whether a module is on another device than the processor, which wants large calls."""
    where = module_device(module)
    return where is not None and where.type != "cpu"


def _columns(answer: Tensor, rows: int) -> Tensor:
    """One column an output; a single row may be answered without its dimension."""
    floats = answer if answer.is_floating_point() else answer.double()
    if floats.ndim < 2 and rows == 1:
        return floats.reshape(1, -1)
    return floats.unsqueeze(1) if floats.ndim == 1 else floats


def module_form(module: nn.Module) -> TensorForm:
    """Tensors of the module's own dtype, on its own device.

    Args:
        module: The module; one with neither parameters nor buffers gets torch's default dtype.
    """
    return TensorForm(module_dtype(module), module_device(module))


def module_device(module: nn.Module) -> torch.device | None:
    """Where the module's first parameter or buffer lies; None if it has none."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), None)


def module_dtype(module: nn.Module) -> torch.dtype:
    """The dtype of the module's first floating parameter or buffer, else torch's default."""
    tensors = chain(module.parameters(), module.buffers())
    dtypes = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    return dtypes[0] if dtypes else torch.get_default_dtype()


@contextmanager
def module_guard(module: nn.Module) -> Iterator[None]:
    """In evaluation mode; what the module changes is put back at the end: modes, buffers, random states.

    Threads may share a module or its parts: the last one puts them back.

    Raises:
        ModelError: if a part has no evaluation mode, or was put into training mode meanwhile.
    """
    with random_states(module_device(module)), evaluation(module):
        yield
