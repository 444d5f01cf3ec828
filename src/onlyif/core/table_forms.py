"""The kinds of table, and the plainest of them: a torch tensor."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float64, Shaped
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.shapes import Batch
from onlyif.core.table_columns import Column, number_column
from onlyif.core.table_fit import misfit
from onlyif.core.table_values import EXACT_INTEGER, Plain, check_finite


class Form(ABC):
    """One kind of table: from it to coded tensors and back.

    `decode(encode(data))` equals the table in values, dtypes, names and levels, and
    shares no memory with it.
    """

    @abstractmethod
    def encode(self, data: Any) -> Float64[Tensor, "r *x"]:
        """The codes and numbers of a table.

        Raises:
            InputError: unless the table is of this kind, with known levels.
        """

    @abstractmethod
    def decode(self, batch: Batch) -> Any:
        """The table of a batch of codes and numbers.

        Raises:
            InputError: if a code or number cannot stand in its column.
        """

    @property
    def batch_dtype(self) -> torch.dtype:
        """The dtype in which batches are best handed to `decode`; others are taken too."""
        return torch.float64

    def of_given(self) -> "Form":
        """The same form for batches that are given away: what it decodes may share their memory."""
        return self


@final
@dataclass(frozen=True)
class TensorForm(Form):
    """A torch tensor of any shape.

    Args:
        dtype: Its dtype; None is that of each batch.
        device: Where it lies; None is where each batch lies.
        copies: Whether what is decoded is always in memory of its own.

    Example:
        >>> TensorForm(torch.float32).decode(torch.ones(1, 2, dtype=torch.float64))
        tensor([[1., 1.]])
    """

    dtype: torch.dtype | None = None
    device: torch.device | None = None
    copies: bool = True

    @override
    def of_given(self) -> Form:
        return replace(self, copies=False)

    @property
    @override
    def batch_dtype(self) -> torch.dtype:
        return self.dtype if self.dtype is not None and self.dtype.is_floating_point else torch.float64

    @override
    def encode(self, data: Any) -> Float64[Tensor, "r *x"]:
        if not torch.is_tensor(data):
            raise InputError(f"need a torch tensor like the background, got {type(data).__name__}")
        if self.dtype is not None and data.dtype != self.dtype:
            check_exact(data, self.dtype, None, "rows")
        return data.detach().to(torch.float64, copy=True)

    @override
    def decode(self, batch: Batch) -> Shaped[Tensor, "r *x"]:
        whole = self.dtype is not None and not self.dtype.is_floating_point
        values = batch.detach().round() if whole else batch.detach()
        device, dtype = self.device or batch.device, self.dtype or batch.dtype
        return values.to(device=device, dtype=dtype, copy=self.copies)


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
    for other, role in zip(tensors, roles, strict=True):
        if not torch.is_tensor(other) or type(other).__name__ == "MaskedTensor":
            raise InputError(
                f"the background is a torch tensor, the {role} are a {type(other).__name__}; need the same"
            )
        if other.layout is not torch.strided or other.is_complex():
            raise InputError(
                f"need a dense tensor of real numbers, got {other.dtype} with layout {other.layout}"
            )
        check_shape(tuple(other.shape), "tensor", role)
        if other.shape[1] != background.shape[1]:
            raise InputError(
                f"got {role} of {other.shape[1]} columns, a background of {background.shape[1]}; "
                "need the same"
            )
    plain: Plain = {torch.bool: bool}.get(background.dtype, float if background.is_floating_point() else int)
    arrays = [other.detach().double().cpu().numpy() for other in tensors]
    if plain is int and max(np.abs(array).max() for array in arrays) > EXACT_INTEGER:
        raise InputError(
            "the tensor holds integers beyond 2^53, which float64 cannot hold; need smaller ones"
        )
    labels = column_names(names, background.shape[1])
    for other, array, role in zip(tensors, arrays, roles, strict=True):
        if other.dtype != background.dtype:
            check_exact(other, background.dtype, labels, role)
        for i, name in enumerate(labels):
            check_finite(name, array[:, i], role)
    whole = np.concatenate(arrays)
    columns = tuple(number_column(name, whole[:, i], plain) for i, name in enumerate(labels))
    return TensorForm(background.dtype, background.device), columns


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


def check_shape(shape: tuple[int, ...], kind: str, role: str) -> None:
    """Refuse all but tables with at least one row and one column.

    Raises:
        InputError: unless the shape is (rows, columns), both at least 1.
    """
    if len(shape) == 1:
        raise InputError(
            f"got a 1-D {kind} of {shape[0]} values as {role}; need two dimensions: one row is "
            ".reshape(1, -1), one column is .reshape(-1, 1)"
        )
    if len(shape) != 2:
        raise InputError(f"got a {len(shape)}-D {kind} of shape {shape} as {role}; need (rows, columns)")
    if shape[0] == 0:
        raise InputError(f"got 0 rows as {role}; need at least one")
    if shape[1] == 0:
        raise InputError(f"got a table with no columns as {role}; need at least one")


def column_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """The user's names of an array's columns, or "x0", "x1", ...

    Raises:
        InputError: unless there is one name a column.
    """
    if names is not None and len(names) != count:
        raise InputError(f"got {len(names)} names for {count} columns; need one a column")
    return tuple(names) if names is not None else tuple(f"x{i}" for i in range(count))
