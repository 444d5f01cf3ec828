"""How b is chosen, within which rows count as near the explained one: `onlyif.PNS(b=...)`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.causation.dissimilarity import Dissimilarity, Total
from onlyif.causation.neighbourhood import FARTHEST
from onlyif.causation.samples import drawn_rows
from onlyif.core.arguments import Number, settle
from onlyif.core.errors import SettingError
from onlyif.modalities.background import Background

MOST_ROWS = 200
FLOOR = 1e-6


class BoundaryRecipe(ABC):
    """A rule for b."""

    @abstractmethod
    def of(
        self, background: Background, dissimilarity: Dissimilarity, total: Total, n_sample: int
    ) -> tuple[float, str]:
        """b, and in words how it was chosen.

        Args:
            background: Rows like those the model was trained on.
            dissimilarity: How far rows are apart on each column.
            total: How columns are put together.
            n_sample: Inputs in E.
        """


@final
@dataclass(frozen=True)
class TypicalBoundary(BoundaryRecipe):
    """A share of the typical distance between two background rows: the default.

    It needs no columns of unit spread. A smaller share sets rows further apart from one another and
    leaves fewer inputs of E that count.

    Args:
        share: The share of the median distance, above 0.

    Raises:
        SettingError: unless share > 0.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        settle(self, {"share": Number(above=0.0)})

    @override
    def of(
        self, background: Background, dissimilarity: Dissimilarity, total: Total, n_sample: int
    ) -> tuple[float, str]:
        rows = drawn_rows(background.values, MOST_ROWS, background.seed)
        sums = np.stack([np.minimum(dissimilarity.squares(rows, one), FARTHEST).sum(1) for one in rows])
        counts = np.full(len(rows), float(rows.shape[1]))
        apart = total.of(sums, counts)[~np.eye(len(rows), dtype=np.bool_)]
        # The lower median, a distance that occurs.
        median = float(np.quantile(np.sqrt(apart), 0.5, method="lower")) if len(apart) else 0.0
        b = max(FLOOR, self.share * median)
        return b, f"{self.share:g} of the median distance of {len(rows):,} background rows"


@final
@dataclass(frozen=True)
class ScottBoundary(BoundaryRecipe):
    """Scott's rule, 1.06 n^(-1 / (4 + columns)): the paper's. It is meant for columns of unit spread."""

    @override
    def of(
        self, background: Background, dissimilarity: Dissimilarity, total: Total, n_sample: int
    ) -> tuple[float, str]:
        n_columns = background.values.shape[1]
        b = scott_boundary(n_sample, n_columns)
        return b, f"Scott's rule for {n_sample:,} inputs of {n_columns} columns"


@final
@dataclass(frozen=True)
class GivenBoundary(BoundaryRecipe):
    """A number, as it is.

    Args:
        b: In units of the distance.
    """

    b: float

    @override
    def of(
        self, background: Background, dissimilarity: Dissimilarity, total: Total, n_sample: int
    ) -> tuple[float, str]:
        return self.b, "given"


def scott_boundary(n: int, d: int) -> float:
    """b by Scott's rule, 1.06 · n^(-1 / (4 + d)); the exponent's sign is corrected.

    It is meant for entries of unit spread: scale others by their standard deviations.

    Args:
        n: Size of E.
        d: Entries of an input.

    Raises:
        SettingError: unless n >= 1 and d >= 1.

    Example:
        >>> round(scott_boundary(100, 1), 4)
        0.422

    References:
        [chen2024] section 4.6.
    """
    if n < 1 or d < 1:
        raise SettingError(f"Scott's rule needs n >= 1 and d >= 1, got n={n} and d={d}")
    return float(1.06 * n ** (-1.0 / (4 + d)))
