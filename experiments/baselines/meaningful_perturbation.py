"""Meaningful Perturbation: the smallest coarse mask whose blurring takes the class away.

R. C. Fong, A. Vedaldi, *Interpretable explanations of black boxes by meaningful perturbation* (ICCV 2017),
equation 6, the deletion game:

    min over m in [0, 1]^cells of   λ₁ mean(1 - m) + λ₂ Σ |∇m|^β + E_τ [ f_c(Φ(x shifted by τ; m)) ],

Φ blurs where m = 0. Published for 224 x 224: cells of 8 pixels, blur of σ = 10, λ₁ = 1e-4 a cell (of 784,
hence .08 of the mean), λ₂ = .01, β = 3, 300 steps of Adam at .1, shifts of up to 4 pixels. Here lengths are
scaled to the image's side; the authors start from the smallest disc that hides the class, we from m = .5.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from onlyif.core.torch_seeds import torch_generator

PUBLISHED_SIDE, PUBLISHED_BLUR = 224, 10.0


@dataclass(frozen=True)
class MeaningfulPerturbation:
    """1 - m, enlarged to the image: how much must be blurred.

    Args:
        cell: Side of a cell of the mask, in pixels.
        size: λ₁, for the mean of 1 - m.
        variation: λ₂.
        power: β.
        steps: Of Adam.
        rate: Its learning rate.
        shift: Most pixels that the masked image is moved each way.
        strength: The blur's σ, in multiples of the published one at this side.
    """

    cell: int = 2
    size: float = 0.08
    variation: float = 0.01
    power: float = 3.0
    steps: int = 300
    rate: float = 0.1
    shift: int = 1
    strength: float = 1.0

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        side = images.shape[-1]
        hidden = blurred(images, self.strength * PUBLISHED_BLUR * side / PUBLISHED_SIDE)
        cells = math.ceil(images.shape[-2] / self.cell), math.ceil(side / self.cell)
        mask = torch.full((len(images), 1, *cells), 0.5, requires_grad=True)
        adam, moves = torch.optim.Adam([mask], self.rate), torch_generator(seed, "shifts of the mask")
        for _ in range(self.steps):
            adam.zero_grad()
            self._loss(network, images, hidden, targets, mask, moves).backward()
            adam.step()
            with torch.no_grad():
                mask.clamp_(0, 1)
        return 1 - enlarged(mask.detach(), images)[:, 0]

    def _loss(  # noqa: PLR0917  # a step's own tensors
        self,
        network: nn.Module,
        x: Tensor,
        hidden: Tensor,
        targets: Tensor,
        mask: Tensor,
        moves: torch.Generator,
    ) -> Tensor:
        keep = enlarged(mask, x)
        down, along = torch.randint(-self.shift, self.shift + 1, (2,), generator=moves).tolist()
        shown = (x * keep + hidden * (1 - keep)).roll((down, along), (2, 3))
        output = network(shown).softmax(1).gather(1, targets[:, None]).sum()
        variation = (
            mask.diff(dim=2).abs().pow(self.power).sum() + mask.diff(dim=3).abs().pow(self.power).sum()
        )
        return self.size * (1 - mask).mean((1, 2, 3)).sum() + self.variation * variation + output


def enlarged(mask: Tensor, images: Tensor) -> Tensor:
    """The coarse mask, one number a pixel."""
    return functional.interpolate(mask, images.shape[-2:], mode="bilinear", align_corners=False)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur."""
    radius = max(1, min(math.ceil(3 * sigma), min(images.shape[-2:]) - 1))
    bell = torch.exp(-(torch.arange(-radius, radius + 1) / sigma).square() / 2)
    bell = (bell / bell.sum()).repeat(images.shape[1], 1)
    channels = images.shape[1]
    wide = functional.pad(images, (radius, radius, radius, radius), mode="reflect")
    rows = functional.conv2d(wide, bell[:, None, :, None], groups=channels)
    return functional.conv2d(rows, bell[:, None, None, :], groups=channels)
