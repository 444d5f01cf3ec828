"""The library's algorithms for graphs, asked through `EgoGraph`: the same numbers, many times faster.

`FANSExplainer` and `SufficientNecessaryExplainer` take any model of torch_geometric's layers, and ask it
with copies of the ego graph side by side. Here the first layer is multiplied out once, and masks are the only
thing that differs from row to row. Both give the same scores (`tests/experiments/test_graph_tables.py`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from ego_graphs import EgoGraph
from jaxtyping import Float
from torch import Tensor

from onlyif.core.torch_seeds import torch_generator
from onlyif.criteria.blended import blended_gaps
from onlyif.interop.pyg import EdgeMaskSettings, FANSGraphSettings, paper_fans
from onlyif.modalities.grids import NumberedRow
from onlyif.models.base import Meaning
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import recommended_graph_settings
from onlyif.searches.gradient import descend
from onlyif.searches.mask_shapes import SizedMasks

# Rows of a call. A row in the library has the number of its node in front.
MAX_ROWS, NUMBERED = 256, 1
HALF, SPREAD = 0.5, 4.0
SIZES = (0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class OurSettings:
    """FANS for graphs, and where it starts.

    Args:
        fans: Events, E and ascent.
        subgraphs: From the mean gradient over how many random subgraphs the ascent starts; 0 starts from all
            entries alike.
    """

    fans: FANSGraphSettings
    subgraphs: int = 0

    @property
    def sentence(self) -> str:
        """In words."""
        ascent = self.fans.ascent
        start = f", from the gradient over {self.subgraphs} subgraphs" if self.subgraphs else ""
        return f"{ascent.name}, {ascent.schedule.steps} steps of {ascent.schedule.rate:g}{start}"

    @property
    def rows(self) -> int:
        """Graphs that the model is asked for, each differentiated too."""
        return self.fans.ascent.rows(self.fans.n) + self.subgraphs


def from_gradients(*, steps: int = 30, rate: float = 0.2) -> OurSettings:
    """The library's recommended settings, in fewer and smaller steps from where gradients point.

    Args:
        steps: Of the ascent.
        rate: Its first learning rate.
    """
    return OurSettings(FANSGraphSettings(recommended_graph_settings(steps=steps, rate=rate)), 32)


@dataclass(frozen=True, eq=False)
class Posed:
    """An ego graph as the library has it.

    Args:
        predictor: Its probabilities.
        x: The row with all entries.
        ends: The row without any.
    """

    predictor: DifferentiablePredictor
    x: Float[Tensor, "1 d"]
    ends: Float[Tensor, "1 d"]


def posed(ego: EgoGraph) -> Posed:
    """A node as a row of the library."""

    def function(rows: Tensor) -> Tensor:
        return ego.probabilities(rows.flatten(1)[:, NUMBERED:])

    predictor = DifferentiablePredictor(function, Meaning("graph network", "probability", digits=7))
    ends = torch.zeros(1, NUMBERED + ego.count)
    x = torch.ones_like(ends)
    x[:, :NUMBERED] = 0
    return Posed(predictor, x, ends)


def pns_scores(ego: EgoGraph, settings: OurSettings, seed: int) -> Float[Tensor, " entries"]:
    """FANS: ascent of PNS over entries.

    Args:
        ego: The node.
        settings: How.
        seed: Of all draws.
    """
    here, fans = posed(ego), settings.fans
    change = fans.change(np.array([ego.target]))
    test = fans.test(here.predictor, (here.x, here.ends), change, max_rows=MAX_ROWS, seed=seed)
    start = led(ego, settings.subgraphs, seed) if settings.subgraphs else torch.full((ego.count,), HALF)
    risen = ascend(
        here.predictor, test, here.x, change, settings=fans.ascent, start=start[None], max_rows=MAX_ROWS
    )
    return risen.scores[0].float()


def led(ego: EgoGraph, count: int, seed: int) -> Float[Tensor, " entries"]:
    """A start in (0, 1): the ranks of the absolute mean slope of the class's logit over random subgraphs.

    Args:
        ego: The node.
        count: How many subgraphs, of half the entries each.
        seed: Of the subgraphs.
    """
    drawn = torch.rand(count, ego.count, generator=torch_generator(seed, "random subgraphs", ego.node))
    masks = (drawn >= HALF).float().requires_grad_()
    slope = torch.autograd.grad(ego.logits(masks)[:, ego.target].sum(), masks)[0].mean(0).abs()
    ranks = slope.argsort().argsort().float() / max(1, ego.count - 1)
    return (SPREAD * (ranks - HALF)).sigmoid()


def gap_scores(ego: EgoGraph, settings: EdgeMaskSettings, alpha: float) -> Float[Tensor, " entries"]:
    """Relaxed masks of α Δsuf + (1 - α) Δnec.

    Args:
        ego: The node.
        settings: How.
        alpha: α.
    """
    here, every = posed(ego), torch.zeros(1, dtype=torch.long)
    row, share, target = NumberedRow(ego.count), torch.full((1,), alpha), torch.tensor([ego.target])
    gaps = blended_gaps(here.predictor, here.x[:, None], here.ends[:, None, None], target, MAX_ROWS, grid=row)

    def cost(masks: Tensor, asked: Tensor, step: int, rows: int) -> Tensor:
        size = masks.mean((1, 2))
        return opened.within(rows).unified(every, share, asked).mean(1) + settings.size * size

    with gaps.opened() as opened:
        start = settings.shape.start(torch.full((1, ego.count), HALF))
        end = descend(cost, start, settings.shape, settings.schedule, MAX_ROWS)
    return settings.shape.masks(end.free).mean(1)[0].float()


FLAT, PAPER = OurSettings(FANSGraphSettings(subgraphs=0)), OurSettings(paper_fans())
SETS = EdgeMaskSettings(shape=SizedMasks(SIZES))
