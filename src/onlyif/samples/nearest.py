"""E is the instance and the background rows nearest to it."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from onlyif.core.arrays import Array, beside, doubled, like, namespace
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances
from onlyif.samples.background import check_shapes
from onlyif.samples.base import Sample, SampleRows


@final
@dataclass(frozen=True, eq=False)
class NearestSample(Sample):
    """The instance and the `n - 1` background rows nearest to it, by the Euclidean norm of scaled entries.

    Weights collapse less than on random rows, but E is then no sample of P(X): the
    probabilities are those of the neighbourhood.

    Args:
        background: The rows to choose from, at least one.
        n: Size of E, the instance included.
        scale: What each entry is divided by before distances are taken; None takes them as they are.

    Raises:
        SettingError: unless 2 <= n <= number of rows + 1, or if a scale is not above 0.
    """

    background: Float[Array, "rows *x"]
    n: int
    scale: Float[Array, "*x"] | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.n <= len(self.background) + 1:
            raise SettingError(
                f"the sample E of an instance and its nearest of {len(self.background)} rows has 2 to "
                f"{len(self.background) + 1} inputs, got n={self.n}"
            )
        if self.scale is not None and not bool((self.scale > 0).all()):
            raise SettingError("the scale of every entry must be above 0")

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        check_shapes(self.background, x)
        xp, rows, near = namespace(x), like(self.background, x), []
        places, scale = doubled(rows), 1.0 if self.scale is None else doubled(self.scale)
        for one in x:
            squares = ((places - doubled(one)) / scale).reshape(len(rows), -1) ** 2
            # Rows with a missing value come last.
            order = np.argsort(squares.sum(1), kind="stable")[: self.n - 1]
            near.append(xp.concat([one[None], rows[beside(order, x)]]))
        return SampleRows(xp.stack(near), rows[:0])

    @property
    @override
    def sentence(self) -> str:
        return (
            f"the instance itself and the {self.n - 1:,} nearest of {len(self.background):,} background rows"
        )
