"""What both algorithms of torch_geometric's Explainer share: their arguments, and what they hand back."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.explain import ExplainerAlgorithm, Explanation
from typing_extensions import override

from onlyif.core.arguments import Flag
from onlyif.interop.pyg_causes import FANSGraphSettings, measures
from onlyif.interop.pyg_edges import EdgeQuestion, EdgeTask, edge_task, supported


class EdgeAlgorithm(ExplainerAlgorithm, ABC):  # type: ignore[misc]  # untyped base
    """Scores of the edges that the predictions for some nodes, or graphs, can depend on.

    Args:
        masks: "messages" multiplies the messages in torch_geometric's layers and leaves degrees as they
            are; "weights" multiplies the argument `edge_weight` of the model.
        undirected: Whether the edges between two nodes are one player; None for where each has its like. Of
            masked messages each way for itself tells more.
        hops: How far messages travel; None reads it off the layers.
        probabilities: Whether PN, PS and PNS of the sets are asked for; they take as long as the scores.
        seed: Seed of all draws; global random states stay as they are.
        max_rows: Most ego graphs of one model call; large ones take fewer.
    """

    def __init__(
        self,
        *,
        masks: str = "messages",
        undirected: bool | None = False,
        hops: int | None = None,
        probabilities: bool = True,
        seed: int = 0,
        max_rows: int = 2048,
    ) -> None:
        super().__init__()
        self.question = EdgeQuestion(masks, undirected, hops, seed, max_rows)
        self.probabilities = Flag().take("probabilities", probabilities)

    @abstractmethod
    def scores(self, task: EdgeTask) -> list[Float[Tensor, "_"]]:
        """The score of each player in [0, 1], for each node.

        Args:
            task: The nodes.
        """

    @property
    @abstractmethod
    def tested(self) -> FANSGraphSettings:
        """How the probabilities of the sets are asked for."""

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
        scores = self.scores(task)
        return task.explanation(scores, measures(task, scores, self.tested if self.probabilities else None))
