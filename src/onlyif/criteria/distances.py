"""ρ: how far two predictions are apart."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.arrays import Array, namespace
from onlyif.core.errors import SettingError
from onlyif.explanation.selection import NORMAL_95

# numpy where sets are compared; tensors where a soft mask has a gradient.
Values = Float64[Array, "..."]
Host = Float64[np.ndarray, "..."]

# Averaged probabilities may leave [0, 1] by their rounding, in single precision too.
ROUNDING = 1e-6


@final
@dataclass(frozen=True)
class DistanceKind:
    """What a distance is.

    Args:
        name: Its name in results, as "|a - b|".
        is_metric: Whether the triangle inequality holds, on which lemma 4.2 and
            theorems 4.1 and 5.1 rest; they are claimed only where it does.
        of_decisions: Whether it compares decisions (numbers of classes) instead of outputs.
    """

    name: str
    is_metric: bool
    of_decisions: bool = False


class Distance(ABC):
    """ρ(a, b), elementwise and broadcasting, at least 0 and 0 where a = b.

    The order is the paper's: Δsuf(S) = ρ(f(x), f_S(x)) and Δnec(S) = ρ(f_Sc(x), f_0(x)).
    """

    @abstractmethod
    def between(self, a: Values, b: Values) -> Values:
        """ρ(a, b)."""

    @property
    @abstractmethod
    def kind(self) -> DistanceKind:
        """What it is, in words."""

    def moved(self, a: Values, step: Values) -> Values:
        """a + step, no further than predictions can go; for standard errors."""
        return a + step


@final
@dataclass(frozen=True)
class AbsoluteDistance(Distance):
    """ρ(a, b) = |a - b|, in the units of the output: the paper's choice.

    Example:
        >>> AbsoluteDistance().between(np.array([0.25]), np.array([1.0]))
        array([0.75])

    References:
        [bharti2024] section 6.1.
    """

    @override
    def between(self, a: Values, b: Values) -> Values:
        # Infinite outputs are refused by name where gaps are gathered.
        with np.errstate(invalid="ignore"):
            return abs(a - b)

    @property
    @override
    def kind(self) -> DistanceKind:
        return DistanceKind("|a - b|", is_metric=True)


@final
@dataclass(frozen=True)
class DiscreteDistance(Distance):
    """ρ(a, b) = 0 where both decide for the same class, else 1.

    It compares decisions, not outputs: use it to ask what keeps the class. The
    discrete metric; every bound holds for it.

    Example:
        >>> DiscreteDistance().between(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
        array([0., 1.])
    """

    @override
    def between(self, a: Values, b: Values) -> Values:
        xp = namespace(a, b)
        return xp.astype(a != b, xp.float64)

    @property
    @override
    def kind(self) -> DistanceKind:
        return DistanceKind("0 if the same class is decided, else 1", is_metric=True, of_decisions=True)


@final
@dataclass(frozen=True)
class SideDistance(Distance):
    """ρ(a, b) = [a and b lie on different sides of a threshold] + |a - b| / (2 span).

    First whether the decision is the same, then how far the outputs are apart: a gap is at most 1/2 exactly
    where the decision stays, and among sets that keep it the one with the nearest output has the least. The
    sum of two metrics is one (a threshold makes two classes), so every bound holds.

    Args:
        threshold: The output above which the decision is for the target.
        span: The largest distance between two outputs: 1 for probabilities.

    Raises:
        SettingError: unless the span is above 0 and both are finite; from `between`, for outputs further
            apart than the span.

    Example:
        >>> SideDistance(0.5).between(np.array([0.9, 0.9]), np.array([0.7, 0.4])).round(3)
        array([0.1 , 1.25])
    """

    threshold: float
    span: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.threshold) and np.isfinite(self.span) and self.span > 0):
            raise SettingError(
                f"need a finite threshold and a span above 0, got {self.threshold} and {self.span}"
            )

    @override
    def between(self, a: Values, b: Values) -> Values:
        xp = namespace(a, b)
        apart = abs(a - b)
        if bool((apart > self.span * (1 + ROUNDING)).any()):
            raise SettingError(
                f"{self.kind.name} needs outputs within {self.span:g} of each other, got some "
                f"{float(apart.max()):g} apart"
            )
        return xp.astype((a > self.threshold) != (b > self.threshold), xp.float64) + apart / (2 * self.span)

    @override
    def moved(self, a: Values, step: Values) -> Values:
        # As far as a 95 % interval goes, so that no jump is overlooked; errors are too large by it.
        return a + NORMAL_95 * step

    @property
    @override
    def kind(self) -> DistanceKind:
        rest = "|a - b|" if self.span == 1 else f"|a - b| / {self.span:g}"
        return DistanceKind(f"1 where the decision changes, and half of {rest}", is_metric=True)


@final
@dataclass(frozen=True)
class LogitDistance(Distance):
    """ρ(a, b) = |logit a - logit b|, for probabilities clipped to [clip, 1 - clip].

    Log-odds are infinite at 0 and 1, hence the clip: beyond it two probabilities
    count as equal. The triangle inequality holds, so the bounds do.

    Args:
        clip: Smallest probability told from 0, in (0, .5).

    Raises:
        SettingError: unless 0 < clip < .5; from `between`, for numbers outside [0, 1].

    Example:
        >>> LogitDistance().between(np.array([0.5]), np.array([0.5]))
        array([0.])
    """

    clip: float = 1e-6

    def __post_init__(self) -> None:
        if not 0.0 < self.clip < 0.5:
            raise SettingError(f"clip must lie in (0, .5), got {self.clip}")

    @override
    def between(self, a: Values, b: Values) -> Values:
        for values in (a, b):
            least, most = float(values.min()), float(values.max())
            if least < -ROUNDING or most > 1 + ROUNDING:
                raise SettingError(
                    f"{self.kind.name} needs probabilities, got outputs from {least:g} to {most:g}"
                )
        return abs(self._logit(a) - self._logit(b))

    def _logit(self, values: Values) -> Values:
        xp = namespace(values)
        inside = xp.clip(values, self.clip, 1 - self.clip)
        return xp.log(inside / (1 - inside))

    @override
    def moved(self, a: Values, step: Values) -> Values:
        return namespace(a).clip(a + step, 0.0, 1.0)

    @property
    @override
    def kind(self) -> DistanceKind:
        name = f"|logit a - logit b|, probabilities clipped to [{self.clip:g}, 1 - {self.clip:g}]"
        return DistanceKind(name, is_metric=True)


@final
@dataclass(frozen=True)
class FunctionDistance(Distance):
    """The user's own ρ.

    Args:
        function: Takes two broadcastable arrays of numpy's; at least 0, and 0 where they are equal.
        name: Its name in results.
        is_metric: Whether the triangle inequality holds; the bounds are claimed only then.
    """

    function: Callable[[Array, Array], Array]
    name: str
    is_metric: bool = False

    @override
    def between(self, a: Values, b: Values) -> Values:
        with np.errstate(invalid="ignore"):
            gap, needed = self.function(a, b), (a - b).shape
        if gap.shape != needed:
            got = f"need {tuple(needed)}, got {tuple(gap.shape)}"
            raise SettingError(f"the distance {self.name!r} returned the wrong shape: {got}")
        xp = namespace(gap)
        if not bool((gap >= 0).all()):
            raise SettingError(f"the distance {self.name!r} must be at least 0, got {float(gap.min())}")
        return xp.astype(gap, xp.float64, copy=False)

    @property
    @override
    def kind(self) -> DistanceKind:
        return DistanceKind(self.name, self.is_metric)


def gap_error(
    distance: Distance, gap_of: Callable[[Host], Host], value: Host, stderr: Host, gap: Host
) -> Host:
    """The standard error of a gap whose one side is estimated, to first order.

    The larger of the changes of ρ when that side moves by one standard error either way;
    exact for |a - b|. NaN stays NaN.

    Args:
        distance: ρ.
        gap_of: ρ as a function of the estimated side; ρ need not be symmetric.
        value: The estimated side.
        stderr: Standard error of the difference of both sides.
        gap: The gap itself, `gap_of(value)`.
    """
    if not stderr.any():
        return np.broadcast_to(stderr, gap.shape)
    unknown = np.isnan(stderr)
    step = np.where(unknown, 0.0, stderr)
    up, down = (gap_of(distance.moved(value, way)) for way in (step, -step))
    with np.errstate(invalid="ignore"):
        change = np.maximum(abs(up - gap), abs(down - gap))
    return np.where(unknown, np.nan, change)
