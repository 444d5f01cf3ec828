"""How causes are looked for: what `onlyif.explain(criterion=onlyif.PNS(...))` takes.

Plain settings, checked when they are made; `setup.causes` builds the test of them once the
tables are read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, final

from onlyif.causation.abduction import Abduction, PlainConditional, Resampling, Unweighted, WeightedMean
from onlyif.causation.boundaries import BoundaryRecipe, GivenBoundary, ScottBoundary, TypicalBoundary
from onlyif.causation.dissimilarity import MeanSquare, SumOfSquares, Total
from onlyif.causation.neighbourhood import Events, HardEvents, SoftEvents
from onlyif.causation.samples import BackgroundRows, GivenSample, NearestRows, SampleRecipe
from onlyif.causation.thresholds import GivenThreshold, NoiseThreshold, SpreadThreshold, ThresholdRecipe
from onlyif.core.arguments import Either, Kind, Name, Number, Several, Whole, named_or, settle
from onlyif.core.errors import SettingError
from onlyif.samples.base import Sample

T = TypeVar("T")
SAMPLES: Mapping[str, Callable[[], SampleRecipe]] = {"background": BackgroundRows, "nearest": NearestRows}
BOUNDARIES: Mapping[str, Callable[[], BoundaryRecipe]] = {"typical": TypicalBoundary, "scott": ScottBoundary}
THRESHOLDS: Mapping[str, Callable[[], ThresholdRecipe]] = {"spread": SpreadThreshold, "noise": NoiseThreshold}
EVENTS: Mapping[str, Callable[[float, float], Events]] = {"soft": SoftEvents, "hard": HardEvents}
TOTALS: Mapping[str, Callable[[], Total]] = {"gower": SumOfSquares, "gower-mean": MeanSquare}
ABDUCTIONS: Mapping[str, Callable[[], Abduction]] = {
    "weighted": WeightedMean,
    "resampling": lambda: Resampling(200),
    "unweighted": Unweighted,
    "plain": PlainConditional,
}
SAID_EVENTS: Mapping[str, str] = {
    "soft": "soft events: weights that fall with distance and rise with change",
    "hard": "hard events: within b counts in full, beyond it not at all",
}
SAID_ABDUCTIONS: Mapping[type[Abduction], str] = {
    WeightedMean: "weighted means over all of E",
    Resampling: "sampling-importance-resampling from E",
    Unweighted: "without the weights of the factual stage (an ablation)",
    PlainConditional: "plain conditional probabilities, not counterfactual ones (an ablation)",
}


@final
@dataclass(frozen=True, eq=False)
class PNS:
    """Look for the set with the highest probability of being the necessary and sufficient cause.

    `"pns"` is the same with default settings.

    Args:
        b: How near is near, in units of the distance; infinite makes every input of E near. Or "typical" (the
            default, half the median distance of background rows), "scott" (the paper's rule), or a
            `TypicalBoundary` or `ScottBoundary`.
        c: The largest change of the prediction that counts as none, in its units; or "spread" (the default,
            a tenth of the spread of the predictions over the background), "noise" (the paper's rule), or a
            `SpreadThreshold` or `NoiseThreshold`.
        baseline: x', what perturbed features are set to: one row of the table's own kind, or None for the
            background's median of every number and most frequent value of every other column.
        sample: E: "background" (the default) or "nearest", `BackgroundRows` or `NearestRows`, or a `Sample`.
        distance: How rows are compared on the columns of a set, numbers by |a - b| / span and categories by
            mismatch: "gower-mean" (the default), squares averaged, so that one b suits small and large
            sets alike; or "gower", squares summed, the paper's norm.
        events: "soft", weights, or "hard", all or nothing.
        p_replace: φ, the probability that a perturbed feature goes to the baseline.
        n_perturbations: Random perturbations of an input where sets are too large to enumerate them.
        abduction: "weighted", the mean over E; "resampling", the paper's; and as ablations
            "unweighted" and "plain". Or an `Abduction`.
        weights: Weight of the necessity part and of the sufficiency part in what is maximised; (1, 0)
            leaves the sufficiency module out, (0, 1) the necessity module.

    Raises:
        SettingError: unless b > 0, c > 0, 0 < p_replace < 1, n_perturbations >= 1, and the weights
            are at least 0 and not both 0; or for an unknown name.

    Example:
        >>> PNS(c=0.1).threshold
        GivenThreshold(c=0.1)

    References:
        [chen2024] section 4, with the corrections in the guide.
    """

    b: float | str | BoundaryRecipe | None = None
    c: float | str | ThresholdRecipe | None = None
    baseline: Any = None
    sample: str | SampleRecipe | Sample = "background"
    distance: str = "gower-mean"
    events: str = "soft"
    p_replace: float = 0.5
    n_perturbations: int = 64
    abduction: str | Abduction = "weighted"
    weights: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        settle(self, _KINDS)
        if not max(self.weights) > 0:
            raise SettingError(
                "the weights of necessity and sufficiency must be two numbers of at least 0 and not both 0, "
                f"got {self.weights}"
            )

    @property
    def boundary(self) -> BoundaryRecipe:
        """How b is chosen."""
        if self.b is None or isinstance(self.b, str):
            return _chosen(BOUNDARIES, "typical" if self.b is None else self.b, "rule for b")()
        return self.b if isinstance(self.b, BoundaryRecipe) else GivenBoundary(float(self.b))

    @property
    def threshold(self) -> ThresholdRecipe:
        """How c is chosen."""
        if self.c is None or isinstance(self.c, str):
            return _chosen(THRESHOLDS, "spread" if self.c is None else self.c, "rule for c")()
        return self.c if isinstance(self.c, ThresholdRecipe) else GivenThreshold(float(self.c))

    @property
    def how_sampled(self) -> SampleRecipe:
        """How E is taken."""
        if isinstance(self.sample, str):
            return _chosen(SAMPLES, self.sample, "sample")()
        return GivenSample(self.sample) if isinstance(self.sample, Sample) else self.sample

    @property
    def how_abducted(self) -> Abduction:
        """How PN and PS are conditioned on the factual event."""
        if isinstance(self.abduction, str):
            return _chosen(ABDUCTIONS, self.abduction, "abduction")()
        return self.abduction


def _chosen(table: Mapping[str, T], name: str, what: str) -> T:
    if name not in table:
        raise SettingError(f"unknown {what} {name!r}; need one of {', '.join(sorted(table))}")
    return table[name]


_KINDS: Mapping[str, Kind] = {
    "b": Either((Number(above=0.0, below=None), *named_or(BOUNDARIES, "rule for b", BoundaryRecipe), None)),
    "c": Either((Number(above=0.0), *named_or(THRESHOLDS, "rule for c", ThresholdRecipe), None)),
    "sample": Either(named_or(SAMPLES, "sample", SampleRecipe, Sample)),
    "distance": Name(tuple(TOTALS), "distance"),
    "events": Name(tuple(EVENTS), "events"),
    "p_replace": Number(above=0.0, below=1.0),
    "n_perturbations": Whole(least=1),
    "abduction": Either(named_or(ABDUCTIONS, "abduction", Abduction)),
    "weights": Several(Number(least=0.0), 2),
}
