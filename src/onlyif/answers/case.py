"""What is asked of a block of instances, and all that is needed to answer."""

from dataclasses import dataclass, field
from typing import final

from onlyif.core.arguments import Either, Flag, Number, Whole, settle
from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.core.progress import Meter
from onlyif.criteria.distances import Distance
from onlyif.explanation.explanation import Provenance
from onlyif.models.own_answers import OwnAnswers
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.base import Search


@final
@dataclass(frozen=True)
class Question:
    """What is asked of a prediction.

    Args:
        alpha: α of the unified set: 1 asks for sufficiency alone, 0 for necessity alone.
        size: τ of the continuum and the unified set. None takes the size of the larger of the smallest
            ε-sufficient and the smallest ε-necessary set, at least 1: the least τ at which both
            ends of the continuum are within ε.
        exact_size: True asks for |S| = τ, False for |S| <= τ.
        epsilon: ε in the units of the distance, or None for a tenth of ρ(f(x), f_0).

    Raises:
        SettingError: unless 0 <= alpha <= 1, size >= 0 and epsilon >= 0.
    """

    alpha: float = 0.5
    size: int | None = None
    exact_size: bool = False
    epsilon: float | None = None

    def __post_init__(self) -> None:
        settle(
            self,
            {
                "alpha": Number(least=0.0, most=1.0),
                "size": Either((Whole(least=0), None)),
                "exact_size": Flag(),
                "epsilon": Either((Number(least=0.0), None)),
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
    """

    row: Row
    values: tuple[str, ...]
    target: int
    target_label: str
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Case:
    """A block of instances, with all that is needed to explain them.

    Args:
        set_function: f_S(x) of the block.
        fresh: The same on draws that the search never sees, for re-estimating; None where there are none.
        search: Which subsets are compared.
        distance: ρ.
        question: What is asked.
        names: The players' names.
        subjects: One an instance.
        digits: Binary digits of the outputs that can be trusted.
        provenance: What was chosen.
        keep_table: Whether the explanations keep f_S(x) of all subsets.
        own: What the model answered to the instances when it was asked for nothing else, if it was.
        meter: What counts the work and ends it when time is up.
    """

    set_function: SetFunction
    fresh: SetFunction | None
    search: Search
    distance: Distance
    question: Question
    names: tuple[str, ...]
    subjects: tuple[Subject, ...]
    digits: int
    provenance: Provenance
    keep_table: bool = False
    own: OwnAnswers | None = None
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        size, n_players = self.question.size, len(self.names)
        if size is not None and size > n_players:
            raise SettingError(f"size must be at most the number of players, {n_players}; got {size}")
