"""What a removed entry becomes in a metric."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.precision import as_floats
from onlyif.core.shapes import Numbers


class Fill(ABC):
    """The values that stand where an instance's own were removed."""

    @abstractmethod
    def values(self, x: Numbers) -> Float[Tensor, "b *x"]:
        """One value an entry of each instance, from that instance alone."""


@final
@dataclass(frozen=True)
class MeanFill(Fill):
    """An image's own mean, channel by channel: the usual choice for images.

    Example:
        >>> import torch
        >>> MeanFill().values(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])).flatten()
        tensor([2., 2., 2., 2.])
    """

    @override
    def values(self, x: Numbers) -> Float[Tensor, "b *x"]:
        if x.dim() < 4:
            raise InputError(
                "the mean of a channel needs images (b, channels, height, width), "
                f"got shape {tuple(x.shape)}; use ConstantFill"
            )
        return as_floats(x).mean((-2, -1), keepdim=True).expand_as(x)


@final
@dataclass(frozen=True, eq=False)
class ConstantFill(Fill):
    """The same values for every instance, such as zeros or the mean row of a background.

    Args:
        value: One value an entry of an instance, or a single one for all entries.
    """

    value: Float[Tensor, "*x"]

    @override
    def values(self, x: Numbers) -> Float[Tensor, "b *x"]:
        if self.value.dim() and self.value.shape != x.shape[1:]:
            raise InputError(
                f"the fill has shape {tuple(self.value.shape)}, got instances of shape {tuple(x.shape[1:])}; "
                "both must be the same"
            )
        wanted = as_floats(x[:0])
        return self.value.to(device=x.device, dtype=wanted.dtype).expand_as(x)
