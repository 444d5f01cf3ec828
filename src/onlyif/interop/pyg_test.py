"""The dual-stage test of sets of edges, and what is told of the sets that algorithms end with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.causation.change import Change, NormChange, TargetChange
from onlyif.causation.dissimilarity import DroppedDifference
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.thresholds import noise_threshold
from onlyif.core.arguments import Either, Flag, Kind, Made, Number, Whole, settle
from onlyif.interop.pyg_edges import NUMBERED, EdgeTask
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
        c: Threshold of a change of the prediction. None takes the rule of weak noise for each node.
        whole: Whether a change is that of all outputs, by its Euclidean norm; else of the target.
        n_perturbations: Random choices for each input of E by which the told probabilities are estimated,
            where they are too many to be enumerated.
    """

    ascent: AscentSettings = field(default_factory=recommended_graph_settings)
    n: int = 20
    share: float = 0.1
    b: float = BOUNDARY
    scaled: bool = True
    c: float | None = 0.1
    whole: bool = False
    n_perturbations: int = 16

    def __post_init__(self) -> None:
        settle(self, _KINDS)

    def change(self, task: EdgeTask, numbers: Int64[np.ndarray, "p"]) -> Change:
        """How a change of the prediction for some nodes is read.

        Args:
            task: The nodes.
            numbers: Which of them.
        """
        return NormChange() if self.whole else TargetChange(task.targets[numbers])

    def test(self, task: EdgeTask, numbers: Int64[np.ndarray, "p"], x: Tensor, ends: Tensor) -> DualStageTest:
        """The dual-stage test of some nodes.

        Args:
            task: The nodes.
            numbers: Which of them.
            x: Their rows, with all edges.
            ends: x', the rows without any.
        """
        sample, rows = DroppedSample(self.n, self.share, NUMBERED), task.rows_a_call(numbers)
        c = self.c
        if c is None:
            inputs, noisy = sample.rows(x, task.question.seed).own, np.arange(x.shape[1]) >= NUMBERED
            change = self.change(task, numbers[:1])
            c = noise_threshold(
                task.predictor,
                inputs.flatten(0, 1),
                change,
                noisy=noisy,
                varied=False,
                max_rows=rows,
                seed=task.question.seed,
            )
        near = DroppedDifference(self.share if self.scaled else None, NUMBERED)
        return DualStageTest(
            task.predictor,
            task.players(x.shape[1] - NUMBERED),
            sample,
            ends,
            Neighbourhood(SoftEvents(self.b, c), near),
            Perturbations(n_perturbations=self.n_perturbations, most_masks=self.n_perturbations),
            max_rows=rows,
            seed=task.question.seed,
        )


_KINDS: dict[str, Kind] = {
    "ascent": Made((AscentSettings,)),
    "n": Whole(least=2),
    "share": Number(above=0.0, below=1.0),
    "b": Number(above=0.0, below=None),
    "scaled": Flag(),
    "c": Either((Number(above=0.0), None)),
    "whole": Flag(),
    "n_perturbations": Whole(least=1),
}


def paper_fans() -> FANSGraphSettings:
    """The printed way, taken literally: differences as they are, c by the rule of weak noise."""
    return FANSGraphSettings(paper_graph_settings(), scaled=False, c=None, whole=True, n_perturbations=50)


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
            x, ends, _ = task.instances(one)
            values = (
                settings.test(task, one, x, ends)
                .measure(x, subset[None].numpy(), settings.change(task, one))
                .values
            )
            told = [float(each[0, 0]) for each in (values.pn, values.ps, values.pns)] + told
        for name, value in zip(found, told, strict=True):
            found[name][number] = value
    return found
