"""IDGI: integrated gradients of which each step goes to the entries as the squared gradient does.

R. Yang, B. Wang, M. Bilgic, *IDGI: a framework to eliminate explanation noise from integrated gradients*
(CVPR 2023), algorithm 1 on the straight path. A step of plain Integrated Gradients is g · (x_{j+1} - x_j): of
the step only its part along g changes f to first order, the rest is noise. IDGI gives entry i of step j

    g_i² / Σ_k g_k² · (f(x_{j+1}) - f(x_j)),        g = ∇f(x_j),

so that the attributions add up to f(x) - f(x') exactly, however few the steps are.
"""

from dataclasses import dataclass, field

import torch
from experiments.baselines.image_gradients import answered, one_a_pixel
from torch import Tensor, nn


@dataclass(frozen=True)
class IDGI:
    """Important-direction gradient integration from a baseline.

    Args:
        baseline: One image.
        baseline_name: What it is.
        absolute: Whether the absolute value is taken.
        steps: Of the path.
        probability: Whether f is the probability, as in the paper; else the logit.
    """

    baseline: Tensor = field(repr=False)
    baseline_name: str
    absolute: bool = False
    steps: int = 32
    probability: bool = True

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        return one_a_pixel(self.attributions(network, images, targets), absolute=self.absolute)

    def attributions(self, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """One number an entry."""
        model, found = answered(network, probability=self.probability), torch.zeros_like(images)
        before, slope = None, None
        for place in torch.linspace(0, 1, self.steps + 1):
            rows = (self.baseline + place * (images - self.baseline)).requires_grad_()
            output = model(rows).gather(1, targets[:, None])[:, 0]
            if before is not None:
                share = slope.square()
                total = share.flatten(1).sum(1).clamp(min=torch.finfo(share.dtype).tiny)
                found += share * ((output.detach() - before) / total).view(-1, 1, 1, 1)
            slope = torch.autograd.grad(output.sum(), rows)[0]
            before = output.detach()
        return found
