"""The sample E before it has met a background: what `onlyif.PNS(sample=...)` takes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.causation.dissimilarity import Dissimilarity
from onlyif.core.arguments import Either, Whole, settle
from onlyif.core.seeds import generator
from onlyif.modalities.background import Background
from onlyif.samples.background import BackgroundSample
from onlyif.samples.base import Sample
from onlyif.samples.nearest import NearestSample

FEWEST, MOST = 100, 200


@final
@dataclass(frozen=True, eq=False)
class PlacedDifference(Dissimilarity):
    """A dissimilarity of comparable numbers, for rows as the table codes them.

    Args:
        positions: From codes to comparable numbers: dates to seconds, ordered categories to ranks.
        inner: The dissimilarity of these.
    """

    positions: Callable[[Float64[np.ndarray, "r c"]], Float64[np.ndarray, "r c"]]
    inner: Dissimilarity

    @override
    def squares(
        self, rows: Float64[np.ndarray, "n c"], one: Float64[np.ndarray, "c"]
    ) -> Float64[np.ndarray, "n c"]:
        return self.inner.squares(self.positions(rows), self.positions(one[None])[0])

    @property
    @override
    def sentence(self) -> str:
        return self.inner.sentence


class SampleRecipe(ABC):
    """How the sample E is taken from the background."""

    @abstractmethod
    def build(self, background: Background, dissimilarity: Dissimilarity) -> Sample:
        """The sample.

        Args:
            background: The background.
            dissimilarity: How far rows are apart on each column.
        """


@final
@dataclass(frozen=True)
class BackgroundRows(SampleRecipe):
    """E is the row itself and random background rows, the same for all rows.

    Args:
        n_rows: How many background rows. None takes as many as let all subsets fit the budget, at
            least 100 and at most 200; a number beyond the background takes all of it.

    Raises:
        SettingError: unless n_rows >= 1.
    """

    n_rows: int | None = None

    def __post_init__(self) -> None:
        settle(self, {"n_rows": Either((Whole(least=1), None))})

    @override
    def build(self, background: Background, dissimilarity: Dissimilarity) -> Sample:
        count = self.n_rows
        if count is None:
            # The explained row is in E too.
            count = max(FEWEST, min(MOST, background.affordable_rows - 1))
        return BackgroundSample(drawn_rows(background.values, count, background.seed))


@final
@dataclass(frozen=True)
class NearestRows(SampleRecipe):
    """E is the row itself and the background rows nearest to it, so that more inputs have weight.

    The probabilities are then those of the row's neighbourhood, not of the population.

    Args:
        n_rows: How many background rows.

    Raises:
        SettingError: unless n_rows >= 1.
    """

    n_rows: int = 100

    def __post_init__(self) -> None:
        settle(self, {"n_rows": Whole(least=1)})

    @override
    def build(self, background: Background, dissimilarity: Dissimilarity) -> Sample:
        rows = background.values
        return NearestSample(rows, min(self.n_rows, len(rows)) + 1, dissimilarity.squares)


@final
@dataclass(frozen=True)
class GivenSample(SampleRecipe):
    """A finished sample, as it is.

    Args:
        sample: The sample.
    """

    sample: Sample

    @override
    def build(self, background: Background, dissimilarity: Dissimilarity) -> Sample:
        return self.sample


def drawn_rows(values: Float64[np.ndarray, "rows c"], count: int, seed: int) -> Float64[np.ndarray, "n c"]:
    """Random rows, in an order of which a smaller count takes the first; all where there are no more."""
    if count >= len(values):
        return values
    return values[generator(seed, "rows of E").permutation(len(values))[:count]]
