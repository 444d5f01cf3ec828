"""From a criterion and a search to explanations.

One call explains a block of instances, which share their model calls. What is
handed in is finished; nothing is detected, read or printed here.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from time import perf_counter
from typing import final

import torch
from jaxtyping import Bool
from torch import Tensor

from onlyif.certificates import Facts, certify
from onlyif.core.errors import SettingError
from onlyif.criteria.base import Gaps
from onlyif.criteria.distances import Distance, gap_error
from onlyif.criteria.unified import Unified
from onlyif.explanation.continuum import Continua
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.explanation.selection import Gap, Selection
from onlyif.restrictions.base import Estimate
from onlyif.restrictions.set_function import SetFunction
from onlyif.restrictions.tabulated import TabulatedRestriction
from onlyif.searches.base import Cloud, Search
from onlyif.searches.frontier import Hull, Record, hulls, records, smallest
from onlyif.shapley import shapley_values

EPSILON_SHARE = 0.1


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
        if not 0.0 <= self.alpha <= 1.0:
            raise SettingError(f"alpha must lie in [0, 1], got {self.alpha}")
        if self.size is not None and self.size < 0:
            raise SettingError(f"size must be at least 0, got {self.size}")
        if self.epsilon is not None and not 0.0 <= self.epsilon < float("inf"):
            raise SettingError(f"epsilon must be a finite number of at least 0, got {self.epsilon}")


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

    row: str
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

    def __post_init__(self) -> None:
        size, n_players = self.question.size, len(self.names)
        if size is not None and size > n_players:
            raise SettingError(f"size must be at most the number of players, {n_players}; got {size}")


@final
@dataclass(frozen=True, eq=False)
class Solved:
    """The solutions of one instance."""

    sufficient: Selection
    necessary: Selection
    unified: Selection
    continua: Continua
    size: int
    epsilon: float
    total_gap: Gap


def explain_case(case: Case) -> tuple[Explanation, ...]:
    """The explanations of a block of instances, in order."""
    started = perf_counter()
    function, table = case.set_function, None
    if case.search.plan.complete:
        table = function.table()
        function = replace(function, restriction=TabulatedRestriction(table, function.restriction.method))
    criterion = Unified(function, case.distance, case.question.alpha)
    compared = case.search.compare(criterion, len(case.names), case.digits)
    ends = function.predict(_ends(len(case.names)))
    total = _total_gaps(case.distance, ends)
    solved = [_solve(cloud, case, gap) for cloud, gap in zip(compared.clouds, total, strict=True)]
    chosen = torch.stack([_keep([s.sufficient, s.necessary, s.unified], len(case.names)) for s in solved])
    unified = criterion.gap(chosen[:, 2:])
    hidden, table_rows = unified.mirror, 0.0 if table is None else table.model_rows
    asked = [ends.model_rows, compared.model_rows, unified.model_rows, table_rows]
    if case.fresh is not None:
        again = Unified(case.fresh, case.distance, case.question.alpha).gap(chosen)
        solved = [_refreshed(one, again, i) for i, one in enumerate(solved)]
        asked.append(again.model_rows)
    values = None if table is None else shapley_values(table.mean)
    kept = [row.clone() for row in table.mean] if table and case.keep_table else [None] * len(solved)
    spent = (perf_counter() - started) / len(solved)
    return tuple(
        _explanation(
            case,
            i,
            one,
            ends=ends,
            cloud=compared.clouds[i],
            hidden_sufficiency=0.0 if hidden is None else float(hidden.parts[i, 0, 0]),
            tables=(None if values is None else values[i], kept[i]),
            cost=(round(sum(asked)), spent),
        )
        for i, one in enumerate(solved)
    )


def _ends(n_players: int) -> Bool[Tensor, "1 2 d"]:
    return torch.tensor([False, True]).view(1, 2, 1).expand(1, 2, n_players)


def _total_gaps(distance: Distance, ends: Estimate) -> list[Gap]:
    """ρ(f(x), f_0) of each instance."""
    base, full = ends.mean[:, 0], ends.mean[:, 1]
    gap = distance.between(full, base)
    error = gap_error(distance, lambda moved: distance.between(full, moved), base, ends.stderr[:, 0], gap)
    return [Gap(*pair) for pair in zip(gap.tolist(), error.tolist(), strict=True)]


def _solve(cloud: Cloud, case: Case, total_gap: Gap) -> Solved:
    question = case.question
    epsilon = EPSILON_SHARE * total_gap.value if question.epsilon is None else question.epsilon
    sufficient, necessary = (_smallest(cloud, part, epsilon, case.names) for part in (0, 1))
    size = max(sufficient.size, necessary.size, 1) if question.size is None else question.size
    continua = continua_of(cloud, case.names)
    unified = continua.of(size, exact_size=question.exact_size).at(question.alpha)
    return Solved(sufficient, necessary, unified, continua, size, epsilon, total_gap)


def _smallest(cloud: Cloud, part: int, epsilon: float, names: tuple[str, ...]) -> Selection:
    found = smallest(cloud, part, epsilon)
    if found is None:
        raise SettingError("no compared subset is within epsilon; the full set must always be compared")
    number = torch.tensor([found.number])
    players = tuple(torch.nonzero(cloud.keep_of(number)[0]).flatten().tolist())
    gaps, errors = cloud.parts[found.number].tolist(), cloud.stderr[found.number].tolist()
    both = [Gap(*pair) for pair in zip(gaps, errors, strict=True)]
    return Selection(players, tuple(names[p] for p in players), both[0], both[1], found.count)


def continua_of(cloud: Cloud, names: tuple[str, ...]) -> Continua:
    """The solutions over α for every size and both size rules."""
    exactly = hulls(cloud)
    at_most = list(accumulate(exactly, _join))
    rules = [(size, True, hull) for size, hull in enumerate(exactly) if hull]
    rules += [(size, False, hull) for size, hull in enumerate(at_most) if hull]
    rows: list[tuple[int, bool, Record]] = [
        (size, exact, record) for size, exact, hull in rules for record in records(hull)
    ]
    numbers = torch.tensor([record.number for *_, record in rows])
    return Continua(
        names,
        torch.tensor([size for size, *_ in rows]),
        torch.tensor([exact for _, exact, _ in rows]),
        _floats([record.low for *_, record in rows]),
        _floats([record.high for *_, record in rows]),
        cloud.keep_of(numbers),
        torch.stack([cloud.parts[numbers, 0], cloud.stderr[numbers, 0]], dim=1),
        torch.stack([cloud.parts[numbers, 1], cloud.stderr[numbers, 1]], dim=1),
        torch.tensor([record.count for *_, record in rows]),
    )


def _join(one: Hull | None, other: Hull | None) -> Hull | None:
    if one is None or other is None:
        return one or other
    return one.with_(other)


def _floats(values: list[Fraction]) -> Tensor:
    return torch.tensor([float(value) for value in values], dtype=torch.float64)


def _keep(selections: list[Selection], n_players: int) -> Bool[Tensor, "m d"]:
    keep = torch.zeros(len(selections), n_players, dtype=torch.bool)
    for row, selection in zip(keep, selections, strict=True):
        row[list(selection.players)] = True
    return keep


def _refreshed(solved: Solved, again: Gaps, i: int) -> Solved:
    """The same selections, with their gaps estimated again on fresh draws."""
    fresh = [
        (Gap(parts[0], errors[0]), Gap(parts[1], errors[1]))
        for parts, errors in zip(again.parts[i].tolist(), again.stderr[i].tolist(), strict=True)
    ]
    return replace(
        solved,
        sufficient=replace(solved.sufficient, fresh=fresh[0]),
        necessary=replace(solved.necessary, fresh=fresh[1]),
        unified=replace(solved.unified, fresh=fresh[2]),
    )


def _explanation(
    case: Case,
    i: int,
    solved: Solved,
    *,
    ends: Estimate,
    cloud: Cloud,
    hidden_sufficiency: float,
    tables: tuple[Tensor | None, Tensor | None],
    cost: tuple[int, float],
) -> Explanation:
    subject, question = case.subjects[i], case.question
    facts = Facts(
        sufficient=solved.sufficient,
        necessary=solved.necessary,
        unified=solved.unified,
        alpha=question.alpha,
        epsilon=solved.epsilon,
        total_gap=solved.total_gap,
        hidden_sufficiency=hidden_sufficiency,
        is_metric=case.distance.kind.is_metric,
        exact=case.set_function.restriction.method.exact,
    )
    return Explanation(
        row=subject.row,
        names=case.names,
        values=subject.values,
        target=subject.target,
        target_label=subject.target_label,
        prediction=ends.mean[i, 1].item(),
        base=ends.mean[i, 0].item(),
        base_stderr=ends.stderr[i, 0].item(),
        total_gap=solved.total_gap,
        epsilon=solved.epsilon,
        alpha=question.alpha,
        size=solved.size,
        exact_size=question.exact_size,
        sufficient=solved.sufficient,
        necessary=solved.necessary,
        unified=solved.unified,
        continua=solved.continua,
        certificate=certify(facts, cloud),
        shapley=tables[0],
        table=tables[1],
        provenance=case.provenance,
        model_rows=cost[0],
        seconds=cost[1],
        notes=subject.notes,
    )
