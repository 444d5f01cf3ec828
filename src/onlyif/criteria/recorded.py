"""A criterion that remembers what it was asked, so that a search can be ended at any time."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.core.progress import Meter
from onlyif.criteria.base import Criterion, Gaps

# What a subset counts where it costs no model row: as much as with the usual background.
ROWS_OF_A_FREE_SUBSET = 100


@final
@dataclass(frozen=True, eq=False)
class AskedSubsets:
    """Subsets that were asked, and their gaps."""

    subset: Bool[np.ndarray, "#b m d"]
    gaps: Gaps


@final
@dataclass(frozen=True, eq=False)
class RecordedCriterion(Criterion):
    """The same criterion, with its subsets counted on a meter and remembered where time is limited.

    With a time limit many subsets are asked in several steps, so that little is lost at its end.

    Args:
        inner: The criterion.
        meter: What counts.
        rows: Model rows that a subset takes; 0 where it takes none.
        found: What was asked, with its gaps; it grows while a search goes on.
    """

    inner: Criterion
    meter: Meter
    rows: int
    found: list[AskedSubsets] = field(default_factory=list)

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        parts: list[Gaps] = []
        start, m = 0, subset.shape[1]
        while start < m or not parts:
            self.meter.check()
            step = self.meter.step(2 * (self.rows or ROWS_OF_A_FREE_SUBSET) * len(subset), m)
            part = subset[:, start : start + max(1, step)]
            parts.append(self.inner.gap(part))
            if not self.rows:
                self.meter.count(ROWS_OF_A_FREE_SUBSET * part.shape[1] * len(part))
            if self.meter.limited:
                self.found.append(AskedSubsets(part, parts[-1]))
            start += max(1, part.shape[1])
        return parts[0] if len(parts) == 1 else _joined(parts)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return self.inner.weights

    @property
    @override
    def directions(self) -> tuple[tuple[float, ...], ...]:
        return self.inner.directions


def _joined(parts: list[Gaps]) -> Gaps:
    mirrors = [part.mirror for part in parts if part.mirror is not None]
    return Gaps(
        np.concatenate([part.parts for part in parts], axis=1),
        np.concatenate([part.stderr for part in parts], axis=1),
        sum(part.model_rows for part in parts),
        _joined(mirrors) if mirrors else None,
    )
