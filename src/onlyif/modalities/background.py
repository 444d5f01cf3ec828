"""A background table as recipes see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64


@final
@dataclass(frozen=True, eq=False)
class Background:
    """A background table, coded, with what is known of its columns.

    Args:
        values: Its rows as codes and numbers.
        columns: Names of the columns.
        numeric: Which columns are plain numbers.
        ordered: Which columns have a meaningful |a - b|.
        positions: From codes to comparable numbers.
        encode: From a table of the user's own kind to codes and numbers.
        decode: And back.
        seed: The one seed.
        affordable_rows: Rows that a finite reference may have so that all subsets fit the budget.
        usual_rows: Rows that are taken where a recipe leaves their number open.
    """

    values: Float64[np.ndarray, "rows c"]
    columns: tuple[str, ...]
    numeric: Bool[np.ndarray, "c"]
    ordered: Bool[np.ndarray, "c"]
    positions: Callable[[Float64[np.ndarray, "r c"]], Float64[np.ndarray, "r c"]]
    encode: Callable[[Any], Float64[np.ndarray, "r c"]]
    decode: Callable[[Float64[np.ndarray, "r c"]], Any]
    seed: int
    affordable_rows: int
    usual_rows: int = 100
