"""E is the instance and the background rows nearest to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Float, Float64
from typing_extensions import override

from onlyif.core.arrays import Array, beside, doubled, like, namespace
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances
from onlyif.samples.background import check_shapes
from onlyif.samples.base import Sample, SampleRows

# From rows and one instance to the square of how far they are apart in each entry.
Squares: TypeAlias = Callable[[Float64[np.ndarray, "n *x"], Float64[np.ndarray, "*x"]], np.ndarray]


def _euclidean(rows: Float64[np.ndarray, "n *x"], one: Float64[np.ndarray, "*x"]) -> np.ndarray:
    squares: np.ndarray = (rows - one) ** 2
    return squares


@final
@dataclass(frozen=True, eq=False)
class NearestSample(Sample):
    """The instance and the `n - 1` background rows nearest to it, on all entries together.

    Weights collapse less than on random rows, but E is then no sample of P(X): the
    probabilities are those of the neighbourhood.

    Args:
        background: The rows to choose from, at least one.
        n: Size of E, the instance included.
        squares: How far rows are apart, such as `ScaledDifference(scale).squares`; by default as they are.

    Raises:
        SettingError: unless 2 <= n <= number of rows + 1.
    """

    background: Float[Array, "rows *x"]
    n: int
    squares: Squares = _euclidean

    def __post_init__(self) -> None:
        if not 2 <= self.n <= len(self.background) + 1:
            raise SettingError(
                f"the sample E of an instance and its nearest of {len(self.background)} rows has 2 to "
                f"{len(self.background) + 1} inputs, got n={self.n}"
            )

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        check_shapes(self.background, x)
        xp, rows, near = namespace(x), like(self.background, x), []
        places = doubled(rows)
        for one in x:
            apart = self.squares(places, doubled(one)).reshape(len(rows), -1).sum(1)
            # Rows with a missing value come last.
            order = np.argsort(apart, kind="stable")[: self.n - 1]
            near.append(xp.concat([one[None], rows[beside(order, x)]]))
        return SampleRows(xp.stack(near), rows[:0])

    @property
    @override
    def sentence(self) -> str:
        return f"the row itself and the {self.n - 1:,} nearest of {len(self.background):,} background rows"
