"""Maps that explain nothing: what every comparison needs beside it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from experiments.baselines.image_gradients import shuffled
from torch import Tensor, nn
from torch.nn import functional

from onlyif.core.torch_seeds import torch_generator
from onlyif.metrics import soft_threshold

Explainer = Callable[[nn.Module, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class Ones:
    """1 everywhere."""

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        return torch.ones_like(images[:, 0])


@dataclass(frozen=True)
class RandomMap:
    """Noise that depends on the seed and on the image's own numbers, as that of a method without an idea."""

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        drawn = [
            torch.rand(
                image.shape[-2:], generator=torch_generator(seed, "random map", int(image.sum() * 1e4))
            )
            for image in images
        ]
        return torch.stack(drawn)


@dataclass(frozen=True)
class InputTimesMask:
    """The brightness of the input times a bell in the middle of the image; the network is not asked."""

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        height, width = images.shape[-2:]
        down, along = (torch.linspace(-1, 1, length).square() for length in (height, width))
        return images.mean(1) * torch.exp(-2 * (down[:, None] + along))


@dataclass(frozen=True)
class BlurredEdges:
    """The strength of the input's edges, blurred; the network is not asked.

    Args:
        side: Of the square mean that blurs.
    """

    side: int = 3

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        kernels = torch.stack([sobel, sobel.T])[:, None]
        grey = functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
        edges = functional.conv2d(grey, kernels).norm(dim=1, keepdim=True)
        return functional.avg_pool2d(edges, self.side, 1, self.side // 2, count_include_pad=False)[:, 0]


@dataclass(frozen=True)
class ShuffledWeights:
    """An explainer that is asked about a network with shuffled weights (Adebayo et al., 2018).

    Args:
        explainer: The explainer.
    """

    explainer: Explainer

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        return self.explainer(shuffled(copy.deepcopy(network), seed), images, targets, seed)


@dataclass(frozen=True)
class SoftThreshold:
    """The largest values of another map, and nothing else: what weight decay alone makes of a start.

    Args:
        explainer: The other explainer.
        share: Of the pixels that are left.
    """

    explainer: Explainer
    share: float = 0.2

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        size = round(self.share * images[0, 0].numel())
        return soft_threshold(self.explainer(network, images, targets, seed), size)
