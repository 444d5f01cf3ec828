"""Sufficient and necessary masks of edges in torch_geometric's convention."""

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.arguments import Kind, Made, Number, settle
from onlyif.criteria.blended import blended_gaps
from onlyif.interop.pyg_algorithm import EdgeAlgorithm
from onlyif.interop.pyg_causes import FANSGraphSettings
from onlyif.interop.pyg_edges import EdgeTask
from onlyif.modalities.grids import NumberedRow
from onlyif.searches.gradient import Schedule, descend
from onlyif.searches.mask_shapes import MaskShape, SizedMasks


@final
@dataclass(frozen=True)
class EdgeMaskSettings:
    """How a mask over edges is found.

    Args:
        schedule: The steps.
        shape: Masks of several sizes from one ranking, or with `FreeMask` one mask whose size has a price.
        size: λ_1, what the mean of a mask costs; masks of given sizes need none.
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(60, 1.0, 0.02, (0.9, 0.999), normalised=True))
    shape: MaskShape = field(default_factory=SizedMasks)
    size: float = 0.0

    def __post_init__(self) -> None:
        settle(self, _KINDS)


_KINDS: dict[str, Kind] = {
    "schedule": Made((Schedule,)),
    "shape": Made((MaskShape,)),
    "size": Number(least=0.0),
}


@final
class SufficientNecessaryExplainer(EdgeAlgorithm):
    """Which edges keep a node's prediction, and without which is it as if there were none.

    Descent of α Δsuf + (1 - α) Δnec on a mask over the edges that the prediction can depend on, which are
    blended between there and not there. The explanation has the same fields as that of `FANSExplainer`. For
    the smallest sets of a few edges, compared one by one, take `onlyif.explain(model, data, index=...)`.

    Args:
        alpha: α in [0, 1]; 1 is sufficiency, 0 necessity.
        settings: How.
        **edges: How edges play, and how the model is asked: the arguments of `EdgeAlgorithm`.

    References:
        [bharti2024] problem (P_uni) and equation 13.
    """

    def __init__(self, alpha: float = 0.5, settings: EdgeMaskSettings | None = None, **edges: Any) -> None:
        super().__init__(**edges)
        self.alpha = Number(least=0.0, most=1.0).take("alpha", alpha)
        self.settings = Made((EdgeMaskSettings,)).take("settings", settings or EdgeMaskSettings())

    @property
    @override
    def tested(self) -> FANSGraphSettings:
        return FANSGraphSettings()

    @override
    def scores(self, task: EdgeTask) -> list[Float[Tensor, "_"]]:
        scores = task.scores()
        for numbers in task.groups(least=2):
            for number, own in zip(numbers.tolist(), self._descended(task, numbers), strict=True):
                scores[number] = own
        return scores

    def _descended(self, task: EdgeTask, numbers: Int64[np.ndarray, "p"]) -> list[Float[Tensor, "_"]]:
        settings, (x, ends, there) = self.settings, task.instances(numbers)
        counts, every = there.sum(1), torch.arange(len(x))
        rows, target = task.rows_a_call(numbers), torch.from_numpy(task.targets[numbers])
        row = NumberedRow(there.shape[1])
        gaps = blended_gaps(task.predictor, x[:, None], ends[:, None, None], target, rows, grid=row)
        start = settings.shape.start(torch.where(there, 0.5, torch.nan).to(x))
        alpha = torch.full((len(x),), self.alpha)

        def cost(masks: Tensor, asked: Tensor, step: int, rows: int) -> Tensor:
            size = masks.mean(1).sum(1) / counts
            worth: Tensor = opened.within(rows).unified(every, alpha, asked).mean(1) + settings.size * size
            return worth

        with gaps.opened() as opened:
            end = descend(cost, start, settings.shape, settings.schedule, rows)
        scores = settings.shape.masks(end.free).mean(1)
        return [own[: int(count)].float() for own, count in zip(scores, counts, strict=True)]
