"""How much neighbouring pixels of a mask differ: small for few, smooth regions."""

import torch
from jaxtyping import Float
from torch import Tensor


def total_variation(masks: Float[Tensor, "b h w"]) -> Float[Tensor, "b"]:
    """The sum of absolute differences of neighbours, divided by the number of pixels.

    Example:
        >>> total_variation(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]))
        tensor([0.5000])
    """
    down = (masks[:, 1:] - masks[:, :-1]).abs().sum((1, 2))
    across = (masks[:, :, 1:] - masks[:, :, :-1]).abs().sum((1, 2))
    return (down + across) / masks[0].numel()


def variation_slope(masks: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """The slope of `total_variation` in each pixel; 0 where neighbours are equal.

    Example:
        >>> variation_slope(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]))
        tensor([[[-0.2500,  0.2500],
                 [-0.2500,  0.2500]]])
    """
    down, across = masks.diff(dim=1).sign(), masks.diff(dim=2).sign()
    slope = torch.zeros_like(masks)
    slope[:, 1:] += down
    slope[:, :-1] -= down
    slope[:, :, 1:] += across
    slope[:, :, :-1] -= across
    return slope / masks[0].numel()
