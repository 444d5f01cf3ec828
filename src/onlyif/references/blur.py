"""The image itself, blurred: what is hidden keeps its colours and loses its details."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from onlyif.core.errors import InputError, SettingError
from onlyif.core.shapes import InputKeep, Instances
from onlyif.references.base import Draws, Law, Plan, Reference


@final
@dataclass(frozen=True)
class BlurReference(Reference):
    """Hidden pixels take the value of the blurred image, whatever is kept: one atom an image.

    The blur is Gaussian, edges are repeated. It stays near the images the model knows, but it is made
    from the hidden pixels too: with a small sigma little is hidden. Prefer the mean image
    (`BaselineReference`) when f_0 should be the model's answer to no information.

    Args:
        sigma: Standard deviation of the blur in pixels, above 0.

    Raises:
        SettingError: unless sigma > 0.
        InputError: from `draw`, unless instances have a height and a width.

    Example:
        >>> import numpy as np
        >>> keep = np.zeros((1, 1, 1, 3, 3), dtype=bool)
        >>> plan = Plan(total=1, start=0, stop=1, seed=None)
        >>> BlurReference(1.0).draw(torch.ones(1, 1, 3, 3), keep, plan).values.mean().round(decimals=4)
        tensor(1.)
    """

    sigma: float

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma < float("inf"):
            raise SettingError(f"a blur needs sigma above 0 pixels, got {self.sigma}")

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if x.dim() < 3:
            raise InputError(f"a blur needs images, got instances of shape {tuple(x.shape[1:])}")
        values = self._blurred(x).unsqueeze(1).unsqueeze(1)
        return Draws(values.expand(-1, -1, plan.stop - plan.start, *x.shape[1:]), plan.equal_weights)

    def _blurred(self, x: Tensor) -> Tensor:
        reach = max(1, round(3 * self.sigma))
        steps = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
        weights = torch.exp(-0.5 * (steps / self.sigma) ** 2)
        kernel = weights / weights.sum()
        flat = x.reshape(-1, 1, *x.shape[-2:])
        padded = functional.pad(flat, (reach,) * 4, mode="replicate")
        down = functional.conv2d(padded, kernel.view(1, 1, -1, 1))
        return functional.conv2d(down, kernel.view(1, 1, 1, -1)).view_as(x)

    @property
    @override
    def law(self) -> Law:
        sentence = f"Hidden pixels are those of the same image blurred by {self.sigma:g} pixels."
        return Law(sentence, 1, depends_on_x=True)
