"""A model with gradients: what masks that are found by descent or ascent need."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from onlyif.core.errors import ModelError, OnlyIfWarning
from onlyif.core.precision import at_least_single, doubled_tensor, numpy_dtype
from onlyif.core.shapes import Batch, Outputs
from onlyif.models.base import Meaning, Predictor
from onlyif.models.outputs import DIGITS_SINGLE, digits_of
from onlyif.models.raising import model_faults
from onlyif.models.torch_module import module_device, module_dtype, module_guard

# Kernels with and without gradients may differ: more rounding is allowed for than between equal calls.
KERNELS = 64
CHECKED_AT_ONCE = 16


@final
@dataclass(frozen=True, eq=False)
class DifferentiablePredictor(Predictor):
    """A torch function of batches whose outputs can be differentiated with respect to the batch.

    `respond` keeps the graph, `predict` lets go of it. Both ask one function, with gradients: some modules
    answer otherwise without, as torch's transformer encoders do where tokens are padded.
    Gradients are taken with respect to masks alone, so the parameters' own `.grad` stays as it was.
    Answers in half precision are widened to float32, and gradients pass back through it at a scale of 1.

    Args:
        function: From a batch `(r, *x)` to outputs `(r, k)` or `(r,)`.
        described: What the outputs are.
        guard: Around all calls: what puts the model back as it was.
        dtype: The dtype of its batches.
        device: Where its batches lie; None is where each one lies.

    Example:
        >>> square = DifferentiablePredictor(lambda batch: batch.square().sum(1))
        >>> square.predict(torch.tensor([[1.0, 2.0]]))
        tensor([[5.]])
    """

    function: Callable[[Tensor], Tensor]
    described: Meaning = field(
        default_factory=lambda: Meaning("a torch function", "value", digits=DIGITS_SINGLE)
    )
    guard: Callable[[], AbstractContextManager[None]] = nullcontext
    dtype: torch.dtype = torch.float32
    device: torch.device | None = None

    @property
    @override
    def meaning(self) -> Meaning:
        return self.described

    @property
    @override
    def batch_dtype(self) -> np.dtype[Any]:
        return numpy_dtype(self.dtype)

    @override
    def predict(self, batch: Batch) -> Outputs:
        with self.guard(), torch.enable_grad():
            # Of a copy, for a leaf that wants gradients may not be written into, as a model may do.
            given = batch.detach().requires_grad_() if batch.is_floating_point() else batch
            return self.respond(given.clone()).detach().to(batch.device)

    def respond(self, batch: Batch) -> Float[Tensor, "r k"]:
        """The outputs with their graph; call it inside `opened`.

        Raises:
            ModelError: unless the function answers with one row of outputs an instance.
        """
        answer = self._answer(batch)
        wide = answer.to(at_least_single(answer.dtype))
        if answer.dtype == torch.float16 and wide.requires_grad and batch.requires_grad:
            _keep_in_range(batch, wide)
        return wide

    def check_one_function(self, batch: Batch, max_rows: int = CHECKED_AT_ONCE) -> None:
        """Warn of a function that answers otherwise where no gradients are wanted.

        Args:
            batch: Rows to try it on.
            max_rows: Most rows of one call, of which a few are enough.
        """
        one, other = [], []
        with self.opened() as opened:
            for part in torch.split(batch.detach(), min(max_rows, CHECKED_AT_ONCE)):
                with torch.enable_grad():
                    wanted = part.clone().to(self.dtype).requires_grad_()
                    one.append(opened._answer(wanted.clone()).detach())
                with torch.no_grad():
                    other.append(opened._answer(part.clone()))
        _warn_of_two(torch.cat(one), torch.cat(other), self.described.model)

    def _answer(self, batch: Batch) -> Tensor:
        given = batch.to(device=self.device or batch.device, dtype=self.dtype)
        with model_faults(self.described.model, len(batch)):
            answer = self.function(given)
        if not torch.is_tensor(answer):
            raise ModelError(
                f"{self.described.model} answered with a {type(answer).__name__}; need one tensor"
            )
        outputs = answer.unsqueeze(1) if answer.dim() == 1 else answer
        if outputs.dim() != 2 or len(outputs) != len(batch):
            raise ModelError(
                f"{self.described.model} answered with shape {tuple(answer.shape)} to {len(batch)} rows; "
                "need (rows, outputs)"
            )
        return outputs

    def counted(self, count: Callable[[int], None]) -> "DifferentiablePredictor":
        """The same, with every row that the function is given counted, those of answers made twice too.

        Args:
            count: What is told the rows of each call.
        """
        function = self.function

        def counted_function(batch: Tensor) -> Tensor:
            count(len(batch))
            return function(batch)

        return replace(self, function=counted_function)

    @override
    @contextmanager
    def opened(self) -> Iterator["DifferentiablePredictor"]:
        with self.guard():
            yield replace(self, guard=nullcontext)

    def check_gradient(self, batch: Batch) -> None:
        """Refuse a function through which no gradient flows.

        Args:
            batch: A few rows to try it on.

        Raises:
            ModelError: if the outputs do not depend differentiably on the batch, or a gradient is NaN.
        """
        with self.opened() as opened, torch.enable_grad():
            given = batch.detach().to(at_least_single(self.dtype)).requires_grad_()
            outputs = opened.respond(given.clone())  # a model may write into its batch
            slope = None
            if outputs.requires_grad:
                (slope,) = torch.autograd.grad(outputs.sum(), given, allow_unused=True)
        if slope is None:
            raise ModelError(
                f"{self.described.model} gives no gradient with respect to its input; a mask cannot be "
                "optimised through it. Search over superpixels or columns instead, which asks for "
                "predictions alone: BeamSearch or ForwardGreedySearch"
            )
        if not bool(slope.isfinite().all()):
            raise ModelError(f"{self.described.model} gives NaN or infinite gradients; need finite ones")


def differentiable_module(
    module: nn.Module, transform: Callable[[Tensor], Tensor] | None = None, output: str = "value"
) -> DifferentiablePredictor:
    """A torch module as a predictor with gradients, always asked in evaluation mode.

    Args:
        module: The module. Mode, hooks, gradients and random state are left as found.
        transform: From its raw outputs to the explained ones, as `torch.nn.Softmax(dim=1)`;
            None changes nothing.
        output: What the explained outputs are, for the reader.
    """

    def function(batch: Tensor) -> Tensor:
        answer = module(batch)
        return answer if transform is None else transform(answer)

    return DifferentiablePredictor(
        function,
        Meaning(f"torch {type(module).__name__}", output, digits=DIGITS_SINGLE),
        lambda: module_guard(module),
        module_dtype(module),
        module_device(module),
    )


def _keep_in_range(batch: Tensor, wide: Tensor) -> None:
    """Gradients are handed to a model of half precision with their largest at 1, and scaled back behind it.

    Those of an objective with a small threshold are far beyond what float16 holds.
    """
    sizes: list[Tensor] = []

    def down(slope: Tensor) -> Tensor:
        size = slope.abs().amax()
        sizes.append(torch.where((size > 0) & size.isfinite(), size, torch.ones_like(size)))
        return slope / sizes[-1]

    def up(slope: Tensor) -> Tensor:
        return slope * sizes.pop() if sizes else slope

    wide.register_hook(down)  # type: ignore[no-untyped-call]
    batch.register_hook(up)  # type: ignore[no-untyped-call]


def _warn_of_two(one: Tensor, other: Tensor, model: str) -> None:
    apart = (
        doubled_tensor(one) - doubled_tensor(other)
        if one.shape == other.shape
        else torch.full((1,), torch.inf)
    )
    scale = max(1.0, doubled_tensor(one).abs().nan_to_num().max().item())
    if bool((apart.abs() > KERNELS * scale * 2.0 ** -digits_of(one.dtype)).any()):
        warnings.warn(
            f"{model} answers otherwise without gradients than with them, by up to "
            f"{apart.abs().max().item():.3g} (torch's transformer encoders do where tokens are padded); "
            "all figures are about its answers with gradients",
            OnlyIfWarning,
            stacklevel=3,
        )
