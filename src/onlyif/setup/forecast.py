"""What work will take, before it is done: model rows, seconds and memory."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.answers.explained import explain_case
from onlyif.core.nouns import counted
from onlyif.engine.distinct import MOST_ENTRIES
from onlyif.engine.engine import Engine
from onlyif.explanation.layout import number, sentence
from onlyif.setup.work import Work

# Two calls of different size tell what a call costs and what a row does; a first one loads and compiles.
TIMED_CALLS = (64, 64, 1024)
# How often the rows of a call are held, and how many numbers for each of their outputs: the engine's checks,
# and what is looked up and read from them.
CALL_COPIES, CALL_NUMBERS = 2, 6
# Of each set of players and row that replaces them: which rows are equal there, and where its output is.
ENTRY_BYTES = 14
# Rows to explain of which equal blends are counted.
MOST_COUNTED = 256
# Seconds beside the model, on a processor of 2023: of each row, of each subset that is compared (hulls and
# smallest sets), and of each model row that is made and read.
ROW_S, SUBSET_S, MODEL_ROW_S = 1e-3, 2e-6, 5e-8
# A row is explained as a trial where the model is not asked and there are at most so many players.
MOST_PLAYERS_OF_A_TRIAL = 16


@final
@dataclass(frozen=True)
class Forecast:
    """The estimated cost of an explanation.

    Args:
        n_rows: Rows to explain.
        n_players: Players of each; of instances with different ones the most.
        how: How f_S(x) is computed or causes are tested, and how sets are found; each a sentence.
        notes: Why so, and what else the reader should know.
        model_rows: Model rows that are needed at most, equal ones counted each time.
        asked_rows: Those that the model is expected to be asked for.
        check_rows: Rows that it was asked for already: to check and to time it.
        seconds: About how long it takes, all rows together; NaN where nothing can be said.
        memory_bytes: What is held at the peak, beside the model's own and the tables that were given.
    """

    n_rows: int
    n_players: int
    how: tuple[str, ...]
    notes: tuple[str, ...]
    model_rows: int
    asked_rows: int
    check_rows: int
    seconds: float
    memory_bytes: int

    @override
    def __str__(self) -> str:
        asked, needed = f"{self.asked_rows:,}", f"{self.model_rows:,}"
        rows = f"about {asked} of at most {needed} (the others are equal)" if asked != needed else needed
        about = "not known before" if math.isnan(self.seconds) else f"about {number(self.seconds)} s"
        return "\n".join(
            [
                f"{counted(self.n_rows, 'row')} of {counted(self.n_players, 'player')}",
                *map(sentence, self.how),
                f"model rows: {rows}; {self.check_rows:,} were asked for to check and to time the model",
                f"time: {about}",
                f"memory: about {self.memory_bytes / 2**20:,.1f} MiB beside the model and the tables",
                *(f"! {note}" for note in self.notes),
            ]
        )


def joined_forecasts(parts: Sequence[Forecast]) -> Forecast:
    """What several pieces of work take, one after the other.

    Args:
        parts: What each takes; at least one.
    """
    return Forecast(
        sum(one.n_rows for one in parts),
        max(one.n_players for one in parts),
        tuple(dict.fromkeys(said for one in parts for said in one.how)),
        tuple(dict.fromkeys(note for one in parts for note in one.notes)),
        sum(one.model_rows for one in parts),
        sum(one.asked_rows for one in parts),
        parts[-1].check_rows,
        sum(one.seconds for one in parts),
        max(one.memory_bytes for one in parts),
    )


def forecast_of(work: Work) -> Forecast:
    """What a piece of work will take.

    Args:
        work: The work.
    """
    whole, n, d = work.whole, len(work), len(work.whole.names)
    answered = whole.criterion.rows_to_answer(complete=whole.search.plan.complete)
    compared = _compared_rows(work)
    needed = compared + n * answered
    share = _distinct_share(work)
    expected = math.ceil(share * compared) + n * answered
    said = whole.provenance.sentences
    how = [said[name] for name in ("restriction", "sample", "steps") if name in said]
    seconds = _model_seconds(work, expected, needed) if work.choice.rows_a_subset else _trial_seconds(work)
    return Forecast(
        n_rows=n,
        n_players=d,
        how=(*how, whole.search.plan.sentence),
        notes=tuple(dict.fromkeys(note for subject in whole.subjects for note in subject.notes)),
        model_rows=needed,
        asked_rows=min(expected, needed),
        check_rows=whole.meter.model_rows,
        seconds=seconds,
        memory_bytes=_peak(work, repeats=share < 1.0),
    )


def _engine(work: Work) -> Engine:
    return Engine(work.choice.predictor, work.ready.tables.players, work.ready.options.max_rows)


def _peak(work: Work, *, repeats: bool) -> int:
    """What is held at once: of all subsets, of the rows of a call, of equal rows, of the results."""
    ready, d = work.ready, len(work.whole.names)
    kept = len(work) * 8 << d if ready.options.keep_table else 0
    entry = int(work.choice.predictor.batch_dtype.itemsize) * int(ready.tables.players.index.size)
    numbers = CALL_COPIES * entry + CALL_NUMBERS * 8 * int(ready.asked.outputs.shape[1])
    rows = min(_engine(work).rows_a_call, work.planned_rows)
    entries = work.planned_rows if repeats and work.planned_rows <= MOST_ENTRIES else 0
    return work.choice.table_bytes + rows * numbers + ENTRY_BYTES * entries + kept


def _compared_rows(work: Work) -> int:
    """Model rows that the comparisons of all blocks need at most."""
    if not work.choice.rows_a_subset:
        return 0
    full, rest = divmod(len(work), work.rows_a_block)
    blocks = [(full, work.rows_a_block), (1, rest)]
    return sum(
        times * work.whole.part(slice(0, size)).criterion.rows_to_compare(size, work.planned_rows)
        for times, size in blocks
        if times and size
    )


def _distinct_share(work: Work) -> float:
    """The share of the model rows that is asked for, by some rows; of a search calls are not known before."""
    if not work.whole.search.plan.complete:
        return 1.0
    some = work.whole.part(slice(None, None, max(1, len(work) // MOST_COUNTED)))
    return some.criterion.distinct_share


def _model_seconds(work: Work, asked: int, needed: int) -> float:
    """The time of as many model rows, by what a call and a row cost, and of what is made of them."""
    most, few_rows = work.ready.options.max_rows, work.ready.tables.x[:MOST_COUNTED]
    times = []
    for size in TIMED_CALLS:
        rows = np.resize(few_rows, (min(size, most), few_rows.shape[1]))
        begun = time.perf_counter()
        work.choice.predictor.predict(rows)
        times.append((time.perf_counter() - begun, len(rows)))
    few_s, few = min(times[:-1])
    many_s, many = times[-1]
    row_s = max(0.0, many_s - few_s) / (many - few) if many > few else few_s / few
    call_s = max(0.0, few_s - few * row_s)
    calls = max(len(work) / work.rows_a_block, asked / _engine(work).rows_a_call)
    compared = 1 << len(work.whole.names) if work.whole.search.plan.complete else 0
    return asked * row_s + calls * call_s + len(work) * (ROW_S + compared * SUBSET_S) + needed * MODEL_ROW_S


def _trial_seconds(work: Work) -> float:
    """The time of all rows, by that of the first; NaN where that may take long."""
    if len(work.whole.names) > MOST_PLAYERS_OF_A_TRIAL:
        return math.nan
    begun = time.perf_counter()
    explain_case(work.whole.part(slice(0, 1)))
    return (time.perf_counter() - begun) * len(work)
