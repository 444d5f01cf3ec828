"""E is a part of another sample: fewer inputs where time allows no more."""

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.core.arrays import beside
from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import Instances
from onlyif.samples.base import Sample, SampleRows


@final
@dataclass(frozen=True, eq=False)
class FewerSample(Sample):
    """The instance itself and inputs drawn without replacement from those of another sample.

    Choose it where a table over all inputs would take too long; standard errors over E say what that costs.

    Args:
        whole: The sample, in which the instance stands first among its own inputs.
        n_rows: The inputs that are left, the instance among them.

    Raises:
        SettingError: unless n_rows >= 2.

    Example:
        >>> from onlyif.samples.background import BackgroundSample
        >>> FewerSample(BackgroundSample(np.zeros((50, 2))), 10).rows(np.ones((3, 2)), seed=0).count
        10
    """

    whole: Sample
    n_rows: int

    def __post_init__(self) -> None:
        if self.n_rows < 2:
            raise SettingError(f"the sample E needs at least 2 inputs, got {self.n_rows}")

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        held = self.whole.rows(x, seed)
        n_own, rest = held.own.shape[1], self.n_rows - 1
        if held.count <= self.n_rows or not n_own:
            return held
        drawn = 1 + generator(seed, "fewer inputs").permutation(held.count - 1)[:rest]
        kept = np.sort(np.concatenate([[0], drawn]))
        own, shared = kept[kept < n_own], kept[kept >= n_own] - n_own
        return SampleRows(held.own[:, beside(own, x)], held.shared[beside(shared, x)])

    @property
    @override
    def sentence(self) -> str:
        return f"{self.n_rows:,} inputs, the instance and others drawn from: {self.whole.sentence}"
