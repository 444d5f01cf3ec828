"""The events of the dual-stage test: being near x^t, with boundary b, and changing, with threshold c."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor
from typing_extensions import override

from onlyif.causation.dissimilarity import Dissimilarity, ScaledDifference, SumOfSquares, Total
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.precision import doubled


class Events(ABC):
    """What counts as near, and as a change, in the factual stage."""

    @abstractmethod
    def log_near(self, squares: Float64[Tensor, "*s"]) -> Float64[Tensor, "*s"]:
        """The logarithm of the weight of inputs at given squared distances; -inf is no weight."""

    @abstractmethod
    def changed(self, change: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        """How much a change of the prediction counts as one, in [0, 1]."""

    @property
    @abstractmethod
    def threshold(self) -> float:
        """c: the largest change that is none, in the interventional stage."""


@final
@dataclass(frozen=True)
class SoftEvents(Events):
    """The paper's kernels: near is exp(-‖·‖² / 2b²), changed is 1 - exp(-|Δf|² / 2c²).

    Args:
        b: Boundary, in the units of the distance. Infinite counts every input as near.
        c: Threshold, in the units of the prediction.

    Raises:
        SettingError: unless b > 0 and c > 0.

    References:
        [chen2024] equations 11 and 13.
    """

    b: float
    c: float

    def __post_init__(self) -> None:
        check_events(self.b, self.c)

    @override
    def log_near(self, squares: Float64[Tensor, "*s"]) -> Float64[Tensor, "*s"]:
        if self.b == torch.inf:
            return torch.zeros_like(squares)
        # Divided twice, for the square of a small b would underflow.
        return -0.5 * (squares / self.b) / self.b

    @override
    def changed(self, change: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        return -torch.expm1(-0.5 * (change / self.c).square())

    @property
    @override
    def threshold(self) -> float:
        return self.c


@final
@dataclass(frozen=True)
class HardEvents(Events):
    """The events themselves: near is ‖·‖ <= b, changed is |Δf| > c.

    Args:
        b: Boundary, in the units of the distance. PNS never decreases in it.
        c: Threshold, in the units of the prediction.

    Raises:
        SettingError: unless b > 0 and c > 0.

    References:
        [chen2024] definition 3.1.
    """

    b: float
    c: float

    def __post_init__(self) -> None:
        check_events(self.b, self.c)

    @override
    def log_near(self, squares: Float64[Tensor, "*s"]) -> Float64[Tensor, "*s"]:
        # The square root of a rounded sum may exceed a distance that is exactly b.
        return torch.where(squares.sqrt() <= self.b * (1 + 1e-12), 0.0, -torch.inf).double()

    @override
    def changed(self, change: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        return (change > self.c).to(change.dtype)

    @property
    @override
    def threshold(self) -> float:
        return self.c


def check_events(b: float, c: float) -> None:
    """Refuse a boundary or threshold that is not above 0.

    Args:
        b: Boundary.
        c: Threshold.

    Raises:
        SettingError: unless b > 0 and 0 < c < infinity.
    """
    if not b > 0:
        raise SettingError(f"the boundary b must be above 0, got {b}")
    if not 0 < c < float("inf"):
        raise SettingError(f"the threshold c must be a finite number above 0, got {c}")


@final
@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Which inputs of E count as near x^t on a subset of players, and how much.

    Args:
        events: b and c, soft or hard.
        dissimilarity: The distance on one entry.
        total: How entries are put together.
    """

    events: Events
    dissimilarity: Dissimilarity = field(default_factory=ScaledDifference)
    total: Total = field(default_factory=SumOfSquares)

    def log_near(
        self,
        rows: Float[Tensor, "n *x"],
        one: Float[Tensor, "*x"],
        subset: Bool[Tensor, "m d"],
        players: Players,
    ) -> Float64[Tensor, "m n"]:
        """The logarithm of each input's weight on each subset; 0 for one that is equal to x^t there.

        Args:
            rows: The inputs of E.
            one: x^t.
            subset: The players that are compared.
            players: How players tile an instance.
        """
        squares = self.squares(rows, one, players)
        return self.log_near_of(squares, doubled(subset), players)

    def squares(
        self, rows: Float[Tensor, "n *x"], one: Float[Tensor, "*x"], players: Players
    ) -> Float64[Tensor, "n d"]:
        """The squared distances of inputs from x^t, summed over the entries of each player.

        Args:
            rows: The inputs of E.
            one: x^t.
            players: How players tile an instance.
        """
        squares = self.dissimilarity.squares(rows, one).flatten(1)
        owner = players.index.flatten().to(squares.device)
        # Infinite distances would be 0 times infinity on subsets without them.
        squares = squares.clamp(max=1e150)
        return squares.new_zeros(len(rows), players.count).index_add_(1, owner, squares)

    def log_near_of(
        self, squares: Float64[Tensor, "n d"], share: Float64[Tensor, "m d"], players: Players
    ) -> Float64[Tensor, "m n"]:
        """The same from squared distances; differentiable in the share to which each player is compared.

        Args:
            squares: What `squares` gave.
            share: The share of each player in the distance, 0 or 1 for a subset, s² for a relaxed one.
            players: How players tile an instance.
        """
        return self.log_near_of_all(squares.unsqueeze(0), share.unsqueeze(0), players)[0]

    def log_near_of_all(
        self, squares: Float64[Tensor, "b n d"], share: Float64[Tensor, "b m d"], players: Players
    ) -> Float64[Tensor, "b m n"]:
        """The same for several instances at once.

        Args:
            squares: What `squares` gave for each instance.
            share: The share of each player in the distance.
            players: How players tile an instance.
        """
        owner = players.index.flatten().to(squares.device)
        counts = torch.bincount(owner, minlength=players.count).double()
        (b, n, _), m = squares.shape, share.shape[1]
        sums = (squares @ share.mT).transpose(0, 1).reshape(n, b * m)
        near = self.events.log_near(self.total.of(sums, (share @ counts).flatten()))
        return near.view(n, b, m).permute(1, 2, 0)

    @property
    def sentence(self) -> str:
        """One sentence that says how distances are taken."""
        return f"{self.dissimilarity.sentence}, {self.total.sentence}"
