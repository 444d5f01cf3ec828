"""A run over rows of a table: which work explains which of them, and their explanations in order."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from typing_extensions import override

from onlyif.answers.explained import explain_case
from onlyif.core.labels import Row
from onlyif.core.progress import Meter, TimeUpError
from onlyif.criteria.distances import SideDistance
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.models.own_answers import OtherAnswersError, OwnAnswers
from onlyif.setup.against import Piece, pieces_against
from onlyif.setup.forecast import Forecast, forecast_of, joined_forecasts
from onlyif.setup.foundation import Source
from onlyif.setup.jobs import blocks_in_jobs
from onlyif.setup.prepare import in_smaller_calls, prepare
from onlyif.setup.run import Run
from onlyif.setup.work import Work

# Blocks of rows of every job that are begun before the first of them is waited for.
BLOCKS_A_JOB = 4


@final
@dataclass(frozen=True, eq=False)
class Portion:
    """Some of the rows, and the work that explains them.

    Args:
        places: Their places among all rows, in order.
        work: The work.
        piece: What they are explained against; None where they are all explained alike.
    """

    places: Sequence[int]
    work: Work
    piece: Piece | None = None

    def part(self, start: int, stop: int, jobs: int) -> dict[int, Explanation]:
        """The explanations of its rows from one place to another, by their places; fewer when time is up.

        Args:
            start: The first place.
            stop: The place before which it ends.
            jobs: How many blocks are explained at once.
        """
        ends = [bisect_left(self.places, place) for place in (start, stop)]
        items = [item for part in explained(self.work, ends[0], jobs, ends[1]) for item in part]
        return dict(zip(self.places[ends[0] : ends[1]], map(self._told, items), strict=False))

    def _told(self, item: Explanation) -> Explanation:
        """An explanation with the background that the user knows."""
        if self.piece is None:
            return item
        distance, made = self.piece.options.distance, item.provenance
        settings = {"threshold": distance.threshold} if isinstance(distance, SideDistance) else {}
        return replace(
            item,
            provenance=replace(made, sentences={**made.sentences, "against": self.piece.sentence}),
            notes=tuple(dict.fromkeys((*item.notes, *self.piece.notes))),
            settings={**item.settings, **settings},
        )


@final
@dataclass(frozen=True, eq=False)
class RowsRun(Run):
    """All rows of a call.

    Args:
        portions: What explains them, each some of them.
        names: The label of each row.
    """

    portions: tuple[Portion, ...]
    names: tuple[Row, ...]

    @property
    @override
    def labels(self) -> tuple[Row, ...]:
        return self.names

    @property
    @override
    def backend(self) -> str:
        return self.portions[0].work.backend

    @property
    @override
    def meter(self) -> Meter:
        return self.portions[0].work.whole.meter

    @property
    def answers(self) -> OwnAnswers | None:
        """What the model says of each row; None where it was not asked for it alone."""
        known = [(portion.places, portion.work.whole.own) for portion in self.portions]
        own = [(places, one) for places, one in known if one is not None]
        if len(own) < len(known):
            return None
        outputs = np.zeros((len(self), max(one.outputs.shape[1] for _, one in own)))
        for places, one in own:
            outputs[np.array(places), : one.outputs.shape[1]] = one.outputs
        return replace(own[0][1], outputs=outputs)

    @override
    def forecast(self) -> Forecast:
        return joined_forecasts([forecast_of(portion.work) for portion in self.portions])

    @override
    def parts(self, start: int = 0, jobs: int = 1) -> Iterator[Explanations]:
        first = self.portions[0]
        if first.piece is None:
            yield from explained(first.work, start, jobs)
            return
        step = max(portion.work.rows_a_block for portion in self.portions)
        step = 1 if self.meter.limited else step if jobs == 1 else step * jobs * BLOCKS_A_JOB
        for place in range(start, len(self), step):
            stop = min(place + step, len(self))
            found = {k: v for portion in self.portions for k, v in portion.part(place, stop, jobs).items()}
            whole = next((k for k in range(place, stop) if k not in found), stop)
            if whole > place:
                items = (replace(found[k], row=self.labels[k]) for k in range(place, whole))
                yield Explanations(tuple(items), self.backend)
            if whole < stop:
                return


def run_of(work: Work) -> RowsRun:
    """A run whose rows are explained alike.

    Args:
        work: What `prepare` made.
    """
    return RowsRun((Portion(range(len(work)), work),), tuple(subject.row for subject in work.whole.subjects))


def run_against(source: Source, rows: Any, against: Any, meter: Meter) -> RowsRun:
    """A run whose rows are explained against others: those that are decided alike by one piece of work.

    Args:
        source: The model, the background, which may be None where `against` is a table, and the options.
        rows: The rows to explain.
        against: The rows that they are explained against, as `onlyif.explain` takes it.
        meter: What counts the work, shows it, and ends it when time is up.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an option has no use with it, it decides nothing, or no row is left.
        ModelError: if the model fails on a small sample of rows.
    """
    given = pieces_against(source, rows, against, meter)
    portions = (
        Portion(
            piece.places, prepare(source.model, piece.rows, piece.background, piece.options, meter), piece
        )
        for piece in given.pieces
    )
    return RowsRun(tuple(portions), given.labels)


def explained(work: Work, start: int = 0, jobs: int = 1, stop: int | None = None) -> Iterator[Explanations]:
    """The explanations of a piece of work, block by block, in the order of its rows.

    It ends early when the time limit of the work's meter is reached.

    Args:
        work: What `prepare` made.
        start: First row that is wanted; those before it are taken as done.
        jobs: How many blocks are explained at once; the blocks are the same for any number.
        stop: The row before which it ends; None for the end.
    """
    blocks = blocks_of(work, start, len(work) if stop is None else stop)
    if jobs > 1 and len(blocks) > 1:
        yield from _in_jobs(work, blocks, jobs)
        return
    for rows in blocks:
        if work.whole.meter.left_s <= 0:
            return
        work.whole.meter.begin(rows.stop - rows.start, (rows.stop - rows.start) * work.planned_rows)
        try:
            work, part = _part(work, rows)
        except TimeUpError:
            return
        work.whole.meter.end()
        yield part


def blocks_of(work: Work, start: int, stop: int) -> list[slice]:
    """Which rows are explained together.

    Args:
        work: The work.
        start: The first row.
        stop: The row before which they end.
    """
    step = work.rows_a_block
    return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]


def _in_jobs(work: Work, blocks: Sequence[slice], jobs: int) -> Iterator[Explanations]:
    """The explanations of blocks until one is not whole; in smaller calls from where the model needs them."""
    done = 0
    try:
        for rows, found in zip(blocks, blocks_in_jobs(work, blocks, jobs), strict=True):
            if found:
                yield Explanations(found, work.backend)
            if len(found) < rows.stop - rows.start:
                return
            done += 1
    except OtherAnswersError as error:
        smaller = in_smaller_calls(work, error)
        yield from explained(smaller, blocks[done].start, jobs, blocks[-1].stop)


def _part(work: Work, rows: slice) -> tuple[Work, Explanations]:
    """A block, and the work to go on with: with smaller calls where the model needs them."""
    try:
        return work, _block(work, rows)
    except OtherAnswersError as error:
        work = in_smaller_calls(work, error)
        return work, _block(work, rows)


def _block(work: Work, rows: slice) -> Explanations:
    return Explanations(explain_case(work.whole.part(rows)), work.backend)
