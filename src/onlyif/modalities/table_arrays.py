"""Numpy arrays and lists of lists as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import narwhals as nw
import numpy as np
from array_api_compat import is_torch_array
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.arrays import Array, doubled
from onlyif.core.errors import InputError
from onlyif.modalities.table_columns import Column, level_codes, level_column, number_column
from onlyif.modalities.table_fit import exact_cast, fitted, misfit, wanted_by_dtype
from onlyif.modalities.table_forms import Form, check_shape, column_names
from onlyif.modalities.table_values import EXACT_INTEGER, Values, as_codes, as_numbers, check_finite


@final
@dataclass(frozen=True, eq=False)
class ArrayForm(Form):
    """A numpy array of two dimensions.

    Args:
        dtype: Its dtype.
        columns: What its columns hold.
        levels: The distinct values of each column that has levels, in order of code.
        copies: Whether what is decoded is always in memory of its own.
    """

    dtype: np.dtype[Any]
    columns: tuple[Column, ...]
    levels: tuple[Values | None, ...]
    copies: bool = True

    @override
    def of_given(self) -> Form:
        return replace(self, copies=False)

    @override
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r c"]:
        array = as_array(data, "rows")
        if array.shape[1] != len(self.columns):
            raise InputError(
                f"got rows of {array.shape[1]} columns and a background of {len(self.columns)}; need the same"
            )
        array = _cast(array, self.dtype, [column.name for column in self.columns], "rows")
        coded = np.empty(array.shape)
        for i, column in enumerate(self.columns):
            if column.levels is None:
                if not _holds_numbers(array[:, i]):
                    raise InputError(f"column {column.name!r} holds integers beyond 2^53, no known row does")
                coded[:, i] = array[:, i]
                check_finite(column.name, coded[:, i])
            else:
                coded[:, i] = level_codes(column, column.levels, list(array[:, i]), exact=exact)
        return coded

    @override
    def decode(self, batch: Float64[Array, "r c"]) -> Values:
        values = doubled(batch)
        if all(levels is None for levels in self.levels):
            return as_numbers("the array", values, self.dtype, copies=self.copies)
        table = np.empty(values.shape, dtype=self.dtype)
        for i, (column, levels) in enumerate(zip(self.columns, self.levels, strict=True)):
            table[:, i] = (
                as_numbers(column.name, values[:, i], self.dtype)
                if levels is None
                else levels[as_codes(column.name, values[:, i], len(levels))]
            )
        return table


def fit_array(arrays: Sequence[Any], names: Sequence[str] | None, roles: Sequence[str]) -> ArrayForm:
    """Learn the form of arrays, the first of which is the background.

    Args:
        arrays: The arrays.
        names: Names of their columns, or None.
        roles: What each array is, for messages.

    Raises:
        InputError: unless all have two dimensions and as many columns as the first, and values of
            its dtype.
    """
    background = as_array(arrays[0], roles[0])
    n_columns = background.shape[1]
    labels = column_names(names, n_columns)
    parts = [background]
    for other, role in zip(arrays[1:], roles[1:], strict=True):
        array = as_array(other, role)
        if array.shape[1] != n_columns:
            raise InputError(
                f"got {role} of {array.shape[1]} columns and a background of {n_columns}; need the same"
            )
        parts.append(_cast(array, background.dtype, labels, role))
    for part, role in zip(parts, roles, strict=True):
        for i, name in enumerate(labels if part.dtype.kind == "f" else ()):
            check_finite(name, part[:, i], role)
    whole = np.concatenate(parts)
    columns = tuple(_learn(name, whole[:, i]) for i, name in enumerate(labels))
    levels = tuple(
        None if column.levels is None else whole[list(column.levels.first), i]
        for i, column in enumerate(columns)
    )
    # Strings of numpy have a width: the widest of all parts holds them all.
    dtype = whole.dtype if whole.dtype.kind in "US" else background.dtype
    return ArrayForm(dtype, columns, levels)


def as_array(data: Any, role: str) -> Values:
    """The user's data as a numpy array of two dimensions.

    Args:
        data: An array, or lists of lists.
        role: What it is, for the message: "rows" or "background".

    Raises:
        InputError: if it is sparse, masked, ragged, structured or not two-dimensional.
    """
    if type(data).__module__.startswith("scipy.sparse"):
        raise InputError(
            f"the {role} are a sparse {type(data).__name__}, the background is an array; need the kind of "
            "table that the model was trained on for both: to some models what is not stored is no 0 but "
            "missing (nan)"
        )
    if is_torch_array(data) or nw.dependencies.is_into_dataframe(data):
        raise InputError(
            f"the {role} are a {type(data).__name__}, the background is an array; need the same kind"
        )
    if np.ma.isMaskedArray(data) or (isinstance(data, list | tuple) and any(map(np.ma.isMaskedArray, data))):
        raise InputError(f"the {role} are a masked array; need a plain one: use .filled(np.nan)")
    if isinstance(data, Mapping) or (
        isinstance(data, list | tuple) and any(_is_mapping(row) for row in data)
    ):
        raise InputError(
            f"the {role} are dictionaries, whose values have names, and the background is no data frame; "
            "need a data frame as background, or lists of values"
        )
    try:
        array = np.asarray(data)
        if array.dtype.kind in "US" and not isinstance(data, np.ndarray):
            # numpy would write the numbers of mixed lists as strings.
            array = np.asarray(data, dtype=object)
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


def _cast(array: Values, dtype: np.dtype[Any], names: Sequence[str], role: str) -> Values:
    """Rows in the background's dtype, where nothing is lost."""
    if array.dtype == dtype:
        return array
    if dtype.kind == "O":
        return array.astype(object)
    if array.dtype.kind in "biuf" and dtype.kind in "biuf":
        return exact_cast(array, dtype, names, role)
    if array.dtype.kind == dtype.kind and dtype.kind in "US":
        return array.astype(np.result_type(array.dtype, dtype))
    if array.dtype.kind == dtype.kind and dtype.kind in "mM":
        return _other_unit(array, dtype, names, role)
    if array.dtype.kind in "OUT" and dtype.kind in "biufUT":
        columns = [
            fitted(array[:, i].tolist(), wanted_by_dtype(name, dtype), role) for i, name in enumerate(names)
        ]
        made = np.array(columns, dtype=object).T
        return made.astype(str) if dtype.kind == "U" else made.astype(dtype)
    raise InputError(f"the {role} have dtype {array.dtype}, the background has {dtype}; need the same")


def _is_mapping(row: Any) -> bool:
    return isinstance(row, Mapping)


def _other_unit(array: Values, dtype: np.dtype[Any], names: Sequence[str], role: str) -> Values:
    cast = array.astype(dtype)
    lost = ~((cast.astype(array.dtype) == array) | (np.isnat(cast) & np.isnat(array)))
    if lost.any():
        row, column = (int(place) for place in np.argwhere(lost)[0])
        raise misfit(names[column], array[row, column], row, role, f"times in whole units of {dtype}")
    return cast


def _learn(name: str, values: Values) -> Column:
    kind = values.dtype.kind
    if _holds_numbers(values):
        plain = {"b": bool, "f": float}.get(kind, int)
        return number_column(name, values.astype(np.float64), plain)
    return level_column(name, list(values), list(values), typed=kind == "O")


def _holds_numbers(values: Values) -> bool:
    """Whether float64 holds every value."""
    kind = values.dtype.kind
    return kind in "bf" or (kind in "iu" and max(abs(int(values.min())), int(values.max())) <= EXACT_INTEGER)
