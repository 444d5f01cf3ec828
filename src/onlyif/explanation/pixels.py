"""Names of pixels, computed where they are read, and images as a reader sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float64, Int32, Integer, UInt8
from typing_extensions import override

from onlyif.core.arrays import Array, doubled
from onlyif.core.equality import same


@final
@dataclass(frozen=True)
class PixelNames(Sequence[str]):
    """The names of an image's pixels, row by row from the top left: "row 0, column 3".

    Args:
        height: Pixels from top to bottom.
        width: Pixels from left to right.

    Example:
        >>> names = PixelNames(2, 4)
        >>> len(names), names[5]
        (8, 'row 1, column 1')
    """

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @override
    def __len__(self) -> int:
        return self.height * self.width

    @override
    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return tuple(self[i] for i in range(*which.indices(len(self))))
        row, column = divmod(range(len(self))[which], self.width)
        return f"row {row}, column {column}"


def value_range(image: Float[Array, "*channels h w"]) -> tuple[float, float]:
    """The values of an image that are black and white: 0 and 1 where all lie between, else its own ends."""
    low, high = float(image.min()), float(image.max())
    return (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)


def rgb(image: Float[Array, "..."], low: float, high: float) -> Float64[np.ndarray, "h w 3"]:
    """An image in red, green and blue from 0 to 1; of other than one or three channels their mean is grey.

    Args:
        image: The image, (*channels, h, w).
        low: The value that is black.
        high: The value that is white.
    """
    pixels = doubled(image).reshape(-1, *image.shape[-2:])
    if len(pixels) not in (1, 3):
        pixels = pixels.mean(0, keepdims=True)
    scaled = np.clip((pixels - low) / max(high - low, 1e-12), 0.0, 1.0)
    return np.moveaxis(np.broadcast_to(scaled, (3, *scaled.shape[1:])), 0, -1)


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """The image that an explanation is of, as a reader sees it, and which player each pixel is.

    Args:
        pixels: Red, green and blue.
        regions: The player of each pixel; None where each pixel is one.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    regions: Int32[np.ndarray, "h w"] | None = None

    @override
    def __eq__(self, other: object) -> bool:
        return same(self, other)

    @property
    def player(self) -> Int32[np.ndarray, "h w"]:
        """The player of each pixel, numbered from 0."""
        shape = self.pixels.shape[:2]
        every = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
        return every if self.regions is None else self.regions


def picture_of(
    image: Float[Array, "*channels h w"], regions: Integer[np.ndarray, "h w"] | None = None
) -> Picture:
    """An image as a reader sees it, in 256 steps of each colour.

    Args:
        image: The image.
        regions: The player of each pixel; None where each pixel is one.

    Example:
        >>> picture_of(np.array([[[0.0, 0.5]]])).pixels[0, :, 0].tolist()
        [0, 128]
    """
    pixels = np.round(255 * rgb(image, *value_range(image))).astype(np.uint8)
    return Picture(pixels, None if regions is None else regions.astype(np.int32))
