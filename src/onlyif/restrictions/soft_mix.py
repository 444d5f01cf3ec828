"""Images under masks: m∘x + (1 - m)∘b, and how outputs change with m."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from onlyif.core.arrays import on_host
from onlyif.core.errors import ModelError
from onlyif.core.shapes import Instances
from onlyif.references.base import Plan, Reference


def share_shown(drawn: Float[Tensor, "j n h w"], hidden: Bool[Tensor, "j"]) -> Float[Tensor, "j n h w"]:
    """How much of x is shown: the drawn mask, or what it leaves.

    Args:
        drawn: Drawn masks m.
        hidden: Whether the mask is hidden, and the rest shown.
    """
    return torch.where(hidden.view(-1, 1, 1, 1).to(drawn.device), 1 - drawn, drawn)


def mixed_images(
    reference: Reference, plan: Plan, x: Instances, share: Float[Tensor, "b n h w"]
) -> tuple[Float[Tensor, "b n *x"], Float[Tensor, "#b #n *x"]]:
    """What the model is shown for every draw, and its change as a share goes from 0 to 1.

    Args:
        reference: What hidden pixels become.
        plan: Which of its draws.
        x: The images.
        share: How much of x is shown, the same for what stands before height and width.
    """
    shared = share.view(*share.shape[:2], *[1] * (x.dim() - 3), *share.shape[2:])
    values = _values(reference, plan, x, shared > 0.5).to(share.dtype)
    every = x.unsqueeze(1).to(share.dtype)
    return torch.lerp(values, every, shared), every - values


def slope_in_share(
    outputs: Float[Tensor, "b n"], mixed: Float[Tensor, "b n *x"], change: Float[Tensor, "#b #n *x"]
) -> Float[Tensor, "b n h w"]:
    """The slope of each output in the share of each pixel.

    Args:
        outputs: One a draw, with a graph to what was shown.
        mixed: What was shown.
        change: Its change as a share goes from 0 to 1.

    Raises:
        ModelError: if no gradient comes back.
    """
    slope = None
    if outputs.requires_grad:
        ones = torch.ones_like(outputs)
        (slope,) = torch.autograd.grad(outputs, mixed, ones, allow_unused=True)
    if slope is None:
        raise ModelError(
            "the model gives no gradient with respect to its input; search over superpixels with beam"
        )
    return (slope * change).reshape(*slope.shape[:2], -1, *slope.shape[-2:]).sum(2)


def _values(reference: Reference, plan: Plan, x: Tensor, keep: Tensor) -> Tensor:
    """What hidden pixels become, for every image and draw, (b or 1, n or 1, *x)."""
    law = reference.law
    if law.n_atoms == 1 or not law.depends_on_x:
        wanted = Plan(1, 0, 1, None) if law.n_atoms == 1 else plan
        nothing = np.zeros((1, 1, *x.shape[1:]), dtype=bool)
        values: Tensor = reference.draw(x, nothing, wanted).values
        return values.squeeze(1)
    kept = on_host(keep.expand(-1, -1, *x.shape[1:]))
    single = [replace(plan, start=i, stop=i + 1) for i in range(plan.start, plan.stop)]
    drawn = [reference.draw(x, kept[:, i : i + 1], one).values for i, one in enumerate(single)]
    return torch.cat(drawn, 2).squeeze(1)
