"""Rankings of edges along a gradient, of many nodes together: what the sets of nodes are read off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from typing_extensions import override

from onlyif.answers.solved import EPSILON_SHARE
from onlyif.core.arrays import on_host
from onlyif.core.progress import Meter
from onlyif.criteria.blended import BlendedGaps, blended_gaps
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.engine.soft import plain_outputs
from onlyif.modalities.ego_graphs import EgoGraph
from onlyif.modalities.graphs import EdgeModality
from onlyif.modalities.grids import NumberedRow
from onlyif.modalities.rendered import RenderedRows
from onlyif.models.edge_masks import MessageMasks
from onlyif.models.edge_predictor import EdgePredictor, alike, masked_ego_graphs, whole_rows
from onlyif.models.outputs import AutoOutput, MarginOutput, Output, ProbabilityOutput, ValueOutput
from onlyif.models.probabilities import probabilities
from onlyif.searches.ranked import RankedSearch, Rankings
from onlyif.searches.sized import SizedSearch, SizedSets, edge_settings
from onlyif.setup.graphs import MOST_PLAYERS, rows_a_call
from onlyif.setup.options import Options, criterion_of, distance_of, output_of

# The sizes of the nested sets that are looked for, as shares of a node's players.
SHARES = (0.05, 0.1, 0.2, 0.4)
# Nodes that are searched together, draws that a search looks at, and ego graphs of a call with its gradient.
NODES_AT_ONCE, MOST_SEARCHED, MOST_ROWS = 64, 4, 1024

Piece = tuple[RenderedRows, Options]
Readout = Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True, eq=False)
class RankedNodes:
    """Nodes whose ego graphs share calls, block beside block.

    Args:
        model: The model, of masks over the edges of all ego graphs.
        modality: The graph.
        egos: All ego graphs.
        numbers: Those that share calls.
        options: What is asked, but for the targets.
        targets: The output of each, or None for the largest.
        meter: What ends the search when time is up.
    """

    model: EdgePredictor
    modality: EdgeModality
    egos: tuple[EgoGraph, ...]
    numbers: Int64[np.ndarray, "p"]
    options: Options
    targets: tuple[int | None, ...]
    meter: Meter

    @property
    def alphas(self) -> tuple[float, ...]:
        """α of each ranking of a node."""
        return tuple(dict.fromkeys((1.0, 0.0, self.options.question.alpha)))

    @cached_property
    def sets(self) -> SizedSets:
        """The nested sets of each node and α, in order."""
        gaps, a = self._gaps(), len(self.alphas)
        search = SizedSearch(gaps, SHARES, edge_settings(), self.options.seed, lambda: self.meter.left_s > 0)
        return search.run(
            torch.arange(len(gaps)).repeat_interleave(a), torch.tensor(self.alphas).repeat(len(gaps))
        )

    def _gaps(self) -> BlendedGaps:
        """The gaps of the nodes, where hidden edges are not there, or as in a few draws."""
        predictor, egos = self.model.predictor, [self.egos[i] for i in self.numbers]
        counts = np.array([ego.players.count for ego in self.egos])
        x, none, there = whole_rows(counts, self.numbers, predictor.dtype)
        fillings = none[:, None, None]
        if self.modality.density:
            fillings = fillings + torch.stack([self._hidden(ego, there.shape[1]) for ego in egos]).to(x)
        sizes, most = [self.model.sizes[i] for i in self.numbers], min(self.options.max_rows, MOST_ROWS)
        most = rows_a_call(self.modality, sizes, most, lean=self.model.lean)
        largest = plain_outputs(predictor, x, most).argmax(1).tolist()
        target = [largest[i] if one is None else one for i, one in enumerate(self.targets)]
        row = NumberedRow(there.shape[1])
        gaps = blended_gaps(predictor, x[:, None], fillings, torch.tensor(target), most, grid=row)
        return replace(gaps, plays=there)

    def _hidden(self, ego: EgoGraph, width: int) -> Float[Tensor, "n 1 columns"]:
        """Which hidden edges are there in a few draws, behind the number of the ego graph."""
        drawn = self.modality.hidden(ego)[:MOST_SEARCHED]
        there = np.zeros((len(drawn), 1, 1 + width), dtype=np.float32)
        there[:, 0, 1 : 1 + drawn.shape[1]] = drawn
        return torch.from_numpy(there)


@final
@dataclass(frozen=True, eq=False)
class EdgeRankings(Rankings):
    """The rankings of one node.

    Args:
        nodes: All nodes that are searched together.
        number: Its number among them.
    """

    nodes: RankedNodes
    number: int

    @override
    def orders(self, n_players: int) -> Int64[np.ndarray, "r d"]:
        scores = self.nodes.sets.scores
        own = scores.view(len(self.nodes.numbers), -1, scores.shape[1])[self.number, :, :n_players]
        orders: np.ndarray = on_host(own.argsort(dim=1, descending=True, stable=True))
        return orders

    @property
    @override
    def rows(self) -> int:
        sides = sum(1 if alpha in {0.0, 1.0} else 2 for alpha in self.nodes.alphas)
        draws = min(self.nodes.modality.draws, MOST_SEARCHED)
        return edge_settings().rows(len(SHARES), sides) * draws

    @property
    @override
    def sentence(self) -> str:
        how = edge_settings()
        return (
            f"gradient: edges ranked by {how.schedule.steps} steps of Adam on masks of {len(SHARES)} sizes "
            f"and {how.swaps.rounds} rounds of swaps"
        )


def with_rankings(pieces: Sequence[Piece], model: Any, meter: Meter) -> list[Piece]:
    """The same nodes, of which those with many edges are searched along a gradient.

    Others, and those of which something is asked that needs another search, stay as they are.

    Args:
        pieces: The nodes, one a piece, with the options of each.
        model: The model.
        meter: What counts the rows, and ends the search when time is up.
    """
    places = [place for place, piece in enumerate(pieces) if _is_ranked(model, *piece)]
    made = list(pieces)
    if not places:
        return made
    rows, options = pieces[places[0]]
    modality, readout = rows.modality, _readout(output_of(options.output))
    assert isinstance(modality, EdgeModality)
    assert readout is not None
    egos = tuple(pieces[place][0].instances[0] for place in places)
    predictor = masked_ego_graphs(
        model, replace(modality, masked=None), egos, masking=MessageMasks(), readout=readout, output="value"
    )
    predictor = replace(predictor, predictor=predictor.predictor.counted(meter.receive))
    for numbers in _together(egos):
        here = [places[i] for i in numbers]
        targets = tuple(_target(pieces[place][1].target) for place in here)
        nodes = RankedNodes(predictor, modality, egos, numbers, options, targets, meter)
        for number, place in enumerate(here):
            ranked = RankedSearch(
                EdgeRankings(nodes, number), options.question.epsilon, EPSILON_SHARE, options.budget
            )
            made[place] = pieces[place][0], replace(pieces[place][1], search=ranked)
    return made


def _together(egos: Sequence[EgoGraph]) -> list[Int64[np.ndarray, "p"]]:
    """The nodes that share calls."""
    groups = alike(np.array([ego.players.count for ego in egos]), 2)
    return [
        group[first : first + NODES_AT_ONCE]
        for group in groups
        for first in range(0, len(group), NODES_AT_ONCE)
    ]


def _is_ranked(model: Any, rows: RenderedRows, options: Options) -> bool:
    """Whether a node has many edges, masked messages, and is asked nothing that needs another search."""
    modality, asked = rows.modality, options.constraints
    usual = criterion_of(options.criterion) is None and isinstance(options.criterion, str)
    return (
        isinstance(model, nn.Module)
        and isinstance(modality, EdgeModality)
        and modality.masked is not None
        and len(rows.names) > MOST_PLAYERS
        and options.search is None
        and usual
        and not (asked.keep or asked.never or asked.order)
        and isinstance(distance_of(options.distance), AbsoluteDistance)
        and _readout(output_of(options.output)) is not None
        and (options.target is None or _target(options.target) is not None)
    )


def _target(target: Any) -> int | None:
    """The number of an output that was named for one node; None where it is no number."""
    numbers = np.asarray(on_host(target) if hasattr(target, "ndim") else target)
    return int(numbers.ravel()[0]) if numbers.dtype.kind in "iu" and numbers.size == 1 else None


def _readout(output: Output) -> Readout | None:
    """From a module's answers to what is explained; None where that has no gradient here."""
    if isinstance(output, ProbabilityOutput):
        return probabilities
    return _columns if isinstance(output, AutoOutput | ValueOutput | MarginOutput) else None


def _columns(answer: Tensor) -> Tensor:
    return answer if answer.dim() > 1 else answer.unsqueeze(1)
