"""From a case to explanations, whatever its criterion.

One call explains a block of instances, which share their model calls. What is
handed in is finished; nothing is detected, read or printed here.
"""

from dataclasses import replace
from time import perf_counter

import numpy as np

from onlyif.answers.case import Answer, Case, Seen
from onlyif.answers.in_time import told_of
from onlyif.core.memory import keep_freed_memory
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.searches.base import Cloud


def explain_case(case: Case) -> tuple[Explanation, ...]:
    """The explanations of a block of instances, in order.

    Args:
        case: The block.

    Raises:
        TimeUpError: if time is up before anything can be said.
    """
    keep_freed_memory()
    started = perf_counter()
    seen = case.criterion.compare(case)
    with case.meter.closing():
        answers = seen.case.criterion.answers(seen)
        doubts = _doubts(seen.case, answers)
    seconds = (perf_counter() - started) / len(answers)
    return tuple(
        replace(
            _explanation(seen, i, answer, notes),
            seconds=seconds,
            asked_rows=_asked_rows(case, i),
            check_rows=case.meter.check_rows,
        )
        for i, (answer, notes) in enumerate(zip(answers, doubts, strict=True))
    )


def _asked_rows(case: Case, i: int) -> int | None:
    """The share of one instance in the rows that the model received for the block; in sum all of them."""
    if not case.counted:
        return None
    share, rest = divmod(case.meter.block_rows, len(case.subjects))
    return share + (i < rest)


def _doubts(case: Case, answers: tuple[Answer, ...]) -> list[tuple[str, ...]]:
    """What is to be said of each f(x) that is not the model's own answer."""
    if case.own is None:
        return [()] * len(answers)
    labels = [str(subject.row) for subject in case.subjects]
    return case.own.compare(
        np.array([answer.prediction for answer in answers]), case.criterion.readout, labels
    )


def _explanation(seen: Seen, i: int, answer: Answer, doubts: tuple[str, ...]) -> Explanation:
    case, subject = seen.case, seen.case.subjects[i]
    return Explanation(
        row=subject.row,
        names=case.names,
        values=subject.values,
        target=subject.target,
        target_label=subject.target_label,
        prediction=answer.prediction,
        base=answer.base,
        base_stderr=answer.base_stderr,
        sets=answer.sets,
        provenance=_provenance(seen, seen.clouds[i]),
        scores=answer.scores,
        measures=answer.measures,
        settings={**answer.settings, **subject.settings, **({"stopped": True} if seen.stopped else {})},
        details=answer.details,
        model_rows=round(seen.model_rows + answer.model_rows),
        notes=(*subject.notes, *doubts, *answer.notes),
        reason=answer.reason,
    )


def _provenance(seen: Seen, cloud: Cloud) -> Provenance:
    """What was chosen; of a search that time ended how far it came."""
    made, case = seen.case.provenance, seen.case
    if not seen.stopped:
        return made
    how = seen.order if case.search.plan.complete else made.search
    return replace(made, search=f"{how}; {told_of(cloud, case.meter.limit, made.noun)}")
