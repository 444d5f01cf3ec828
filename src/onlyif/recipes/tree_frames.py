"""Frames with category columns as rows of category codes, by the levels that a model was trained on."""

from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import torch

from onlyif.recipes.tree_grown import plain_numbers
from onlyif.recipes.tree_model import Rows, UnreadableTreesError

Levels = Callable[[int], Sequence[Any] | None]


def coded_columns(levels: Levels) -> Callable[[Any], Rows]:
    """From tables to rows: numbers as they are, categories as codes, NaN where unknown or missing.

    Args:
        levels: From a column's number to the levels that the model was trained on, in order of
            code; None where the codes are those of the frame itself.
    """

    def encode(native: Any) -> Rows:
        if not nw.dependencies.is_pandas_dataframe(native):
            return plain_numbers(native)
        parts = [_codes(native.iloc[:, i], levels(i)) for i in range(native.shape[1])]
        return torch.from_numpy(np.stack(parts, 1))

    return encode


def category_columns(native: Any) -> list[int]:
    """The numbers of the category columns of a pandas frame.

    Args:
        native: The frame.
    """
    return [i for i, dtype in enumerate(native.dtypes) if hasattr(dtype, "categories")]


def _codes(series: Any, levels: Sequence[Any] | None) -> np.ndarray:
    if not hasattr(series, "cat"):
        numbers = nw.from_native(series, series_only=True).cast(nw.Float64).to_numpy()
        return np.array(numbers, dtype=np.float64)
    if levels is not None:
        known = set(levels)
        lost = [each for each in series.cat.categories if each not in known]
        if lost and isinstance(levels[0], str) != isinstance(lost[0], str):
            raise UnreadableTreesError(f"column {series.name!r} has the categories {lost[:3]}, the model {levels[:3]}")
        series = series.cat.set_categories(list(levels))
    codes = series.cat.codes.to_numpy().astype(np.float64)
    return np.where(codes < 0, np.nan, codes)
