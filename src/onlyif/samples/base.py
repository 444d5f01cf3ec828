"""The sample E ~ P(X), in which FANS looks for inputs that are close to the explained one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from jaxtyping import Float

from onlyif.core.arrays import Array, namespace
from onlyif.core.shapes import Instances


@final
@dataclass(frozen=True, eq=False)
class SampleRows:
    """The inputs of E, in two parts, so that what instances share is asked of the model once.

    Args:
        own: Inputs of each instance alone, the instance itself first where it is one of them.
        shared: Inputs that all instances share; may be empty.
    """

    own: Float[Array, "b own *x"]
    shared: Float[Array, "shared *x"]

    @property
    def count(self) -> int:
        """The number n of inputs in E."""
        return int(self.own.shape[1] + self.shared.shape[0])

    def of(self, number: int) -> Float[Array, "n *x"]:
        """E of one instance, its own inputs first."""
        return namespace(self.own).concat([self.own[number], self.shared])


class Sample(ABC):
    """How the sample E of an instance is had. The instance itself always is in it."""

    @abstractmethod
    def rows(self, x: Instances, seed: int) -> SampleRows:
        """E of every instance; it does not depend on the other instances.

        Args:
            x: The instances.
            seed: Seed of whatever is drawn.

        Raises:
            InputError: if no sample of the instances can be had, as for another shape.
        """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """One sentence that says what E is."""
