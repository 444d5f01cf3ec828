"""Insertion and deletion: the area under the output while the highest scores come in, or go, first."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.shapes import Numbers
from onlyif.metrics.asking import MAX_ROWS, as_numbers, ask, blocks, check_counts, chosen
from onlyif.metrics.base import MapMetric, Maps, Question, Targets
from onlyif.metrics.fills import Fill
from onlyif.metrics.given import given_maps, targets_of
from onlyif.metrics.measured import Measured
from onlyif.models.base import Predictor


@final
@dataclass(frozen=True, eq=False)
class Insertion(MapMetric):
    """The area under the target's output while entries come into the fill, the highest scores first.

    Of D entries round(D k / n) are there at step k = 0 ... n; the area is that of the trapezoidal rule, over
    shares of entries from 0 to 1. Ties go to the first. A map of one number a pixel `(b, height, width)`
    moves the channels of a pixel together.

    Args:
        fill: What is there before an entry comes in, or once it has gone.
        n_steps: Steps n.
        max_rows: Most rows of one model call. Does not change the result.
        deleted: Whether entries go from the instance instead, the highest scores first: deletion, of which
            less is better.

    Raises:
        SettingError: unless n_steps and max_rows are at least 1.

    Example:
        >>> from onlyif.metrics.fills import ConstantFill
        >>> from onlyif.models.function import FunctionPredictor
        >>> first = FunctionPredictor(lambda batch: batch[:, :1])
        >>> maps, x, zero = torch.tensor([[2.0, 1.0]]), torch.ones(1, 2), ConstantFill(torch.zeros(()))
        >>> Insertion(zero, 2).measure(maps, first, x, torch.tensor([0])).mean
        0.75
        >>> Insertion(zero, 2, deleted=True).measure(maps, first, x, torch.tensor([0])).mean
        0.25

    References:
        [petsiuk2018] section 4.1.
    """

    fill: Fill
    n_steps: int = 28
    max_rows: int = MAX_ROWS
    deleted: bool = False

    def __post_init__(self) -> None:
        check_counts(self.n_steps, self.max_rows)

    @override
    def measure(self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets) -> Measured:
        target, rank = targets_of(target, x), _ranks(given_maps(maps, x), x)
        numbers = as_numbers(predictor, x)
        fill, n = self.fill.values(numbers), self.n_steps
        highest = (rank[0].numel() * torch.arange(n + 1) / n).round().long()
        curve = torch.empty(len(numbers), n + 1, dtype=torch.float64)
        with predictor.opened() as opened:
            for rows, part in blocks(len(numbers), n + 1, self.max_rows):
                inside = _below(rank[rows], highest[part], numbers) ^ self.deleted
                mixed = torch.where(inside, numbers[rows].unsqueeze(1), fill[rows].unsqueeze(1))
                outputs = ask(opened, mixed.flatten(0, 1), self.max_rows)
                own = target[rows].repeat_interleave(mixed.shape[1])
                curve[rows, part] = chosen(outputs, own).view(mixed.shape[:2])
        return Measured(torch.trapezoid(curve, dx=1 / n, dim=1))

    @property
    @override
    def question(self) -> Question:
        if self.deleted:
            return Question(
                "How fast does the output fall when the highest scores go first?",
                False,
                "no constant map, but whatever moves x off the data first, such as scattered pixels",
            )
        return Question(
            "How fast does the output rise when the highest scores come in first?",
            True,
            "no constant map, but smooth maps do well: scattered pixels look like nothing",
        )


def _ranks(maps: Tensor, x: Numbers) -> Int64[Tensor, "b *s"]:
    """The place of each entry in descending order, from 0."""
    if maps.shape not in {x.shape, x.shape[:1] + x.shape[2:]}:
        raise InputError(f"got maps of shape {tuple(maps.shape)} for instances of shape {tuple(x.shape)}")
    if not bool(maps.isfinite().all()):
        raise InputError("a map has NaN or infinite values; need finite ones")
    order = maps.detach().cpu().flatten(1).sort(dim=1, descending=True, stable=True).indices
    return order.argsort(1).view(maps.shape)


def _below(rank: Int64[Tensor, "b *s"], highest: Int64[Tensor, "s"], x: Numbers) -> Bool[Tensor, "..."]:
    """Which entries are among the highest, for each instance and number of them."""
    found = rank.unsqueeze(1) < highest.view(1, -1, *[1] * (rank.dim() - 1))
    return (found if rank.dim() == x.dim() else found.unsqueeze(2)).to(x.device)
