"""How close rows of mixed columns are, and which weight that gives them."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64

from onlyif.core.errors import SettingError


@final
@dataclass(frozen=True, eq=False)
class Closeness:
    """Gower's distance on each column, from 0 to about 1, and the kernel's width on each set of columns.

    Ordered columns: |a - b| / span. Others, and columns without a span: 0 if equal, else 1. Two missing
    values are equal; a missing one is at distance 1 from any other. `fit_closeness` builds it.

    A fixed width is too narrow on many columns or too wide on few: the distance is a mean over columns,
    and its spread shrinks as 1 / √s. Scott's rule has just that factor.

    Args:
        ordered: Which columns have a meaningful |a - b|.
        span: Largest minus smallest value of each column in the background.
        typical: Mean distance of two random background rows on each column.
        bandwidth: The kernel's width h in units of distance; None for Scott's rule.

    Raises:
        SettingError: unless bandwidth > 0.
    """

    ordered: Bool[np.ndarray, "c"]
    span: Float64[np.ndarray, "c"]
    typical: Float64[np.ndarray, "c"]
    bandwidth: float | None = None

    def __post_init__(self) -> None:
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise SettingError(f"bandwidth must be above 0, or None for Scott's rule, got {self.bandwidth}")

    def distances(
        self, places: Float64[np.ndarray, "rows c"], place: Float64[np.ndarray, "c"]
    ) -> Float64[np.ndarray, "rows c"]:
        """The distance of each row from one place, on each column."""
        scaled = self.ordered & (self.span > 0)
        apart = np.abs(places - place)
        apart = np.where(scaled, apart / np.where(scaled, self.span, 1.0), apart != 0)
        lacking, lacks = np.isnan(places), np.isnan(place)
        distances: np.ndarray = np.where(lacking | lacks, lacking ^ lacks, apart)
        return distances

    def widths(self, kept: Float64[np.ndarray, "m c"], n_rows: int) -> Float64[np.ndarray, "m 1"]:
        """The kernel's width h for each subset of columns and a background of `n_rows` rows."""
        if self.bandwidth is not None:
            return np.full((len(kept), 1), self.bandwidth)
        size = _sizes(kept)
        widths: np.ndarray = (kept @ self.typical)[:, None] / size
        widths *= n_rows ** (-1 / (size + 4)) / np.sqrt(size)
        return widths

    def weights(
        self, apart: Float64[np.ndarray, "rows c"], kept: Float64[np.ndarray, "m c"]
    ) -> Float64[np.ndarray, "m rows"]:
        """The kernel's weights of all rows, which sum to 1, from their distances on each column."""
        mean = kept @ apart.T / _sizes(kept)
        nearest = mean.min(1, keepdims=True)
        width = np.maximum(self.widths(kept, len(apart)), 1e-9)
        # Relative to the nearest row, so that rows far from everything still sum to 1. In place: it is large.
        weights: np.ndarray = mean - nearest
        mean += nearest
        weights *= mean
        weights /= -2 * width**2
        np.exp(weights, out=weights)
        weights /= weights.sum(1, keepdims=True)
        return weights


def _sizes(kept: Float64[np.ndarray, "m c"]) -> Float64[np.ndarray, "m 1"]:
    """The number of columns kept, 1 where there is none."""
    sizes: np.ndarray = np.maximum(kept.sum(1, keepdims=True), 1)
    return sizes


def fit_closeness(
    places: Float64[np.ndarray, "rows c"], ordered: Bool[np.ndarray, "c"] | None, bandwidth: float | None
) -> Closeness:
    """The closeness whose spans and typical distances are those of a background.

    Args:
        places: The background rows as comparable numbers; NaN is missing.
        ordered: Which columns have a meaningful |a - b|; None when all have.
        bandwidth: The kernel's width; None for Scott's rule.

    Example:
        >>> fit_closeness(np.array([[0.0], [4.0]]), None, None).typical
        array([0.5])
    """
    missing = np.isnan(places)
    largest, smallest = (np.where(missing, end, places) for end in (-np.inf, np.inf))
    span = np.maximum(largest.max(0) - smallest.min(0), 0)  # a column with no value at all has none
    ordered = np.ones(len(span), dtype=bool) if ordered is None else ordered
    columns = zip(places.T, span.tolist(), ordered.tolist(), strict=True)
    return Closeness(ordered, span, np.array([_typical(*column) for column in columns]), bandwidth)


def _typical(place: Float64[np.ndarray, "n"], span: float, ordered: bool) -> float:
    """Mean distance on one column of two rows drawn with replacement, in O(n log n)."""
    n, known = len(place), np.sort(place[~np.isnan(place)])
    mixed = 2 * len(known) * (n - len(known))
    if ordered and span > 0:
        # Sorted value i is the larger of i pairs and the smaller of the other len - 1 - i.
        rank = np.arange(len(known))
        pairs = 2 * float(((2 * rank - len(known) + 1) * (known - known[0])).sum()) / span
    else:
        counts = np.unique(known, return_counts=True)[1]
        pairs = len(known) ** 2 - float(np.square(counts).sum())
    return (pairs + mixed) / n**2
