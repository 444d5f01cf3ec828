"""What is checked before a mask is descended."""

import warnings

import torch

from onlyif.core.errors import InputError, ModelError, OnlyIfWarning
from onlyif.core.shapes import Instances
from onlyif.criteria.soft import SoftObjective
from onlyif.references.base import Plan, Reference

# A baseline this many widths of the images' range outside of it is in other units.
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
    """
    if not len(x):
        raise InputError("need at least 1 image, got none")
    if x.dim() < 3 or not bool(x.isfinite().all()):
        raise InputError(f"need finite images with height and width, got shape {tuple(x.shape[1:])}")
    restriction = objective.restriction
    check_range(restriction.reference, x)
    with restriction.predictor.opened() as predictor, torch.no_grad():
        once, again = (predictor.respond(x[:1].clone()) for _ in range(2))
    if not torch.allclose(once, again, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise ModelError(
            f"{predictor.meaning.model} answers one image differently each time, as with dropout left on; "
            "need a model without randomness"
        )
    restriction.predictor.check_gradient(x[:1])


def check_range(reference: Reference, x: Instances) -> None:
    """Refuse a reference in other units than the images; warn where units may differ.

    Args:
        reference: What hidden pixels are replaced by.
        x: The images.

    Raises:
        InputError: if its values lie far outside the images' range, or it has another shape.
    """
    # A law with few atoms is given without a seed; a mean image has one.
    plan = Plan(1, 0, 1, None) if reference.law.n_atoms == 1 else Plan(1, 0, 1, 0)
    nothing = torch.zeros(1, 1, *x.shape[1:], dtype=torch.bool, device=x.device)
    values = reference.draw(x[:1], nothing, plan).values
    least, most = x.min().item(), x.max().item()
    low, high = values.min().item(), values.max().item()
    width = max(most - least, 1e-6 * max(abs(least), abs(most)))
    if low < least - FAR * width or high > most + FAR * width:
        raise InputError(
            f"hidden pixels would be replaced by values from {low:g} to {high:g}, but the images run from "
            f"{least:g} to {most:g}; need both in the same units"
        )
    if 0 < high - low < FLAT * width:
        warnings.warn(
            f"hidden pixels are replaced by values from {low:g} to {high:g}, the images run from {least:g} "
            f"to {most:g}: are both in the same units?",
            OnlyIfWarning,
            stacklevel=2,
        )
