"""Attribution methods as scores a pixel, all at least 0, for threshold curves.

Gradient methods are asked for the logit of the class, as is usual (probabilities near 1 have no slope);
Occlusion and h-Shap for its probability. A signed attribution is summed over the channels and its
positive part taken: the evidence for the class. Baselines are the reference, except for GradientSHAP,
which starts from training images.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import GradientShap, GuidedGradCam, IntegratedGradients, Occlusion, Saliency
from hshap import HShap
from torch import Tensor, nn

from onlyif.core.seeds import child_seed
from onlyif.core.torch_seeds import torch_generator
from onlyif.models.torch_module import module_guard

IG_STEPS, SHAP_DRAWS, SHAP_NOISE = 50, 50, 0.1


@dataclass(frozen=True, eq=False)
class Scene:
    """What a method is asked.

    Args:
        network: From images to logits, in evaluation mode.
        x: The images.
        target: The class of each.
        baseline: One image.
        training: Some training images.
        seed: Seed of the random methods.
    """

    network: nn.Module
    x: Tensor
    target: Tensor
    baseline: Tensor
    training: Tensor
    seed: int

    @property
    def hidden(self) -> Tensor:
        """The baseline of each image."""
        return self.baseline.expand_as(self.x)

    def probability(self, batch: Tensor) -> Tensor:
        """The probability of every class."""
        return self.network(batch).softmax(1)


def evidence(attribution: Tensor) -> Tensor:
    """The positive part of the sum over channels."""
    return attribution.detach().sum(1).clamp(min=0)


def integrated_gradients(scene: Scene) -> Tensor:
    """Signed, from the reference to the image."""
    method = IntegratedGradients(scene.network)
    return method.attribute(
        scene.x, scene.hidden, scene.target, n_steps=IG_STEPS, internal_batch_size=256
    ).detach()


def gradient_shap(scene: Scene) -> Tensor:
    """From training images, with noise."""
    # Captum draws from the global state; the guard puts it back.
    with module_guard(scene.network):
        state = child_seed(scene.seed, "gradient shap") % 2**32
        torch.default_generator.manual_seed(state)
        np.random.seed(state)
        found = GradientShap(scene.network).attribute(
            scene.x, scene.training, n_samples=SHAP_DRAWS, stdevs=SHAP_NOISE, target=scene.target
        )
    return evidence(found)


def guided_grad_cam(scene: Scene) -> Tensor:
    """Grad-CAM of the last stage times guided backpropagation."""
    return evidence(GuidedGradCam(scene.network, scene.network.stage4).attribute(scene.x, scene.target))


def saliency(scene: Scene) -> Tensor:
    """The largest absolute gradient of a pixel's channels."""
    return Saliency(scene.network).attribute(scene.x, scene.target, abs=True).detach().amax(1)


def occlusion(scene: Scene) -> Tensor:
    """Windows of an eighth of the side, moved by half of that."""
    channels, side = scene.x.shape[1], scene.x.shape[2] // 8
    with torch.no_grad():
        found = Occlusion(scene.probability).attribute(
            scene.x,
            (channels, side, side),
            (channels, side // 2, side // 2),
            baselines=scene.hidden,
            target=scene.target,
            perturbations_per_eval=8,
        )
    return evidence(found)


def h_shap(scene: Scene) -> Tensor:
    """Down to a sixteenth of the side."""
    method = HShap(scene.probability, scene.baseline, min_size=scene.x.shape[2] // 16)
    found = [method.scores(image, int(target)) for image, target in zip(scene.x, scene.target, strict=True)]
    return torch.stack(found)


def random_scores(scene: Scene) -> Tensor:
    """Uniform numbers."""
    draws = torch_generator(scene.seed, "random scores")
    return torch.rand(len(scene.x), *scene.x.shape[-2:], generator=draws)


def scores_of(name: str, scene: Scene) -> Tensor:
    """The scores of one of the methods, without captum's warnings about its own hooks and gradients."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return METHODS[name](scene)


METHODS: dict[str, Callable[[Scene], Tensor]] = {
    "Integrated Gradients": lambda scene: evidence(integrated_gradients(scene)),
    "Integrated Gradients, absolute": lambda scene: integrated_gradients(scene).sum(1).abs(),
    "GradientSHAP": gradient_shap,
    "Guided Grad-CAM": guided_grad_cam,
    "Saliency": saliency,
    "Occlusion": occlusion,
    "h-Shap": h_shap,
    "random": random_scores,
}
