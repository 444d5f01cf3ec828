"""A piece of work by either criterion: sets, or causes."""

from dataclasses import replace
from typing import Any

from onlyif.core.progress import Meter
from onlyif.models.own_answers import OtherAnswersError, OwnAnswers
from onlyif.setup.call_sizes import agreeing_options
from onlyif.setup.causal_work import CausalWork, prepare_causes
from onlyif.setup.options import Options, criterion_of
from onlyif.setup.prepare import Work, prepare
from onlyif.setup.source import Source

AnyWork = Work | CausalWork


def any_work(model: Any, rows: Any, background: Any, options: Options, meter: Meter | None = None) -> AnyWork:
    """A piece of work by the criterion of the options, with every input checked.

    Args:
        model: The user's model.
        rows: The rows to explain.
        background: The background.
        options: All that can be chosen.
        meter: What counts the work, shows it, and ends it when time is up.
    """
    source = Source(model, rows, background, options)
    work = _made(source, meter)
    if work.meets_large_calls:
        return work
    agreeing, notes = agreeing_options(source, needed=False)
    return _noted(work if agreeing is options else _made(replace(source, options=agreeing), meter), notes)


def in_smaller_calls(work: AnyWork, error: OtherAnswersError) -> AnyWork:
    """The same work in calls so small that the model answers in them as to a row alone, with a note.

    Args:
        work: Work in which it did not.
        error: How that was seen.

    Raises:
        OtherAnswersError: if there is no such size.
    """
    if work.source is None:
        raise error
    agreeing, notes = agreeing_options(work.source, needed=True)
    if agreeing is work.source.options:
        raise error
    return _noted(_made(replace(work.source, options=agreeing), work.meter), notes)


def _made(source: Source, meter: Meter | None) -> AnyWork:
    causes, given = criterion_of(source.options.criterion), (source.model, source.rows, source.background)
    if causes is None:
        return replace(prepare(*given, source.options, meter), source=source)
    return replace(prepare_causes(*given, source.options, causes, meter), source=source)


def _noted(work: AnyWork, notes: tuple[str, ...]) -> AnyWork:
    if not notes:
        return work
    subjects = tuple(replace(one, notes=(*one.notes, *notes)) for one in work.subjects)
    if isinstance(work, CausalWork):
        return replace(work, whole=replace(work.whole, subjects=subjects))
    return replace(work, subjects=subjects)


def answers_of(work: AnyWork) -> OwnAnswers | None:
    """What the model answered to the rows of a piece of work, if that is known.

    Args:
        work: The work.
    """
    return work.whole.own if isinstance(work, CausalWork) else work.own
