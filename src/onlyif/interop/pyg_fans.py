"""FANS in torch_geometric's convention: `Explainer(model, algorithm=FANSExplainer(), ...)`."""

import warnings
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.arguments import Made
from onlyif.core.errors import OnlyIfWarning
from onlyif.core.torch_seeds import torch_generator
from onlyif.engine.soft import slopes
from onlyif.interop.pyg_algorithm import EdgeAlgorithm
from onlyif.interop.pyg_causes import FANSGraphSettings
from onlyif.interop.pyg_edges import NUMBERED, EdgeTask
from onlyif.modalities.ego_graphs import EgoGraph
from onlyif.searches.ascent import Ascended, ascend

# How far apart the first and the last edge start, as log odds.
SPREAD = 4.0
# Probabilities below it count as this.
LEAST = 1e-30


@final
class FANSExplainer(EdgeAlgorithm):
    """How necessary and sufficient a cause of a node's prediction each edge is: ascent of PNS over edges.

    The explanation's `edge_mask` has the scores in [0, 1]; of several nodes the largest counts, and
    `masks_of_nodes` has each node's own, sparse. Edges with a score of at least .5 are a node's set,
    of which `pn`, `ps` and `pns` are told as probabilities, `gap_sufficient` for how far the prediction is
    from that without all other edges, and `gap_necessary` for how far that without the set is from that
    without any edge. Many nodes at once cost far less than each alone: give a tensor as `index`.

    Args:
        settings: How; None is recommended, `paper_fans()` the printed way.
        **edges: How edges play, and how the model is asked: the arguments of `EdgeAlgorithm`.

    References:
        [chen2024] sections 4.7 and 5.3, with the corrections in the guide.
    """

    def __init__(self, settings: FANSGraphSettings | None = None, **edges: Any) -> None:
        super().__init__(**edges)
        self.settings: FANSGraphSettings = Made((FANSGraphSettings,)).take(
            "settings", settings or FANSGraphSettings()
        )

    @property
    @override
    def tested(self) -> FANSGraphSettings:
        return self.settings

    @override
    def scores(self, task: EdgeTask) -> list[Float[Tensor, "_"]]:
        scores = task.scores()
        stuck: list[int] = []
        for numbers in task.groups(least=2):
            for some in [numbers] if self.settings.c is not None else numbers[:, None]:
                risen, counts = self._ascended(task, some), task.counts[some].tolist()
                stuck += [task.egos[i].node for i, moved in zip(some, risen.moved, strict=True) if not moved]
                for number, own, count in zip(some.tolist(), risen.scores, counts, strict=True):
                    scores[number] = self._both_ways(task.egos[number], own[:count].float())
        if stuck:
            warnings.warn(
                f"PNS has no slope for {sorted(stuck)}: every mask changes their predictions by far more "
                "than c, or none does, and their scores are those of the start; try another c, or sets, "
                "which need no slope: onlyif.explain(model, data, index=...)",
                OnlyIfWarning,
                stacklevel=3,
            )
        return scores

    def _both_ways(self, ego: EgoGraph, own: Float[Tensor, "d"]) -> Float[Tensor, "d"]:
        """Scores with a share of those of the edges the other way."""
        share = self.settings.other_way
        return (own + share * own[torch.from_numpy(ego.other_way)]) / (1 + share)

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
