"""Explainers for Quantus: `explain_func=explain_fans` of any of its metrics.

Numpy arrays in and out. Settings go into the metric's `explain_func_kwargs`; they are the
arguments of `attribute`, and `softmax`.
"""

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from onlyif.core.arguments import Flag
from onlyif.core.errors import InputError
from onlyif.interop.captum_fans import FANS
from onlyif.interop.captum_masks import SufficientNecessaryMask
from onlyif.metrics.given import given_targets
from onlyif.models.probabilities import Transform, reading_of
from onlyif.models.torch_module import module_device, module_dtype


def explain_fans(
    model: Any,
    inputs: NDArray[np.floating[Any]] | Tensor,
    targets: NDArray[Any] | Tensor | list[Any] | int,
    *,
    softmax: bool = True,
    device: Any = None,
    **settings: Any,
) -> NDArray[np.floating[Any]]:
    """Attributions by FANS, of the shape of the inputs.

    Args:
        model: A module whose outputs are logits of classes, or probabilities, which is noticed. One output is
            that of class 1 of two.
        inputs: The instances.
        targets: The explained class of each, or of all.
        softmax: Explain probabilities; False where the model's outputs are explained as they are.
        device: Where inputs are put; None is where the model is.
        **settings: Arguments of `FANS.attribute`.

    Raises:
        InputError: if the model is no torch module, or a target no whole number.
    """
    explained, x, target = _taken(model, inputs, targets, softmax, device)
    found: Tensor = FANS(explained).attribute(x, target=target, **settings)
    return found.numpy(force=True)


def explain_mask(
    model: Any,
    inputs: NDArray[np.floating[Any]] | Tensor,
    targets: NDArray[Any] | Tensor | list[Any] | int,
    *,
    softmax: bool = True,
    device: Any = None,
    **settings: Any,
) -> NDArray[np.floating[Any]]:
    """Masks of the shape of the inputs, by `SufficientNecessaryMask`; arguments are as in `explain_fans`.

    Raises:
        InputError: if the model is no torch module, or a target no whole number.
    """
    explained, x, target = _taken(model, inputs, targets, softmax, device)
    found: Tensor = SufficientNecessaryMask(explained).attribute(x, target=target, **settings)
    return found.numpy(force=True)


@final
class _Read(nn.Module):
    """A module and what is read off its outputs."""

    def __init__(self, module: nn.Module, transform: Transform) -> None:
        super().__init__()
        self.module, self.transform = module, transform

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.transform(self.module(x))


def _taken(
    model: Any, inputs: Any, targets: Any, softmax: bool, device: Any
) -> tuple[nn.Module, Tensor, Tensor]:
    if not isinstance(model, nn.Module):
        raise InputError(f"need a torch.nn.Module to explain, got a {type(model).__name__}")
    place = module_device(model) if device is None else device
    x = torch.as_tensor(inputs).to(device=place, dtype=module_dtype(model))
    target = given_targets(targets)
    if not Flag().take("softmax", softmax):
        return model, x, target
    return _Read(model, reading_of(model, x, "softmax=False").transform), x, target
