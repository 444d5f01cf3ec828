"""Frames with category columns as rows of category codes, by the levels that a model was trained on."""

from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from onlyif.trees.grown import plain_numbers
from onlyif.trees.question import Rows, UnreadableTreesError

Levels = Callable[[int], Sequence[Any] | None]


def coded_columns(levels: Levels, unseen: float | None) -> Callable[[Any], Rows]:
    """From tables to rows: numbers as they are, categories as codes, NaN where missing.

    In a sparse table what is not stored is missing, as XGBoost has it.

    Args:
        levels: From a column's number to the levels that the model was trained on, in order of
            code; None where the codes are those of the frame itself.
        unseen: What stands for a category that is none of them; None refuses tables that hold one.
    """

    def encode(native: Any) -> Rows:
        if hasattr(native, "tocoo"):
            return _stored(native.tocoo())
        if not nw.dependencies.is_pandas_dataframe(native):
            return plain_numbers(native)
        parts = [_codes(native.iloc[:, i], levels(i), unseen) for i in range(native.shape[1])]
        return np.stack(parts, 1)

    return encode


def coded_in_order(levels: Sequence[Sequence[Any]]) -> Callable[[Any], Rows]:
    """The same, where the model knows the levels of the first category column, the second and so on.

    A category that is none of them counts as missing.

    Args:
        levels: Those of each category column, in order of code.
    """

    def encode(native: Any) -> Rows:
        if not nw.dependencies.is_pandas_dataframe(native):
            raise UnreadableTreesError("it was trained on category columns of a pandas frame")
        places = [i for i, dtype in enumerate(native.dtypes) if hasattr(dtype, "categories")]
        held = dict(zip(places, levels, strict=True))
        return coded_columns(held.get, np.nan)(native)

    return encode


def _stored(sparse: Any) -> Rows:
    table = np.full(sparse.shape, np.nan)
    table[sparse.row, sparse.col] = sparse.data
    return table


def _codes(series: Any, levels: Sequence[Any] | None, unseen: float | None) -> np.ndarray:
    if not hasattr(series, "cat"):
        numbers = nw.from_native(series, series_only=True).cast(nw.Float64).to_numpy()
        return np.array(numbers, dtype=np.float64)
    missing = series.isna().to_numpy()
    known = series if levels is None else series.cat.set_categories(list(levels))
    codes: np.ndarray = known.cat.codes.to_numpy().astype(np.float64)
    new = (codes < 0) & ~missing
    if unseen is None and new.any():
        raise UnreadableTreesError(
            f"column {series.name!r} holds {series[new].iloc[0]!r}, which was no category in training"
        )
    codes[new] = np.nan if unseen is None else unseen
    codes[missing] = np.nan
    return codes
