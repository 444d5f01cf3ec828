"""The one search along a gradient: Adam on numbers that stand for soft masks, of many instances at once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import cos, pi
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from onlyif.core.errors import SettingError
from onlyif.engine.soft import slopes, with_room
from onlyif.searches.mask_shapes import MaskShape

EPSILON = 1e-8


@final
@dataclass(frozen=True)
class Schedule:
    """The steps of Adam.

    Args:
        steps: How many.
        rate: The first step's learning rate.
        last_rate: The last one's; between them it falls along half a cosine. None is the first one's.
        betas: Adam's β_1 and β_2.
        normalised: Whether each step's slope is divided by its largest entry, so that a slope that is
            nothing beside Adam's ε, as where a network is sure, moves a mask like any other.

    Raises:
        SettingError: unless steps >= 1, rates > 0 and both betas lie in [0, 1).

    Example:
        >>> [Schedule(3, 0.1, 0.02).rate_at(step) for step in range(3)]
        [0.1, 0.06, 0.02]

    References:
        [kingma2015] algorithm 1.
    """

    steps: int
    rate: float = 0.1
    last_rate: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    normalised: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(f"need steps >= 1, got steps={self.steps}")
        if not (self.rate > 0 and self.ends_at > 0):
            raise SettingError(f"need learning rates above 0, got {self.rate} and {self.last_rate}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise SettingError(f"Adam's betas lie in [0, 1), got {self.betas}")

    @property
    def ends_at(self) -> float:
        """The learning rate of the last step."""
        return self.rate if self.last_rate is None else self.last_rate

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, 0 to steps - 1."""
        share = step / max(1, self.steps - 1)
        return self.ends_at + (self.rate - self.ends_at) * (1 + cos(pi * share)) / 2


@final
@dataclass(frozen=True, eq=False)
class Descended:
    """Where a descent ended.

    Args:
        free: The free numbers of each instance.
        trace: The cost at each step, before it is taken.
        felt: Whether the cost ever moved with what the model was asked. Where it never did, as for a model
            that rounds, penalties alone were descended.
        max_rows: The rows of a call that there was memory for.
    """

    free: Float[Tensor, "b d"]
    trace: Float[Tensor, "b steps"]
    felt: Bool[Tensor, "b"]
    max_rows: int


# Of masks, the same masks once more for what the model is asked, the step, and the most rows of a call.
Cost = Callable[[Float[Tensor, "b z d"], Float[Tensor, "b z d"], int, int], Float[Tensor, "b"]]


def descend(
    cost: Cost,
    start: Float[Tensor, "b d"],
    shape: MaskShape,
    schedule: Schedule,
    max_rows: int,
    *,
    goes_on: Callable[[], bool] = lambda: True,
) -> Descended:
    """Adam from a start, each instance on its own: alone or in any batch it comes to the same.

    Args:
        cost: What is made small, one number an instance.
        start: The free numbers to start from.
        shape: How these become masks.
        schedule: The steps.
        max_rows: Most rows of one model call; halved where memory runs out.
        goes_on: Asked after each step whether there is time for another.

    Raises:
        LimitError: if memory runs out even for a single row.
        ModelError: if a gradient is NaN or infinite.
    """
    free, (one, two) = start.detach().clone(), schedule.betas
    mean, square = torch.zeros_like(free), torch.zeros_like(free)
    felt, trace = torch.zeros(len(free), dtype=torch.bool, device=free.device), []
    for step in range(schedule.steps):
        (worth, up, moved), max_rows = with_room(max_rows, partial(_slope, cost, free, shape, step))
        felt |= moved
        trace.append(worth)
        if schedule.normalised:
            up = in_units(up)
        mean, square = mean.lerp(up, 1 - one), square.lerp(up.square(), 1 - two)
        size = (square / (1 - two ** (step + 1))).sqrt() + EPSILON
        free = shape.inside(free - schedule.rate_at(step) * (mean / (1 - one ** (step + 1))) / size)
        if not goes_on():
            break
    return Descended(free, torch.stack(trace, dim=1), felt, max_rows)


def in_units(slope: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
    """A slope divided by its largest entry; one of zeros stays as it is.

    Example:
        >>> in_units(torch.tensor([[0.0, 2e-30, -4e-30], [0.0, 0.0, 0.0]])).tolist()
        [[0.0, 0.5, -1.0], [0.0, 0.0, 0.0]]
    """
    largest = slope.abs().amax(-1, keepdim=True)
    return slope / torch.where(largest > 0, largest, torch.ones_like(largest))


def _slope(
    cost: Cost, free: Tensor, shape: MaskShape, step: int, max_rows: int
) -> tuple[Float[Tensor, "b"], Float[Tensor, "b d"], Bool[Tensor, "b"]]:
    """The cost, its slope in the free numbers, and whether any of that came through the model."""
    with torch.enable_grad():
        leaf = free.detach().requires_grad_()
        masks = shape.masks(leaf)
        asked = masks.clone()
        worth = cost(masks, asked, step, max_rows)
        up, through = slopes(worth, (leaf, asked))
    return worth.detach(), up, (through != 0).flatten(1).any(1)
