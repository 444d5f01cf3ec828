"""FANS in torch_geometric's convention: `Explainer(model, algorithm=FANSExplainer(), ...)`."""

from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch_geometric.explain import ExplainerAlgorithm, Explanation
from typing_extensions import override

from onlyif.core.arguments import Flag, Made
from onlyif.interop.pyg_edges import EdgeQuestion, EdgeTask, edge_task, supported
from onlyif.interop.pyg_test import FANSGraphSettings, measures
from onlyif.searches.ascent import ascend


@final
class FANSExplainer(ExplainerAlgorithm):  # type: ignore[misc]  # untyped base
    """How necessary and sufficient a cause of a node's prediction each edge is: ascent of PNS over edges.

    The explanation's `edge_mask` has the scores in [0, 1]; of several nodes the largest counts, and
    `masks_of_nodes` has each node's own, sparse. Edges with a score of at least .5 are a node's set,
    of which `pn`, `ps` and `pns` are told as probabilities, `gap_sufficient` for how far the prediction is
    from that without all other edges, and `gap_necessary` for how far that without the set is from that
    without any edge. Many nodes at once cost far less than each alone: give a tensor as `index`.

    Args:
        settings: How; None is recommended, `paper_fans()` the printed way.
        masks: "messages" multiplies the messages in torch_geometric's layers and leaves degrees as they
            are; "weights" multiplies the argument `edge_weight` of the model.
        undirected: Whether the edges between two nodes are one player; None for where each has its like. Of
            masked messages each way for itself tells more.
        hops: How far messages travel; None reads it off the layers.
        probabilities: Whether PN, PS and PNS of the sets are asked for; they take as long as the ascent.
        seed: Seed of all draws; global random states stay as they are.
        max_rows: Most ego graphs of one model call; large ones take fewer.

    References:
        [chen2024] sections 4.7 and 5.3, with the corrections in the guide.
    """

    def __init__(
        self,
        settings: FANSGraphSettings | None = None,
        *,
        masks: str = "messages",
        undirected: bool | None = False,
        hops: int | None = None,
        probabilities: bool = True,
        seed: int = 0,
        max_rows: int = 2048,
    ) -> None:
        super().__init__()
        self.settings = Made((FANSGraphSettings,)).take("settings", settings or FANSGraphSettings())
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
            for some in [numbers] if self.settings.c is not None else numbers[:, None]:
                for number, own in zip(some.tolist(), self._ascended(task, some), strict=True):
                    scores[number] = own
        return task.explanation(scores, measures(task, scores, self.settings if self.probabilities else None))

    def _ascended(self, task: EdgeTask, numbers: Int64[np.ndarray, "p"]) -> list[Float[Tensor, "_"]]:
        settings, (x, none, there) = self.settings, task.instances(numbers)
        change, rows = settings.change(task.targets[numbers]), task.rows_a_call(numbers)
        test = settings.test(task.predictor, (x, none), change, max_rows=rows, seed=task.question.seed)
        start = torch.where(there, 0.5, torch.nan)
        risen = ascend(task.predictor, test, x, change, settings=settings.ascent, start=start, max_rows=rows)
        return [own[: int(count)].float() for own, count in zip(risen.scores, there.sum(1), strict=True)]
