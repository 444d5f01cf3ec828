"""Fidelity+ and Fidelity-: whether the decision changes without the important part, or with it alone."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.precision import at_least_single, doubled_tensor
from onlyif.core.shapes import Numbers
from onlyif.metrics.asking import (
    MAX_ROWS,
    as_numbers,
    ask,
    check_counts,
    decided,
)
from onlyif.metrics.base import MapMetric, Maps, Question, Targets
from onlyif.metrics.fills import Fill
from onlyif.metrics.given import maps_of, targets_of
from onlyif.metrics.measured import Measured
from onlyif.models.base import Predictor

COMPARE = "the mask of ones, so compare masks of one size (`controls.top_mask`)"


@final
@dataclass(frozen=True, eq=False)
class FidelityPlus(MapMetric):
    """The share of decisions that change when what the mask s marks is removed; more is better.

        1 - I( argmax f(x) = argmax f(x ∘ (1 - s) + x' ∘ s) )

    For soft masks in [0, 1] and hard ones; the paper has x' = 0. It does not look at the target.

    Args:
        fill: x', what a removed entry becomes.
        max_rows: Most rows of one model call. Does not change the result.

    Raises:
        SettingError: unless max_rows is at least 1.
        InputError: from `measure`, if a mask leaves [0, 1].

    References:
        [amara2022]; [chen2024] equation 16.
    """

    fill: Fill
    max_rows: int = MAX_ROWS

    def __post_init__(self) -> None:
        check_counts(1, self.max_rows)

    @override
    def measure(self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets) -> Measured:
        maps = _masks_of(maps, x, target)
        return _changed(1 - doubled_tensor(maps), self.fill, predictor, x, self.max_rows)

    @property
    @override
    def question(self) -> Question:
        return Question("Does the decision change without what the mask marks?", True, COMPARE)


@final
@dataclass(frozen=True, eq=False)
class FidelityMinus(MapMetric):
    """The share of decisions that change when only what the mask s marks is kept; less is better.

        1 - I( argmax f(x) = argmax f(x ∘ s + x' ∘ (1 - s)) )

    For soft masks in [0, 1] and hard ones; the paper has x' = 0. It does not look at the target.

    Args:
        fill: x', what a removed entry becomes.
        max_rows: Most rows of one model call. Does not change the result.

    Raises:
        SettingError: unless max_rows is at least 1.
        InputError: from `measure`, if a mask leaves [0, 1].

    References:
        [amara2022]; [chen2024] equation 17.
    """

    fill: Fill
    max_rows: int = MAX_ROWS

    def __post_init__(self) -> None:
        check_counts(1, self.max_rows)

    @override
    def measure(self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets) -> Measured:
        maps = _masks_of(maps, x, target)
        return _changed(doubled_tensor(maps), self.fill, predictor, x, self.max_rows)

    @property
    @override
    def question(self) -> Question:
        return Question("Does the decision change with nothing but what the mask marks?", False, COMPARE)


def characterization(plus: float, minus: float) -> float:
    """The harmonic mean of Fidelity+ and 1 - Fidelity-: one number that neither of them wins alone.

    Args:
        plus: Fidelity+, in [0, 1].
        minus: Fidelity-, in [0, 1].

    Raises:
        InputError: if one leaves [0, 1].

    Example:
        >>> characterization(0.5, 0.0)
        0.6666666666666666

    References:
        [amara2022]
    """
    if not (0.0 <= plus <= 1.0 and 0.0 <= minus <= 1.0):
        raise InputError(f"both fidelities lie in [0, 1], got {plus:.4g} and {minus:.4g}")
    kept = 1.0 - minus
    return 0.0 if min(plus, kept) == 0 else 2.0 / (1.0 / plus + 1.0 / kept)


def _masks_of(given: object, x: Numbers, target: object) -> Tensor:
    targets_of(target, x)
    maps = maps_of(given, x)
    low, high = float(maps.min()), float(maps.max())
    if low < 0 or high > 1:
        raise InputError(
            f"fidelity needs masks in [0, 1], got {low:.4g} to {high:.4g}; "
            "make one with `controls.top_mask` or `controls.soft_mask`"
        )
    return maps


def _changed(
    share: Float64[Tensor, "b *x"], fill: Fill, predictor: Predictor, given: Numbers, max_rows: int
) -> Measured:
    """Whether each decision for x ∘ share + x' ∘ (1 - share) is another than for x."""
    x = as_numbers(predictor, given)
    keep = share.to(device=x.device, dtype=at_least_single(x.dtype))
    mixed = (x * keep + fill.values(x) * (1 - keep)).to(x.dtype)
    with predictor.opened() as opened:
        before, after = (decided(opened, ask(opened, rows, max_rows)) for rows in (x, mixed))
    return Measured((before != after).double())
