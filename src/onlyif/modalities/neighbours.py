"""Which players are side by side: how much a mask keeps, and how much its neighbouring values differ."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override


class Neighbours(ABC):
    """The neighbours of d players, for penalties that keep masks small and smooth."""

    @abstractmethod
    def mean(self, values: Float[Tensor, "b d"]) -> Float[Tensor, "b"]:
        """mean|S|, over all that players cover.

        Args:
            values: One number a player.
        """

    @abstractmethod
    def variation(self, values: Float[Tensor, "b d"]) -> Float[Tensor, "b"]:
        """TV(S): the sum of absolute differences of neighbours, over the size of all that players cover.

        Args:
            values: One number a player.
        """


@final
@dataclass(frozen=True)
class PlaneNeighbours(Neighbours):
    """Pixels, each with those above, below, left and right of it.

    Args:
        height: Pixels from top to bottom.
        width: Pixels from left to right.

    Example:
        >>> PlaneNeighbours(2, 2).variation(torch.tensor([[0.0, 1.0, 0.0, 1.0]]))
        tensor([0.5000])
    """

    height: int
    width: int

    @override
    def mean(self, values: Float[Tensor, "b d"]) -> Float[Tensor, "b"]:
        return values.abs().mean(1)

    @override
    def variation(self, values: Float[Tensor, "b d"]) -> Float[Tensor, "b"]:
        with torch.no_grad():
            plane = values.view(-1, self.height, self.width)
            down, across = plane.diff(dim=1), plane.diff(dim=2)
            variation = (down.abs().sum((1, 2)) + across.abs().sum((1, 2))) / values.shape[1]
        if not (torch.is_grad_enabled() and values.requires_grad):
            return variation
        # Written by hand: a graph through slices costs four times as much.
        with torch.no_grad():
            slope, down, across = torch.zeros_like(plane), down.sign_(), across.sign_()
            slope[:, 1:] += down
            slope[:, :-1] -= down
            slope[:, :, 1:] += across
            slope[:, :, :-1] -= across
            slope = slope.flatten(1) / values.shape[1]
        return variation + (slope * (values - values.detach())).sum(1)


@final
@dataclass(frozen=True, eq=False)
class PairNeighbours(Neighbours):
    """Players of any size with any pairs of neighbours: regions of an image, nodes of a graph, words.

    Args:
        sizes: How much each player covers: pixels, or 1.
        pairs: The neighbours, each pair once.
        borders: How long the border of each pair is: pairs of pixels side by side, or 1.

    Example:
        >>> chain = PairNeighbours(torch.ones(3), torch.tensor([[0, 1], [1, 2]]), torch.ones(2))
        >>> chain.variation(torch.tensor([[0.0, 1.0, 0.5]]))
        tensor([0.5000])
    """

    sizes: Float[Tensor, "d"]
    pairs: Int64[Tensor, "e two"]
    borders: Float[Tensor, "e"]

    @override
    def mean(self, values: Float[Tensor, "b d"]) -> Float[Tensor, "b"]:
        return values.abs() @ self.sizes.to(values) / float(self.sizes.sum())

    @override
    def variation(self, values: Float[Tensor, "b d"]) -> Float[Tensor, "b"]:
        one, other = self.pairs.to(values.device).unbind(1)
        apart = (values.index_select(1, one) - values.index_select(1, other)).abs()
        return apart @ self.borders.to(values) / float(self.sizes.sum())


def region_neighbours(index: Int64[Tensor, "h w"]) -> PairNeighbours:
    """The regions of an image as neighbours: total variation and mean are those of its pixels.

    Args:
        index: The number of the region of each pixel, 0 to d - 1.

    Example:
        >>> region_neighbours(torch.tensor([[0, 0, 1], [0, 1, 1]])).borders
        tensor([3.])
    """
    index = index.cpu()
    one = torch.cat([index[1:].flatten(), index[:, 1:].flatten()])
    other = torch.cat([index[:-1].flatten(), index[:, :-1].flatten()])
    both = torch.stack([torch.minimum(one, other), torch.maximum(one, other)], 1)
    pairs, borders = torch.unique(both[one != other], dim=0, return_counts=True)
    return PairNeighbours(torch.bincount(index.flatten()).float(), pairs, borders.float())
