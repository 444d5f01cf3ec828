"""What a metric is given, in the forms that users have it: tensors, arrays and lists."""

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from onlyif.core.arguments import Several, Whole
from onlyif.core.errors import InputError, SettingError
from onlyif.core.shapes import Numbers
from onlyif.metrics.asking import check_instances, check_maps


def targets_of(target: object, x: Numbers) -> Int64[Tensor, "_"]:
    """The number of each instance's explained output, one an instance.

    Args:
        target: What `given_targets` takes.
        x: The instances.

    Raises:
        InputError: unless there is an instance, and each has a whole number.
    """
    if not isinstance(x, Tensor):
        raise InputError(f"need instances as a tensor, got a {type(x).__name__}")
    found = given_targets(target)
    check_instances(x, found)
    return found


def given_targets(target: object) -> Int64[Tensor, "_"]:
    """The number of each instance's explained output, from any sequence of whole numbers.

    Args:
        target: A tensor or array of any dtype, a list or one number; whole floats are whole numbers.

    Raises:
        InputError: if it is none of these, or a number is not whole.

    Example:
        >>> given_targets([2, 0])
        tensor([2, 0])
    """
    if isinstance(target, Tensor) and target.dtype is torch.int64 and target.dim() == 1:
        return target
    listed = target.reshape(-1).tolist() if isinstance(target, Tensor | np.ndarray) else target
    try:
        numbers = Several(Whole()).take("target", listed)
    except SettingError as error:
        raise InputError(f"need the number of an output for each instance: {error}") from error
    return torch.tensor(numbers, dtype=torch.int64)


def maps_of(maps: object, x: Numbers) -> Tensor:
    """Maps as a tensor, one finite number an entry.

    Args:
        maps: What `given_maps` takes.
        x: The instances.

    Raises:
        InputError: if shapes differ or a map has NaN or infinite values.
    """
    found = given_maps(maps, x)
    check_maps(found, x)
    return found


def given_maps(maps: object, x: Numbers) -> Tensor:
    """Maps as a tensor where the instances are, from a tensor or an array.

    Args:
        maps: One number an entry.
        x: The instances.

    Raises:
        InputError: if they are no dense real numbers.
    """
    try:
        made = maps if isinstance(maps, Tensor) else torch.from_numpy(np.array(maps))
    except (TypeError, ValueError) as error:
        raise InputError(f"need maps as a tensor or array of numbers, got a {type(maps).__name__}") from error
    if made.is_complex() or made.layout is not torch.strided:
        raise InputError(f"need maps of dense real numbers, got {made.dtype} in layout {made.layout}")
    return made.detach().to(x.device)
