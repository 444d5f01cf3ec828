"""FANS in torch_geometric's convention: `Explainer(model, algorithm=FANSExplainer(), ...)`."""

import warnings
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch_geometric.explain import ExplainerAlgorithm, Explanation
from typing_extensions import override

from onlyif.core.arguments import Flag, Made
from onlyif.core.errors import OnlyIfWarning
from onlyif.core.torch_seeds import torch_generator
from onlyif.engine.soft import slopes
from onlyif.interop.pyg_causes import FANSGraphSettings, measures
from onlyif.interop.pyg_edges import NUMBERED, EdgeQuestion, EdgeTask, edge_task, supported
from onlyif.searches.ascent import Ascended, ascend

# How far apart the first and the last edge start, as log odds.
SPREAD = 4.0
# Probabilities below it count as this.
LEAST = 1e-30


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
        stuck: list[int] = []
        for numbers in task.groups(least=2):
            for some in [numbers] if self.settings.c is not None else numbers[:, None]:
                risen, counts = self._ascended(task, some), task.counts[some].tolist()
                stuck += [task.egos[i].node for i, moved in zip(some, risen.moved, strict=True) if not moved]
                for number, own, count in zip(some.tolist(), risen.scores, counts, strict=True):
                    scores[number] = own[:count].float()
        if stuck:
            warnings.warn(
                f"PNS has no slope for {sorted(stuck)}: every mask changes their predictions by far more "
                "than c, or none does, and their scores are those of the start; try another c, or sets, "
                "which need no slope: onlyif.explain(model, data, index=...)",
                OnlyIfWarning,
                stacklevel=2,
            )
        return task.explanation(scores, measures(task, scores, self.settings if self.probabilities else None))

    def _ascended(self, task: EdgeTask, numbers: Int64[np.ndarray, "p"]) -> Ascended:
        settings, (x, none, there) = self.settings, task.instances(numbers)
        change, rows = settings.change(task.targets[numbers]), task.rows_a_call(numbers)
        test = settings.test(task.predictor, (x, none), change, max_rows=rows, seed=task.question.seed)
        start = torch.where(there, 0.5, torch.nan)
        if settings.subgraphs:
            start = led_start(task, numbers, settings.subgraphs)
        with warnings.catch_warnings():
            # Told once for all nodes, by their numbers.
            warnings.filterwarnings("ignore", "PNS has no slope", OnlyIfWarning)
            return ascend(
                task.predictor, test, x, change, settings=settings.ascent, start=start, max_rows=rows
            )


def led_start(task: EdgeTask, numbers: Int64[np.ndarray, "p"], count: int) -> Float[Tensor, "p d"]:
    """Where masks start: by the ranks of the mean slopes of the target over random subgraphs.

    An edge that decides in few of them, because others do as well, is ranked where a single slope at the
    whole graph would be 0. Of probabilities the slope is of the log odds, so that sure ones count alike.

    Args:
        task: The nodes.
        numbers: Which of them.
        count: Subgraphs for each node, of half of its edges.

    Returns:
        Numbers in (0, 1), NaN where a node has no such player.
    """
    x, _, there = task.instances(numbers)
    at_once = max(1, task.rows_a_call(numbers) // count)
    found = []
    for some in torch.split(torch.arange(len(numbers)), at_once):
        drawn = torch.stack([_subgraphs(task, int(numbers[i]), count, there.shape[1]) for i in some])
        masks = (drawn * there[some, None]).to(x).requires_grad_()
        number = x[some, None, :NUMBERED].expand(-1, count, -1)
        with task.predictor.opened() as opened, torch.enable_grad():
            outputs = opened.respond(torch.cat([number, masks], dim=2).flatten(0, 1))
            column = torch.from_numpy(task.targets[numbers[some.numpy()]]).to(outputs.device)
            own = outputs.gather(1, column.repeat_interleave(count)[:, None]).squeeze(1)
            if opened.meaning.output == "probability":
                others = _others(outputs, column, count)
                own = own.clamp(min=LEAST).log() - others.clamp(min=LEAST).log()
            (slope,) = slopes(own, (masks,))
        found.append(slope.mean(1).abs())
    slope = torch.cat(found).masked_fill(~there, -1.0)
    # Places from the end: absent players, the lowest, come after all others, whatever their number.
    places = slope.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    ranks = 1 - places / (there.sum(1, keepdim=True) - 1).clamp(min=1)
    return (SPREAD * (ranks - 0.5)).sigmoid().masked_fill(~there, torch.nan)


def _others(outputs: Float[Tensor, "r k"], column: Int64[Tensor, "p"], count: int) -> Float[Tensor, "r"]:
    """The probability of all classes but the target; summed, for 1 - p is rounding where p is near 1."""
    own = torch.zeros_like(outputs, dtype=torch.bool)
    own = own.scatter(1, column.repeat_interleave(count)[:, None], True)
    return outputs.masked_fill(own, 0.0).sum(1)


def _subgraphs(task: EdgeTask, number: int, count: int, width: int) -> Bool[Tensor, "count width"]:
    """Random halves of a node's edges, player by player: the same whatever the width."""
    source = torch_generator(task.question.seed, "random subgraphs", task.egos[number].node)
    return (torch.rand((width, count), generator=source) < 0.5).T
