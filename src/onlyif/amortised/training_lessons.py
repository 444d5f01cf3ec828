"""What a selector learns from: images, and what its masks are judged by; which of these a step takes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.training_state import TrainingSettings
from onlyif.core.shapes import Instances
from onlyif.core.torch_seeds import torch_generator

# Where a selector conditioned on α is validated.
VALIDATION_ALPHAS = (0.0, 0.5, 1.0)


@final
@dataclass(frozen=True, eq=False)
class Judged:
    """What masks of the validation images came to.

    Args:
        objective: What training makes small, of each image: its mean over what it is asked for.
        sufficiency: The mean Δsuf.
        necessity: The mean Δnec.
        size: The mean share of the image that is kept.
    """

    objective: Float[Tensor, "v"]
    sufficiency: float
    necessity: float
    size: float


class PosedLessons(ABC):
    """Lessons of which f(x) and f_0 are known."""

    @contextmanager
    @abstractmethod
    def opened(self) -> Iterator["PosedLessons"]:
        """The same for many steps: the model is made ready once, and put back at the end."""

    @abstractmethod
    def masks(
        self,
        network: Selector,
        numbers: Int64[Tensor, "b"],
        alpha: Float[Tensor, "b"],
        training: TrainingSettings,
        step: int,
    ) -> Float[Tensor, "b h w"]:
        """The network's masks of some images, with their graph.

        Args:
            network: The selector.
            numbers: The images.
            alpha: α of each.
            training: It has the seed.
            step: Number of the step.
        """

    @abstractmethod
    def cost(
        self,
        numbers: Int64[Tensor, "b"],
        alpha: Float[Tensor, "b"],
        masks: Float[Tensor, "b d"],
        step: int,
        rows: int,
    ) -> Float[Tensor, ""]:
        """What is made small: the mean over some images of the objective of their masks, with its graph.

        Args:
            numbers: The images.
            alpha: α of each.
            masks: The masks.
            step: Number of the step.
            rows: Most rows of one model call.
        """

    @abstractmethod
    def validated(self, network: Selector, at_once: int) -> Judged:
        """What the network's masks of the validation images come to, on draws that are always the same.

        Args:
            network: The selector.
            at_once: Most images in one forward pass.
        """


class Lessons(ABC):
    """What a selector learns from."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """A digest of all this but the model's weights."""

    @property
    @abstractmethod
    def images(self) -> Instances:
        """The images to train on."""

    @property
    @abstractmethod
    def max_rows(self) -> int:
        """Most rows of one model call."""

    @abstractmethod
    def check(self, network: Selector) -> None:
        """Refuse a network or a model that cannot learn from this.

        Args:
            network: The selector.

        Raises:
            InputError: if the images do not fit the network.
            ModelError: if the model has no gradients.
        """

    @abstractmethod
    def posed(self, selector: SelectorSettings) -> PosedLessons:
        """The lessons once f(x) and f_0 of all images were asked.

        Args:
            selector: The architecture, which says what α are validated.
        """


def validation_alphas(selector: SelectorSettings) -> tuple[float, ...]:
    """The α at which a selector is validated.

    Args:
        selector: The architecture.
    """
    return VALIDATION_ALPHAS if selector.alpha is None else (selector.alpha,)


def batch_at(training: TrainingSettings, n_images: int, step: int) -> Int64[Tensor, "b"]:
    """The images of one step: every image once in a random order, then again in another one.

    Args:
        training: It has the seed and the size of a batch.
        n_images: How many images there are.
        step: Number of the step.
    """
    places = range(step * training.batch, (step + 1) * training.batch)
    epochs = range(places[0] // n_images, places[-1] // n_images + 1)
    orders = {
        epoch: torch.randperm(n_images, generator=torch_generator(training.seed, "training order", epoch))
        for epoch in epochs
    }
    return torch.stack([orders[place // n_images][place % n_images] for place in places])


def alphas_at(selector: SelectorSettings, training: TrainingSettings, step: int) -> Float[Tensor, "b"]:
    """The α of each image of one step.

    Args:
        selector: It has the one α, or None.
        training: It has the seed, the size of a batch and the share of the ends.
        step: Number of the step.
    """
    if selector.alpha is not None:
        return torch.full((training.batch,), selector.alpha)
    numbers = torch_generator(training.seed, "training alpha", step)
    inner, ends = torch.rand(2, training.batch, generator=numbers)
    low, high = ends < training.p_ends / 2, ends >= 1 - training.p_ends / 2
    return torch.where(low, 0.0, torch.where(high, 1.0, inner))
