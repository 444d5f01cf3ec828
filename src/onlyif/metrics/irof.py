"""IROF: how fast the output falls when the most important segments are removed one by one."""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Numbers
from onlyif.metrics.asking import (
    MAX_ROWS,
    as_numbers,
    ask,
    blocks,
    check_counts,
    chosen,
)
from onlyif.metrics.base import MapMetric, Maps, Question, Targets
from onlyif.metrics.fills import Fill, MeanFill
from onlyif.metrics.given import maps_of, targets_of
from onlyif.metrics.measured import Measured
from onlyif.models.base import Predictor


@final
@dataclass(frozen=True, eq=False)
class IROF(MapMetric):
    """Iterative removal of features: the area over the curve of the target's output.

    A segment is as important as its entries are on average. With r_l the output when the l most important of
    L segments are filled, as a share of the output for x,

        IROF = 1/L · [ Σ_{l=1}^{L-1} (1 - r_l) + (1 - r_L) / 2 ],

    the area above r by the trapezoidal rule, from r_0 = 1: 1 if the output is gone at once, 0 if it never
    falls. Ties go to the segment with the smaller number. The output must be a probability. Report correctly
    classified instances apart (`Measured.take`): for others the share can exceed 1 many times.

    Args:
        segments: The segment of each entry, numbered from 0; of an instance's own shape or, for images, one
            number a pixel. Size 1 in b means shared by all instances.
        fill: What a removed segment becomes.
        max_rows: Most rows of one model call. Does not change the result.

    Raises:
        SettingError: for negative numbers of segments, or unless max_rows is at least 1.
        InputError: from `measure`, if the segments do not fit x or the target's output is not above 0.

    References:
        [rieger2020]; [chen2024] appendix C.3.2.
    """

    segments: Int64[Tensor, "#b *s"]
    fill: Fill = field(default_factory=MeanFill)
    max_rows: int = MAX_ROWS

    def __post_init__(self) -> None:
        check_counts(1, self.max_rows)
        if int(self.segments.min()) < 0:
            raise SettingError(f"segments are numbered from 0, got {int(self.segments.min())}")

    @override
    def measure(self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets) -> Measured:
        fallen = 1 - self.curve(maps, predictor, x, target)[:, 1:]
        L = _counts(self._labels(x)).gt(0).sum(1, keepdim=True)
        step = torch.arange(1, fallen.shape[1] + 1, device=fallen.device)
        weight = torch.where(step < L, 1.0, torch.where(step == L, 0.5, 0.0))
        return Measured((weight.to(fallen) * fallen).sum(1) / L.squeeze(1))

    def curve(
        self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets
    ) -> Float64[Tensor, "b steps"]:
        """r_0 = 1, r_1, ..., r_L; for an instance with fewer segments the last value is repeated.

        Args:
            maps: One attribution an entry of each instance.
            predictor: The model, with probabilities as outputs.
            x: The instances.
            target: Number of the explained output of each instance.
        """
        target, maps = targets_of(target, x), maps_of(maps, x)
        x = as_numbers(predictor, x)
        labels = self._labels(x)
        rank = _ranks(maps, labels).to(x.device)
        L, fill = int(labels.max()) + 1, self.fill.values(x)
        curve = torch.ones(len(x), L + 1, dtype=torch.float64)
        with predictor.opened() as opened:
            whole = _positive(chosen(ask(opened, x, self.max_rows), target))
            for rows, steps in blocks(len(x), L, self.max_rows):
                step = torch.arange(steps.start, steps.stop, device=x.device)
                gone = rank[rows].unsqueeze(1) <= step.view(1, -1, *[1] * (x.dim() - 1))
                less = torch.where(gone, fill[rows].unsqueeze(1), x[rows].unsqueeze(1))
                left = ask(opened, less.flatten(0, 1), self.max_rows)
                left = chosen(left, target[rows].repeat_interleave(len(step))).view(less.shape[:2])
                curve[rows, steps.start + 1 : steps.stop + 1] = left / whole[rows].unsqueeze(1)
        return curve

    def _labels(self, x: Numbers) -> Int64[Tensor, "b *x"]:
        """The segment of every entry of every instance, on the CPU."""
        labels = self.segments.cpu()
        if labels.shape[1:] == x.shape[2:]:
            labels = labels.unsqueeze(1)
        elif labels.shape[1:] != x.shape[1:]:
            raise InputError(f"got segments {tuple(self.segments.shape)} for instances {tuple(x.shape)}")
        if len(labels) not in (1, len(x)):
            raise InputError(f"got segments of {len(labels)} instances for {len(x)}; need one each, or one")
        return labels.expand_as(x)

    @property
    @override
    def question(self) -> Question:
        return Question(
            "How fast does the output fall when the most important segments are removed?",
            True,
            "no constant map (its order is that of the segments' numbers), but whatever moves x off the data "
            "first: compare with a random map",
        )


def grid_segments(height: int, width: int, side: int) -> Int64[Tensor, "1 h w"]:
    """Squares as segments, shared by all instances, numbered row by row; those at the far edges may be cut.

    Args:
        height: Of the images, in pixels.
        width: Of the images, in pixels.
        side: Of a square, in pixels.

    Raises:
        SettingError: unless all are at least 1.
    """
    if min(height, width, side) < 1:
        raise SettingError(f"height, width and side must be at least 1, got {height}, {width} and {side}")
    down, along = torch.arange(height) // side, torch.arange(width) // side
    return (down.unsqueeze(1) * (int(along[-1]) + 1) + along).unsqueeze(0)


def _counts(labels: Int64[Tensor, "b *x"]) -> Float64[Tensor, "b segments"]:
    flat = labels.flatten(1)
    zero = torch.zeros(len(flat), int(flat.max()) + 1, dtype=torch.float64, device=flat.device)
    return zero.scatter_add(1, flat, torch.ones_like(flat, dtype=torch.float64))


def _ranks(maps: Float[Tensor, "b *x"], labels: Int64[Tensor, "b *x"]) -> Int64[Tensor, "b *x"]:
    """The place of each entry's segment in descending order of mean importance, from 0."""
    flat, counts = labels.flatten(1), _counts(labels)
    total = torch.zeros_like(counts).scatter_add(1, flat, doubled_tensor(maps).flatten(1))
    mean = torch.where(counts > 0, total / counts, -torch.inf)
    order = mean.sort(dim=1, descending=True, stable=True).indices
    return order.argsort(1).gather(1, flat).view(labels.shape)


def _positive(outputs: Float64[Tensor, "b"]) -> Float64[Tensor, "b"]:
    if not bool((outputs > 0).all()):
        raise InputError(
            f"IROF divides by the target's output for x, a probability above 0; got {outputs.min():.4g}"
        )
    return outputs
