"""Captum's attribution methods and ascent of PNS as explainers of one form, `(rows, target) -> maps`.

All explain the probability of the target. Methods that draw random numbers are seeded anew for each
image, so that each is a function of the image alone.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import captum.attr
import numpy as np
import torch
from fans_common import Subjects, by_player, pixel_players
from torch import Tensor, nn

from onlyif.causation.change import TargetChange
from onlyif.core.seeds import child_seed
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import AscentSettings, paper_settings, recommended_settings

Explainer = Callable[[Tensor, Tensor], Tensor]
LIME_SAMPLES, GRADIENT_STEPS = 200, 32


@dataclass(frozen=True, eq=False)
class PNSExplainer:
    """Ascent of PNS, with the same random numbers for every image.

    Args:
        subjects: Whose test and predictor are used; the instances may be others.
        settings: How it is ascended.
        start: From images and targets to the masks that it starts from; None is all pixels alike.
    """

    subjects: Subjects
    settings: AscentSettings
    start: Explainer | None = None

    def __call__(self, rows: Tensor, target: Tensor) -> Tensor:
        """One number in [0, 1] a pixel."""
        start = None if self.start is None else self.start(rows, target).flatten(1)
        found = ascend(
            self.subjects.predictor,
            self.subjects.test,
            rows,
            TargetChange(target.cpu().numpy()),
            settings=self.settings,
            start=start,
        )
        return found.scores[:, torch.from_numpy(self.subjects.test.players.index)]


@dataclass(frozen=True, eq=False)
class NormalisedGradients:
    """|Integrated Gradients| from zero, divided by its largest value: the authors' start.

    Args:
        method: Integrated Gradients.
    """

    method: Explainer

    def __call__(self, rows: Tensor, target: Tensor) -> Tensor:
        """One number in [0, 1] a pixel."""
        size = self.method(rows, target).abs()
        return size / size.flatten(1).amax(1).clamp(min=1e-30).view(-1, 1, 1, 1)


def seeded(explainer: Explainer, seed: int) -> Explainer:
    """Image by image with the same random numbers; the global random states are put back."""

    def explain(rows: Tensor, target: Tensor) -> Tensor:
        before, maps = np.random.get_state(), []  # captum draws from it
        with torch.random.fork_rng(devices=[]):
            for number in range(len(rows)):
                torch.random.default_generator.manual_seed(child_seed(seed, "captum"))
                np.random.seed(seed)
                maps.append(explainer(rows[number : number + 1], target[number : number + 1]))
        np.random.set_state(before)
        return torch.cat(maps)

    return explain


def quiet(explainer: Explainer) -> Explainer:
    """Without captum's notes on hooks and on gradients that it turns on; maps without graphs."""

    def explain(rows: Tensor, target: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return explainer(rows.clone(), target).detach().float()

    return explain


def captum_explainers(network: nn.Module, seed: int, side: int = 4) -> dict[str, Explainer]:
    """Captum's methods by name, with zero as the baseline.

    Args:
        network: From images to logits.
        seed: Seed of those that draw.
        side: Of the square patches that Lime, and one of the two ablations, take for features.
    """
    model = nn.Sequential(network, nn.Softmax(1)).eval()
    patches = torch.from_numpy(pixel_players(28, side).index).unsqueeze(0)
    attr = captum.attr
    saliency, guided, shap = attr.Saliency(model), attr.GuidedBackprop(model), attr.GradientShap(model)
    gradients, deeplift = attr.IntegratedGradients(model), attr.DeepLift(model)
    occlusion, ablation, lime = attr.Occlusion(model), attr.FeatureAblation(model), attr.Lime(model)
    one, window = torch.zeros(1, 1, 28, 28), {"sliding_window_shapes": (1, 5, 5), "strides": (1, 2, 2)}
    found: dict[str, Explainer] = {
        "Saliency": lambda x, t: saliency.attribute(x, target=t),
        "GuidedBackprop": lambda x, t: guided.attribute(x, target=t),
        "IntegratedGradients": lambda x, t: gradients.attribute(
            x, target=t, n_steps=GRADIENT_STEPS, internal_batch_size=1024
        ),
        "GradientShap": seeded(
            lambda x, t: shap.attribute(x, one, n_samples=GRADIENT_STEPS, stdevs=0.05, target=t), seed
        ),
        "DeepLift": lambda x, t: deeplift.attribute(x, target=t),
        "Occlusion": lambda x, t: occlusion.attribute(x, target=t, perturbations_per_eval=64, **window),
        "FeatureAblation, pixels": lambda x, t: ablation.attribute(x, target=t, perturbations_per_eval=64),
        "FeatureAblation, patches": lambda x, t: ablation.attribute(
            x, target=t, feature_mask=patches, perturbations_per_eval=16
        ),
        "Lime, patches": seeded(
            lambda x, t: lime.attribute(
                x, target=t, feature_mask=patches, n_samples=LIME_SAMPLES, perturbations_per_eval=100
            ),
            seed,
        ),
    }
    return {name: quiet(explainer) for name, explainer in found.items()}


def pns_explainers(subjects: Subjects, gradients: Explainer) -> dict[str, Explainer]:
    """Ascent as recommended and as printed, and the start that the authors' code gives it."""
    start = NormalisedGradients(gradients)
    return {
        "FANS, recommended": PNSExplainer(subjects, recommended_settings(n_inputs=1)),
        "FANS, paper, flat start": PNSExplainer(subjects, paper_settings()),
        "FANS, paper, IG start": PNSExplainer(subjects, paper_settings(), start),
        "that start alone": start,
    }


def patch_map(maps: Tensor, side: int = 4) -> Tensor:
    """Sums over square patches, one row an image."""
    return by_player(maps, pixel_players(28, side))
