"""PNS of given sets of pixels on an E, an x' and masks that no explainer saw: the same for all methods."""

from dataclasses import dataclass

import torch
from torch import Tensor

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.probabilities import Probabilities
from onlyif.modalities.grids import image_players
from onlyif.models.base import Predictor
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.noisy import NoisySample

# Random numbers of measuring: none of them are used by an explainer.
FRESH, NOISE = 4711, 0.01


@dataclass(frozen=True)
class Closeness:
    """How closely PNS is measured; b is Scott's.

    Args:
        perturbations: Masks of each input of E.
        inputs: |E|: the image and copies with little noise.
        c: Threshold of a change.
        number: Which E, x' and masks: every number has its own.
    """

    perturbations: int = 8
    inputs: int = 4
    c: float = 0.1
    number: int = 0

    @property
    def rows_a_set(self) -> int:
        """Model rows that a set asks for: itself and its complement perturbed, for each input."""
        return 2 * self.inputs * self.perturbations


def probabilities_of(
    sets: Tensor, predictor: Predictor, x: Tensor, targets: Tensor, closeness: Closeness
) -> Probabilities:
    """PN, PS and PNS of m sets of each image, `(b, m)`.

    Args:
        sets: The sets, `(b, m, h, w)`.
        predictor: The probabilities.
        x: The images.
        targets: The explained class of each.
        closeness: How closely is measured.
    """
    shape, (height, width) = tuple(x.shape[1:]), x.shape[-2:]
    test = DualStageTest(
        predictor,
        image_players(torch.arange(height * width).view(height, width), shape),
        NoisySample(closeness.inputs, NOISE),
        torch.from_numpy(uniform_baseline(shape, seed=FRESH + closeness.number)),
        Neighbourhood(SoftEvents(scott_boundary(closeness.inputs, x[0].numel()), closeness.c)),
        Perturbations(n_perturbations=closeness.perturbations, most_masks=closeness.perturbations),
        max_rows=512,
        seed=FRESH + closeness.number,
    )
    return test.measure(x, sets.flatten(2).numpy(), TargetChange(targets.numpy()))
