"""How c is chosen, the largest change of a prediction that counts as none: `onlyif.PNS(c=...)`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.causation.change import NormChange
from onlyif.causation.heuristics import noise_threshold
from onlyif.causation.samples import drawn_rows
from onlyif.core.arguments import Number, settle
from onlyif.engine.engine import outputs_of
from onlyif.modalities.background import Background
from onlyif.models.base import Predictor

MOST_ROWS = 1000
# c where the predictions do not differ at all.
FLOOR = 1e-6


class ThresholdRecipe(ABC):
    """A rule for c."""

    @abstractmethod
    def of(self, predictor: Predictor, background: Background, max_rows: int) -> tuple[float, str]:
        """c, and in words how it was chosen.

        Args:
            predictor: The model f.
            background: Rows like those it was trained on; at most 1,000 of them are asked for.
            max_rows: Most rows of one model call.
        """


@final
@dataclass(frozen=True)
class SpreadThreshold(ThresholdRecipe):
    """A share of the spread of the predictions over the background: the default.

    The spread is from the 5 % to the 95 % quantile, so that outliers do not decide, else from the
    least to the largest; of several outputs the largest counts, so that c depends on no row.

    Args:
        share: The share, above 0.

    Raises:
        SettingError: unless share > 0.
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        settle(self, {"share": Number(above=0.0)})

    @override
    def of(self, predictor: Predictor, background: Background, max_rows: int) -> tuple[float, str]:
        rows = drawn_rows(background.values, MOST_ROWS, background.seed)
        with predictor.opened() as opened:
            outputs = outputs_of(opened, rows, max_rows)
        low, high = np.quantile(outputs, [0.05, 0.95], axis=0)
        spread, ends = float((high - low).max()), "5 % to 95 %"
        if not spread > 0:
            spread, ends = float(np.ptp(outputs, axis=0).max()), "least to largest"
        if not self.share * spread > FLOOR:
            return (
                FLOOR,
                f"the least there is, for the predictions of {len(rows):,} background rows are equal",
            )
        said = f"{self.share:g} of the spread of {len(rows):,} background predictions, {ends}"
        if ((outputs == 0) | (outputs == 1)).all():
            said += "; they are only 0 and 1, so that any c below 1 means another decision"
        return self.share * spread, said


@final
@dataclass(frozen=True)
class NoiseThreshold(ThresholdRecipe):
    """The paper's rule: the largest change under noise so weak that nothing should change.

    For smooth models. Trees answer weak noise with a jump or not at all, and a model
    that answers 0 or 1 likewise: give those a number.

    Args:
        sigma: Standard deviation of the noise, in the units of the number columns; others get none.

    Raises:
        SettingError: unless sigma > 0.

    References:
        [chen2024] section 4.6.
    """

    sigma: float = 0.001

    def __post_init__(self) -> None:
        settle(self, {"sigma": Number(above=0.0)})

    @override
    def of(self, predictor: Predictor, background: Background, max_rows: int) -> tuple[float, str]:
        rows = drawn_rows(background.values, MOST_ROWS, background.seed)
        c = noise_threshold(
            predictor,
            rows,
            NormChange(),
            sigma=self.sigma,
            floor=FLOOR,
            noisy=background.numeric,
            max_rows=max_rows,
            seed=background.seed,
        )
        return c, f"the largest change of {len(rows):,} background predictions under noise of {self.sigma:g}"


@final
@dataclass(frozen=True)
class GivenThreshold(ThresholdRecipe):
    """A number, as it is.

    Args:
        c: In the units of the prediction.
    """

    c: float

    @override
    def of(self, predictor: Predictor, background: Background, max_rows: int) -> tuple[float, str]:
        return self.c, "given"
