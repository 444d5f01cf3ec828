"""The gaps of the user's images under a network, with every input checked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import at_least_single
from onlyif.core.progress import Meter
from onlyif.criteria.blended import BlendedGaps, blended_gaps
from onlyif.engine.soft import plain_outputs
from onlyif.modalities.images import Images
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.models.outputs import AutoOutput, ProbabilityOutput, ValueOutput
from onlyif.models.probabilities import TRIED, reading_of
from onlyif.setup.instances import FilledImages
from onlyif.setup.options import Options, output_of
from onlyif.setup.sized_run import MOST_ROWS

# Fillings that the search looks at; all of them tell the gaps.
MOST_SEARCHED = 4
SAY = 'output="value"'


def image_gaps(model: Any, filled: FilledImages, options: Options, meter: Meter) -> BlendedGaps:
    """The gaps of some images under what hides their pixels, with every input checked.

    Args:
        model: A `torch.nn.Module`, a function of torch tensors, or a `DifferentiablePredictor`.
        filled: The images, and what hides their pixels.
        options: The output, the targets, and the most rows of a call.
        meter: What counts the rows.

    Raises:
        SettingError: if an output or a target is none of the model's.
        ModelError: if the model has no gradient, or fails.
    """
    x = _tensor(filled.images)

    def count(n_rows: int) -> None:
        meter.receive(n_rows)
        meter.count(n_rows)

    predictor = _predictor(model, options, x).counted(count)
    x = x.to(at_least_single(x.dtype))
    fillings = _tensor(filled.fillings).to(x)
    predictor.check_gradient(x[:1])
    rows = min(options.max_rows, MOST_ROWS)
    classes = options.modality.classes if isinstance(options.modality, Images) else ()
    target = _targets(options.target, plain_outputs(predictor, x, rows), classes)
    return blended_gaps(predictor, x, fillings, target.to(x.device), rows)


def searched_gaps(gaps: BlendedGaps) -> BlendedGaps:
    """The same with so few of the fillings as a search looks at.

    Args:
        gaps: The gaps over all fillings.
    """
    if gaps.fillings.shape[1] <= MOST_SEARCHED:
        return gaps
    few = _some_fillings(gaps.fillings, MOST_SEARCHED)
    return blended_gaps(gaps.predictor, gaps.x, few, gaps.target, gaps.max_rows)


def _some_fillings(fillings: Float[Tensor, "b n *x"], most: int) -> Float[Tensor, "b s *x"]:
    """At most so many of the fillings, spread over all of them.

    Args:
        fillings: What hides pixels.
        most: How many at most.
    """
    n = int(fillings.shape[1])
    return fillings if n <= most else fillings[:, np.linspace(0, n - 1, most).round().astype(int).tolist()]


def _predictor(model: Any, options: Options, x: Tensor) -> DifferentiablePredictor:
    if isinstance(model, DifferentiablePredictor):
        return model
    output = output_of(options.output)
    if isinstance(model, nn.Module):
        if isinstance(output, AutoOutput | ProbabilityOutput):
            read = reading_of(model, x[:TRIED], SAY).transform
            return differentiable_module(model, read, "probability")
        if isinstance(output, ValueOutput):
            return differentiable_module(model)
        raise SettingError(
            'of a network "probability" (the default) or "value" is explained by sets of pixels'
        )
    if callable(model) and isinstance(output, AutoOutput | ValueOutput):
        return DifferentiablePredictor(model)
    raise SettingError(
        "sets of pixels need a torch.nn.Module or a function of torch tensors, with gradients, got a "
        f"{type(model).__name__} with output {options.output!r}; patches need none: modality=Images(8)"
    )


def _targets(target: Any, outputs: Tensor, classes: Sequence[str]) -> Int64[Tensor, "b"]:
    if target is None:
        return outputs.argmax(1).cpu()
    target = [_numbered(one, classes) for one in target] if isinstance(target, list | tuple) else target
    target = _numbered(target, classes)
    given = np.asarray(on_host(target) if hasattr(target, "ndim") else target)
    if given.dtype.kind not in "iu" or given.ndim > 1 or (given.ndim and len(given) != len(outputs)):
        raise SettingError(
            f"a target is the number of an output, or one an image ({len(outputs)} here); got {target!r}"
        )
    return torch.from_numpy(np.broadcast_to(given, (len(outputs),)).astype(np.int64))


def _numbered(target: Any, classes: Sequence[str]) -> Any:
    """The number of a class that is named; anything else as it is."""
    if not isinstance(target, str):
        return target
    if target not in classes:
        named = ", ".join(classes) or "none; name them with Images(classes=...)"
        raise SettingError(f"no class is called {target!r}; the classes are {named}")
    return list(classes).index(target)


def taken(gaps: BlendedGaps, numbers: Int64[Tensor, "p"]) -> BlendedGaps:
    """The same for some of the images.

    Args:
        gaps: The gaps of all images.
        numbers: Which.
    """
    where = numbers.to(gaps.x.device)
    return replace(
        gaps,
        x=gaps.x[where],
        fillings=gaps.fillings[where] if len(gaps.fillings) > 1 else gaps.fillings,
        target=gaps.target[where],
        full=gaps.full[where],
        base=gaps.base[where],
    )


def _tensor(array: Any) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach()
    try:
        return torch.from_numpy(np.require(array, requirements=["C", "W"]))
    except TypeError as error:
        raise InputError(
            f"need images as numpy arrays or torch tensors, got {type(array).__name__}"
        ) from error
