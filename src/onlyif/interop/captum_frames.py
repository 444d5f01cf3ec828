"""The plane whose points a mask hides, for inputs in Captum's convention."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import OnlyIfWarning, SettingError
from onlyif.criteria.soft_weights import SoftWeights, variation_at
from onlyif.interop.captum_inputs import Layout
from onlyif.modalities.grids import Grid, PixelGrid, SuperpixelGrid
from onlyif.restrictions.soft_images import IMAGE_DIMENSIONS, looks_channels_last


@final
@dataclass(frozen=True)
class Frame:
    """How the entries of an instance lie in the plane whose points a mask hides.

    Args:
        shape: Of one instance, ending in height and width.
        has_neighbours: Whether points side by side are neighbours.
    """

    shape: tuple[int, ...]
    has_neighbours: bool

    def grid(self, features: Int64[Tensor, "entries"]) -> Grid:
        """Who plays.

        Args:
            features: The feature of each entry.
        """
        height, width = self.shape[-2:]
        index = torch.unique(features.view(-1, height, width)[0], return_inverse=True)[1]
        if torch.equal(index.flatten(), torch.arange(height * width)):
            return PixelGrid(height, width)
        return SuperpixelGrid(index)

    def entries(self, masks: Float[Tensor, "p h w"]) -> Float[Tensor, "p entries"]:
        """Masks of the plane as masks of the entries."""
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


def frame_of(layout: Layout, features: Int64[Tensor, "b entries"] | None) -> Frame:
    """How the entries of instances lie.

    Without features only (b, channels, height, width) has a plane, which the channels share; every entry of
    anything else is a point of its own. Given features have a plane where they are the same in all
    that stands before the last two axes, and are obeyed either way.

    Args:
        layout: How inputs lie in a row.
        features: The feature of each entry; None where none were given.
    """
    shape = layout.shapes[0]
    apart = Frame((1, sum(layout.sizes)), has_neighbours=False)
    if not layout.alone or len(shape) < IMAGE_DIMENSIONS:
        return apart
    if features is not None:
        planes = features.view(len(features), -1, *shape[-2:])
        return Frame(shape, has_neighbours=True) if bool((planes == planes[:, :1]).all()) else apart
    if len(shape) > IMAGE_DIMENSIONS:
        return apart
    if looks_channels_last(shape):
        warnings.warn(
            f"instances of shape {shape} look like (height, width, channels): each entry has a mask of its "
            "own. For one mask a pixel give a feature_mask that numbers the pixels, or images as (channels, "
            "height, width)",
            OnlyIfWarning,
            stacklevel=4,
        )
        return apart
    return Frame(shape, has_neighbours=True)
