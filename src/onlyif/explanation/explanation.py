"""Explanation: all that is said about one prediction."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.labels import Row
from onlyif.explanation.certificate import Certificate
from onlyif.explanation.continuum import Continua, Continuum
from onlyif.explanation.selection import Gap, Selection


@final
@dataclass(frozen=True)
class Provenance:
    """Where an explanation comes from: what was chosen, and by which versions.

    Args:
        predictor: The kind of model, as "sklearn RandomForestClassifier".
        output: What the model's output is, as "probability".
        reference: One sentence: what a hidden player is replaced by.
        restriction: How f_S(x) was computed, in one sentence.
        search: How the subsets were found, in one sentence.
        distance: ρ, in words.
        is_metric: Whether ρ is a metric.
        seed: The one seed.
        max_rows: Most rows of one model call.
        budget: Most model rows an instance.
        versions: Names and versions of the packages that matter.
    """

    predictor: str
    output: str
    reference: str
    restriction: str
    search: str
    distance: str
    is_metric: bool
    seed: int
    max_rows: int
    budget: int
    versions: tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """What is sufficient for one prediction, what is necessary, and all between.

    Args:
        row: The row's label in the user's table, of its own type (its position where it has none).
        names: The players' names, d of them.
        values: The players' values at x, as text for a reader.
        target: Number of the explained output.
        target_label: Its name, as the class label.
        prediction: f(x).
        base: f_0, the average prediction under the reference.
        base_stderr: Standard error of f_0; 0 when exact.
        total_gap: ρ(f(x), f_0): how far the prediction is from the average one.
        epsilon: ε, in the units of the distance.
        alpha: α of the unified selection.
        size: τ of `continuum` and `unified`.
        exact_size: True where the rule is |S| = τ.
        sufficient: The smallest ε-sufficient set; among those of that size the one with the smallest gap.
        necessary: The smallest ε-necessary set, likewise.
        unified: The solution of (P_uni) at `alpha` under the size rule.
        continua: The solutions over α for all size rules.
        certificate: What is certain about the three sets.
        shapley: Shapley values of the game f_S(x), one a player, or None where the table is not complete.
        table: f_S(x) for all 2^d subsets by bit code, or None where it was not kept.
        provenance: What was chosen, and by which versions.
        model_rows: Rows that the model was asked for, for this instance.
        seconds: Wall time spent on this instance.
        notes: What the reader should know, each a sentence.
    """

    row: Row
    names: tuple[str, ...]
    values: tuple[str, ...]
    target: int
    target_label: str
    prediction: float
    base: float
    base_stderr: float
    total_gap: Gap
    epsilon: float
    alpha: float
    size: int
    exact_size: bool
    sufficient: Selection
    necessary: Selection
    unified: Selection
    continua: Continua
    certificate: Certificate
    shapley: Float64[np.ndarray, "d"] | None
    table: Float64[np.ndarray, "two_to_d"] | None
    provenance: Provenance
    model_rows: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def continuum(self) -> Continuum:
        """The continuum of the explanation's own size rule."""
        return self.continua.of(self.size, exact_size=self.exact_size)

    @override
    def __repr__(self) -> str:
        sets = f"sufficient={self.sufficient}, necessary={self.necessary}, unified={self.unified}"
        numbers = f"f(x)={self.prediction:.4g}, f_0={self.base:.4g}"
        return f"Explanation(row={self.row!r}, target={self.target_label!r}, {numbers}, {sets})"
