"""From a criterion and a search to explanations.

One call explains a block of instances, which share their model calls. What is
handed in is finished; nothing is detected, read or printed here.
"""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Bool, Float64

from onlyif.answers.case import Case
from onlyif.answers.certificates import Facts, certify
from onlyif.answers.sets_in_time import Seen, compare_in_time, told_of, whole_sizes
from onlyif.answers.shapley import shapley_values
from onlyif.answers.solutions import continua_of, smallest_selection
from onlyif.criteria.base import Gaps
from onlyif.criteria.distances import Distance, gap_error
from onlyif.criteria.unified import Unified
from onlyif.explanation.continuum import Continua
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.selection import Gap, Selection
from onlyif.restrictions.base import Estimate
from onlyif.searches.base import Cloud

EPSILON_SHARE = 0.1


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
    seen = compare_in_time(case)
    with case.meter.closing():
        return _explained(case, seen, started)


def _explained(case: Case, seen: Seen, started: float) -> tuple[Explanation, ...]:
    function, table = seen.function, seen.table
    criterion = Unified(function, case.distance, case.question.alpha)
    ends = function.predict(_ends(len(case.names)))
    doubts = _doubts(case, ends)
    total = _total_gaps(case.distance, ends)
    continua = continua_of(seen.clouds, case.names)
    solved = [_solve(case, *one) for one in zip(seen.clouds, continua, total, strict=True)]
    chosen = np.stack([_keep([s.sufficient, s.necessary, s.unified], len(case.names)) for s in solved])
    unified = criterion.gap(chosen[:, 2:])
    hidden = unified.mirror
    asked = [ends.model_rows, seen.model_rows, unified.model_rows]
    if case.fresh is not None and not seen.stopped:
        again = Unified(case.fresh, case.distance, case.question.alpha).gap(chosen)
        solved = [_refreshed(one, again, i) for i, one in enumerate(solved)]
        asked.append(again.model_rows)
    values = None if table is None else shapley_values(table.mean)
    kept = [row.copy() for row in table.mean] if table and case.keep_table else [None] * len(solved)
    spent = (perf_counter() - started) / len(solved)
    return tuple(
        _explanation(
            case,
            i,
            one,
            ends=ends,
            cloud=seen.clouds[i],
            stopped=seen.stopped,
            hidden_sufficiency=0.0 if hidden is None else float(hidden.parts[i, 0, 0]),
            tables=(None if values is None else values[i], kept[i]),
            cost=(round(sum(asked)), spent),
            doubts=doubts[i],
        )
        for i, one in enumerate(solved)
    )


def _ends(n_players: int) -> Bool[np.ndarray, "1 2 d"]:
    return np.array([False, True])[None, :, None].repeat(n_players, axis=2)


def _doubts(case: Case, ends: Estimate) -> list[tuple[str, ...]]:
    """What is to be said of each f(x) that is not the model's own answer."""
    if case.own is None:
        return [()] * len(case.subjects)
    labels = [str(subject.row) for subject in case.subjects]
    return case.own.compare(ends.mean[:, 1], case.set_function.readout, labels)


def _total_gaps(distance: Distance, ends: Estimate) -> list[Gap]:
    """ρ(f(x), f_0) of each instance."""
    base, full = ends.mean[:, 0], ends.mean[:, 1]
    gap = distance.between(full, base)
    error = gap_error(distance, lambda moved: distance.between(full, moved), base, ends.stderr[:, 0], gap)
    return [Gap(*pair) for pair in zip(gap.tolist(), error.tolist(), strict=True)]


def _solve(case: Case, cloud: Cloud, continua: Continua, total_gap: Gap) -> Solved:
    question = case.question
    epsilon = EPSILON_SHARE * total_gap.value if question.epsilon is None else question.epsilon
    sufficient, necessary = (smallest_selection(cloud, part, epsilon, case.names) for part in (0, 1))
    size = max(sufficient.size, necessary.size, 1) if question.size is None else question.size
    unified = continua.of(size, exact_size=question.exact_size).at(question.alpha)
    return Solved(sufficient, necessary, unified, continua, size, epsilon, total_gap)


def _keep(selections: list[Selection], n_players: int) -> Bool[np.ndarray, "m d"]:
    keep = np.zeros((len(selections), n_players), dtype=np.bool_)
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
    stopped: bool,
    hidden_sufficiency: float,
    tables: tuple[Float64[np.ndarray, "d"] | None, Float64[np.ndarray, "two_to_d"] | None],
    cost: tuple[int, float],
    doubts: tuple[str, ...],
) -> Explanation:
    subject, question, made = case.subjects[i], case.question, case.provenance
    if stopped:
        how = "by size, from both ends" if case.search.plan.complete else made.search
        made = replace(made, search=f"{how}; {told_of(cloud, case.meter.limit)}")
    facts = _facts(case, solved, hidden_sufficiency)
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
        provenance=made,
        model_rows=cost[0],
        seconds=cost[1],
        notes=(*subject.notes, *doubts, *(_cut_short(case, solved, cloud) if stopped else ())),
    )


def _cut_short(case: Case, solved: Solved, cloud: Cloud) -> tuple[str, ...]:
    """What the reader should know of a search that time ended, and what is certain nevertheless."""
    certain = whole_sizes(cloud) + 1
    chosen = {"sufficient": solved.sufficient, "necessary": solved.necessary}
    smallest = [kind for kind, one in chosen.items() if one.size <= certain]
    left = [kind for kind in chosen if kind not in smallest]
    said = [f"no smaller set is {' and none is '.join(smallest)}"] if smallest else []
    said += [f"a smaller {' and a smaller '.join(left)} set may have been overlooked"] if left else []
    fresh = "" if case.fresh is None else "; gaps were not estimated again on fresh draws"
    return (f"{told_of(cloud, case.meter.limit)}; {', '.join(said)}{fresh}",)


def _facts(case: Case, solved: Solved, hidden_sufficiency: float) -> Facts:
    return Facts(
        sufficient=solved.sufficient,
        necessary=solved.necessary,
        unified=solved.unified,
        alpha=case.question.alpha,
        epsilon=solved.epsilon,
        total_gap=solved.total_gap,
        hidden_sufficiency=hidden_sufficiency,
        is_metric=case.distance.kind.is_metric,
        exact=case.set_function.restriction.method.exact,
    )
