"""Whether a reported set keeps what was asked of it on rows that the search never saw."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

from onlyif.explanation.layout import measure_text, number
from onlyif.explanation.selection import Measure, Selection

GAPS = {"sufficient": "sufficiency", "necessary": "necessity"}
# Where decisions are compared, a larger gap is one of another decision.
SAME_DECISION = 0.5


@final
class Finding(Enum):
    """What can be said of a set and its ε."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNKNOWN = "cannot tell"


@final
@dataclass(frozen=True)
class Verdict:
    """Whether a set is within ε, with the number that says so.

    A set holds where its gap and 1.96 standard errors are within ε on rows that the search never saw; it does
    not where the gap is above ε by as much. Where f_S(x) is exact for the background, all rows of it were
    used and the set is within ε for them; that says nothing of other rows.

    Args:
        finding: What can be said.
        gap: Δsuf of a sufficient set, Δnec of a necessary one.
        epsilon: ε.
        fresh: Whether the gap is of rows that the search never saw.

    Example:
        >>> verdict_of(Selection((0,), ("age",), {"sufficiency": Measure(0.25)}), "sufficient", 0.3).sentence
        'holds for the background: the gap is 0.25, ε is 0.3'
    """

    finding: Finding
    gap: Measure
    epsilon: float
    fresh: bool

    @property
    def sentence(self) -> str:
        """The verdict in words, with its numbers."""
        numbers = f"the gap is {measure_text(self.gap)}, ε is {number(self.epsilon)}"
        if self.fresh:
            return f"{self.finding.value} on fresh rows: {numbers}"
        if self.finding is Finding.HOLDS:
            return f"holds for the background: {numbers}"
        return f"{self.finding.value}, no fresh rows were asked: {numbers}"


def verdict_of(chosen: Selection, kind: str, epsilon: float) -> Verdict:
    """The verdict on one set.

    Args:
        chosen: The set.
        kind: "sufficient" or "necessary".
        epsilon: ε, in the units of the gap.
    """
    name = GAPS[kind]
    if f"fresh_{name}" not in chosen.measures:
        gap = chosen.measure(name)
        return Verdict(Finding.UNKNOWN if gap.stderr != 0 else Finding.HOLDS, gap, epsilon, fresh=False)
    gap = chosen.measure(f"fresh_{name}")
    low, high = gap.value, gap.interval()[1]
    finding = Finding.UNKNOWN
    if high <= epsilon:
        finding = Finding.HOLDS
    elif not math.isnan(gap.stderr) and low - (high - low) > epsilon:
        finding = Finding.FAILS
    return Verdict(finding, gap, epsilon, fresh=True)
