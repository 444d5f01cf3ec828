"""A background table as recipes see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Bool, Float64
from torch import Tensor


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
    """

    values: Float64[Tensor, "rows c"]
    columns: tuple[str, ...]
    numeric: Bool[Tensor, "c"]
    ordered: Bool[Tensor, "c"]
    positions: Callable[[Float64[Tensor, "r c"]], Float64[Tensor, "r c"]]
    encode: Callable[[Any], Float64[Tensor, "r c"]]
    decode: Callable[[Float64[Tensor, "r c"]], Any]
    seed: int
    affordable_rows: int
