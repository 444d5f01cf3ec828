"""How c is chosen, the largest change of a prediction that counts as none: `onlyif.PNS(c=...)`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import override

from onlyif.causation.change import Change, NormChange
from onlyif.causation.samples import drawn_rows
from onlyif.core.arguments import Number, settle
from onlyif.core.arrays import like, namespace
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import Instances
from onlyif.engine.engine import outputs_of, slices
from onlyif.modalities.background import Background
from onlyif.models.base import Predictor

MOST_ROWS = 1000
# c where the predictions do not differ at all.
FLOOR = 1e-6
N_REPEATS = 4


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


def noise_threshold(
    predictor: Predictor,
    rows: Instances,
    change: Change,
    *,
    sigma: float = 0.001,
    floor: float = 1e-6,
    noisy: Bool[np.ndarray, "*x"] | None = None,
    max_rows: int = 16_384,
    seed: int = 0,
    varied: bool = True,
) -> float:
    """c: the largest change of a prediction under noise so weak that nothing should change.

    The larger of the floor and max |f(x) - f(x + ε)| over inputs x and noise ε ~ N(0, σ² I). For a
    model in whose output only large changes matter, give a c of your own instead.

    Args:
        predictor: The model f.
        rows: The inputs.
        change: How a change is read; for one instance, or one for all.
        sigma: σ, in the units of the inputs.
        floor: The least c, above the rounding of the model.
        noisy: Which entries get noise (not the codes of categories); None is all.
        max_rows: Most rows of one model call.
        seed: Seed of the noise.
        varied: Whether inputs that all have the same prediction are refused; copies of one instance may.

    Raises:
        SettingError: unless sigma > 0, floor > 0 and max_rows >= 1, without inputs, or if the outputs are
            only ever 0 and 1.
        ModelError: if the model answers the same for all inputs.

    References:
        [chen2024] section 4.6.
    """
    if not len(rows) or max_rows < 1:
        raise SettingError(f"need at least one input and max_rows >= 1, got {len(rows)} and {max_rows}")
    if not sigma > 0 or not floor > 0:
        raise SettingError(f"need sigma > 0 and floor > 0, got sigma={sigma} and floor={floor}")
    where = np.ones(rows.shape[1:]) if noisy is None else noisy
    xp, largest, seen = namespace(rows), 0.0, []
    with predictor.opened() as opened:
        for taken in slices(len(rows), max_rows):
            part = xp.astype(rows[taken], xp.result_type(rows.dtype, xp.float32), copy=False)
            base = outputs_of(opened, part, max_rows)
            seen.append(base)
            for noise in _noises(part.shape, taken.start, seed):
                noisy_part = part + like(sigma * noise * where, part)
                moved = outputs_of(opened, noisy_part, max_rows)
                found = change.between(moved[None, None, :, None], base[None])
                largest = max(largest, float(found.max()))
    if varied:
        _check_outputs(np.concatenate(seen))
    return max(largest, floor)


def _noises(shape: Sequence[int], first: int, seed: int) -> Float64[np.ndarray, "repeats n *x"]:
    """Standard normal noise that depends on the row's number, not on how rows are split."""
    n, *entries = shape
    drawn = [generator(seed, "threshold noise", first + row) for row in range(n)]
    return np.stack([each.standard_normal((N_REPEATS, *entries)) for each in drawn], axis=1)


def _check_outputs(outputs: Float64[np.ndarray, "n k"]) -> None:
    """Refuse models for which the rule says nothing."""
    if len(outputs) > 1 and (outputs == outputs[0]).all():
        raise ModelError(
            f"the model gives the same answer to all {len(outputs)} inputs of E: no subset causes anything, "
            "PNS is 0 for all of them; need a model or a sample whose predictions differ"
        )
    if ((outputs == 0) | (outputs == 1)).all():
        raise SettingError(
            "the model's outputs are only 0 and 1, for which the rule of c gives 0 or 1 and nothing between; "
            "give c, say 0.5, or explain the model's probabilities"
        )
