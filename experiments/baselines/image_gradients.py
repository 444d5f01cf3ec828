"""Gradient methods of captum as maps of images.

An attribution has one number a channel; a map is its sum over the channels, signed or absolute. Hooks of
captum change the activations of a network while they work, so each method gets a network of its own.
"""

from dataclasses import dataclass, field

import captum.attr
import torch
from torch import Tensor, nn


def answered(network: nn.Module, *, probability: bool) -> nn.Module:
    """The network as it is, with logits, or with probabilities."""
    return nn.Sequential(network, nn.Softmax(1)) if probability else network


def one_a_pixel(attribution: Tensor, *, absolute: bool) -> Tensor:
    """The sum over channels, or its absolute value."""
    found = attribution.detach().sum(1)
    return found.abs() if absolute else found


@dataclass(frozen=True)
class Saliency:
    """The largest absolute gradient of a pixel's channels (Simonyan et al., 2013).

    Args:
        probability: Whether the gradient is of the probability; else of the logit.
    """

    probability: bool = False

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        method = captum.attr.Saliency(answered(network, probability=self.probability))
        return method.attribute(images, targets, abs=True).detach().amax(1)


@dataclass(frozen=True)
class GuidedBackprop:
    """Gradients of which negative parts are cut at every ReLU (Springenberg et al., 2015).

    Args:
        absolute: Whether the absolute value is taken.
    """

    absolute: bool = False

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        found = captum.attr.GuidedBackprop(network).attribute(images, targets)
        return one_a_pixel(found, absolute=self.absolute)


@dataclass(frozen=True)
class GuidedGradCam:
    """Grad-CAM of a layer times guided backpropagation (Selvaraju et al., 2017).

    Args:
        absolute: Whether the absolute value is taken.
    """

    absolute: bool = False

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        found = captum.attr.GuidedGradCam(network, last_convolution(network)).attribute(images, targets)
        return one_a_pixel(found, absolute=self.absolute)


@dataclass(frozen=True)
class FromBaseline:
    """A method that compares the image with a baseline.

    Integrated Gradients (Sundararajan et al., 2017), GradientSHAP (Lundberg and Lee, 2017) or DeepLift
    (Shrikumar et al., 2017; captum's rescale rule).

    Args:
        method: "IntegratedGradients", "GradientShap" or "DeepLift".
        baseline: One image.
        baseline_name: What it is, or what they are.
        absolute: Whether the absolute value is taken.
        steps: Steps of the path, or draws of GradientSHAP.
        noise: Standard deviation of GradientSHAP's noise.
        own: Whether the image's own mean is a second baseline; the attribution is the mean over both.
    """

    method: str
    baseline: Tensor = field(repr=False)
    baseline_name: str
    absolute: bool = False
    steps: int = 32
    noise: float = 0.05
    own: bool = field(default=False, repr=False)

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        found = self._attributed(network, images, targets, self.baseline[None])
        if self.own:
            # GradientSHAP draws among the baselines of a call: an image's own is asked for alone.
            parts = (x.split(1) for x in (images, targets, own_mean(images)))
            each = [self._attributed(network, *one) for one in zip(*parts, strict=True)]
            found = (found + torch.cat(each)) / 2
        return one_a_pixel(found, absolute=self.absolute)

    def _attributed(self, network: nn.Module, images: Tensor, targets: Tensor, ends: Tensor) -> Tensor:
        method = getattr(captum.attr, self.method)(network)
        match self.method:
            case "IntegratedGradients":
                return method.attribute(
                    images, ends.expand_as(images), targets, n_steps=self.steps, internal_batch_size=256
                )
            case "GradientShap":
                return method.attribute(images, ends, n_samples=self.steps, stdevs=self.noise, target=targets)
            case _:
                return method.attribute(images, ends.expand_as(images), targets)


def own_mean(images: Tensor) -> Tensor:
    """Each image's mean, channel by channel, as an image."""
    return images.mean((-2, -1), keepdim=True).expand_as(images)


def last_convolution(network: nn.Module) -> nn.Module:
    """The convolution that is nearest to the output.

    Raises:
        ValueError: if there is none.
    """
    layers = [
        layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size > (1, 1)
    ]
    if not layers:
        raise ValueError("Grad-CAM needs a network with a convolution larger than 1 x 1")
    return layers[-1]


def shuffled(network: nn.Module, seed: int) -> nn.Module:
    """The network with the numbers of each convolution and linear layer in another order (in place).

    Args:
        network: The network.
        seed: Of the order.
    """
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                order = torch.randperm(layer.weight.numel(), generator=source)
                layer.weight.copy_(layer.weight.flatten()[order].view_as(layer.weight))
    return network
