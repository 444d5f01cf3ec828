"""The dual-stage test of sets of edges, and what is told of the sets that algorithms end with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.causation.change import Change, FallChange, NormChange, TargetChange
from onlyif.causation.dissimilarity import DroppedDifference
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.thresholds import noise_threshold
from onlyif.core.arguments import Either, Flag, Kind, Made, Name, Number, Whole, settle
from onlyif.core.players import Players
from onlyif.interop.pyg_edges import NUMBERED, EdgeTask
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.samples.dropped import DroppedSample
from onlyif.searches.ascent_settings import (
    AscentSettings,
    paper_graph_settings,
    recommended_graph_settings,
)

# Scott's rule for rows of many entries.
BOUNDARY = 1.06
# Whose score is at least this are in the set of which probabilities and gaps are told.
IN_SET = 0.5


@final
@dataclass(frozen=True)
class FANSGraphSettings:
    """How FANS looks at the edges of a graph.

    Args:
        ascent: How PNS is ascended.
        n: Size of E: the graph, and copies with some edges dropped.
        share: ρ, the probability with which a copy lacks an edge.
        b: Boundary of being near.
        scaled: Whether differences are counted in units of ρ times the number of edges, so that copies of a
            large ego graph are as near as those of a small one.
        c: Threshold of a change, in units of the reading. None takes the rule of weak noise for each node.
        reading: What a change is: "fall", by how much the target's probability falls, so that hiding what
            speaks against a class is none; "change", by how much it changes; or "all", the Euclidean norm of
            the change of all outputs.
        subgraphs: Random subgraphs of half of the edges, by whose slopes the edges are ranked before the
            first step; 0 starts with all edges alike.
        other_way: How much the score of the edge the other way counts beside an edge's own. With more of it
            both ways of an edge come near each other in the ranking.
        n_perturbations: Random choices for each input of E by which the told probabilities are estimated,
            where they are too many to be enumerated.
    """

    ascent: AscentSettings = field(default_factory=recommended_graph_settings)
    n: int = 4
    share: float = 0.1
    b: float = BOUNDARY
    scaled: bool = True
    c: float | None = 0.5
    reading: str = "fall"
    subgraphs: int = 32
    other_way: float = 0.25
    n_perturbations: int = 16

    def __post_init__(self) -> None:
        settle(self, _KINDS)

    def change(self, targets: Int64[np.ndarray, "p"]) -> Change:
        """How a change of the prediction for some nodes is read.

        Args:
            targets: The class of each.
        """
        if self.reading == "all":
            return NormChange()
        return TargetChange(targets) if self.reading == "change" else FallChange(targets)

    def test(
        self,
        predictor: DifferentiablePredictor,
        ends: tuple[Float[Tensor, "p columns"], Float[Tensor, "p columns"]],
        change: Change,
        *,
        max_rows: int,
        seed: int,
    ) -> DualStageTest:
        """The dual-stage test of some nodes, as rows of a number and then one entry an edge.

        Args:
            predictor: The model, of such rows.
            ends: The rows with all edges and those with none.
            change: How a change is read.
            max_rows: Most ego graphs of one call.
            seed: Seed of all draws.
        """
        (x, none), sample, c = ends, DroppedSample(self.n, self.share, NUMBERED), self.c
        if c is None:
            inputs, noisy = sample.rows(x, seed).own.flatten(0, 1), np.arange(x.shape[1]) >= NUMBERED
            reading = change.take(np.zeros(1, dtype=np.int64))
            c = noise_threshold(
                predictor, inputs, reading, noisy=noisy, varied=False, max_rows=max_rows, seed=seed
            )
        near = DroppedDifference(self.share if self.scaled else None, NUMBERED)
        # The number in front belongs to the first edge.
        index = np.maximum(np.arange(x.shape[1]) - NUMBERED, 0)
        return DualStageTest(
            predictor,
            Players(index, tuple(map(str, range(x.shape[1] - NUMBERED)))),
            sample,
            none,
            Neighbourhood(SoftEvents(self.b, c), near),
            Perturbations(n_perturbations=self.n_perturbations, most_masks=self.n_perturbations),
            max_rows=max_rows,
            seed=seed,
        )


_KINDS: dict[str, Kind] = {
    "ascent": Made((AscentSettings,)),
    "n": Whole(least=2),
    "share": Number(above=0.0, below=1.0),
    "b": Number(above=0.0, below=None),
    "scaled": Flag(),
    "c": Either((Number(above=0.0), None)),
    "reading": Name(("fall", "change", "all"), "reading"),
    "subgraphs": Whole(least=0),
    "other_way": Number(least=0.0, most=1.0),
    "n_perturbations": Whole(least=1),
}


def paper_fans() -> FANSGraphSettings:
    """The printed way, taken literally: differences as they are, c by the rule of weak noise."""
    ascent = paper_graph_settings()
    return FANSGraphSettings(
        ascent, n=20, scaled=False, c=None, reading="all", subgraphs=0, other_way=0.0, n_perturbations=50
    )


def measures(
    task: EdgeTask, scores: Sequence[Float[Tensor, "_"]], settings: FANSGraphSettings | None
) -> dict[str, list[float]]:
    """Both gaps of each node's set, and its probabilities.

    Args:
        task: The nodes.
        scores: The score of each edge of theirs; the set has those of at least .5.
        settings: How probabilities are asked for; None leaves them out.
    """
    names = () if settings is None else ("pn", "ps", "pns")
    found = {name: [0.0] * len(scores) for name in (*names, "gap_sufficient", "gap_necessary")}
    for number in np.flatnonzero(task.counts).tolist():
        one, subset = np.array([number]), scores[number][None] >= IN_SET
        told = [float(gap) for gap in task.gaps(one, subset)]
        if settings is not None:
            x, none, _ = task.instances(one)
            change = settings.change(task.targets[one])
            rows, seed = task.rows_a_call(one), task.question.seed
            test = settings.test(task.predictor, (x, none), change, max_rows=rows, seed=seed)
            values = test.measure(x, subset[None].numpy(), change).values
            told = [float(each[0, 0]) for each in (values.pn, values.ps, values.pns)] + told
        for name, value in zip(found, told, strict=True):
            found[name][number] = value
    return found
