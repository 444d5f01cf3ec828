"""Threshold curves: how sufficient, necessary and large the sets of the highest scores are."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Numbers
from onlyif.metrics.gaps import Hiding, set_gaps
from onlyif.metrics.given import given_maps, targets_of
from onlyif.metrics.measured import Measured
from onlyif.models.base import Predictor

THRESHOLDS = tuple(i / 20 for i in range(21))
TOP_SHARE = 0.01


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """One number an image and threshold.

    Args:
        thresholds: The thresholds t, ascending.
        values: The numbers.

    Example:
        >>> values = torch.tensor([[0.0, 2.0], [0.0, 4.0]], dtype=torch.float64)
        >>> curve = Curve(torch.tensor([0.0, 1.0], dtype=torch.float64), values)
        >>> curve.mean.tolist(), curve.stderr.tolist(), curve.area.mean
        ([0.0, 3.0], [0.0, 1.0], 1.5)
    """

    thresholds: Float64[Tensor, "t"]
    values: Float64[Tensor, "b t"]

    @property
    def mean(self) -> Float64[Tensor, "t"]:
        """The mean over images."""
        return self.values.mean(0)

    @property
    def stderr(self) -> Float64[Tensor, "t"]:
        """Its standard error over images, NaN for a single one."""
        b = len(self.values)
        return self.values.std(0) / b**0.5 if b > 1 else torch.full_like(self.thresholds, torch.nan)

    @property
    def area(self) -> Measured:
        """The area under the curve of each image, by the trapezoidal rule."""
        return Measured(torch.trapezoid(self.values, self.thresholds, dim=1))

    def beyond(self, threshold: float) -> "Curve":
        """The part at larger thresholds than this one.

        Args:
            threshold: Not itself in the part.
        """
        kept = self.thresholds > threshold + 1e-9
        return Curve(self.thresholds[kept], self.values[:, kept])


@final
@dataclass(frozen=True, eq=False)
class ThresholdCurves:
    """Gaps and sizes of S_t = {score >= t} for b images, and their negative logarithms as drawn in the paper.

    Args:
        sufficiency: Δsuf(S_t).
        necessity: Δnec(S_t).
        size: |S_t| / d.
        floor: A gap below counts as this much in the logarithms.
        n_pixels: d; in the logarithm an empty set counts as one pixel.

    References:
        [bharti2024] figures 2a and 3.
    """

    sufficiency: Curve
    necessity: Curve
    size: Curve
    floor: float
    n_pixels: int

    @property
    def log_sufficiency(self) -> Curve:
        """-log Δsuf, larger is better, at most -log floor."""
        return _negative_log(self.sufficiency, self.floor)

    @property
    def log_necessity(self) -> Curve:
        """-log Δnec, larger is better, at most -log floor."""
        return _negative_log(self.necessity, self.floor)

    @property
    def log_size(self) -> Curve:
        """-log(|S_t| / d), larger is smaller sets, at most log d."""
        return _negative_log(self.size, 1 / self.n_pixels)


def threshold_curves(
    scores: Float[Tensor, "_ ..."],
    predictor: Predictor | nn.Module,
    x: Numbers,
    target: Int64[Tensor, "_"],
    hiding: Hiding,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    floor: float = 1e-3,
) -> ThresholdCurves:
    """The curves of some scores, made comparable by `normalised_scores`.

    At t = 0 every pixel is in, so all scores begin alike. Random scores belong beside every result, and sizes
    beside every gap: large sets are sufficient and necessary.

    Args:
        scores: One score a pixel, at least 0; of a signed map the positive part or the absolute value.
        predictor: The model. A torch module is asked for its outputs as they are: end it with a softmax,
            or pass a predictor, where probabilities are meant.
        x: The images.
        target: Number of the explained output of each image.
        hiding: What a hidden pixel becomes.
        thresholds: In [0, 1], ascending.
        floor: A smaller gap counts as this in the logarithms.

    Raises:
        InputError: if scores do not fit the images, are negative, NaN or infinite.
        SettingError: unless thresholds ascend in [0, 1], at least two, and floor > 0.

    References:
        [bharti2024] section 6.2, figures 2a and 3.
    """
    _check(thresholds, floor)
    scores, target = given_maps(scores, x), targets_of(target, x)
    if scores.shape != (len(x), *x.shape[-2:]):
        raise InputError(
            f"got scores of shape {tuple(scores.shape)} for images of shape {tuple(x.shape)}; "
            "need one a pixel"
        )
    t = torch.tensor(thresholds, dtype=torch.float64)
    sets = normalised_scores(doubled_tensor(scores)).unsqueeze(1) >= t.view(-1, 1, 1)
    gaps = set_gaps(sets.to(x.device), predictor, x, target, hiding)
    size = Curve(t, sets.double().mean((2, 3)))
    n_pixels = scores[0].numel()
    return ThresholdCurves(Curve(t, gaps.sufficiency), Curve(t, gaps.necessity), size, floor, n_pixels)


def normalised_scores(scores: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Scores in [0, 1]: the top 1 % of the nonzero ones become 1, the rest are divided by the least of those.

    Of q nonzero scores the top 1 % are ⌈q / 100⌉, and all that tie with the least of them.
    All zeros stay zeros.

    Args:
        scores: One score a pixel, at least 0.

    Raises:
        InputError: if a score is negative, NaN or infinite.

    Example:
        >>> normalised_scores(torch.tensor([[[0.0, 1.0], [2.0, 4.0]]]))
        tensor([[[0.0000, 0.2500],
                 [0.5000, 1.0000]]])

    References:
        [bharti2024] section 6.2.
    """
    if not bool(scores.isfinite().all()):
        raise InputError("scores have NaN or infinite values; need finite ones")
    if bool((scores < 0).any()):
        raise InputError(
            f"scores must be at least 0, got {scores.min():.4g}; "
            "take the positive part or the absolute value of signed ones"
        )
    flat = scores.flatten(1)
    count = (flat > 0).sum(1, keepdim=True)
    place = ((count * TOP_SHARE).ceil().long() - 1).clamp(min=0)
    least = flat.sort(dim=1, descending=True).values.gather(1, place)
    scaled = torch.where(flat >= least, torch.ones_like(flat), flat / least)
    return torch.where(count > 0, scaled, torch.zeros_like(flat)).view_as(scores)


def _negative_log(curve: Curve, floor: float) -> Curve:
    return Curve(curve.thresholds, -curve.values.clamp(min=floor).log())


def _check(thresholds: Sequence[float], floor: float) -> None:
    ascending = all(low < high for low, high in pairwise(thresholds))
    if len(thresholds) < 2 or not ascending or not 0 <= thresholds[0] <= thresholds[-1] <= 1:
        raise SettingError(f"need at least two thresholds that ascend in [0, 1], got {list(thresholds)}")
    if not floor > 0:
        raise SettingError(f"the floor of a gap must be above 0 for its logarithm, got {floor}")
