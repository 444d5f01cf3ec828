"""How numbers that are free to move become relaxed subsets."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.modalities.grids import Grid

MOST_TRIES = 60


class MaskShape(ABC):
    """From free numbers to masks in [0, 1]^d, of one or of several sizes."""

    @abstractmethod
    def masks(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b z fine"]:
        """The masks, with their graph.

        Args:
            free: The free numbers.
        """

    @abstractmethod
    def start(self, given: Float[Tensor, "b fine"]) -> Float[Tensor, "b d"]:
        """The free numbers of a start in [0, 1]^d.

        Args:
            given: The start; NaN where an instance has no player, whose masks are 0.
        """

    def inside(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The free numbers moved to where they are allowed."""
        return free


@final
@dataclass(frozen=True)
class FreeMask(MaskShape):
    """The mask itself, kept in [0, 1]: the paper's. Its size is whatever it comes to."""

    @override
    def masks(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b z d"]:
        return free.clamp(min=0.0).unsqueeze(1)

    @override
    def start(self, given: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return given.nan_to_num(-torch.inf)

    @override
    def inside(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return torch.where(free > -torch.inf, free.clamp(0.0, 1.0), free)


@final
@dataclass(frozen=True)
class GridMask(MaskShape):
    """A mask that is finer than the free numbers: those of a coarse grid, spread over the pixels.

    Args:
        grid: The grid.
    """

    grid: Grid

    @override
    def masks(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b z fine"]:
        return self.grid.spread(free).flatten(1).unsqueeze(1)

    @override
    def start(self, given: Float[Tensor, "b fine"]) -> Float[Tensor, "b d"]:
        return self.grid.gather(self.grid.drawn.spread(given))

    @override
    def inside(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return free.clamp(0.0, 1.0)


@final
@dataclass(frozen=True)
class SizedMasks(MaskShape):
    """Masks of several sizes from one ranking: s = sigmoid(θ - τ), with τ such that Σ s is the size.

    PNS grows with s, so that only sets of equal size can be compared; here every size is
    asked of the same θ, which comes to rank the players. The map is the mean of the masks: how large a
    share of the sizes has the player in its set.

    Args:
        shares: The sizes, as shares of all players, between 0 and 1.
        grid: Where θ is coarser than the players: a smooth field over them, whose highest parts are a few
            regions.

    Raises:
        SettingError: unless there is a share and all lie strictly between 0 and 1.
    """

    shares: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    grid: Grid | None = None

    def __post_init__(self) -> None:
        if not self.shares or not all(0.0 < share < 1.0 for share in self.shares):
            raise SettingError(f"sizes must be shares strictly between 0 and 1, got {self.shares}")

    @override
    def masks(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b z fine"]:
        field = self.field(free)
        count = (field > -torch.inf).sum(1, keepdim=True)
        return of_sizes(field, count * field.new_tensor(self.shares))

    @override
    def start(self, given: Float[Tensor, "b fine"]) -> Float[Tensor, "b d"]:
        chances = torch.logit(given.clamp(0.01, 0.99)).nan_to_num(-torch.inf)
        return chances if self.grid is None else self.grid.gather(self.grid.drawn.spread(chances))

    def field(self, free: Float[Tensor, "b d"]) -> Float[Tensor, "b fine"]:
        """θ of every player.

        Args:
            free: The free numbers.
        """
        return free if self.grid is None else self.grid.spread(free).flatten(1)


def of_size(free: Float[Tensor, "b d"], size: float) -> Float[Tensor, "b d"]:
    """sigmoid(θ - τ), with τ such that the mask sums to a given size; differentiable in θ.

    Args:
        free: θ.
        size: The sum, strictly between 0 and d.

    Example:
        >>> round(float(of_size(torch.tensor([[0.0, 0.0, 9.0]]), 1.0).sum()), 4)
        1.0
    """
    return of_sizes(free, free.new_full((len(free), 1), size))[:, 0]


def of_sizes(free: Float[Tensor, "b d"], sizes: Float[Tensor, "b z"]) -> Float[Tensor, "b z d"]:
    """`of_size` for several sizes of each row.

    Args:
        free: θ; -inf where a row has no player.
        sizes: The sums, strictly between 0 and the number of players.
    """
    with torch.no_grad():
        tau = _shifts(free, sizes).unsqueeze(2)
        mask = torch.sigmoid(free.unsqueeze(1) - tau)
        slope = mask * (1.0 - mask)
        slope = slope / slope.sum(2, keepdim=True).clamp(min=1e-12)
    # The sum stays what it is while θ moves: dτ = Σ slope dθ.
    level = free.masked_fill(free == -torch.inf, 0.0)
    tau = tau + (slope * (level - level.detach()).unsqueeze(1)).sum(2, keepdim=True)
    return torch.sigmoid(free.unsqueeze(1) - tau)


def _shifts(free: Float[Tensor, "b d"], sizes: Float[Tensor, "b z"]) -> Float[Tensor, "b z"]:
    """τ by Newton's method on the log-odds of the mean of the mask, which are nearly straight in τ.

    Bisection takes over where a step would leave the bracket. Each τ stops by itself, so that it does
    not depend on the others.
    """
    absent = free == -torch.inf
    count = (~absent).sum(1, keepdim=True).to(free.dtype)
    goal, near = torch.logit(sizes / count), torch.finfo(free.dtype).eps ** 0.5
    low = free.masked_fill(absent, torch.inf).amin(1, keepdim=True) - goal
    high = free.amax(1, keepdim=True) - goal
    tau = free.masked_fill(absent, 0.0).sum(1, keepdim=True) / count - goal
    found = torch.zeros_like(low, dtype=torch.bool)
    for _ in range(MOST_TRIES):
        mask = torch.sigmoid(free.unsqueeze(1) - tau.unsqueeze(2))
        mean = mask.sum(2) / count
        missed = torch.logit(mean) - goal
        low, high = torch.where(missed > 0, tau, low), torch.where(missed > 0, high, tau)
        step = missed * mean * (1.0 - mean) / (mean - mask.square().sum(2) / count)
        inside = (low <= tau + step) & (tau + step <= high)
        moved = torch.where(inside, tau + step, (low + high) / 2)
        tau, found = torch.where(found, tau, moved), found | (inside & (step.abs() <= near))
        if bool(found.all()):
            break
    return tau


def top_players(scores: Float[Tensor, "b d"], size: int) -> Tensor:
    """The subset of the highest scores, `(b, 1, d)`; ties go to the first player.

    Args:
        scores: One score a player.
        size: How many players, 1 to d.

    Raises:
        SettingError: unless 1 <= size <= d.

    Example:
        >>> top_players(torch.tensor([[0.2, 0.9, 0.2]]), 2)
        tensor([[[ True,  True, False]]])
    """
    if not 1 <= size <= scores.shape[1]:
        raise SettingError(f"size must lie between 1 and {scores.shape[1]} players, got {size}")
    order = scores.sort(dim=1, descending=True, stable=True).indices[:, :size]
    chosen = torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
    return chosen.scatter_(1, order, torch.ones_like(order, dtype=torch.bool)).unsqueeze(1)
