"""How much the parts of a mask's objective weigh."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import SettingError

# The side of the images that the paper's weights were chosen for (appendix A.2.1).
PAPER_SIDE = 512


@final
@dataclass(frozen=True, eq=False)
class SoftWeights:
    """The weights of the objective, one an instance.

    Args:
        alpha: α in [0, 1]; 1 is sufficiency, 0 necessity.
        size: λ_1, of the mean entry of the mask.
        variation: λ_TV, of the mean absolute difference of neighbours.

    Raises:
        SettingError: unless every alpha lies in [0, 1] and no other weight is negative.
    """

    alpha: Float[Tensor, "b"]
    size: Float[Tensor, "b"]
    variation: Float[Tensor, "b"]

    def __post_init__(self) -> None:
        wrong = self.alpha[~((self.alpha >= 0) & (self.alpha <= 1))]
        if len(wrong):
            raise SettingError(f"alpha must lie in [0, 1], got {wrong[0]:g}")
        least = torch.stack([self.size, self.variation]).amin().item() if len(self.size) else 0.0
        if not least >= 0:
            raise SettingError(f"the weights of size and variation must be at least 0, got {least:g}")

    def take(self, numbers: Int64[Tensor, "j"]) -> "SoftWeights":
        """The weights of some of the instances, also several times."""
        return SoftWeights(
            *(each[numbers.to(each.device)] for each in (self.alpha, self.size, self.variation))
        )


def equal_weights(alpha: Float[Tensor, "b"], size: float = 2.0, variation: float = 20.0) -> SoftWeights:
    """The same penalties for all instances; by default the paper's.

    The mean difference of neighbours shrinks as 1 / side when the same picture has more pixels, and
    the paper's λ_TV is for 512 pixels a side: see `variation_at`.

    Args:
        alpha: α of each instance.
        size: λ_1.
        variation: λ_TV.

    References:
        [bharti2024] appendix A.2.1.
    """
    return SoftWeights(alpha, torch.full_like(alpha, size), torch.full_like(alpha, variation))


def variation_at(side: int, variation: float = 20.0, of_side: int = PAPER_SIDE) -> float:
    """The λ_TV that weighs the outline of a region alike on images of another size.

    A region's outline counts pixels of a side, the mean divides by pixels of the area.

    Args:
        side: The smaller of height and width.
        variation: λ_TV at `of_side` pixels.
        of_side: The side that it was chosen for.

    Example:
        >>> variation_at(64)
        2.5
    """
    return variation * side / of_side
