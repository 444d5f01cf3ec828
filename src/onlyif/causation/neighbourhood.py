"""The events of the dual-stage test: being near x^t, with boundary b, and changing, with threshold c.

Written once for arrays of numpy, of subsets, and for tensors with a gradient, of relaxed ones.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from math import inf
from typing import final

import numpy as np
from jaxtyping import Float, Float64
from typing_extensions import override

from onlyif.causation.dissimilarity import Dissimilarity, ScaledDifference, SumOfSquares, Total
from onlyif.core.arrays import Array, like, namespace
from onlyif.core.errors import SettingError
from onlyif.core.players import Players

# Infinite distances would be 0 times infinity on subsets without them.
FARTHEST = 1e150


class Events(ABC):
    """What counts as near, and as a change, in the factual stage."""

    @abstractmethod
    def log_near(self, squares: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """The logarithm of the weight of inputs at given squared distances; -inf is no weight."""

    @abstractmethod
    def changed(self, change: Float[Array, "*s"]) -> Float[Array, "*s"]:
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
    def log_near(self, squares: Float[Array, "*s"]) -> Float[Array, "*s"]:
        if self.b == inf:
            return namespace(squares).zeros_like(squares)
        # Divided twice, for the square of a small b would underflow.
        return -0.5 * (squares / self.b) / self.b

    @override
    def changed(self, change: Float[Array, "*s"]) -> Float[Array, "*s"]:
        return kernel(change, self.c)

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
    def log_near(self, squares: Float[Array, "*s"]) -> Float[Array, "*s"]:
        # The square root of a rounded sum may exceed a distance that is exactly b.
        xp = namespace(squares)
        return xp.where(xp.sqrt(squares) <= self.b * (1 + 1e-12), xp.zeros_like(squares), -inf)

    @override
    def changed(self, change: Float[Array, "*s"]) -> Float[Array, "*s"]:
        return namespace(change).astype(change > self.c, change.dtype)

    @property
    @override
    def threshold(self) -> float:
        return self.c


def kernel(change: Float[Array, "*s"], c: float) -> Float[Array, "*s"]:
    """1 - exp(-|Δf|² / 2c²): how much a change counts as one, softly.

    Args:
        change: |Δf|.
        c: The threshold.
    """
    return -namespace(change).expm1(-0.5 * (change / c) ** 2)


def check_events(b: float, c: float) -> None:
    """Refuse a boundary or threshold that is not above 0.

    Raises:
        SettingError: unless b > 0 and 0 < c < infinity.
    """
    if not b > 0:
        raise SettingError(f"the boundary b must be above 0, got {b}")
    if not 0 < c < inf:
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

    def squares(
        self, rows: Float64[np.ndarray, "n *x"], one: Float64[np.ndarray, "*x"], players: Players
    ) -> Float64[np.ndarray, "n d"]:
        """The squared distances of inputs from x^t, summed over the entries of each player.

        Args:
            rows: The inputs of E.
            one: x^t.
            players: How players tile an instance.
        """
        squares = np.minimum(self.dissimilarity.squares(rows, one), FARTHEST).reshape(len(rows), -1)
        owner = players.index.ravel()
        by_player = np.argsort(owner, kind="stable")
        first_entries = np.searchsorted(owner[by_player], np.arange(players.count))
        return np.add.reduceat(squares[:, by_player], first_entries, axis=1)

    def log_near(
        self, squares: Float[Array, "b n d"], share: Float[Array, "#b m d"], players: Players
    ) -> Float[Array, "b m n"]:
        """The logarithm of each input's weight on each subset; 0 for one that is equal to x^t there.

        Args:
            squares: What `squares` gave for each instance.
            share: The share of each player in the distance, with a gradient if need be: 0 or 1 for a subset,
                s² for a relaxed one.
            players: How players tile an instance.
        """
        counts = like(np.bincount(players.index.ravel()), share)
        sums = share @ namespace(squares).matrix_transpose(squares)
        return self.events.log_near(self.total.of(sums, (share @ counts)[:, :, None]))

    @property
    def sentence(self) -> str:
        """One sentence that says how distances are taken."""
        return f"{self.dissimilarity.sentence}, {self.total.sentence}"
