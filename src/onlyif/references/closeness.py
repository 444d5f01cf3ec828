"""How close rows of mixed columns are, and which weight that gives them."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

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

    ordered: Bool[Tensor, "c"]
    span: Float64[Tensor, "c"]
    typical: Float64[Tensor, "c"]
    bandwidth: float | None = None

    def __post_init__(self) -> None:
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise SettingError(f"bandwidth must be above 0, or None for Scott's rule, got {self.bandwidth}")

    def distances(
        self, places: Float64[Tensor, "rows c"], place: Float64[Tensor, "c"]
    ) -> Float64[Tensor, "rows c"]:
        """The distance of each row from one place, on each column."""
        ordered, span = self.ordered.to(place.device), self.span.to(place.device)
        apart = (places - place).abs()
        apart = torch.where(ordered & (span > 0), apart / span, (apart != 0).double())
        lacking, lacks = places.isnan(), place.isnan()
        return torch.where(lacking | lacks, (lacking ^ lacks).double(), apart)

    def widths(self, kept: Float64[Tensor, "m c"], n_rows: int) -> Float64[Tensor, "m 1"]:
        """The kernel's width h for each subset of columns and a background of `n_rows` rows."""
        if self.bandwidth is not None:
            return torch.full((len(kept), 1), self.bandwidth, dtype=torch.float64, device=kept.device)
        size = kept.sum(1, keepdim=True).clamp(min=1)
        typical = kept @ self.typical.to(kept.device).unsqueeze(1) / size
        return typical / size.sqrt() * n_rows ** (-1 / (size + 4))

    def weights(
        self, apart: Float64[Tensor, "rows c"], kept: Float64[Tensor, "m c"]
    ) -> Float64[Tensor, "m rows"]:
        """The kernel's weights of all rows, which sum to 1, from their distances on each column."""
        mean = kept @ apart.T / kept.sum(1, keepdim=True).clamp(min=1)
        nearest = mean.amin(1, keepdim=True)
        # Relative to the nearest row, so that rows far from everything still sum to 1.
        width = self.widths(kept, len(apart)).clamp(min=1e-9)
        return torch.softmax(-(mean - nearest) * (mean + nearest) / (2 * width.square()), 1)


def fit_closeness(
    places: Float64[Tensor, "rows c"], ordered: Bool[Tensor, "c"] | None, bandwidth: float | None
) -> Closeness:
    """The closeness whose spans and typical distances are those of a background.

    Args:
        places: The background rows as comparable numbers; NaN is missing.
        ordered: Which columns have a meaningful |a - b|; None when all have.
        bandwidth: The kernel's width; None for Scott's rule.

    Example:
        >>> fit_closeness(torch.tensor([[0.0], [4.0]]).double(), None, None).typical
        tensor([0.5000], dtype=torch.float64)
    """
    known = places.nan_to_num(nan=-torch.inf).amax(0), places.nan_to_num(nan=torch.inf).amin(0)
    span = (known[0] - known[1]).clamp(min=0)  # a column with no value at all has none
    ordered = torch.ones_like(span, dtype=torch.bool) if ordered is None else ordered
    typical = torch.stack([_typical(places[:, j], span[j], ordered[j]) for j in range(len(span))])
    return Closeness(ordered, span, typical, bandwidth)


def _typical(
    place: Float64[Tensor, "n"], span: Float64[Tensor, ""], ordered: Bool[Tensor, ""]
) -> Float64[Tensor, ""]:
    """Mean distance on one column of two rows drawn with replacement, in O(n log n)."""
    n, known = len(place), place[~place.isnan()].sort().values
    mixed = 2 * len(known) * (n - len(known))
    if ordered and span > 0:
        # Sorted value i is the larger of i pairs and the smaller of the other len - 1 - i.
        rank = torch.arange(len(known), dtype=torch.float64, device=place.device)
        pairs = 2 * ((2 * rank - len(known) + 1) * (known - known[0])).sum() / span
    else:
        counts = torch.unique_consecutive(known, return_counts=True)[1].double()
        pairs = len(known) ** 2 - counts.square().sum()
    return (pairs + mixed) / n**2
