"""From the dual-stage test and a search to causal explanations.

One call explains a block of instances, which share the inputs of E. What is
handed in is finished; nothing is detected, read or printed here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onlyif.answers.causal_case import CausalCase
from onlyif.answers.causes_in_time import CausesSeen, compare_causes_in_time
from onlyif.answers.sets_in_time import told_of
from onlyif.causation.probabilities import Probabilities, Quantities
from onlyif.core.arrays import doubled, like
from onlyif.engine.engine import outputs_of
from onlyif.explanation.causal import CausalExplanation
from onlyif.explanation.cause import Cause, Measured
from onlyif.models.readouts import TargetReadout
from onlyif.samples.base import Sample
from onlyif.searches.base import Cloud
from onlyif.searches.visited import codes_of

LOW_SAMPLE_SIZE = 10.0


@final
@dataclass(frozen=True)
class _Best:
    """The best subset of one size: number in the cloud, ties, mean PNS of that size if all were compared."""

    number: int
    n_ties: int
    typical: float | None


def explain_causes(case: CausalCase) -> tuple[CausalExplanation, ...]:
    """The causal explanations of a block of instances, in order."""
    started, found = perf_counter(), []
    wanted = case.test.sample
    seen = compare_causes_in_time(case)
    case = seen.case
    with case.meter.closing():
        predicted = _predictions(case)
        doubts = _doubts(case, predicted)
        for i, cloud in enumerate(seen.clouds):
            best = best_of_sizes(cloud, case)
            numbers = np.array([one.number for one in best])
            causes, more = _measured(case, i, seen, cloud, numbers)
            spent_here = round(seen.model_rows + more) + 2
            one = _explanation(
                case, i, predicted[i], _path(causes, best, cloud), spent_here, stopped=seen.stopped
            )
            one = replace(one, notes=(*one.notes, *doubts[i], *_fewer_inputs(case, wanted)))
            found.append(_cut_short(one, case, cloud) if seen.stopped else one)
    seconds = (perf_counter() - started) / len(found)
    return tuple(replace(item, seconds=seconds) for item in found)


def best_of_sizes(cloud: Cloud, case: CausalCase) -> list[_Best]:
    """For each size that was compared the subset with the highest PNS; ties by the canonical order."""
    scores, found = (cloud.parts @ np.array(case.weights) / cloud.grid).round(), []
    for numbers in cloud.by_size[1 : case.largest + 1]:
        if len(numbers):
            held = scores[numbers]
            first = int(held.argmin())
            typical = float((1.0 - cloud.parts[numbers]).sum(1).mean()) if cloud.complete else None
            found.append(_Best(int(numbers[first]), int((held == held[first]).sum()), typical))
    return found


def _fewer_inputs(case: CausalCase, wanted: Sample) -> list[str]:
    if case.test.sample is wanted:
        return []
    n = wanted.rows(case.x[:1], case.test.seed).count
    few, limit = case.provenance.n_sample, case.meter.limit
    return [f"the time limit of {limit:g} s allowed for {few} of the {n} inputs of E"]


def _cut_short(item: CausalExplanation, case: CausalCase, cloud: Cloud) -> CausalExplanation:
    """The same, saying that time ended the search, and what is certain nevertheless."""
    told = told_of(cloud, case.meter.limit)
    beyond = sum(len(numbers) > 0 for numbers in cloud.by_size[1 : case.wanted + 1]) < case.wanted
    reached = f"; sets of {case.wanted} features were not reached" if beyond else ""
    note = f"{told}; what was drawn was not estimated again on other perturbations{reached}"
    how = "by size, the smallest first" if case.search.plan.complete else item.provenance.search
    made = replace(item.provenance, search=f"{how}; {told}")
    return replace(item, provenance=made, notes=(*item.notes, note))


def _measured(
    case: CausalCase, i: int, seen: CausesSeen, cloud: Cloud, numbers: Int64[np.ndarray, "_"]
) -> tuple[list[Cause], float]:
    """Every player alone and the chosen subsets, from the table or estimated again; model rows for that."""
    keep = np.concatenate([np.eye(len(case.names), dtype=np.bool_), cloud.keep_of(numbers)])
    places = np.concatenate([1 << np.arange(len(case.names)), numbers])
    if seen.measured is not None and seen.stopped:
        # The cloud is in canonical order, what was measured in the order of the calls.
        at = [seen.place[code] for code in codes_of(keep)]
        return [
            _cause(case, seen.measured, (i, place), row) for place, row in zip(at, keep, strict=True)
        ], 0.0
    if seen.measured is not None and case.fresh is None:
        return [
            _cause(case, seen.measured, (i, int(place)), row) for place, row in zip(places, keep, strict=True)
        ], 0.0
    one = case.change.take(np.array([i]))
    again = (case.fresh or case.test).measure(case.x[i : i + 1], keep[None], one)
    return [_cause(case, again, (0, m), row) for m, row in enumerate(keep)], again.model_rows


def _cause(
    case: CausalCase, found: Probabilities, place: tuple[int, int], keep: Bool[np.ndarray, "d"]
) -> Cause:
    def measured(number: Callable[[Quantities], Float64[np.ndarray, "b m"]]) -> Measured:
        told = (found.values, found.stderr, found.sample_stderr)
        return Measured(*(float(number(quantities)[place]) for quantities in told))

    players = tuple(np.flatnonzero(keep).tolist())
    return Cause(
        players=players,
        names=tuple(case.names[p] for p in players),
        pn=measured(lambda quantities: quantities.pn),
        ps=measured(lambda quantities: quantities.ps),
        p_changed=measured(lambda quantities: quantities.p_changed),
        p_unchanged=measured(lambda quantities: quantities.p_unchanged),
        pns=measured(lambda quantities: quantities.pns),
        effective_pn=float(found.effective_pn[place]),
        effective_ps=float(found.effective_ps[place]),
        exact=bool(found.exact[place]) and case.test.abduction.n_resampled is None,
    )


def _path(
    causes: list[Cause], best: list[_Best], cloud: Cloud
) -> tuple[tuple[Cause, ...], tuple[Cause, ...]]:
    """Every player alone, and the path, which says what the search saw."""
    singles, chosen = causes[: -len(best)], causes[-len(best) :]
    path = []
    for cause, one in zip(chosen, best, strict=True):
        seen = float((1.0 - cloud.parts[one.number]).sum())
        searched = None if cause.exact and seen == cause.pns.value else seen
        path.append(
            replace(cause, searched=None if cause.exact else searched, n_ties=one.n_ties, typical=one.typical)
        )
    return tuple(singles), tuple(path)


def _predictions(case: CausalCase) -> list[tuple[float, float]]:
    """f(x) and f(x') of each instance."""
    test, targets = case.test, np.array(case.targets)[:, None]
    with test.predictor.opened() as predictor:
        outputs = outputs_of(predictor, case.x, test.max_rows)
        at_baseline = outputs_of(predictor, like(test.baseline, case.x), test.max_rows)
    full = np.take_along_axis(outputs, targets, 1)
    base = np.take_along_axis(np.broadcast_to(at_baseline, outputs.shape), targets, 1)
    return [*zip(full.ravel().tolist(), base.ravel().tolist(), strict=True)]


def _doubts(case: CausalCase, predicted: list[tuple[float, float]]) -> list[tuple[str, ...]]:
    """What is to be said of each f(x) that is not the model's own answer."""
    if case.own is None:
        return [()] * len(predicted)
    reported = np.array([full for full, _ in predicted])
    labels = [str(subject.row) for subject in case.subjects]
    return case.own.compare(reported, TargetReadout(np.array(case.targets)), labels)


def _explanation(
    case: CausalCase,
    i: int,
    predicted: tuple[float, float],
    measured: tuple[tuple[Cause, ...], tuple[Cause, ...]],
    model_rows: int,
    *,
    stopped: bool,
) -> CausalExplanation:
    subject, (singles, path) = case.subjects[i], measured
    wanted = case.wanted
    cause = max((one for one in path if one.size <= wanted), key=lambda one: one.size)
    reason = _reason(case, (*path, *singles))
    return CausalExplanation(
        row=subject.row,
        names=case.names,
        values=subject.values,
        baseline=case.baseline,
        target=subject.target,
        target_label=subject.target_label,
        prediction=predicted[0],
        baseline_prediction=predicted[1],
        size=cause.size,
        path=path,
        singles=singles,
        reason=reason,
        provenance=case.provenance,
        model_rows=model_rows,
        seconds=0.0,
        notes=(
            *subject.notes,
            *_at_baseline(case, i),
            *([] if stopped else _short(cause, wanted)),
            *_low(case, cause, reason),
        ),
    )


def _reason(case: CausalCase, causes: tuple[Cause, ...]) -> str:
    if any(cause.pns.value > 0 for cause in causes):
        return ""
    return (
        "no perturbation changes the prediction of an input near this row by enough to count "
        f"(c = {case.provenance.c:.4g}): the PNS of every set is 0"
    )


def _at_baseline(case: CausalCase, i: int) -> list[str]:
    """A note on the players whose values are those of the baseline already."""
    x, base = doubled(case.x[i]), doubled(case.test.baseline[0])
    same = (x == base) | (np.isnan(x) & np.isnan(base))
    index = case.test.players.index
    held = [name for p, name in enumerate(case.names) if same[index == p].all()]
    if not held:
        return []
    said = "already at the baseline, so that their PNS comes from near rows with other values"
    return [f"{said}: {', '.join(held)}"]


def _short(cause: Cause, wanted: int) -> list[str]:
    if cause.size == wanted:
        return []
    return [
        f"the search reached no set of {wanted} features within its budget, only of {cause.size}; raise it"
    ]


def _low(case: CausalCase, cause: Cause, reason: str) -> list[str]:
    """A warning where few inputs of E decide the values."""
    held = [(cause.effective_pn, "PN")]
    held += [(cause.effective_ps, "PS")] if cause.size < len(case.names) else []
    least, which = min(held)
    if reason or least >= LOW_SAMPLE_SIZE:
        return []
    return [
        f"only {least:.1f} of the {case.provenance.n_sample} inputs of E effectively stand for {which} of "
        "the cause; take more inputs or a larger b before you trust it"
    ]
