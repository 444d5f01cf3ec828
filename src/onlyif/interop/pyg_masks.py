"""Sufficient and necessary masks of edges in torch_geometric's convention."""

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch_geometric.explain import ExplainerAlgorithm, Explanation
from typing_extensions import override

from onlyif.core.arguments import Flag, Kind, Made, Number, settle
from onlyif.criteria.blended import blended_gaps
from onlyif.interop.pyg_causes import FANSGraphSettings, measures
from onlyif.interop.pyg_edges import EdgeQuestion, EdgeTask, edge_task, supported
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
class SufficientNecessaryExplainer(ExplainerAlgorithm):  # type: ignore[misc]  # untyped base
    """Which edges keep a node's prediction, and without which is it as if there were none.

    Descent of α Δsuf + (1 - α) Δnec on a mask over the edges that the prediction can depend on, which are
    blended between there and not there. The explanation has the same fields as that of `FANSExplainer`. For
    the smallest sets of a few edges, compared one by one, take `onlyif.explain(model, data, index=...)`.

    Args:
        alpha: α in [0, 1]; 1 is sufficiency, 0 necessity.
        settings: How.
        masks: "messages" multiplies the messages in torch_geometric's layers and leaves degrees as they
            are; "weights" multiplies the argument `edge_weight` of the model.
        undirected: Whether the edges between two nodes are one player; None for where each has its like. Of
            masked messages each way for itself tells more.
        hops: How far messages travel; None reads it off the layers.
        probabilities: Whether PN, PS and PNS of the sets are asked for.
        seed: Seed of all draws; global random states stay as they are.
        max_rows: Most ego graphs of one model call; large ones take fewer.

    References:
        [bharti2024] problem (P_uni) and equation 13.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        settings: EdgeMaskSettings | None = None,
        *,
        masks: str = "messages",
        undirected: bool | None = False,
        hops: int | None = None,
        probabilities: bool = True,
        seed: int = 0,
        max_rows: int = 2048,
    ) -> None:
        super().__init__()
        self.alpha = Number(least=0.0, most=1.0).take("alpha", alpha)
        self.settings = Made((EdgeMaskSettings,)).take("settings", settings or EdgeMaskSettings())
        self.question = EdgeQuestion(masks, undirected, hops, seed, max_rows)
        self.probabilities = Flag().take("probabilities", probabilities)

    @override
    def supports(self) -> bool:
        return supported(self)

    @override
    @torch.inference_mode(mode=False)  # whose tensors have no gradients
    def forward(
        self, model: Any, x: Any, edge_index: Any, *, target: Tensor, index: Any = None, **kwargs: Any
    ) -> Explanation:
        """The explanation of some nodes.

        Args:
            model: A model of torch_geometric's layers, or with `masks="weights"` any with `edge_weight`.
            x: Features of the nodes.
            edge_index: The edges.
            target: The class of each node that is explained.
            index: The nodes; None is all of them.
            **kwargs: `edge_weight` and `edge_attr`, where the model takes them.

        Raises:
            InputError: if the graph or the nodes cannot be used as they are.
            ModelError: if masks do not reach the model, or it answers otherwise on a node's ego graph.
            SettingError: if nobody knows how far messages travel.
        """
        task = edge_task(
            self.question,
            self.model_config,
            model,
            x=x,
            edge_index=edge_index,
            target=target,
            index=index,
            further=kwargs,
        )
        scores = task.scores()
        for numbers in task.groups(least=2):
            for number, own in zip(numbers.tolist(), self._descended(task, numbers), strict=True):
                scores[number] = own
        return task.explanation(
            scores, measures(task, scores, FANSGraphSettings() if self.probabilities else None)
        )

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
