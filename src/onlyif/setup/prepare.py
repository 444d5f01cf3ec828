"""From what a user has, a model and tables, to a piece of work that is ready to run, by any criterion."""

from dataclasses import replace
from typing import Any

from onlyif.core.errors import ModelError
from onlyif.core.progress import Meter
from onlyif.models.checked import Fault, apart_in_a_large_call, fault_note
from onlyif.models.own_answers import OtherAnswersError
from onlyif.setup.causes import causes_work
from onlyif.setup.options import Options, criterion_of
from onlyif.setup.sets import sets_work
from onlyif.setup.tables import asked_of, tables_of
from onlyif.setup.work import Source, Work


def prepare(model: Any, rows: Any, background: Any, options: Options, meter: Meter | None = None) -> Work:
    """A piece of work by the criterion of the options, with every input checked.

    Args:
        model: The user's model, or a `Predictor`.
        rows: The rows to explain.
        background: Rows like those the model was trained on, or None with a finished reference.
        options: All that can be chosen.
        meter: What counts the work, shows it, and ends it when time is up.
    """
    source, counter = Source(model, rows, background, options), meter or Meter()
    work = _work(source, counter)
    if work.meets_large_calls:
        return work
    agreeing, notes = _agreeing_options(source, counter, needed=False)
    return _noted(work if agreeing is options else _work(replace(source, options=agreeing), counter), notes)


def in_smaller_calls(work: Work, error: OtherAnswersError) -> Work:
    """The same work in calls so small that the model answers in them as to a row alone, with a note.

    Args:
        work: Work in which it did not.
        error: How that was seen.

    Raises:
        OtherAnswersError: if there is no such size.
    """
    agreeing, notes = _agreeing_options(work.source, work.whole.meter, needed=True)
    if agreeing is work.source.options:
        raise error
    return _noted(_work(replace(work.source, options=agreeing), work.whole.meter), notes)


def _work(source: Source, meter: Meter) -> Work:
    causes = criterion_of(source.options.criterion)
    return sets_work(source, meter) if causes is None else causes_work(source, causes, meter)


def _noted(work: Work, notes: tuple[str, ...]) -> Work:
    subjects = tuple(replace(one, notes=(*one.notes, *notes)) for one in work.whole.subjects)
    return replace(work, whole=replace(work.whole, subjects=subjects))


def _agreeing_options(source: Source, meter: Meter, *, needed: bool) -> tuple[Options, tuple[str, ...]]:
    """The same options with calls in which the model answers as it does in small ones, and notes.

    A row's answer must not depend on the other rows of its call. Where it does, smaller calls are
    answered like single rows more often than not, and what is reported is then the model's own answer.
    A sixteenth of the budget is spent on a call at most.

    Args:
        source: What the user gave.
        meter: What counts the rows that the model receives.
        needed: Whether answers are known to differ, so that a smaller size must be found.

    Raises:
        ModelError: if no smaller size of call mends other answers, unless these are tolerated.
    """
    options = source.options
    tables = tables_of(source.rows, source.background, options, needed=False)
    asked = asked_of(source.model, tables, options, meter)
    few = tables.few(options)
    largest = size = min(options.max_rows, options.budget // 16)
    worst, tolerate = 0.0, frozenset(options.tolerate)
    while size > len(few):
        apart = apart_in_a_large_call(asked.predictor, few, size)
        if not apart:
            break
        worst, size = max(worst, apart), size // 2
    model = asked.meaning.model
    detail = f"its answer to a row changes by up to {worst:.3g} in a call of {largest:,} rows"
    if worst and Fault.RANDOM in tolerate:
        return options, (fault_note(model, Fault.RANDOM, detail, tolerate),)
    if size <= len(few) and (worst or needed):
        raise ModelError(fault_note(model, Fault.RANDOM, detail, tolerate))
    if not worst:
        return options, ()
    note = (
        f"{model} answers a row otherwise in large calls ({detail}); it was asked in calls of {size:,} rows"
    )
    return replace(options, max_rows=size), (note,)
