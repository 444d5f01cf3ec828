"""Sparseness: on how few entries a map lies."""

from dataclasses import dataclass
from typing import final

import torch
from typing_extensions import override

from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Numbers
from onlyif.metrics.base import MapMetric, Maps, Question, Targets
from onlyif.metrics.given import maps_of, targets_of
from onlyif.metrics.measured import Measured
from onlyif.models.base import Predictor


@final
@dataclass(frozen=True)
class Sparseness(MapMetric):
    """The Gini index of the absolute values of a map: 0 if all are equal, 1 - 1/D if one alone is not 0.

        Gini(s) = 1 - 2 Σ_d s_d / ‖s‖₁ · (D - d + 0.5) / D,    s_1 <= s_2 <= ... <= s_D

    in ascending order (the FANS paper prints "descending", which turns its sign). A map of zeros has 0. It
    asks nothing about the model.

    References:
        [chalasani2020]; [chen2024] equation 19.
    """

    @override
    def measure(self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets) -> Measured:
        target, maps = targets_of(target, x), maps_of(maps, x)
        s = doubled_tensor(maps).abs().flatten(1).sort(1).values
        D = s.shape[1]
        share = (D - torch.arange(1, D + 1, dtype=s.dtype, device=s.device) + 0.5) / D
        total = s.sum(1)
        gini = 1 - 2 * (s @ share) / total
        return Measured(torch.where(total > 0, gini, 0.0))

    @property
    @override
    def question(self) -> Question:
        return Question(
            "On how few entries does the map lie?", True, "any map with a single entry that is not 0"
        )
