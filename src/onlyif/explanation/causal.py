"""CausalExplanation: which features are the necessary and sufficient cause of one prediction."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.explanation.cause import Cause


@final
@dataclass(frozen=True)
class CausalProvenance:
    """Where a causal explanation comes from: what was chosen, and by which versions.

    Args:
        predictor: The kind of model, as "sklearn RandomForestClassifier".
        output: What the model's output is, as "probability".
        baseline: One sentence: what perturbed features are set to.
        sample: One sentence: what the sample E is.
        n_sample: Inputs in E.
        b: The boundary of being near x, in the units of the distance.
        boundary: How b was chosen.
        c: The largest change of the prediction that counts as none.
        threshold: How c was chosen.
        events: Whether being near and changing are weighed (soft) or counted (hard), in words.
        distance: How distances are taken, in words.
        p_replace: φ, the probability that a perturbed feature goes to the baseline.
        abduction: How PN and PS are conditioned on the factual event, in words.
        weights: Weight of the necessity part and of the sufficiency part in what was maximised.
        search: How the subsets were found, in one sentence.
        seed: The one seed.
        max_rows: Most rows of one model call.
        budget: Most model rows an instance.
        versions: Names and versions of the packages that matter.
    """

    predictor: str
    output: str
    baseline: str
    sample: str
    n_sample: int
    b: float
    boundary: str
    c: float
    threshold: str
    events: str
    distance: str
    p_replace: float
    abduction: str
    weights: tuple[float, float]
    search: str
    seed: int
    max_rows: int
    budget: int
    versions: tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True, eq=False)
class CausalExplanation:
    """The most probable necessary and sufficient cause of one prediction, of each size.

    Compare subsets of one size only: larger ones usually have the higher PNS.

    Args:
        row: The row's label in the user's table, of its own type (its position where it has none).
        names: The players' names, d of them.
        values: The players' values at x, as text for a reader.
        baseline: The players' values at the baseline x', likewise.
        target: Number of the explained output.
        target_label: Its name, as the class label.
        prediction: f(x).
        baseline_prediction: f(x').
        size: The chosen size.
        path: For each size that was compared the subset with the highest PNS, in order of size.
        singles: Each player alone, in the order of `names`.
        reason: Why no subset causes anything, as one sentence; "" where some subset does.
        provenance: What was chosen, and by which versions.
        model_rows: Rows that the model was asked for, for this instance.
        seconds: Wall time spent on this instance.
        notes: What the reader should know, each a sentence.
    """

    row: Row
    names: tuple[str, ...]
    values: tuple[str, ...]
    baseline: tuple[str, ...]
    target: int
    target_label: str
    prediction: float
    baseline_prediction: float
    size: int
    path: tuple[Cause, ...]
    singles: tuple[Cause, ...]
    reason: str
    provenance: CausalProvenance
    model_rows: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def cause(self) -> Cause:
        """The subset of the chosen size with the highest PNS."""
        return self.of(self.size)

    def of(self, size: int) -> Cause:
        """The subset of one size with the highest PNS.

        Args:
            size: |s|.

        Raises:
            SettingError: if no subset of this size was compared.
        """
        for cause in self.path:
            if cause.size == size:
                return cause
        raise SettingError(
            f"no subset of size {size} was compared; sizes at hand: {[c.size for c in self.path]}"
        )

    @override
    def __repr__(self) -> str:
        found = f"cause={self.cause}, PNS={self.cause.pns.value:.4g}"
        return (
            f"CausalExplanation(row={self.row!r}, target={self.target_label!r}, "
            f"f(x)={self.prediction:.4g}, {found})"
        )
