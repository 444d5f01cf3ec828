"""Further arguments of a forward function, in Captum's convention: copies for each call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onlyif.core.errors import InputError


def further_arguments(additional_forward_args: Any, b: int, max_rows: int) -> tuple[Any, ...]:
    """The further arguments of a forward function, checked.

    Args:
        additional_forward_args: None, one argument, or a tuple of them.
        b: Number of instances.
        max_rows: Most rows of one model call. With 1 nothing needs to be repeated, so that a tensor
            without a row an instance is a constant.

    Raises:
        InputError: if a tensor has dimensions but not one row an instance, and calls have several rows.
    """
    if additional_forward_args is None:
        return ()
    given = additional_forward_args
    further = given if isinstance(given, tuple) else (given,)
    for one in further:
        if is_tensor_with_rows(one) and len(one) != b and max_rows > 1:
            raise InputError(
                f"an additional forward argument has shape {tuple(one.shape)}; tensors need one row for each "
                f"of the {b} instances. A constant, as the edges of a graph, goes into the function "
                "itself, or is passed on as it is with max_rows=1"
            )
    return further


def has_row(one: Any, b: int) -> bool:
    """Whether an argument has one row an instance.

    Args:
        one: The argument.
        b: Number of instances.
    """
    return is_tensor_with_rows(one) and len(one) == b


def is_tensor_with_rows(one: Any) -> bool:
    """Whether an argument is a tensor with dimensions."""
    return isinstance(one, Tensor) and one.dim() > 0


def key_of(one: Tensor) -> Tensor:
    """Real numbers, row by row, that are equal where rows of a tensor are.

    Args:
        one: A tensor of any layout and dtype.
    """
    dense = one.detach() if one.layout is torch.strided else one.detach().to_dense()
    if dense.is_quantized:
        dense = dense.dequantize()
    return torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense


def rows_for(one: Tensor, instance: int, count: int) -> Tensor:
    """The row of an instance, repeated, in memory of its own.

    Args:
        one: A tensor with one row an instance, of any layout.
        instance: Number of the instance.
        count: How often it is repeated.
    """
    if one.layout is torch.strided:
        return one[instance : instance + 1].repeat(count, *[1] * (one.dim() - 1))
    numbers = torch.full((count,), instance, device=one.device)
    if one.layout is torch.sparse_coo:
        return one.index_select(0, numbers).coalesce()
    # Compressed layouts have no rows to choose; to_sparse makes them again from the dense rows.
    return one.to_dense().index_select(0, numbers).to_sparse(layout=one.layout)


def copied(one: Any) -> Any:
    """An argument whose tensors and arrays the function may write into, in lists and dictionaries too."""
    if isinstance(one, Tensor):
        return one.clone()
    if isinstance(one, np.ndarray):
        return one.copy()
    if type(one) is dict:
        return {key: copied(value) for key, value in one.items()}
    kinds: dict[type, Callable[[Any], Any]] = {list: list, tuple: tuple}
    return kinds[type(one)](map(copied, one)) if type(one) in kinds else one
