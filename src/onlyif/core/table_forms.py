"""The kinds of table that hold plain arrays: numpy arrays and torch tensors."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import narwhals as nw
import numpy as np
import torch
from jaxtyping import Float64, Shaped
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.shapes import Batch
from onlyif.core.table_columns import (
    EXACT_INTEGER,
    Column,
    check_finite,
    level_codes,
    level_column,
    number_column,
)

Values = np.ndarray[Any, Any]


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


@final
@dataclass(frozen=True)
class TensorForm(Form):
    """A torch tensor of any shape.

    Args:
        dtype: Its dtype; None is that of each batch.
        device: Where it lies; None is where each batch lies.

    Example:
        >>> TensorForm(torch.float32).decode(torch.ones(1, 2, dtype=torch.float64))
        tensor([[1., 1.]])
    """

    dtype: torch.dtype | None = None
    device: torch.device | None = None

    @override
    def encode(self, data: Any) -> Float64[Tensor, "r *x"]:
        if not torch.is_tensor(data):
            raise InputError(f"need a torch tensor like the background, got {type(data).__name__}")
        return data.detach().to(torch.float64, copy=True)

    @override
    def decode(self, batch: Batch) -> Shaped[Tensor, "r *x"]:
        whole = self.dtype is not None and not self.dtype.is_floating_point
        values = batch.detach().round() if whole else batch.detach()
        return values.to(device=self.device or batch.device, dtype=self.dtype or batch.dtype, copy=True)


@final
@dataclass(frozen=True, eq=False)
class ArrayForm(Form):
    """A numpy array of two dimensions.

    Args:
        dtype: Its dtype.
        columns: What its columns hold.
        levels: The distinct values of each column that has levels, in order of code.
    """

    dtype: np.dtype[Any]
    columns: tuple[Column, ...]
    levels: tuple[Values | None, ...]

    @override
    def encode(self, data: Any) -> Float64[Tensor, "r c"]:
        array = as_array(data, "rows")
        if array.shape[1] != len(self.columns):
            raise InputError(
                f"got rows of {array.shape[1]} columns and a background of {len(self.columns)}; need the same"
            )
        array = _cast(array, self.dtype)
        coded = np.empty(array.shape)
        for i, column in enumerate(self.columns):
            if column.levels is None:
                coded[:, i] = array[:, i]
                check_finite(column.name, coded[:, i])
            else:
                coded[:, i] = level_codes(column, column.levels, list(array[:, i]))
        return torch.from_numpy(coded)

    @override
    def decode(self, batch: Float64[Tensor, "r c"]) -> Values:
        values = batch.detach().cpu().numpy()
        if all(levels is None for levels in self.levels):
            return as_numbers("the array", values, self.dtype)
        table = np.empty(values.shape, dtype=self.dtype)
        for i, (column, levels) in enumerate(zip(self.columns, self.levels, strict=True)):
            table[:, i] = (
                as_numbers(column.name, values[:, i], self.dtype)
                if levels is None
                else levels[as_codes(column.name, values[:, i], len(levels))]
            )
        return table


def fit_array(arrays: Sequence[Any], names: Sequence[str] | None) -> ArrayForm:
    """Learn the form of arrays, the first of which is the background.

    Raises:
        InputError: unless all have two dimensions and as many columns as the first.
    """
    background = as_array(arrays[0], "background")
    n_columns = background.shape[1]
    labels = column_names(names, n_columns)
    parts = [background]
    for other in arrays[1:]:
        array = as_array(other, "rows")
        if array.shape[1] != n_columns:
            raise InputError(
                f"got rows of {array.shape[1]} columns and a background of {n_columns}; need the same"
            )
        parts.append(_cast(array, background.dtype))
    whole = np.concatenate(parts)
    columns = tuple(_learn(name, whole[:, i]) for i, name in enumerate(labels))
    levels = tuple(
        None if column.levels is None else whole[list(column.levels.first), i]
        for i, column in enumerate(columns)
    )
    # Strings of numpy have a width: the widest of all parts holds them all.
    return ArrayForm(whole.dtype, columns, levels)


def fit_tensor(tensors: Sequence[Any], names: Sequence[str] | None) -> tuple[TensorForm, tuple[Column, ...]]:
    """Learn the form of tensors, the first of which is the background.

    Raises:
        InputError: unless all are dense, real, of two dimensions and as many columns as the first.
    """
    background = tensors[0]
    for other in tensors:
        if not torch.is_tensor(other):
            raise InputError(
                f"the background is a torch tensor, the rows are {type(other).__name__}; need the same"
            )
        if other.layout is not torch.strided or other.is_complex():
            raise InputError(
                f"need a dense tensor of real numbers, got {other.dtype} with layout {other.layout}"
            )
        check_shape(tuple(other.shape), "tensor", "X")
        if other.shape[1] != background.shape[1]:
            raise InputError(
                f"got rows of {other.shape[1]} columns, a background of {background.shape[1]}; need the same"
            )
    plain: type[float] = {torch.bool: bool}.get(
        background.dtype, float if background.is_floating_point() else int
    )
    arrays = [other.detach().double().cpu().numpy() for other in tensors]
    if plain is int and max(np.abs(array).max() for array in arrays) > EXACT_INTEGER:
        raise InputError(
            "the tensor holds integers beyond 2^53, which float64 cannot hold; need smaller ones"
        )
    whole = np.concatenate(arrays)
    labels = column_names(names, whole.shape[1])
    columns = tuple(number_column(name, whole[:, i], plain) for i, name in enumerate(labels))
    return TensorForm(background.dtype, background.device), columns


def as_array(data: Any, role: str) -> Values:
    """The user's data as a numpy array of two dimensions.

    Args:
        data: An array, or lists of lists.
        role: What it is, for the message: "rows" or "background".

    Raises:
        InputError: if it is sparse, masked, ragged, structured or not two-dimensional.
    """
    if type(data).__module__.startswith("scipy.sparse"):
        raise InputError(f"the {role} are a sparse {type(data).__name__}; need a dense table: use .toarray()")
    if torch.is_tensor(data) or nw.dependencies.is_into_dataframe(data):
        raise InputError(
            f"the {role} are a {type(data).__name__}, the background is an array; need the same kind"
        )
    if np.ma.isMaskedArray(data):
        raise InputError(f"the {role} are a masked array; need a plain one: use .filled(np.nan)")
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise InputError(f"the {role} are ragged: need rows of one length ({error})") from error
    if array.dtype.names is not None:
        raise InputError(f"the {role} are a structured array; need a data frame: use pandas.DataFrame(array)")
    if array.dtype.kind not in "biufOUSMmT" or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        raise InputError(
            f"the {role} have dtype {array.dtype}; need numbers, booleans, strings, dates or objects"
        )
    if array.ndim == 0:
        raise InputError(
            f"the {role} are of type {type(data).__name__}; need a pandas or polars frame, a numpy array "
            "or a torch tensor with one row an instance"
        )
    check_shape(array.shape, "array", role)
    return array


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


def as_numbers(name: str, values: Values, dtype: np.dtype[Any]) -> Values:
    """Float64 numbers as another dtype, in new memory; whole ones rounded to the nearest.

    Raises:
        InputError: if a missing value stands where the dtype has none.
    """
    if dtype.kind not in "biu":
        return values.astype(dtype)
    if np.isnan(values).any():
        raise InputError(f"{name} is {dtype}, which has no missing values, and was to be filled with NaN")
    if dtype.kind == "b":
        return values >= 0.5
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -EXACT_INTEGER), min(limits.max, EXACT_INTEGER)
    return np.rint(values).clip(low, high).astype(dtype)


def as_codes(name: str, values: Values, count: int) -> Values:
    """Codes of levels as integers.

    Raises:
        InputError: if a value is no code of a level.
    """
    codes = np.nan_to_num(values, nan=-1.0).astype(np.int64)
    wrong = (codes != values) | (codes < 0) | (codes >= count)
    if wrong.any():
        raise InputError(
            f"column {name!r} has levels, coded 0 to {count - 1}, and was to be filled with "
            f"{values[wrong][0]}; choose a reference that draws whole values of it"
        )
    return codes


def _cast(array: Values, dtype: np.dtype[Any]) -> Values:
    """Rows in the background's dtype, where nothing is lost."""
    if array.dtype == dtype:
        return array
    numeric = array.dtype.kind in "biuf" and dtype.kind in "biuf"
    text = array.dtype.kind == dtype.kind and dtype.kind in "UST"
    wide = np.result_type(array.dtype, dtype) if text else dtype
    if not (numeric or text or dtype.kind == "O"):
        raise InputError(f"the rows have dtype {array.dtype}, the background has {dtype}; need the same")
    with np.errstate(invalid="ignore"):
        cast = array.astype(wide)
        same = (cast == array) | (_isnan(array) & _isnan(cast))
    if not same.all():
        raise InputError(f"the rows are {array.dtype} with values that the background's {dtype} cannot hold")
    return cast


def _isnan(array: Values) -> Values:
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, dtype=bool)


def _learn(name: str, values: Values) -> Column:
    kind = values.dtype.kind
    exact = kind in "bf" or (kind in "iu" and max(abs(int(values.min())), int(values.max())) <= EXACT_INTEGER)
    if exact:
        plain = {"b": bool, "f": float}.get(kind, int)
        return number_column(name, values.astype(np.float64), plain)
    return level_column(name, list(values), list(values), typed=kind == "O")
