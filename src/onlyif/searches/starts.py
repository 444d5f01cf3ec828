"""Where a search along a gradient begins, if not with all players alike."""

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Bool, Float

from onlyif.core.arrays import Array


class SearchStart(ABC):
    """A ranking of an image's pixels that a short search begins with, instead of a long one from nothing.

    `onlyif.explain(network, images, search=...)` takes one for sets of pixels.
    """

    @abstractmethod
    def start(
        self, x: Float[Array, "p *x"], alpha: Float[Array, "p"], shares: tuple[float, ...]
    ) -> Float[Array, "p d"]:
        """One number in [0, 1] a pixel: in how many of the sets of these sizes it belongs.

        Args:
            x: The images.
            alpha: α of each.
            shares: The sizes, as shares of the pixels.

        Raises:
            InputError: if the images are none that it is for.
        """

    @abstractmethod
    def knows(self, x: Float[Array, "p *x"]) -> Bool[Array, "p"]:
        """Whether it was made from this very image, so that its start there says little of other images.

        Args:
            x: The images.
        """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """For the reader: what the search began with."""

    @abstractmethod
    def check(self, x: Any) -> None:
        """Refuse images before anything is asked.

        Args:
            x: The images.

        Raises:
            InputError: if the images are none that it is for.
        """
