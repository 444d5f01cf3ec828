"""Sparse matrices and arrays of scipy: what they do not store stays not stored in front of the model.

To scikit-learn and LightGBM an entry that is not stored is 0, to XGBoost it is missing, and so no form of
dense table stands for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import override

from onlyif.core.arrays import Array, doubled
from onlyif.core.errors import InputError
from onlyif.modalities.table_columns import Column, number_column
from onlyif.modalities.table_forms import Form, check_shape, column_names
from onlyif.modalities.table_values import EXACT_INTEGER, Plain, Values, as_numbers, check_finite

# The formats in which models are asked; others reach them by rows.
_FORMATS = frozenset({"csr", "csc", "coo"})


@final
@dataclass(frozen=True, eq=False)
class SparseForm(Form):
    """A sparse matrix of scipy.

    In the coded table an entry that is not stored is -0.0 and a stored zero is 0.0: whatever computes takes
    both for 0, and what is made again for the model tells them apart. In a column that stores no zero
    anywhere, every zero, of a baseline say, is one that is not stored.

    Args:
        empty: The background by rows, without its rows.
        format: The format that the model gets.
        columns: What its columns hold.
        zeros: Which columns store zeros.
    """

    empty: Any
    format: str
    columns: tuple[Column, ...]
    zeros: Bool[np.ndarray, "c"]

    @override
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r c"]:
        dense, dtype = _dense(data, "rows")
        _check_fits(dense, dtype, self.empty, "rows")
        stored = ((dense == 0) & ~np.signbit(dense)).any(0) & ~self.zeros
        if exact and stored.any():
            raise InputError(f"column x{int(stored.argmax())} stores zeros, which no known row does")
        return dense

    @override
    def decode(self, batch: Float64[Array, "r c"]) -> Any:
        values = doubled(batch)
        stored = (values != 0) | (self.zeros & ~np.signbit(values))
        ends = np.concatenate([[0], np.cumsum(stored.sum(1))])
        numbers = as_numbers("the sparse table", values[stored], self.empty.dtype)
        by_rows = type(self.empty)((numbers, np.nonzero(stored)[1], ends), shape=values.shape)
        return by_rows.asformat(self.format)


def is_sparse(data: Any) -> bool:
    """Whether it is a sparse matrix or array of scipy."""
    return type(data).__module__.startswith("scipy.sparse")


def fit_sparse(tables: Sequence[Any], names: Sequence[str] | None, roles: Sequence[str]) -> SparseForm:
    """Learn the form of sparse tables, the first of which is the background.

    Args:
        tables: The tables.
        names: Names of their columns, or None.
        roles: What each table is, for messages.

    Raises:
        InputError: unless all are sparse, real, finite, and of as many columns as the first.
    """
    background, dtype = _dense(tables[0], roles[0])
    by_rows = tables[0].tocsr()[:0]
    parts = [background]
    for other, role in zip(tables[1:], roles[1:], strict=True):
        dense, its = _dense(other, role)
        _check_fits(dense, its, by_rows, role)
        parts.append(dense)
    whole = np.concatenate(parts)
    plain: Plain = {"b": bool, "f": float}.get(dtype.kind, int)
    labels = column_names(names, whole.shape[1])
    columns = tuple(
        replace(number_column(name, whole[:, i], plain), sparse=True) for i, name in enumerate(labels)
    )
    zeros = ((whole == 0) & ~np.signbit(whole)).any(0)
    return SparseForm(by_rows, tables[0].format if tables[0].format in _FORMATS else "csr", columns, zeros)


def _dense(data: Any, role: str) -> tuple[Values, np.dtype[Any]]:
    """A table with -0.0 where nothing is stored, and the dtype of what is."""
    if not is_sparse(data):
        raise InputError(
            f"the background is a sparse table, the {role} are a {type(data).__name__}; need the kind of "
            "table that the model was trained on for both: to some models what is not stored is no 0"
        )
    check_shape(tuple(data.shape), "sparse table", role)
    dtype = np.dtype(data.dtype)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise InputError(f"the {role} are sparse with dtype {dtype}; need real numbers")
    by_rows = data.tocsr(copy=True)
    by_rows.sum_duplicates()
    if dtype.kind in "iu" and by_rows.nnz and np.abs(by_rows.data.astype(float)).max() > EXACT_INTEGER:
        raise InputError(
            f"the {role} hold integers beyond 2^53, which float64 cannot hold; need smaller ones"
        )
    dense = np.full(data.shape, -0.0)
    rows = np.repeat(np.arange(data.shape[0]), np.diff(by_rows.indptr))
    # A stored -0.0 is a stored zero.
    dense[rows, by_rows.indices] = by_rows.data.astype(np.float64) + 0.0
    for column in np.flatnonzero(np.isinf(dense).any(0)).tolist():
        check_finite(f"x{column}", dense[:, column], role)
    return dense, dtype


def _check_fits(dense: Values, dtype: np.dtype[Any], background: Any, role: str) -> None:
    if dense.shape[1] != background.shape[1]:
        raise InputError(
            f"got {role} of {dense.shape[1]} columns and a background of {background.shape[1]}; need the same"
        )
    needed = np.dtype(background.dtype)
    if dtype != needed:
        with np.errstate(invalid="ignore"):
            cast = dense.astype(needed).astype(np.float64)
        if not np.array_equal(cast, dense, equal_nan=True):
            raise InputError(f"the {role} are {dtype} with values that the background's {needed} cannot hold")
