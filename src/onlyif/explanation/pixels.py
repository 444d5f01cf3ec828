"""Names of pixels, computed where they are read, and images as colours for a reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float64
from typing_extensions import override

from onlyif.core.arrays import Array, doubled


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
