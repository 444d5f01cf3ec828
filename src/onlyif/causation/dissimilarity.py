"""How far two inputs are apart on each of their entries."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Float64
from typing_extensions import override

from onlyif.core.arrays import Array, doubled, namespace
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances
from onlyif.references.closeness import Closeness


class Dissimilarity(ABC):
    """The squared distance of inputs from one instance, entry by entry."""

    @abstractmethod
    def squares(
        self, rows: Float64[np.ndarray, "n *x"], one: Float64[np.ndarray, "*x"]
    ) -> Float64[np.ndarray, "n *x"]:
        """The squares whose sum over some entries is the squared distance on these.

        Args:
            rows: The inputs.
            one: The instance.
        """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """One sentence that says how distances are taken."""


@final
@dataclass(frozen=True, eq=False)
class ScaledDifference(Dissimilarity):
    """(a - b)² / scale²: the paper's Euclidean distance, with a scale for each entry as an option.

    Args:
        scale: What differences are divided by, in the units of each entry; None takes them as they are.
            Scott's b is meant for entries of unit spread: give the standard deviations for others.

    Raises:
        SettingError: if a scale is not above 0.
    """

    scale: Float[Array, "*x"] | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and not bool((self.scale > 0).all()):
            raise SettingError("the scale of every entry must be above 0")

    @override
    def squares(
        self, rows: Float64[np.ndarray, "n *x"], one: Float64[np.ndarray, "*x"]
    ) -> Float64[np.ndarray, "n *x"]:
        apart = rows - one
        if self.scale is not None:
            apart /= doubled(self.scale)
        # Both missing are equal; one missing is infinitely far.
        lacking, lacks = np.isnan(rows), np.isnan(one)
        return np.where(lacking | lacks, np.where(lacking & lacks, 0.0, np.inf), apart**2)

    @property
    @override
    def sentence(self) -> str:
        return "Euclidean distance" if self.scale is None else "Euclidean distance of scaled entries"


@final
@dataclass(frozen=True, eq=False)
class GowerDifference(Dissimilarity):
    """The square of Gower's distance on each column: for mixed tables, as in the empirical reference.

    Numbers: |a - b| / span of the background. Categories: 0 if equal, else 1. So is a missing value
    beside a known one.

    Args:
        closeness: Spans and kinds of the columns, fitted on the background.
    """

    closeness: Closeness

    @override
    def squares(
        self, rows: Float64[np.ndarray, "n *x"], one: Float64[np.ndarray, "*x"]
    ) -> Float64[np.ndarray, "n *x"]:
        return self.closeness.distances(rows, one) ** 2

    @property
    @override
    def sentence(self) -> str:
        return "numbers scaled by their span, categories by mismatch"


@final
@dataclass(frozen=True)
class DroppedDifference(Dissimilarity):
    """(a - b)² / (ρ d), with d entries that are not 0: in units of the differences of a `DroppedSample`.

    Entries say what is there. Differences of such rows are counts, which grow with d, so that without the
    units hardly any copy of a large instance would be near it.

    Args:
        share: ρ; None leaves the differences as they are.
        kept: So many entries at the front are not counted, as a number that says which instance it is.

    Raises:
        SettingError: unless 0 < share < 1 and kept >= 0.

    Example:
        >>> DroppedDifference(0.5).squares(np.array([[1.0, 0.0, 0.0]]), np.array([1.0, 1.0, 0.0]))
        array([[0., 1., 0.]])
    """

    share: float | None = None
    kept: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < (0.5 if self.share is None else self.share) < 1.0 or self.kept < 0:
            raise SettingError(
                f"need a share strictly between 0 and 1 and kept >= 0, got {self.share} and {self.kept}"
            )

    @override
    def squares(
        self, rows: Float64[np.ndarray, "n *x"], one: Float64[np.ndarray, "*x"]
    ) -> Float64[np.ndarray, "n *x"]:
        apart = ScaledDifference().squares(rows, one)
        count = float(np.count_nonzero(one.ravel()[self.kept :]))
        return apart if self.share is None else apart / (self.share * max(count, 1.0))

    @property
    @override
    def sentence(self) -> str:
        return "number of differing entries" + (
            "" if self.share is None else f", in units of {self.share:g} of all"
        )


class Total(ABC):
    """How the squares of the compared entries become one squared distance."""

    @abstractmethod
    def of(self, sums: Float[Array, "*s"], counts: Float[Array, "..."]) -> Float[Array, "*s"]:
        """The squared distances, of numpy or, with a gradient, of tensors.

        Args:
            sums: Sums of squares over the compared entries.
            counts: How many entries were compared, beside the sums; 0 is possible.
        """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """One sentence that says how entries are put together."""


@final
@dataclass(frozen=True)
class SumOfSquares(Total):
    """The sum: the paper's norm. In hundreds of dimensions only near copies of x are close."""

    @override
    def of(self, sums: Float[Array, "*s"], counts: Float[Array, "..."]) -> Float[Array, "*s"]:
        return sums

    @property
    @override
    def sentence(self) -> str:
        return "summed over the compared entries"


@final
@dataclass(frozen=True)
class MeanSquare(Total):
    """The mean: one b means the same for few entries and for many, so that weights do not collapse."""

    @override
    def of(self, sums: Float[Array, "*s"], counts: Float[Array, "..."]) -> Float[Array, "*s"]:
        return sums / namespace(counts).clip(counts, min=1)

    @property
    @override
    def sentence(self) -> str:
        return "averaged over the compared entries"


def entry_scale(rows: Instances) -> Float64[np.ndarray, "*x"]:
    """The standard deviation of each entry over a background; 1 where it is constant."""
    spread = doubled(rows).std(0)
    return np.where(spread > 0, spread, 1.0)
