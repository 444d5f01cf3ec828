"""Superpixels by SLIC of scikit-image: regions of similar colour as players."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import InputError, SettingError
from onlyif.core.extras import missing

try:
    from skimage.segmentation import slic
except ImportError as error:
    raise missing("skimage", "superpixels", "cutting images into superpixels") from error


def superpixels(
    image: Float[Tensor, "*channels h w"], n_regions: int, compactness: float = 10.0
) -> Int64[Tensor, "h w"]:
    """The region of each pixel, numbered 0 to d - 1, for `SuperpixelGrid` or `image_players`.

    Args:
        image: The image, channels first or without channels.
        n_regions: Regions wanted; SLIC makes about as many.
        compactness: Large values make squares, small ones follow colours.

    Raises:
        SettingError: unless 1 <= n_regions <= the number of pixels.
        InputError: if the image is not finite or has neither one nor three channels.

    Example:
        >>> superpixels(torch.rand(3, 16, 16), 4).shape
        torch.Size([16, 16])

    References:
        [achanta2012] SLIC.
    """
    height, width = image.shape[-2:]
    if not 1 <= n_regions <= height * width:
        raise SettingError(f"need 1 to {height * width} regions, got {n_regions}")
    channels = image.reshape(-1, height, width)
    if len(channels) not in (1, 3) or not bool(image.isfinite().all()):
        raise InputError(f"need a finite image of 1 or 3 channels, got shape {tuple(image.shape)}")
    pixels = channels.permute(1, 2, 0).double().numpy(force=True)
    if pixels.shape[2] == 1:
        found = slic(pixels[..., 0], n_regions, compactness, channel_axis=None, start_label=0)
    else:
        found = slic(pixels, n_regions, compactness, channel_axis=-1, start_label=0)
    _, regions = torch.unique(torch.from_numpy(found).long(), return_inverse=True)
    return torch.as_tensor(regions)
