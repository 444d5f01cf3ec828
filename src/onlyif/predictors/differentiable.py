"""A model with gradients: what masks that are found by descent or ascent need."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from onlyif.core.errors import ModelError
from onlyif.core.shapes import Batch, Outputs
from onlyif.predictors.base import Meaning, Predictor
from onlyif.predictors.outputs import DIGITS_SINGLE
from onlyif.predictors.raising import model_faults
from onlyif.predictors.torch_module import module_device, module_dtype, module_guard


@final
@dataclass(frozen=True, eq=False)
class DifferentiablePredictor(Predictor):
    """A torch function of batches whose outputs can be differentiated with respect to the batch.

    `predict` asks it without gradients, like any other predictor; `respond` keeps the graph.
    Gradients are taken with respect to masks alone, so the parameters' own `.grad` stays as it was.

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
    def batch_dtype(self) -> torch.dtype:
        return self.dtype

    @override
    def predict(self, batch: Batch) -> Outputs:
        with self.guard(), torch.no_grad():
            return self.respond(batch).to(batch.device)

    def respond(self, batch: Batch) -> Float[Tensor, "r k"]:
        """The outputs with their graph; call it inside `opened`.

        Args:
            batch: Rows, one instance each.

        Raises:
            ModelError: unless the function answers with one row of outputs an instance.
        """
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
            given = batch.detach().to(self.dtype).requires_grad_()
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
