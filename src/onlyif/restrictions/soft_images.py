"""What soft restrictions are asked about: images, their targets, and from which side of a mask."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances

IMAGE_DIMENSIONS = 3
MOST_COLOURS = 4


@final
@dataclass(frozen=True, eq=False)
class TargetedImages:
    """Images that are explained, one target each.

    Args:
        x: The images; masks are shared by what stands before height and width (channels).
        target: Number of the explained output of each.
        index: The stream of random numbers of each: equal ones share their draws.
    """

    x: Float[Tensor, "b *x"]
    target: Int64[Tensor, "b"]
    index: Int64[Tensor, "b"]

    def take(self, numbers: Int64[Tensor, "j"]) -> "TargetedImages":
        """Some of the images, also several times."""
        return TargetedImages(*(each[numbers.to(each.device)] for each in (self.x, self.target, self.index)))


def targeted(
    x: Instances, target: Int64[Tensor, "_"] | int, index: Int64[Tensor, "b"] | None = None
) -> TargetedImages:
    """Images with their targets.

    Args:
        x: The images.
        target: Number of the explained output, one for all or one each.
        index: Streams of random numbers; None shares one stream, so that an image gets the same
            answer alone and in any batch.

    Raises:
        InputError: unless images have a height and a width and finite entries.
        SettingError: unless there is one target for all or one each.
    """
    check_images(x)
    targets = target if isinstance(target, Tensor) else torch.full((len(x),), target)
    if targets.shape != (len(x),):
        raise SettingError(
            f"need one target an image, got targets of shape {tuple(targets.shape)} for {len(x)} images"
        )
    streams = torch.zeros(len(x), dtype=torch.int64) if index is None else index
    return TargetedImages(x, targets, streams)


@final
@dataclass(frozen=True, eq=False)
class Sides:
    """Images that are asked about, each from one side of one mask.

    Args:
        images: The image of each question.
        numbers: The number of its mask.
        n_masks: How many masks there are.
        hidden: True hides S and keeps the rest (necessity); False keeps S (sufficiency).
        filling: What hidden pixels become, where that does not depend on draws; of size 1 where one image
            fills all.
    """

    images: TargetedImages
    numbers: Int64[Tensor, "j"]
    n_masks: int
    hidden: Bool[Tensor, "j"]
    filling: Float[Tensor, "..."] | None

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor] | None:
        """The images where a mask is 0, and where it is 1, unless they are drawn."""
        return None if self.filling is None else self.between(self.filling)

    def between(self, filling: Float[Tensor, "..."]) -> tuple[Tensor, Tensor]:
        """The images where a mask is 0, and where it is 1: (j, 1 or n, *x).

        Args:
            filling: What hidden pixels become, for every question and draw.
        """
        every = self.images.x.unsqueeze(1)
        hidden = self.hidden.to(every.device).view(-1, *[1] * (every.dim() - 1))
        return torch.where(hidden, every, filling), torch.where(hidden, filling, every)


@final
@dataclass(frozen=True, eq=False)
class SoftEstimate:
    """Restricted predictions estimated from draws, in double precision on the CPU.

    Args:
        mean: Their means.
        stderr: Standard errors of the means; 0 where exact.
    """

    mean: Float[Tensor, "j"]
    stderr: Float[Tensor, "j"]


def looks_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether an image may as well be (height, width, channels) as (channels, height, width).

    Args:
        shape: The shape of one image.

    Example:
        >>> looks_channels_last((32, 32, 3)), looks_channels_last((3, 32, 32))
        (True, False)
    """
    return len(shape) == IMAGE_DIMENSIONS and shape[2] <= MOST_COLOURS and shape[2] < min(shape[:2])


def check_images(x: Tensor) -> None:
    """Refuse what is no batch of images.

    Raises:
        InputError: unless there is an image, with a height, a width and finite floating entries.
    """
    if not x.is_floating_point():
        raise InputError(
            f"need images of floating numbers, got {x.dtype}; convert them as the model needs them"
        )
    if x.dim() < 3:
        raise InputError(f"images need a height and a width, got instances of shape {tuple(x.shape[1:])}")
    if not x.numel():
        raise InputError(f"need at least 1 image, got none: the batch has shape {tuple(x.shape)}")
    if not bool(x.isfinite().all()):
        raise InputError("an image holds NaN or infinite entries; need finite numbers")


def check_masks(images: TargetedImages, masks: Float[Tensor, "b ..."], shape: tuple[int, ...]) -> None:
    """Refuse masks of another size than the images.

    Args:
        images: The images.
        masks: One mask an image.
        shape: What one mask must have.

    Raises:
        InputError: saying both sizes.
    """
    needed = (len(images.x), *shape)
    if tuple(masks.shape) != needed:
        raise InputError(f"masks have shape {tuple(masks.shape)}, the images need {needed}")


def check_target(target: Int64[Tensor, "b"], n_outputs: int) -> None:
    """Refuse targets that the model has no output for.

    Args:
        target: The numbers of outputs.
        n_outputs: How many outputs there are.

    Raises:
        SettingError: naming one of them.
    """
    least, most = (int(end) for end in target.aminmax())
    if least < 0 or most >= n_outputs:
        wrong = least if least < 0 else most
        raise SettingError(f"target {wrong} is out of range: the model has {n_outputs} outputs")


def estimate_of(outputs: Float[Tensor, "j n"]) -> SoftEstimate:
    """The mean of each row of outputs, with its standard error; NaN for a single draw. On the CPU."""
    drawn, n = doubled_tensor(outputs), outputs.shape[1]
    stderr = drawn.std(1) / n**0.5 if n > 1 else torch.full_like(drawn[:, 0], torch.nan)
    return SoftEstimate(drawn.mean(1), stderr)
