"""What is asked of a block of instances whose causes are sought, and all that is needed to answer."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.answers.case import Subject
from onlyif.causation.change import Change, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.core.arrays import Array
from onlyif.core.errors import SettingError
from onlyif.core.progress import Meter
from onlyif.explanation.causal import CausalProvenance
from onlyif.models.own_answers import OwnAnswers
from onlyif.searches.base import Search

DEFAULT_SIZE = 3


@final
@dataclass(frozen=True, eq=False)
class CausalCase:
    """A block of instances, with all that is needed to find their causes.

    Args:
        test: The dual-stage test that the search sees.
        fresh: The same with other random perturbations, for estimating again; None where
            nothing is drawn.
        x: The instances.
        targets: The explained output of each.
        search: Which subsets are compared.
        weights: Weight of the necessity part and of the sufficiency part in what is maximised.
        size: The size of the cause, or None for 3, or all but one player where that is less.
        names: The players' names.
        subjects: One an instance.
        baseline: The players' values at x', as text.
        digits: Binary digits of the outputs that can be trusted.
        provenance: What was chosen.
        own: What the model answered to the instances when it was asked for nothing else, if it was.
        meter: What counts the work and ends it when time is up.

    Raises:
        SettingError: unless 1 <= size < number of players; a single player may be a cause alone.
    """

    test: DualStageTest
    fresh: DualStageTest | None
    x: Float64[Array, "b c"]
    targets: tuple[int, ...]
    search: Search
    weights: tuple[float, float]
    size: int | None
    names: tuple[str, ...]
    subjects: tuple[Subject, ...]
    baseline: tuple[str, ...]
    digits: int
    provenance: CausalProvenance
    own: OwnAnswers | None = None
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= self.largest:
            raise SettingError(
                f"the size of a cause must be 1 to {self.largest}, for at least one of {len(self.names)} "
                f"players stays outside; got {self.size}"
            )

    @property
    def largest(self) -> int:
        """The largest size of a cause: all players but one."""
        return max(1, len(self.names) - 1)

    @property
    def wanted(self) -> int:
        """The size of the cause that is asked for."""
        return min(DEFAULT_SIZE, self.largest) if self.size is None else self.size

    @property
    def change(self) -> Change:
        """How a change of each instance's prediction is read."""
        return TargetChange(np.array(self.targets, dtype=np.int64))
