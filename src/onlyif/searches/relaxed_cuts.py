"""From a soft mask to a set of pixels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import SettingError


class Cut(ABC):
    """A way to choose players by the values of a soft mask."""

    @abstractmethod
    def members(self, values: Float[Tensor, "b d"]) -> Bool[Tensor, "b d"]:
        """Who is in the set.

        Args:
            values: One number a player in [0, 1].
        """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """For the reader."""


@final
@dataclass(frozen=True)
class ThresholdCut(Cut):
    """Who has at least this value: .5 is the likelier half of the mask's draws.

    Args:
        threshold: In (0, 1].

    Raises:
        SettingError: unless 0 < threshold <= 1.

    Example:
        >>> ThresholdCut(0.5).members(torch.tensor([[0.2, 0.5, 0.9]]))
        tensor([[False,  True,  True]])
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise SettingError(f"a threshold lies in (0, 1], got {self.threshold}")

    @override
    def members(self, values: Float[Tensor, "b d"]) -> Bool[Tensor, "b d"]:
        return values >= self.threshold

    @property
    @override
    def sentence(self) -> str:
        return f"players with S >= {self.threshold:g}"


@final
@dataclass(frozen=True)
class SizeCut(Cut):
    """The players with the largest values, exactly so many; the first of equal ones.

    Args:
        size: Players in the set.

    Raises:
        SettingError: unless size >= 0; from `members`, if there are fewer players.

    Example:
        >>> SizeCut(1).members(torch.tensor([[0.2, 0.9, 0.9]]))
        tensor([[False,  True, False]])
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise SettingError(f"a set has at least 0 players, got size={self.size}")

    @override
    def members(self, values: Float[Tensor, "b d"]) -> Bool[Tensor, "b d"]:
        if self.size > values.shape[1]:
            raise SettingError(f"a set of {self.size} players needs as many, got {values.shape[1]}")
        order = values.argsort(dim=1, descending=True, stable=True)[:, : self.size]
        return torch.zeros_like(values, dtype=torch.bool).scatter(1, order, True)

    @property
    @override
    def sentence(self) -> str:
        return f"the {self.size} players with the largest S"
