"""Who plays in an image: how a few numbers become a mask of all its pixels.

A mask is described by one number a player in [0, 1]. Pixels and superpixels are in or out as a
whole; a coarse grid is a smooth mask whose pixels are drawn one by one.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from onlyif.core.arrays import on_host
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.modalities.neighbours import Neighbours, PlaneNeighbours, region_neighbours


class Grid(ABC):
    """How d numbers describe the mask of an image of height h and width w."""

    @abstractmethod
    def spread(self, values: Float[Tensor, "*m d"]) -> Float[Tensor, "*m h w"]:
        """The mask of all pixels, differentiable in the values.

        Args:
            values: One number a player in [0, 1].
        """

    @abstractmethod
    def gather(self, mask: Float[Tensor, "b h w"]) -> Float[Tensor, "b d"]:
        """The values whose mask is near a given one: means over what each player covers.

        Args:
            mask: A mask of all pixels.
        """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """The number d of players, and the height and width of the image."""

    @property
    @abstractmethod
    def neighbours(self) -> Neighbours:
        """Who is side by side among those that are drawn."""

    @property
    def drawn(self) -> "Grid":
        """Who is in or out as a whole: the players themselves, but for masks that are finer than these."""
        return self


@final
@dataclass(frozen=True)
class PixelGrid(Grid):
    """Each pixel is a player.

    Args:
        height: Pixels from top to bottom.
        width: Pixels from left to right.

    Raises:
        SettingError: unless both are at least 1.

    Example:
        >>> PixelGrid(2, 3).spread(torch.arange(6.0).view(1, 6))
        tensor([[[0., 1., 2.],
                 [3., 4., 5.]]])
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise SettingError(f"an image has at least 1 pixel a side, got {self.height} x {self.width}")

    @override
    def spread(self, values: Float[Tensor, "*m d"]) -> Float[Tensor, "*m h w"]:
        return values.view(*values.shape[:-1], self.height, self.width)

    @override
    def gather(self, mask: Float[Tensor, "b h w"]) -> Float[Tensor, "b d"]:
        return mask.flatten(1)

    @property
    @override
    def shape(self) -> tuple[int, int, int]:
        return self.height * self.width, self.height, self.width

    @property
    @override
    def neighbours(self) -> Neighbours:
        return PlaneNeighbours(self.height, self.width)


@final
@dataclass(frozen=True)
class NumberedRow(Grid):
    """Players in a row of entries, behind one that says which instance it is and is nobody's.

    Such rows hold the edges of graphs.

    Args:
        count: The number of players.

    Raises:
        SettingError: unless there is one.

    Example:
        >>> NumberedRow(2).spread(torch.tensor([[0.5, 1.0]]))
        tensor([[[0.0000, 0.5000, 1.0000]]])
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise SettingError(f"need at least 1 player, got {self.count}")

    @override
    def spread(self, values: Float[Tensor, "*m d"]) -> Float[Tensor, "*m h w"]:
        return functional.pad(values, (1, 0)).unsqueeze(-2)

    @override
    def gather(self, mask: Float[Tensor, "b h w"]) -> Float[Tensor, "b d"]:
        return mask[:, 0, 1:]

    @property
    @override
    def shape(self) -> tuple[int, int, int]:
        return self.count, 1, 1 + self.count

    @property
    @override
    def neighbours(self) -> Neighbours:
        return PlaneNeighbours(1, self.count)


@final
@dataclass(frozen=True)
class CoarseGrid(Grid):
    """A grid coarser than the pixels, spread over them by bilinear interpolation.

    The mask is smooth; its pixels are drawn one by one. Choose it for large images, and as the
    first step of a search that ends in pixels; choose `SuperpixelGrid` where regions are to be in or
    out as a whole.

    Args:
        rows: Numbers from top to bottom.
        columns: Numbers from left to right.
        height: Pixels from top to bottom.
        width: Pixels from left to right.

    Raises:
        SettingError: unless 1 <= rows <= height and 1 <= columns <= width.

    Example:
        >>> CoarseGrid(1, 2, 1, 4).spread(torch.tensor([[0.0, 1.0]]))
        tensor([[[0.0000, 0.2500, 0.7500, 1.0000]]])
    """

    rows: int
    columns: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if not (1 <= self.rows <= self.height and 1 <= self.columns <= self.width):
            raise SettingError(
                f"a mask may not be finer than the image: got a grid of {self.rows} x {self.columns} "
                f"for an image of {self.height} x {self.width} pixels"
            )

    @override
    def spread(self, values: Float[Tensor, "*m d"]) -> Float[Tensor, "*m h w"]:
        coarse = values.reshape(-1, 1, self.rows, self.columns)
        fine = functional.interpolate(coarse, (self.height, self.width), mode="bilinear", align_corners=False)
        return fine.view(*values.shape[:-1], self.height, self.width)

    @override
    def gather(self, mask: Float[Tensor, "b h w"]) -> Float[Tensor, "b d"]:
        return functional.adaptive_avg_pool2d(mask.unsqueeze(1), (self.rows, self.columns)).flatten(1)

    @property
    @override
    def shape(self) -> tuple[int, int, int]:
        return self.rows * self.columns, self.height, self.width

    @property
    @override
    def neighbours(self) -> Neighbours:
        return self.drawn.neighbours

    @property
    @override
    def drawn(self) -> Grid:
        return PixelGrid(self.height, self.width)


@final
@dataclass(frozen=True, eq=False)
class SuperpixelGrid(Grid):
    """Each region of a given map is a player, in or out as a whole.

    Args:
        index: The number of the region of each pixel, 0 to d - 1, none left out.

    Raises:
        SettingError: if numbers are left out or negative.

    Example:
        >>> halves = SuperpixelGrid(torch.tensor([[0, 0, 1], [0, 1, 1]]))
        >>> halves.spread(torch.tensor([[0.2, 0.8]]))
        tensor([[[0.2000, 0.2000, 0.8000],
                 [0.2000, 0.8000, 0.8000]]])
    """

    index: Int64[Tensor, "h w"]

    def __post_init__(self) -> None:
        used = torch.unique(self.index)
        if not torch.equal(used, torch.arange(len(used), device=used.device)):
            raise SettingError(
                f"regions must be numbered 0 to d - 1 with none left out, got {len(used)} numbers from "
                f"{int(used.min())} to {int(used.max())}"
            )

    @override
    def spread(self, values: Float[Tensor, "*m d"]) -> Float[Tensor, "*m h w"]:
        return values[..., self.index.to(values.device)]

    @override
    def gather(self, mask: Float[Tensor, "b h w"]) -> Float[Tensor, "b d"]:
        index = self.index.flatten().to(mask.device)
        sums = mask.new_zeros(len(mask), self._count).index_add_(1, index, mask.flatten(1))
        return sums / torch.bincount(index, minlength=self._count)

    @property
    @override
    def shape(self) -> tuple[int, int, int]:
        return self._count, self.index.shape[0], self.index.shape[1]

    @cached_property
    @override
    def neighbours(self) -> Neighbours:
        return region_neighbours(self.index)

    @cached_property
    def _count(self) -> int:
        return int(self.index.max()) + 1


def image_players(index: Int64[Tensor, "h w"], shape: tuple[int, ...]) -> Players:
    """The regions of an image as players of any search over sets, shared by its channels.

    Args:
        index: The number of the region of each pixel, 0 to d - 1.
        shape: The shape of one image, ending in height and width.

    Raises:
        SettingError: if the map has another height or width than the image.

    Example:
        >>> image_players(torch.tensor([[0, 1]]), (3, 1, 2)).count
        2
    """
    if tuple(index.shape) != tuple(shape[-2:]):
        raise SettingError(
            f"the regions cover {tuple(index.shape)} pixels, the image {tuple(shape[-2:])}; both must agree"
        )
    count = int(index.max()) + 1
    return Players(on_host(index.expand(shape).contiguous()), tuple(f"region {i}" for i in range(count)))
