"""Methods of captum that hide parts of an image, as maps: of the probability of the class."""

from dataclasses import dataclass, field

import captum.attr
import torch
from experiments.hshap import HShap
from torch import Tensor, nn

from onlyif.metrics import grid_segments


@dataclass(frozen=True)
class Occlusion:
    """A window that moves over the image (Zeiler and Fergus, 2014).

    Args:
        baseline: The image of which the window shows a part.
        baseline_name: What it is.
        side: Of the window, in pixels.
        stride: From one window to the next.
    """

    baseline: Tensor = field(repr=False)
    baseline_name: str
    side: int = 5
    stride: int = 2

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        channels = images.shape[1]
        with torch.no_grad():
            found = captum.attr.Occlusion(nn.Sequential(network, nn.Softmax(1))).attribute(
                images, (channels, self.side, self.side), (channels, self.stride, self.stride),
                self.baseline.expand_as(images), targets, perturbations_per_eval=16,
            )  # fmt: skip
        return found.mean(1)


@dataclass(frozen=True)
class OnPatches:
    """A method of captum whose players are square patches.

    FeatureAblation (Kokhlikyan et al., 2020), Lime (Ribeiro et al., 2016: captum's kernel and lasso) or
    KernelShap (Lundberg and Lee, 2017).

    Args:
        method: "FeatureAblation", "Lime" or "KernelShap".
        baseline: What hides a patch.
        baseline_name: What it is.
        side: Of a patch, in pixels.
        draws: Sampled sets of Lime and KernelShap.
    """

    method: str
    baseline: Tensor = field(repr=False)
    baseline_name: str
    side: int = 4
    draws: int = 200

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        model = nn.Sequential(network, nn.Softmax(1))
        method = getattr(captum.attr, self.method)(model)
        patches = grid_segments(*images.shape[-2:], self.side)[None]
        sampled = {} if self.method == "FeatureAblation" else {"n_samples": self.draws}
        ends, maps = self.baseline[None], []
        with torch.no_grad():
            for image, target in zip(images, targets, strict=True):
                maps.append(
                    method.attribute(
                        image[None], baselines=ends, target=int(target), feature_mask=patches,
                        perturbations_per_eval=128, **sampled,
                    )
                )  # fmt: skip
        return torch.cat(maps).mean(1)


@dataclass(frozen=True)
class HShapMap:
    """h-Shap (Teneggi et al., 2022): `experiments/hshap.py`.

    Args:
        baseline: What hides.
        baseline_name: What it is.
        min_size: Quadrants are not divided when their sides would be shorter.
    """

    baseline: Tensor = field(repr=False)
    baseline_name: str
    min_size: int = 2

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        method = HShap(nn.Sequential(network, nn.Softmax(1)), self.baseline, self.min_size)
        found = [method.scores(image, int(target)) for image, target in zip(images, targets, strict=True)]
        return torch.stack(found)
