"""Models that answer otherwise in large calls: the size of call up to which they do not.

A row's answer must not depend on the other rows of its call. Where it does, smaller calls are
answered like single rows more often than not, and what is reported is then the model's own answer.
"""

from dataclasses import replace

from onlyif.core.errors import ModelError
from onlyif.models.checked import Fault, apart_in_a_large_call, fault_note
from onlyif.setup.options import Options
from onlyif.setup.source import Source
from onlyif.setup.tables import asked_of, tables_of


def agreeing_options(source: Source, *, needed: bool) -> tuple[Options, tuple[str, ...]]:
    """The same options with calls in which the model answers as it does in small ones, and notes.

    A sixteenth of the budget is spent on a call at most.

    Args:
        source: What the user gave.
        needed: Whether answers are known to differ, so that a smaller size must be found.

    Raises:
        ModelError: if no smaller size of call mends other answers, unless these are tolerated.
    """
    options = source.options
    tables = tables_of(source.rows, source.background, options, needed=False)
    asked = asked_of(source.model, tables, options)
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
