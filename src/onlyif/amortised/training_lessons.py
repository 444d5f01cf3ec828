"""What a selector learns from: images, the objective, and which images and α each step takes."""

import hashlib
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.amortised.selector import SelectorSettings
from onlyif.amortised.training_state import TrainingSettings
from onlyif.core.errors import InputError, SettingError
from onlyif.core.shapes import Instances
from onlyif.core.torch_seeds import torch_generator
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import SoftWeights, variation_at


@final
@dataclass(frozen=True)
class Penalties:
    """λ_1 and λ_TV as they depend on α; the defaults are the paper's.

    The paper gives both ends. In between they are interpolated geometrically,
    λ(α) = λ(0)^(1 - α) λ(1)^α, since the ends differ by a factor of ten.

    Args:
        size: λ_1 at α = 0 and at α = 1.
        variation: λ_TV at α = 0 and at α = 1.
        of_side: The side of the images for which λ_TV is meant, 256 in the paper; on images of another
            side it is rescaled by `variation_at`, so that an outline weighs alike.

    Raises:
        SettingError: unless all are at least 0 and of_side >= 1.

    Example:
        >>> Penalties().weights(torch.tensor([0.0, 0.5, 1.0]), side=256).size
        tensor([0.1000, 0.3162, 1.0000])

    References:
        [bharti2024] appendix A.2.2.
    """

    size: tuple[float, float] = (0.1, 1.0)
    variation: tuple[float, float] = (100.0, 10.0)
    of_side: int = 256

    def __post_init__(self) -> None:
        if not all(weight >= 0 for weight in (*self.size, *self.variation)) or self.of_side < 1:
            raise SettingError(
                "penalties need size and variation of at least 0 and of_side >= 1, got "
                f"{self.size}, {self.variation} and {self.of_side}"
            )

    def weights(self, alpha: Float[Tensor, "b"], side: int) -> SoftWeights:
        """The weights of the objective for some images.

        Args:
            alpha: α of each.
            side: The smaller of their height and width.
        """
        scale = variation_at(side, 1.0, self.of_side)
        return SoftWeights(alpha, _between(self.size, alpha), scale * _between(self.variation, alpha))


@final
@dataclass(frozen=True, eq=False)
class Lessons:
    """What a selector learns from.

    Args:
        objective: What masks are judged by; it holds the model, the reference, K and the seed of all draws.
        x: The images to train on.
        target: The explained output of each.
        held_x: Images to validate on, none of which is trained on.
        held_target: The explained output of each.
        penalties: λ_1 and λ_TV.

    Raises:
        InputError: if there is none of either, or the held-out ones have another shape.
    """

    objective: SoftObjective
    x: Instances
    target: Int64[Tensor, "b"]
    held_x: Float[Tensor, "v *held"]
    held_target: Int64[Tensor, "v"]
    penalties: Penalties = Penalties()

    def __post_init__(self) -> None:
        if not len(self.x) or not len(self.held_x) or self.x.shape[1:] != self.held_x.shape[1:]:
            raise InputError(
                "training needs images to train and to validate on, of one shape; "
                f"got {tuple(self.x.shape)} and {tuple(self.held_x.shape)}"
            )

    @property
    def digest(self) -> str:
        """A digest of all this but the model's weights."""
        restriction, whole = self.objective.restriction, hashlib.sha256()
        settings = (self.penalties, restriction.relaxation, restriction.seed, restriction.reference.law)
        whole.update(repr(settings).encode())
        for tensor in (self.x, self.target, self.held_x, self.held_target):
            whole.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            whole.update(tensor.cpu().contiguous().numpy().tobytes())
        return whole.hexdigest()


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


def _between(ends: tuple[float, float], alpha: Float[Tensor, "b"]) -> Float[Tensor, "b"]:
    first, last = (torch.full_like(alpha, end) for end in ends)
    return first ** (1 - alpha) * last**alpha
