"""Masks for a torch module in one call, with every choice that is left open made as recommended."""

import warnings
from collections.abc import Callable

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from onlyif.core.errors import InputError, OnlyIfWarning
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import variation_at
from onlyif.explanation.explanations import Explanations
from onlyif.models.differentiable import differentiable_module
from onlyif.models.probabilities import TRIED, probabilities, reading_of
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_images import IMAGE_DIMENSIONS, check_images, looks_channels_last
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_settings import recommended_settings

SAY = "transform=None"


def module_masks(
    module: nn.Module,
    images: Tensor,
    baseline: Tensor,
    target: Int64[Tensor, "_"] | int | None = None,
    question: MaskQuestion | None = None,
    *,
    transform: Callable[[Tensor], Tensor] | None = probabilities,
    seed: int = 0,
) -> Explanations:
    """Sufficient, necessary and unified masks of images, found by the recommended descent.

    The short way for a first try. For other references, for superpixels and other settings build the
    `RelaxedSearch` and call `find_masks`, which is what this does.

    Args:
        module: The network, from images to logits, or to probabilities, which is noticed. One output is
            that of class 1 of two. It is asked in evaluation mode and left as found.
        images: A batch of images (channels, height, width), as the module takes them.
        baseline: What a hidden pixel becomes: one image, as the mean of the training images.
        target: Number of the explained output, one for all or one each; None takes each image's largest.
        question: What is asked; None asks for α = 0, .5 and 1 with the paper's weights, λ_TV scaled to
            the size of the images.
        transform: From the module's outputs to what is explained; None explains them as they are.
        seed: Of all draws.

    Raises:
        InputError: unless images and baseline fit together.
        ModelError: if the module has no gradients, or is random.
        SettingError: if α or a target is out of range.
        Interrupted: on Ctrl-C; its `finished` holds the masks that were whole.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
        >>> masks = module_masks(network, torch.rand(1, 3, 4, 4), torch.zeros(3, 4, 4))
        >>> [item.alpha for item in masks]
        [0.0, 0.5, 1.0]

    References:
        [bharti2024] equation 13, appendix A.2.1.
    """
    _check_pictures(images, baseline)
    output = (
        "value" if transform is None else "probability" if transform is probabilities else "transformed value"
    )
    read = transform
    if transform is probabilities:
        read = reading_of(module, torch.cat([images[:TRIED], baseline[None].to(images)]), SAY).transform
    predictor = differentiable_module(module, read, output)
    restriction = SoftRestriction(predictor, BaselineReference(baseline, "the baseline image"), seed=seed)
    search = RelaxedSearch(SoftObjective(restriction), recommended_settings(), seed=seed)
    asked = MaskQuestion(variation=variation_at(min(images.shape[-2:]))) if question is None else question
    return find_masks(search, images, target, asked)


def _check_pictures(images: Tensor, baseline: Tensor) -> None:
    for picture in (images, baseline):
        if not torch.is_tensor(picture):
            raise InputError(f"need images and baseline as torch tensors, got a {type(picture).__name__}")
    check_images(images)
    if images.dim() > IMAGE_DIMENSIONS + 1:
        raise InputError(
            f"masks have a height and a width, and images of shape {tuple(images.shape[1:])} more; of "
            "volumes and videos SufficientNecessaryMask makes one number a voxel"
        )
    if images.shape == baseline.shape:
        raise InputError(
            f"need a batch of images and one baseline, got shape {tuple(images.shape)} for both: "
            "images[None] makes a batch of one image"
        )
    if images.shape[1:] != baseline.shape:
        raise InputError(
            f"the baseline has shape {tuple(baseline.shape)}, got images of shape {tuple(images.shape[1:])}; "
            "both must be the same"
        )
    if looks_channels_last(tuple(images.shape[1:])):
        warnings.warn(
            f"images of shape {tuple(images.shape[1:])} look like (height, width, channels); masks are of "
            "the last two axes, and need (channels, height, width)",
            OnlyIfWarning,
            stacklevel=3,
        )
