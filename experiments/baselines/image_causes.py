"""The explanations of this library as maps of images."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

import onlyif
from onlyif.interop.captum import FANS, SufficientNecessaryMask
from onlyif.references.baseline import BaselineReference
from onlyif.searches.ascent_settings import paper_settings

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)


def one_channel(attribution: Tensor) -> Tensor:
    """The map that the channels share."""
    return attribution.detach().mean(1)


@dataclass(frozen=True)
class FANSMap:
    """How necessary and sufficient a cause a pixel is, with pixels as players.

    Args:
        paper: Whether PNS is ascended as printed (50 steps of .001); else as recommended.
        c: Threshold of a change of the probability.
        max_rows: Most rows of one model call.
    """

    paper: bool = False
    c: float = 0.1
    max_rows: int = 512

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        height, width = images.shape[-2:]
        pixels = torch.arange(height * width).view(1, 1, height, width).expand_as(images[:1])
        found = FANS(nn.Sequential(network, nn.Softmax(1))).attribute(
            images, target=targets, feature_mask=pixels, c=self.c, seed=seed, max_rows=self.max_rows,
            settings=paper_settings() if self.paper else None,
        )  # fmt: skip
        return one_channel(found)


@dataclass(frozen=True)
class SizedPixels:
    """Nested sets of pixels by size: a pixel counts more the smaller the set that it is in.

    Args:
        baseline: What hides.
        alpha: 1 is sufficiency, 0 necessity.
    """

    baseline: Tensor = field(repr=False)
    alpha: float = 0.5

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        found = SufficientNecessaryMask(nn.Sequential(network, nn.Softmax(1))).attribute(
            images,
            self.baseline[None],
            targets,
            alpha=self.alpha,
            sizes=list(SHARES),
            seed=seed,
            max_rows=256,
        )
        return one_channel(found)


@dataclass(frozen=True)
class SizedRegions:
    """The same with connected regions, at most five.

    Args:
        baseline: What hides.
        alpha: 1 is sufficiency, 0 necessity.
    """

    baseline: Tensor = field(repr=False)
    alpha: float = 0.5

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        maps = torch.zeros_like(images[:, 0])
        for row, image, target in zip(maps, images, targets, strict=True):
            item = onlyif.explain(
                network, image[None], reference=BaselineReference(self.baseline, "an image"),
                size=list(SHARES), target=int(target), seed=seed, modality=onlyif.Images("regions"),
                progress=False, max_rows=256,
            )[0]  # fmt: skip
            for share in SHARES:
                row.add_(torch.from_numpy(item.at_size(share, self.alpha).keep.reshape(item.names.shape)))
        return maps


@dataclass(frozen=True)
class RelaxedMask:
    """A mask in [0, 1] with a weight on its size.

    Args:
        baseline: What hides.
        alpha: 1 is sufficiency, 0 necessity.
        size: Weight of the mask's mean.
    """

    baseline: Tensor = field(repr=False)
    alpha: float = 0.5
    size: float = 2.0

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        found = SufficientNecessaryMask(nn.Sequential(network, nn.Softmax(1))).attribute(
            images, self.baseline[None], targets, alpha=self.alpha, size=self.size, seed=seed, max_rows=256
        )
        return one_channel(found)
