"""How metrics ask a model: checked, in calls of at most `max_rows` rows."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn

from onlyif.core.arrays import Array, doubled, on_host
from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import as_floats
from onlyif.core.shapes import Batch, Numbers
from onlyif.engine.engine import asked
from onlyif.models.base import Predictor
from onlyif.models.differentiable import differentiable_module
from onlyif.models.readouts import DecisionReadout

# Activations of more images leave a CPU's cache.
MAX_ROWS = 1024
# Instances on which integers and floats are compared, and how far answers may be apart, of the largest.
TRIED, SAME = 2, 1e-3


def check_counts(n_draws: int, max_rows: int) -> None:
    """Refuse settings that ask for nothing.

    Raises:
        SettingError: unless both are at least 1.
    """
    if n_draws < 1:
        raise SettingError(f"n_draws must be at least 1, got {n_draws}")
    if max_rows < 1:
        raise SettingError(f"max_rows must be at least 1, got {max_rows}")


def check_instances(x: Numbers, target: Int64[Tensor, "_"]) -> None:
    """Refuse instances without a target of their own.

    Raises:
        InputError: unless there is an instance and each has one target.
    """
    if len(x) == 0:
        raise InputError("got no instances; need at least one")
    if len(target) != len(x):
        raise InputError(f"got {len(target)} targets for {len(x)} instances; need one each")


def as_numbers(predictor: Predictor, x: Numbers) -> Numbers:
    """Instances that can be moved and mixed: integers become the same numbers as floats.

    Args:
        predictor: The model, which is asked about the first of integers in both forms.
        x: The instances.

    Raises:
        InputError: if the model takes the integers, but no floats, or answers these otherwise.
    """
    numbers = as_floats(x)
    if numbers is not x:
        check_same(predictor.predict, x, numbers, "the model")
    return numbers


def check_same(ask: Callable[[Tensor], Array], x: Numbers, numbers: Numbers, asked: str) -> None:
    """Refuse integers that mean something else to who is asked than the same numbers as floats.

    Args:
        ask: Who is asked for one row of numbers an instance.
        x: Integers, of which the first are tried.
        numbers: The same numbers as floats.
        asked: Its name, for the reader.

    Raises:
        InputError: if the floats are not taken, or are answered otherwise.
    """
    try:
        floats = torch.from_numpy(doubled(ask(numbers[:TRIED].clone())))
    except Exception as error:
        raise InputError(
            f"the instances are of {x.dtype}, and {asked} does not take the same numbers as {numbers.dtype} "
            f"({type(error).__name__}: {error}); a metric moves and mixes them, which gives no integers: "
            "need instances, and something that answers them, in floating-point numbers"
        ) from error
    try:
        whole = torch.from_numpy(doubled(ask(x[:TRIED].clone())))
    except Exception:  # it takes floats alone, and there is nothing to compare them with
        return
    scale = floats.abs().nan_to_num().max().clamp(min=1e-6) if floats.numel() else 0.0
    if whole.shape != floats.shape or bool(((whole - floats).abs() > SAME * scale).any()):
        raise InputError(
            f"{asked} answers instances of {x.dtype} otherwise than the same numbers as {numbers.dtype}, as "
            "where a dtype stands for a scale; need the instances as floating-point numbers in that scale"
        )


def check_maps(maps: Tensor, x: Numbers) -> None:
    """Refuse maps that are not one finite number an entry.

    Raises:
        InputError: if shapes differ or a map has NaN or infinite values.
    """
    if maps.shape != x.shape:
        raise InputError(
            f"got maps of shape {tuple(maps.shape)} for instances of shape {tuple(x.shape)}; "
            "need one number an entry, so repeat a map over the channels that it is for"
        )
    if not bool(maps.isfinite().all()):
        raise InputError("a map has NaN or infinite values; need finite ones")


def predictor_for(model: Predictor | nn.Module) -> Predictor:
    """A model as a predictor: a module is asked for its outputs as they are, in evaluation mode.

    Args:
        model: A predictor, or a torch module.

    Raises:
        SettingError: if it is neither.
    """
    match model:
        case Predictor():
            return model
        case nn.Module():
            return differentiable_module(model)
        case _:
            raise SettingError(
                f"need a Predictor or a torch module, got {type(model).__name__}; "
                "FunctionPredictor makes one of any function of a batch"
            )


def ask(predictor: Predictor, rows: Batch, max_rows: int = MAX_ROWS) -> Float64[Tensor, "r k"]:
    """The outputs for some rows, checked, on the CPU, in calls of at most `max_rows`.

    Args:
        predictor: The model; open it first for many calls.
        rows: Rows, one instance each; the model gets copies.
        max_rows: Most rows of one call.

    Raises:
        ModelError: if an output is NaN or infinite.
    """
    parts = [doubled(asked(predictor, part.clone())) for part in torch.split(rows, max_rows)]
    return torch.from_numpy(np.concatenate(parts))


def chosen(outputs: Float64[Tensor, "r k"], target: Int64[Tensor, "r"]) -> Float64[Tensor, "r"]:
    """The explained output of each row.

    Raises:
        InputError: if a target is not the number of an output.
    """
    k = outputs.shape[1]
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= k:
        raise InputError(f"targets must lie in 0 to {k - 1}, got {low} to {high}")
    return outputs.gather(1, target.to(outputs.device).unsqueeze(1)).squeeze(1)


def decided(predictor: Predictor, outputs: Float64[Tensor, "r k"]) -> Float64[Tensor, "r"]:
    """The number of the class that the model decides for.

    Raises:
        SettingError: for a single output without a threshold.
    """
    threshold = predictor.meaning.threshold
    if outputs.shape[1] == 1 and threshold is None:
        raise SettingError(
            f"{predictor.meaning.model} has one output and no threshold, so it decides nothing; "
            "give `Meaning` a threshold, or a model with one output a class"
        )
    return torch.from_numpy(DecisionReadout(threshold or 0.0).read(on_host(outputs)[:, None])[:, 0])


def blocks(n_instances: int, n_each: int, max_rows: int) -> Iterator[tuple[slice, slice]]:
    """Rectangles of instances and what is asked of each, of at most `max_rows` rows.

    As many instances as fit, for draws are made once for all instances of a block.
    """
    b_call = min(n_instances, max_rows)
    n_call = max(1, max_rows // b_call)
    for start in range(0, n_each, n_call):
        part = slice(start, min(start + n_call, n_each))
        for first in range(0, n_instances, b_call):
            yield slice(first, min(first + b_call, n_instances)), part
