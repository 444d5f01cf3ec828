"""What stands for the indicators of the interventional stage where gradients are needed."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from onlyif.causation.neighbourhood import Events


class Surrogate(ABC):
    """A smooth stand-in for 1[|Δf| > c]."""

    @abstractmethod
    def changed(self, change: Float[Tensor, "*s"], events: Events) -> Float[Tensor, "*s"]:
        """How much a change counts as one, in [0, 1], with a gradient.

        Args:
            change: |Δf|.
            events: b and c.
        """


@final
@dataclass(frozen=True)
class ExponentialSurrogate(Surrogate):
    """The paper's 1 - exp(-|Δf|), which does not know c: a probability that changes by 1 counts as .63."""

    @override
    def changed(self, change: Float[Tensor, "*s"], events: Events) -> Float[Tensor, "*s"]:
        return -torch.expm1(-change)


@final
@dataclass(frozen=True)
class KernelSurrogate(Surrogate):
    """The factual stage's own kernel, 1 - exp(-|Δf|² / 2c²), which does know c."""

    @override
    def changed(self, change: Float[Tensor, "*s"], events: Events) -> Float[Tensor, "*s"]:
        return -torch.expm1(-0.5 * (change / events.threshold).square())
