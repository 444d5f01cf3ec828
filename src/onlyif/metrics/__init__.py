"""Measures of attribution maps: whether an explanation is any good.

The names in `__all__` are public; each is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

from onlyif.core.extras import check_installed, public_name

if TYPE_CHECKING:
    from onlyif.metrics.base import ExplainerMetric as ExplainerMetric
    from onlyif.metrics.base import MapMetric as MapMetric
    from onlyif.metrics.base import Question as Question
    from onlyif.metrics.controls import random_maps as random_maps
    from onlyif.metrics.controls import sanity_maps as sanity_maps
    from onlyif.metrics.controls import soft_mask as soft_mask
    from onlyif.metrics.controls import soft_threshold as soft_threshold
    from onlyif.metrics.controls import top_mask as top_mask
    from onlyif.metrics.curves import Curve as Curve
    from onlyif.metrics.curves import ThresholdCurves as ThresholdCurves
    from onlyif.metrics.curves import normalised_scores as normalised_scores
    from onlyif.metrics.curves import threshold_curves as threshold_curves
    from onlyif.metrics.fidelity import FidelityMinus as FidelityMinus
    from onlyif.metrics.fidelity import FidelityPlus as FidelityPlus
    from onlyif.metrics.fidelity import characterization as characterization
    from onlyif.metrics.fills import ConstantFill as ConstantFill
    from onlyif.metrics.fills import Fill as Fill
    from onlyif.metrics.fills import MeanFill as MeanFill
    from onlyif.metrics.gaps import Hiding as Hiding
    from onlyif.metrics.gaps import SetGaps as SetGaps
    from onlyif.metrics.gaps import set_gaps as set_gaps
    from onlyif.metrics.infidelity import Infidelity as Infidelity
    from onlyif.metrics.insertion import Insertion as Insertion
    from onlyif.metrics.irof import IROF as IROF
    from onlyif.metrics.irof import grid_segments as grid_segments
    from onlyif.metrics.leak import Leak as Leak
    from onlyif.metrics.leak import LeakSettings as LeakSettings
    from onlyif.metrics.leak import Reading as Reading
    from onlyif.metrics.leak import label_leak as label_leak
    from onlyif.metrics.max_sensitivity import MaxSensitivity as MaxSensitivity
    from onlyif.metrics.measured import Measured as Measured
    from onlyif.metrics.perturbations import EuclideanBall as EuclideanBall
    from onlyif.metrics.perturbations import FadePerturbation as FadePerturbation
    from onlyif.metrics.perturbations import MaxNormBall as MaxNormBall
    from onlyif.metrics.perturbations import NoisyBaselinePerturbation as NoisyBaselinePerturbation
    from onlyif.metrics.perturbations import Perturbation as Perturbation
    from onlyif.metrics.perturbations import SquarePerturbation as SquarePerturbation
    from onlyif.metrics.recall import top_recall as top_recall
    from onlyif.metrics.sparseness import Sparseness as Sparseness

_FILES = {
    "ConstantFill": "fills",
    "Curve": "curves",
    "EuclideanBall": "perturbations",
    "ExplainerMetric": "base",
    "FadePerturbation": "perturbations",
    "FidelityMinus": "fidelity",
    "FidelityPlus": "fidelity",
    "Fill": "fills",
    "Hiding": "gaps",
    "IROF": "irof",
    "Infidelity": "infidelity",
    "Insertion": "insertion",
    "Leak": "leak",
    "LeakSettings": "leak",
    "MapMetric": "base",
    "MaxNormBall": "perturbations",
    "MaxSensitivity": "max_sensitivity",
    "MeanFill": "fills",
    "Measured": "measured",
    "NoisyBaselinePerturbation": "perturbations",
    "Perturbation": "perturbations",
    "Question": "base",
    "Reading": "leak",
    "SetGaps": "gaps",
    "Sparseness": "sparseness",
    "SquarePerturbation": "perturbations",
    "ThresholdCurves": "curves",
    "characterization": "fidelity",
    "grid_segments": "irof",
    "label_leak": "leak",
    "normalised_scores": "curves",
    "random_maps": "controls",
    "sanity_maps": "controls",
    "set_gaps": "gaps",
    "soft_mask": "controls",
    "soft_threshold": "controls",
    "threshold_curves": "curves",
    "top_mask": "controls",
    "top_recall": "recall",
}
__all__ = sorted(_FILES)  # noqa: PLE0605 - one list of names

check_installed("torch", "torch", "measuring attribution maps")


def __getattr__(name: str) -> Any:
    return public_name(__name__, _FILES, name)


def __dir__() -> list[str]:
    return __all__
