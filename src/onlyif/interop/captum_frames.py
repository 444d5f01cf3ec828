"""The plane whose points a mask hides, for inputs in Captum's convention."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import SettingError
from onlyif.core.grids import Grid, PixelGrid, SuperpixelGrid
from onlyif.criteria.soft_weights import SoftWeights, variation_at
from onlyif.interop.captum_inputs import Layout

IMAGE_DIMENSIONS = 3


@final
@dataclass(frozen=True)
class Frame:
    """How the entries of an instance lie in the plane whose points a mask hides.

    Args:
        shape: Of one instance, ending in height and width.
        has_neighbours: Whether points side by side are neighbours.
        each_alone: Whether each point is a feature of its own.
    """

    shape: tuple[int, ...]
    has_neighbours: bool
    each_alone: bool

    def grid(self, features: Int64[Tensor, "entries"]) -> Grid:
        """Who plays.

        Args:
            features: The feature of each entry.
        """
        height, width = self.shape[-2:]
        if self.each_alone:
            return PixelGrid(height, width)
        plane = features.view(-1, height, width)[0]
        return SuperpixelGrid(torch.unique(plane, return_inverse=True)[1])

    def entries(self, masks: Float[Tensor, "p h w"]) -> Float[Tensor, "p entries"]:
        """Masks of the plane as masks of the entries.

        Args:
            masks: Masks of the plane.
        """
        channels = [1] * (len(self.shape) - 2)
        return masks.view(len(masks), *channels, *masks.shape[1:]).expand(-1, *self.shape).flatten(1)

    def weigh(self, alpha: float, size: float, variation: float | None) -> Callable[[int], SoftWeights]:
        """The weights of so many instances.

        Args:
            alpha: α.
            size: λ_1.
            variation: λ_TV; None takes the paper's where there are neighbours, else 0.

        Raises:
            SettingError: if variation is above 0 where there are no neighbours, or a weight is out of range.
        """
        if variation and not self.has_neighbours:
            raise SettingError(
                f"variation={variation:g} weighs differences of neighbours, which only one tensor (b, "
                "channels, height, width) has, with one feature mask for all channels; need variation=0"
            )
        usual = variation_at(min(self.shape[-2:])) if self.has_neighbours else 0.0
        smooth = usual if variation is None else variation

        def weights(count: int) -> SoftWeights:
            return SoftWeights(*(torch.full((count,), float(one)) for one in (alpha, size, smooth)))

        weights(1)
        return weights


def frame_of(layout: Layout, features: Int64[Tensor, "b entries"]) -> Frame:
    """An image is one tensor with channels whose features, if any, are the same in all channels.

    Args:
        layout: How inputs lie in a row.
        features: The feature of each entry.
    """
    own = bool((features == torch.arange(features.shape[1])).all())
    shape = layout.shapes[0]
    if layout.alone and len(shape) >= IMAGE_DIMENSIONS:
        planes = features.view(len(features), -1, *shape[-2:])
        if own or bool((planes == planes[:, :1]).all()):
            return Frame(shape, has_neighbours=True, each_alone=own)
    return Frame((1, features.shape[1]), has_neighbours=False, each_alone=own)
