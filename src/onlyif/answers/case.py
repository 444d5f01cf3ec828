"""What is asked of a block of instances, and the criterion that answers it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float

from onlyif.core.arguments import Either, Flag, Number, Whole, settle
from onlyif.core.labels import Row
from onlyif.core.permitted import EVERY_SUBSET, Permitted
from onlyif.core.progress import Meter
from onlyif.explanation.explanation import Details, Provenance, Setting
from onlyif.explanation.selection import Measure, Selection
from onlyif.models.own_answers import OwnAnswers
from onlyif.models.readouts import Readout
from onlyif.searches.base import Cloud, Search, narrowed_together

# Beyond it a bound says more of how its errors are estimated than of the gap.
MOST_SURE = 0.9999


@final
@dataclass(frozen=True)
class SetQuestion:
    """What is asked of a prediction.

    Args:
        alpha: α of the unified set: 1 asks for sufficiency alone, 0 for necessity alone.
        size: τ of the continuum and the unified set. None takes the size of the larger of the smallest
            ε-sufficient and the smallest ε-necessary set, at least 1: the least τ at which both
            ends of the continuum are within ε.
        exact_size: True asks for |S| = τ, False for |S| <= τ.
        epsilon: ε in the units of the distance, or None for a tenth of ρ(f(x), f_0).
        confidence: How sure it is to be that the smallest sets are within ε for other rows than those of the
            background; None asks for these alone.

    Raises:
        SettingError: unless 0 <= alpha <= 1, size >= 0, epsilon >= 0 and 0.5 <= confidence <= 0.9999.
    """

    alpha: float = 0.5
    size: int | None = None
    exact_size: bool = False
    epsilon: float | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        settle(
            self,
            {
                "alpha": Number(least=0.0, most=1.0),
                "size": Either((Whole(least=0), None)),
                "exact_size": Flag(),
                "epsilon": Either((Number(least=0.0), None)),
                "confidence": Either((Number(least=0.5, most=MOST_SURE), None)),
            },
        )


@final
@dataclass(frozen=True)
class Subject:
    """What the reader is told of one instance.

    Args:
        row: Its label.
        values: The players' values, as text.
        target: Number of the explained output.
        target_label: Its name.
        notes: What the reader should know, each a sentence.
        settings: What is known of the model's decision, and which sets may be reported, as `Explanation` has
            it.
    """

    row: Row
    values: tuple[str, ...]
    target: int
    target_label: str
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class Answer:
    """What a criterion says of one instance.

    Args:
        prediction: f(x).
        base: What it is compared with: f_0, or f(x') at a baseline.
        base_stderr: Its standard error; 0 when exact.
        sets: The named sets that the criterion chose.
        scores: Numbers a player, by name.
        measures: Numbers about the whole prediction, by name.
        settings: What was asked, by name.
        details: What only some criteria say.
        notes: What the reader should know, each a sentence.
        reason: Why a set is empty or missing or nothing is a cause, or "".
        model_rows: Model rows that the answer needs, beside those of the comparison.
    """

    prediction: float
    base: float
    base_stderr: float
    sets: Mapping[str, Selection]
    scores: Mapping[str, Float[np.ndarray, "d"]] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    details: Details = field(default_factory=Details)
    notes: tuple[str, ...] = ()
    reason: str = ""
    model_rows: float = 0.0


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """What was compared.

    Args:
        case: The block of instances, with what its criterion knows now: tables, or that time allowed for
            fewer inputs of E.
        clouds: The compared subsets of each instance.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
        stopped: Whether time was up before all that the search wanted was compared.
        order: How subsets are asked one by one where a complete search has no time for its table.
    """

    case: "Case"
    clouds: tuple[Cloud, ...]
    model_rows: float
    stopped: bool = False
    order: str = ""

    @cached_property
    def choices(self) -> tuple[Cloud, ...]:
        """The compared subsets of each instance, with those to choose from that may be reported."""
        return narrowed_together(self.clouds, self.case.permitted)


class AnsweringCriterion(ABC):
    """A criterion for a block of instances that compares subsets, and answers from what it compared."""

    @abstractmethod
    def compare(self, case: "Case") -> Seen:
        """Compare the subsets that the case's search wants, or as many as time allows.

        Args:
            case: The block of instances, whose criterion this is.

        Raises:
            TimeUpError: if time is up before anything can be said.
        """

    @abstractmethod
    def answers(self, seen: Seen) -> tuple[Answer, ...]:
        """What is said of each instance.

        Args:
            seen: What was compared, by a case whose criterion this is.
        """

    @property
    @abstractmethod
    def readout(self) -> Readout:
        """Which number of each instance's outputs is explained."""

    @property
    def distinct_share(self) -> float:
        """The share of the model rows of all subsets that are asked for: the others are equal to these."""
        return 1.0

    def rows_to_compare(self, n_instances: int, each: int) -> int:
        """Model rows that a comparison needs at most, for all instances together.

        Args:
            n_instances: How many there are.
            each: What one alone needs.
        """
        return n_instances * each

    def rows_to_answer(self, *, complete: bool) -> int:
        """Model rows that an answer needs, beside those of the comparison.

        Args:
            complete: Whether all subsets were compared.
        """
        return 0

    @abstractmethod
    def part(self, instances: slice) -> "AnsweringCriterion":
        """The criterion of some of the instances, before anything was compared.

        Args:
            instances: Which.
        """


@final
@dataclass(frozen=True, eq=False)
class Case:
    """A block of instances, with all that is needed to explain them.

    Args:
        criterion: What is compared and answered.
        search: Which subsets are compared.
        names: The players' names.
        subjects: One an instance.
        digits: Binary digits of the outputs that can be trusted.
        provenance: What was chosen.
        own: What the model answered to the instances when it was asked for nothing else, if it was.
        meter: What counts the work and ends it when time is up.
        counted: Whether the meter counts every row that the model receives.
        permitted: Which subsets may be reported.
    """

    criterion: AnsweringCriterion
    search: Search
    names: tuple[str, ...]
    subjects: tuple[Subject, ...]
    digits: int
    provenance: Provenance
    own: OwnAnswers | None = None
    meter: Meter = field(default_factory=Meter)
    counted: bool = False
    permitted: Permitted = EVERY_SUBSET

    def part(self, instances: slice) -> "Case":
        """Some of the instances."""
        return replace(
            self,
            criterion=self.criterion.part(instances),
            subjects=self.subjects[instances],
            own=None if self.own is None else self.own.part(instances),
        )
