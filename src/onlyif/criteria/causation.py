"""1 - PNS / 2: how far a subset is from being the necessary and sufficient cause."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.causation.change import Change
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.probabilities import Probabilities
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances
from onlyif.criteria.base import Criterion, Gaps


@final
@dataclass(frozen=True, eq=False)
class PNSCriterion(Criterion):
    """The gap 1 - PNS / 2, in the two parts 1 - PN·P(A, B) and 1 - PS·P(Ā, B̄), each with weight ½.

    Both parts lie in [0, 1]. A larger subset usually has the smaller gap: compare subsets
    of equal size. All 2^d subsets are exact from 2^d model rows an input of E.

    Args:
        test: The dual-stage test.
        x: The instances.
        change: How a change of each instance's prediction is read.
        weights_of_parts: Weight of the necessity part and of the sufficiency part; (1, 0) leaves the
            sufficiency module out, (0, 1) the necessity module.
        measured: Where all that is measured is kept, in the order of the calls, if that is wanted.

    Raises:
        SettingError: unless the weights are at least 0 and not both 0.

    References:
        [chen2024] equation 6.
    """

    test: DualStageTest
    x: Instances
    change: Change
    weights_of_parts: tuple[float, float] = (0.5, 0.5)
    measured: list[Probabilities] | None = None

    def __post_init__(self) -> None:
        if min(self.weights_of_parts) < 0 or max(self.weights_of_parts) <= 0:
            raise SettingError(
                f"the weights of necessity and sufficiency must be at least 0 and not both 0, got "
                f"{self.weights_of_parts}"
            )

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        found = self.test.measure(self.x, subset, self.change)
        if self.measured is not None:
            self.measured.append(found)
        return gaps_of(found)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return self.weights_of_parts

    @override
    def all_gaps(self, n_players: int) -> Gaps:
        return gaps_of(self.test.table(self.x, self.change))

    def singles(self) -> Probabilities:
        """The probabilities of each player alone, in one batched measurement."""
        return self.test.measure(self.x, np.eye(self.test.players.count, dtype=bool)[None], self.change)


def gaps_of(found: Probabilities) -> Gaps:
    """The two parts of the gap.

    Args:
        found: PN, PS and the probabilities of the events.
    """
    return Gaps(1.0 - found.parts, found.stderr.parts, found.model_rows)
