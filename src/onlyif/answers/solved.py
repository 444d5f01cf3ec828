"""The solutions of one instance: which compared subsets are reported, and what is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from jaxtyping import Bool

from onlyif.answers.case import SetQuestion
from onlyif.answers.confidence import Bounded
from onlyif.answers.elimination import Again, Elimination
from onlyif.answers.solutions import nearest_selection, selection_of, smallest_selection
from onlyif.answers.stability import KINDS, Codes
from onlyif.criteria.base import Gaps
from onlyif.explanation.alternatives import Alternatives
from onlyif.explanation.continuum import Continua
from onlyif.explanation.layout import measure_text, number
from onlyif.explanation.selection import Measure, Selection, gap_selection
from onlyif.explanation.verdicts import BOUND, GAPS
from onlyif.searches.base import Cloud

EPSILON_SHARE = 0.1
GAP_PARTS = tuple(enumerate(KINDS[:2]))


@final
@dataclass(frozen=True, eq=False)
class Solved:
    """The solutions of one instance; of `KINDS` those that a permitted set is.

    `codes` are of resamples, `eliminations` how smallest sets were found on a larger background.
    """

    sets: Mapping[str, Selection]
    continua: Continua
    size: int
    epsilon: float
    total_gap: Measure
    missing: str = ""
    alternatives: Mapping[str, Alternatives] = field(default_factory=dict)
    codes: Mapping[str, Codes] = field(default_factory=dict)
    eliminations: Mapping[str, Elimination] = field(default_factory=dict)

    @property
    def filled(self) -> Bool[np.ndarray, "3 d"]:
        """The members of the sets of all kinds; of what is missing those of the unified one."""
        return np.stack([self.sets.get(kind, self.sets["unified"]).keep for kind in KINDS])


def epsilon_of(question: SetQuestion, total_gap: Measure) -> float:
    """ε of one instance.

    Args:
        question: What is asked.
        total_gap: ρ(f(x), f_0).
    """
    return EPSILON_SHARE * total_gap.value if question.epsilon is None else question.epsilon


def solve(
    question: SetQuestion,
    compared: Bounded,
    continua: Continua,
    total_gap: Measure,
    eliminations: Mapping[str, Elimination] | None = None,
) -> Solved:
    """The sets that answer what is asked of one instance.

    Args:
        question: What is asked.
        compared: The compared subsets.
        continua: Their continua.
        total_gap: ρ(f(x), f_0).
        eliminations: The smallest sets on a larger background, by kind; None where there is none.
    """
    epsilon, names = epsilon_of(question, total_gap), continua.names
    smallest = {
        kind: _chosen(compared, part, eliminations[kind], names)
        if eliminations
        else smallest_selection(compared, part, epsilon, names)
        for part, kind in GAP_PARTS
    }
    sets = {kind: chosen for kind, chosen in smallest.items() if chosen is not None}
    # Where no permitted set is within ε, none of any size is: then all sizes are allowed.
    sizes = [one.size for one in sets.values()] if len(sets) == len(GAP_PARTS) else [_most(compared.cloud)]
    size = max(*sizes, 1) if question.size is None else question.size
    unified = continua.of(size, exact_size=question.exact_size).at(question.alpha)
    missing = [
        _missing(compared, part, kind, epsilon, continua.names)
        for part, kind in GAP_PARTS
        if kind not in sets
    ]
    sets["unified"] = unified
    return Solved(
        sets, continua, size, epsilon, total_gap, " ".join(missing), eliminations=eliminations or {}
    )


def _chosen(compared: Bounded, part: int, found: Elimination, names: Sequence[str]) -> Selection | None:
    """The set that was chosen on the larger background."""
    return None if found.code is None else selection_of(compared, part, found.code, found.n_ties, names)


def _most(cloud: Cloud) -> int:
    """The largest size of a subset to choose from."""
    return max(size for size, numbers in enumerate(cloud.by_size) if len(numbers))


def _missing(compared: Bounded, part: int, kind: str, epsilon: float, names: Sequence[str]) -> str:
    """What is said where no permitted set is within ε."""
    nearest = nearest_selection(compared, part, names)
    gap = (nearest.sufficiency, nearest.necessity)[part]
    found = "No" if compared.cloud.certain else "No compared"
    bound = (
        f", of other rows up to {number(nearest.measure(BOUND).value)}" if BOUND in nearest.measures else ""
    )
    return (
        f"{found} set that is permitted is {kind} within ε = {number(epsilon)}: the nearest, {nearest}, has "
        f"a gap of {measure_text(gap)}{bound}."
    )


def refreshed(solved: Solved, again: Gaps, i: int) -> Solved:
    """The same selections, with their gaps estimated again on fresh draws.

    Args:
        solved: The solutions of one instance.
        again: Those gaps, of the sets of all kinds.
        i: Which instance it is.
    """
    fresh = [
        (Measure(parts[0], errors[0]), Measure(parts[1], errors[1]))
        for parts, errors in zip(again.parts[i].tolist(), again.stderr[i].tolist(), strict=True)
    ]
    pairs = zip(KINDS, fresh, strict=True)
    return replace(
        solved,
        sets={kind: _with_fresh(solved.sets[kind], gaps) for kind, gaps in pairs if kind in solved.sets},
    )


def on_larger(chosen: Selection, kind: str, again: Again, times: float | None) -> Selection:
    """A set with what the larger background says of it; of the smallest ones the gaps, too.

    Args:
        chosen: The set.
        kind: Of which kind it is.
        again: What the larger background says.
        times: How many standard errors the bound of a smallest set is above its gap; None for no bound.
    """
    names = tuple(GAPS.values())
    measures = {**chosen.measures, "kept": again.kept, "hidden": again.hidden}
    measures |= {f"fresh_{name}": gap for name, gap in zip(names, again.gaps, strict=True)}
    measures.pop(BOUND, None)
    if kind in GAPS:
        measures |= dict(zip(names, again.gaps, strict=True))
        if times is not None:
            gap = measures[GAPS[kind]]
            measures[BOUND] = Measure(gap.value + times * gap.stderr)
    return replace(chosen, measures=measures, exact=False)


def _with_fresh(chosen: Selection, fresh: tuple[Measure, Measure]) -> Selection:
    gaps = chosen.sufficiency, chosen.necessity
    again = gap_selection(chosen.players, chosen.among, gaps, chosen.n_ties, fresh)
    bound = {BOUND: chosen.measures[BOUND]} if BOUND in chosen.measures else {}
    return replace(again, measures={**again.measures, **bound})
