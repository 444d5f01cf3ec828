"""Whether a reported set keeps what was asked of it on rows that the search never saw."""

from dataclasses import dataclass
from enum import Enum
from typing import final

from onlyif.explanation.layout import measure_text, number
from onlyif.explanation.selection import ONE_SIDED_95, Measure, Selection

GAPS = {"sufficient": "sufficiency", "necessary": "necessity"}
# The measure of a set that has the upper confidence bound of its gap.
BOUND = "bound"
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

    A set holds where its gap and 1.64 standard errors are within ε on rows that the search never saw; it does
    not where the gap is above ε by as much. Either is a one-sided test at a level of 5 %: whatever the gap is
    over all rows that could have been drawn, what is said is wrong for at most 5 % of draws, as far as a mean
    over fresh rows is normal. Where f_S(x) is exact for the background, all rows of it were used and the set
    is within ε for them; that says nothing of other rows. Where a confidence was asked for, the set was
    chosen by a bound of its gap, which does.

    Args:
        finding: What can be said.
        gap: Δsuf of a sufficient set, Δnec of a necessary one.
        epsilon: ε.
        fresh: Whether the gap is of rows that the search never saw.
        bound: The upper confidence bound of the gap, by which the set was chosen; None where there is none.

    Example:
        >>> verdict_of(Selection((0,), ("age",), {"sufficiency": Measure(0.25)}), "sufficient", 0.3).sentence
        'holds for the background: the gap is 0.25, ε is 0.3'
    """

    finding: Finding
    gap: Measure
    epsilon: float
    fresh: bool
    bound: float | None = None

    @property
    def sentence(self) -> str:
        """The verdict in words, with its numbers."""
        numbers = f"the gap is {measure_text(self.gap)}, ε is {number(self.epsilon)}"
        if self.fresh:
            return f"{self.finding.value} on fresh rows: {numbers}"
        if self.finding is Finding.HOLDS:
            if self.bound is not None:
                numbers += (
                    f"; of other rows it is at most {number(self.bound)}, with the confidence asked for"
                )
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
    bound = chosen.measures[BOUND].value if BOUND in chosen.measures else None
    if f"fresh_{name}" not in chosen.measures:
        gap = chosen.measure(name)
        known = gap.stderr == 0 or (bound is not None and bound <= epsilon)
        return Verdict(Finding.HOLDS if known else Finding.UNKNOWN, gap, epsilon, fresh=False, bound=bound)
    gap = chosen.measure(f"fresh_{name}")
    # A gap is within ε or above it: only one of two statements can be wrong, each made at a level of 5 %.
    margin, finding = ONE_SIDED_95 * gap.stderr, Finding.UNKNOWN
    if gap.value + margin <= epsilon:
        finding = Finding.HOLDS
    elif gap.value - margin > epsilon:
        finding = Finding.FAILS
    return Verdict(finding, gap, epsilon, fresh=True, bound=bound)
