"""What sets of given sizes are looked for by: the cost of masks, with its slope."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.core.shapes import Instances


class SizedCost(ABC):
    """What is made small of masks of some images, soft or hard, one number a player."""

    @property
    @abstractmethod
    def images(self) -> Instances:
        """The images."""

    @property
    @abstractmethod
    def n_players(self) -> int:
        """The number of players of each image."""

    @property
    def there(self) -> Bool[Tensor, "b d"]:
        """Who plays in each image; all, unless there are fewer in some."""
        shape = len(self.images), self.n_players
        return torch.ones(shape, dtype=torch.bool, device=self.images.device)

    @property
    @abstractmethod
    def of_pixels(self) -> bool:
        """Whether every pixel is a player."""

    @property
    def drawn(self) -> bool:
        """Whether the cost is told by random draws, so that it is another one at each look."""
        return False

    @property
    @abstractmethod
    def rows_a_call(self) -> int:
        """Most rows of one model call."""

    @contextmanager
    @abstractmethod
    def opened(self) -> Iterator["SizedCost"]:
        """The same for many calls: the model is made ready once, and put back at the end."""

    @abstractmethod
    def within(self, max_rows: int) -> "SizedCost":
        """The same with so many rows in a model call.

        Args:
            max_rows: Most rows.
        """

    @abstractmethod
    def cost(
        self,
        numbers: Int64[Tensor, "p"],
        alpha: Float[Tensor, "p"],
        masks: Float[Tensor, "p m d"],
        look: int,
    ) -> Float[Tensor, "p m"]:
        """The cost of each mask, with its graph if masks have one.

        Args:
            numbers: The image that each row of masks is of.
            alpha: α of each row, where the cost depends on it.
            masks: The masks.
            look: Where the cost is told by random draws, which ones: masks that are compared share a look.
        """

    def parts(
        self,
        numbers: Int64[Tensor, "p"],
        alpha: Float[Tensor, "p"],
        masks: Float[Tensor, "p m d"],
        look: int,
    ) -> tuple[Float[Tensor, "p m"], ...]:
        """The summands of the cost, each with a graph of its own.

        Where there are several, none of them is below 0; where one is nearly 0 and has a kink, sets are
        changed along it.

        Args:
            numbers: The image that each row of masks is of.
            alpha: α of each row, where the cost depends on it.
            masks: The masks.
            look: As for the cost.
        """
        return (self.cost(numbers, alpha, masks, look),)

    @abstractmethod
    def rows_a_mask(self, alpha: float) -> int:
        """Model rows that the cost of one mask takes.

        Args:
            alpha: α.
        """
