"""What is checked before a mask is descended."""

import warnings

import numpy as np
import torch

from onlyif.core.errors import InputError, ModelError, OnlyIfWarning, SettingError
from onlyif.core.shapes import Instances
from onlyif.criteria.soft import SoftObjective
from onlyif.engine.soft import memory_for
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.soft_images import check_images

# A baseline this many widths outside of the images' range, 0 included, is in other units.
FAR = 1.0
FLAT = 0.02


def check_task(objective: SoftObjective, x: Instances) -> None:
    """Refuse images and models that no mask can be found for.

    Args:
        objective: What is to be minimised.
        x: The images.

    Raises:
        InputError: unless the images are there and finite, and of the baseline's shape and range.
        ModelError: if the model gives no or NaN gradients, or answers one image differently twice.
        SettingError: inside `torch.inference_mode`, where there are no gradients.
        LimitError: if memory runs out for a single row.
    """
    if torch.is_inference_mode_enabled():
        raise SettingError("masks are found by gradients; torch.inference_mode switches them off, leave it")
    check_images(x)
    restriction = objective.restriction
    check_range(restriction.reference, x)
    with restriction.predictor.opened() as predictor, torch.no_grad(), memory_for(1):
        once, again = (predictor.respond(x[:1].clone()) for _ in range(2))
    if not torch.allclose(once, again, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise ModelError(
            f"{predictor.meaning.model} answers one image differently each time, as with dropout left on; "
            "need a model without randomness"
        )
    with memory_for(1):
        restriction.predictor.check_gradient(x[:1])


def check_range(reference: Reference, x: Instances) -> None:
    """Refuse a reference in other units than the images; warn where units may differ.

    Args:
        reference: What hidden pixels are replaced by.
        x: The images.

    Raises:
        InputError: if its values are not finite or far outside the images' range, or of another shape.
    """
    # A law with few atoms is given without a seed; a mean image has one.
    plan = Plan(1, 0, 1, None) if reference.law.n_atoms == 1 else Plan(1, 0, 1, 0)
    nothing = np.zeros((1, 1, *x.shape[1:]), dtype=bool)
    values = reference.draw(x[:1], nothing, plan).values
    if not bool(values.isfinite().all()):
        raise InputError(
            f"hidden pixels would be NaN or infinite ({reference.law.sentence}); need finite ones"
        )
    least, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    low, high = values.min().item(), values.max().item()
    width = most - least
    if width and (low < least - FAR * width or high > most + FAR * width):
        raise InputError(
            f"hidden pixels would be replaced by values from {low:g} to {high:g}, but the images run from "
            f"{x.min():g} to {x.max():g}; need both in the same units"
        )
    if 0 < high - low < FLAT * width:
        warnings.warn(
            f"hidden pixels are replaced by values from {low:g} to {high:g}, the images run from {x.min():g} "
            f"to {x.max():g}: are both in the same units?",
            OnlyIfWarning,
            stacklevel=2,
        )
