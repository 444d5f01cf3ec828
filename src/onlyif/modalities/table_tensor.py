"""Torch tensors as tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float64, Shaped
from torch import Tensor
from typing_extensions import override

from onlyif.core.arrays import doubled
from onlyif.core.errors import InputError
from onlyif.core.precision import numpy_dtype
from onlyif.core.shapes import Batch
from onlyif.modalities.table_columns import Column, number_column
from onlyif.modalities.table_fit import misfit
from onlyif.modalities.table_forms import Form, check_shape, column_names
from onlyif.modalities.table_values import EXACT_INTEGER, Plain, check_finite


@final
@dataclass(frozen=True)
class TensorForm(Form):
    """A torch tensor of any shape.

    Args:
        dtype: Its dtype.
        device: Where it lies; None is where each batch lies.
        names: Names of its columns, where it is a table.
        copies: Whether what is decoded is always in memory of its own.

    Example:
        >>> TensorForm(torch.float32).decode(np.ones((1, 2)))
        tensor([[1., 1.]])
    """

    dtype: torch.dtype
    device: torch.device | None = None
    names: tuple[str, ...] | None = None
    copies: bool = True

    @override
    def of_given(self) -> Form:
        return replace(self, copies=False)

    @property
    @override
    def batch_dtype(self) -> np.dtype[Any]:
        if not self.dtype.is_floating_point:
            return np.dtype(np.float64)
        return numpy_dtype(self.dtype)

    @property
    @override
    def of_batches(self) -> Form:
        return TensorForm(torch.float64, self.device)

    @override
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r *x"]:
        if self.names is not None:
            return np.array(_numbers(data, self.dtype, self.names, "rows"))
        if not torch.is_tensor(data):
            raise InputError(f"need a torch tensor like the background, got {type(data).__name__}")
        if data.dtype != self.dtype:
            check_exact(data, self.dtype, None, "rows")
        return np.array(doubled(data))

    @override
    def decode(self, batch: Batch) -> Shaped[Tensor, "r *x"]:
        held = _held(batch)
        values = held if self.dtype.is_floating_point else held.round()
        return values.to(device=self.device or values.device, dtype=self.dtype, copy=self.copies)


def _held(batch: Batch) -> Shaped[Tensor, "r *x"]:
    """A batch of numpy or torch as a tensor that may share its memory, without a graph."""
    if torch.is_tensor(batch):
        return batch.detach()
    # torch takes neither memory that runs backwards nor memory that may not be written to.
    return torch.from_numpy(np.require(batch, requirements=["C", "W"]))


def fit_tensor(
    tensors: Sequence[Any], names: Sequence[str] | None, roles: Sequence[str]
) -> tuple[TensorForm, tuple[Column, ...]]:
    """Learn the form of tensors, the first of which is the background.

    Args:
        tensors: The tensors.
        names: Names of their columns, or None.
        roles: What each tensor is, for messages.

    Raises:
        InputError: unless all are dense, real, of two dimensions and as many columns as the first,
            with values of its dtype.
    """
    background = tensors[0]
    count = background.shape[1] if torch.is_tensor(background) and background.ndim == 2 else 0
    labels = column_names(names, count)
    given = zip(tensors, roles, strict=True)
    whole = np.concatenate([_numbers(other, background.dtype, labels, role) for other, role in given])
    plain: Plain = {torch.bool: bool}.get(background.dtype, float if background.is_floating_point() else int)
    columns = tuple(number_column(name, whole[:, i], plain) for i, name in enumerate(labels))
    return TensorForm(background.dtype, background.device, labels), columns


def _numbers(data: Any, dtype: torch.dtype, names: tuple[str, ...], role: str) -> Float64[np.ndarray, "r c"]:
    """The numbers of a tensor that is a table with these columns, each of which the dtype holds."""
    if not torch.is_tensor(data) or type(data).__name__ == "MaskedTensor":
        raise InputError(
            f"the background is a torch tensor, the {role} are a {type(data).__name__}; need the same"
        )
    if data.layout is not torch.strided or data.is_complex():
        raise InputError(f"need a dense tensor of real numbers, got {data.dtype} with layout {data.layout}")
    check_shape(tuple(data.shape), "tensor", role)
    if data.shape[1] != len(names):
        raise InputError(
            f"got {role} of {data.shape[1]} columns, a background of {len(names)}; need the same"
        )
    numbers = doubled(data)
    if not data.is_floating_point() and np.abs(numbers).max() > EXACT_INTEGER:
        raise InputError(
            "the tensor holds integers beyond 2^53, which float64 cannot hold; need smaller ones"
        )
    if data.dtype != dtype:
        check_exact(data, dtype, names, role)
    for i, name in enumerate(names):
        check_finite(name, numbers[:, i], role)
    return numbers


def check_exact(data: Tensor, dtype: torch.dtype, names: Sequence[str] | None, role: str) -> None:
    """Refuse a tensor of another dtype with values that this one cannot hold.

    Args:
        data: The tensor.
        dtype: The dtype that is wanted.
        names: Names of its columns, or None.
        role: What it is, for the message.

    Raises:
        InputError: if a value would change in the dtype.
    """
    old, new = data.detach().double().cpu(), data.detach().to(dtype).double().cpu()
    lost = ~((old == new) | (old.isnan() & new.isnan()))
    if not data.dtype.is_floating_point:
        lost |= data.detach().cpu().to(torch.int64).abs() > EXACT_INTEGER
    if bool(lost.any()):
        row, column = [*torch.nonzero(lost)[0].tolist(), 0][:2]
        name = f"x{column}" if names is None else names[column]
        needed = f"values that {dtype} holds exactly"
        raise misfit(name, float(old[tuple(torch.nonzero(lost)[0].tolist())]), row, role, needed)
