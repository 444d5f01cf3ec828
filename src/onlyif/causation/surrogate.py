"""What stands for the indicators of the interventional stage where gradients are needed."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from typing_extensions import override

from onlyif.causation.neighbourhood import Events, kernel
from onlyif.core.arrays import Array, namespace


class Surrogate(ABC):
    """A smooth stand-in for 1[|Δf| > c]."""

    @abstractmethod
    def changed(self, change: Float[Array, "*s"], events: Events) -> Float[Array, "*s"]:
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
    def changed(self, change: Float[Array, "*s"], events: Events) -> Float[Array, "*s"]:
        return -namespace(change).expm1(-change)


@final
@dataclass(frozen=True)
class KernelSurrogate(Surrogate):
    """The factual stage's own kernel, 1 - exp(-|Δf|² / 2c²), which does know c."""

    @override
    def changed(self, change: Float[Array, "*s"], events: Events) -> Float[Array, "*s"]:
        return kernel(change, events.threshold)
