"""Where x and draws are mixed under a mask: the only place."""

from jaxtyping import Bool, Float
from torch import Tensor, where


def blend(
    x: Float[Tensor, "b *x"],
    draws: Float[Tensor, "#b #m n *x"],
    keep: Bool[Tensor, "#b m *x"],
) -> Float[Tensor, "b m n *x"]:
    """x where keep is True, the draw elsewhere; for every subset and draw.

    Args:
        x: The instances.
        draws: Values for what is hidden; size 1 in b or m means shared.
        keep: True stays at x's value; size 1 in b means shared by all instances.

    Example:
        >>> import torch
        >>> x, draws = torch.tensor([[1.0, 2.0]]), torch.zeros(1, 1, 1, 2)
        >>> blend(x, draws, torch.tensor([[[True, False]]]))
        tensor([[[[1., 0.]]]])
    """
    return where(keep.unsqueeze(2), x.unsqueeze(1).unsqueeze(1), draws)
