"""From what a user has, a model and tables, to a piece of work that is ready to run, by any criterion."""

from dataclasses import replace
from typing import Any

from onlyif.core.errors import ModelError
from onlyif.core.memory import keep_freed_memory
from onlyif.core.progress import Meter
from onlyif.models.checked import Fault, apart_in_a_large_call, fault_note
from onlyif.models.own_answers import OtherAnswersError
from onlyif.setup.causes import causes_setup, check_unused
from onlyif.setup.checked_model import OtherModelError
from onlyif.setup.foundation import Foundation, Source
from onlyif.setup.options import Options, criterion_of, own_criterion_of, recipe_of
from onlyif.setup.sets import sets_setup
from onlyif.setup.tables import CodedRows, OtherRowsError, Tables, coded_rows
from onlyif.setup.work import Setup, Work


def prepare(model: Any, rows: Any, background: Any, options: Options, meter: Meter | None = None) -> Work:
    """A piece of work by the criterion of the options, with every input checked.

    What was chosen for the model and the background is its `setup`, by which `prepare_again` makes work for
    other rows.

    Args:
        model: The user's model, or a `Predictor`.
        rows: The rows to explain.
        background: Rows like those the model was trained on, or None with a finished reference.
        options: All that can be chosen.
        meter: What counts the work, shows it, and ends it when time is up.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an option is out of range or does not fit another one.
        LimitError: if every subset is to be compared and their gaps would not fit the memory.
        ModelError: if the model fails on a small sample of rows.
    """
    keep_freed_memory()
    source, counter = Source(model, background, options), meter or Meter()
    coded = _coded(rows, source)
    setup = _setup(source, coded.tables, counter)
    work = setup.work(coded, counter)
    if work.meets_large_calls:
        return work
    agreeing = _agreeing(setup, counter, needed=False)
    return work if agreeing is setup else agreeing.work(coded, counter)


def prepare_again(setup: Setup, rows: Any, meter: Meter) -> Work:
    """Work for other rows of the same model and background, for which little is left to do.

    Where the rows hold what the background does not, or the model is no more what it was, all is made anew.

    Args:
        setup: What was chosen.
        rows: The rows to explain.
        meter: What counts the work.

    Raises:
        InputError: if the rows cannot be used as they are.
        ModelError: if the model fails on them.
    """
    source = setup.foundation.source
    try:
        return setup.work(setup.foundation.tables.coded(rows), meter)
    except (OtherRowsError, OtherModelError):
        return prepare(source.model, rows, source.background, source.options, meter)


def in_smaller_calls(work: Work, error: OtherAnswersError) -> Work:
    """The same work in calls so small that the model answers in them as to a row alone, with a note.

    Args:
        work: Work in which it did not.
        error: How that was seen.

    Raises:
        OtherAnswersError: if there is no such size.
    """
    agreeing = _agreeing(work.setup, work.whole.meter, needed=True)
    if agreeing.foundation.source.options is work.setup.foundation.source.options:
        raise error
    return agreeing.work(work.ready.tables, work.whole.meter)


def _coded(rows: Any, source: Source) -> CodedRows:
    options, causes = source.options, criterion_of(source.options.criterion)
    if causes is not None:
        check_unused(options)
        return coded_rows(rows, source.background, options, model=source.model, baseline=causes.baseline)
    own_criterion_of(options)
    recipe = recipe_of(options.reference)
    needed, row = recipe.needs_background, recipe.own_row
    return coded_rows(rows, source.background, options, model=source.model, needed=needed, baseline=row)


def _setup(source: Source, tables: Tables, meter: Meter, call_notes: tuple[str, ...] = ()) -> Setup:
    causes = criterion_of(source.options.criterion)
    if causes is None:
        return sets_setup(source, tables, meter, call_notes)
    return causes_setup(source, causes, tables, meter, call_notes)


def _agreeing(setup: Setup, meter: Meter, *, needed: bool) -> Setup:
    """The same with calls in which the model answers as it does in small ones; itself if these do."""
    base = setup.foundation.metered(meter)
    options, notes = _agreeing_options(base, needed=needed)
    if options is base.source.options and not notes:
        return setup
    return _setup(replace(base.source, options=options), base.tables, meter, notes)


def _agreeing_options(base: Foundation, *, needed: bool) -> tuple[Options, tuple[str, ...]]:
    """The same options with calls in which the model answers as it does in small ones, and notes.

    A row's answer must not depend on the other rows of its call. Where it does, smaller calls are
    answered like single rows more often than not, and what is reported is then the model's own answer.
    A sixteenth of the budget is spent on a call at most.

    Args:
        base: The model and the background.
        needed: Whether answers are known to differ, so that a smaller size must be found.

    Raises:
        ModelError: if no smaller size of call mends other answers, unless these are tolerated.
    """
    options, few = base.source.options, base.model.sample
    largest = size = min(options.max_rows, options.budget // 16)
    worst, tolerate = 0.0, frozenset(options.tolerate)
    while size > len(few):
        apart = apart_in_a_large_call(base.model.predictor, few, size)
        if not apart:
            break
        worst, size = max(worst, apart), size // 2
    model = base.model.meaning.model
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
