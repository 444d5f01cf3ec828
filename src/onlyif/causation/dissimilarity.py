"""How far two inputs are apart on each of their entries."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.precision import doubled
from onlyif.references.closeness import Closeness


class Dissimilarity(ABC):
    """The squared distance of inputs from one instance, entry by entry."""

    @abstractmethod
    def squares(self, rows: Float[Tensor, "n *x"], one: Float[Tensor, "*x"]) -> Float64[Tensor, "n *x"]:
        """The squares whose sum over some entries is the squared distance on these, on the CPU.

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

    scale: Float[Tensor, "*x"] | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and not bool((self.scale > 0).all()):
            raise SettingError("the scale of every entry must be above 0")

    @override
    def squares(self, rows: Float[Tensor, "n *x"], one: Float[Tensor, "*x"]) -> Float64[Tensor, "n *x"]:
        apart = doubled(rows - one)
        apart = apart if self.scale is None else apart / self.scale.to(apart)
        # Both missing are equal; one missing is infinitely far.
        missing = (rows.isnan() ^ one.isnan()).cpu()
        return torch.where(missing, torch.inf, apart.nan_to_num().square())

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
    def squares(self, rows: Float[Tensor, "n *x"], one: Float[Tensor, "*x"]) -> Float64[Tensor, "n *x"]:
        return self.closeness.distances(doubled(rows), doubled(one)).square()

    @property
    @override
    def sentence(self) -> str:
        return "numbers scaled by their span, categories by mismatch"


class Total(ABC):
    """How the squares of the compared entries become one squared distance."""

    @abstractmethod
    def of(self, sums: Float64[Tensor, "n m"], counts: Float64[Tensor, "m"]) -> Float64[Tensor, "n m"]:
        """The squared distances.

        Args:
            sums: Sums of squares over the compared entries.
            counts: How many entries were compared; 0 is possible.
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
    def of(self, sums: Float64[Tensor, "n m"], counts: Float64[Tensor, "m"]) -> Float64[Tensor, "n m"]:
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
    def of(self, sums: Float64[Tensor, "n m"], counts: Float64[Tensor, "m"]) -> Float64[Tensor, "n m"]:
        return sums / counts.clamp(min=1)

    @property
    @override
    def sentence(self) -> str:
        return "averaged over the compared entries"
