"""The library's algorithms for graphs as methods of the graph tables: many nodes in one call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from ego_graphs import EgoGraph, Egos
from jaxtyping import Float
from torch import Tensor
from torch_geometric.explain import Explainer

from onlyif.interop.pyg import (
    EdgeMaskSettings,
    FANSExplainer,
    FANSGraphSettings,
    SufficientNecessaryExplainer,
    paper_fans,
)

CONFIG = {"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"}

# From some nodes to one score an entry of each.
Together = Callable[[Sequence[EgoGraph]], list[Float[Tensor, " entries"]]]


@dataclass(frozen=True)
class OurSettings:
    """FANS for graphs.

    Args:
        fans: Events, E, ascent, start and what is made of the scores.
    """

    fans: FANSGraphSettings

    @property
    def sentence(self) -> str:
        """In words."""
        ascent, subgraphs = self.fans.ascent, self.fans.subgraphs
        start = f", from the gradient over {subgraphs} subgraphs" if subgraphs else ""
        return f"{ascent.name}, {ascent.schedule.steps} steps of {ascent.schedule.rate:g}{start}"

    @property
    def rows(self) -> int:
        """Graphs that the model is asked for, each differentiated too."""
        return self.fans.ascent.rows(self.fans.n) + self.fans.subgraphs


def pns_scores(egos: Egos, settings: OurSettings, seed: int) -> Together:
    """FANS: ascent of PNS over entries.

    Args:
        egos: The graph and its network.
        settings: How.
        seed: Of all draws.
    """
    return _explained(egos, FANSExplainer(settings.fans, probabilities=False, seed=seed))


def gap_scores(egos: Egos, settings: EdgeMaskSettings, alpha: float, seed: int) -> Together:
    """Relaxed masks of α Δsuf + (1 - α) Δnec.

    Args:
        egos: The graph and its network.
        settings: How.
        alpha: α.
        seed: Of all draws.
    """
    algorithm = SufficientNecessaryExplainer(alpha, settings, probabilities=False, seed=seed)
    return _explained(egos, algorithm)


def _explained(egos: Egos, algorithm: Any) -> Together:
    """torch_geometric's explainer with an algorithm, asked for many nodes at once."""
    explainer = Explainer(egos.network, algorithm, "model", CONFIG, edge_mask_type="object")

    def scores(nodes: Sequence[EgoGraph]) -> list[Tensor]:
        index = torch.tensor([ego.node for ego in nodes])
        found = explainer(egos.graph.x, egos.graph.edge_index, index=index).masks_of_nodes
        return [found[row].to_dense()[ego.entries] for row, ego in enumerate(nodes)]

    return scores


DEFAULT, PAPER = OurSettings(FANSGraphSettings()), OurSettings(paper_fans())
FLAT = OurSettings(replace(FANSGraphSettings(), subgraphs=0))
SETS = EdgeMaskSettings()
