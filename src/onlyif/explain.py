"""`onlyif.explain`: what a newcomer calls."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onlyif.answers.case import Question
from onlyif.answers.explained import explain_case
from onlyif.answers.own import OwnCriterion
from onlyif.causation.settings import PNS
from onlyif.core.arguments import Either, Flag
from onlyif.core.errors import Interrupted, OnlyIfWarning
from onlyif.core.progress import Meter, TimeUpError, meter_of
from onlyif.criteria.distances import Distance
from onlyif.explanation.explanations import Explanations, joined
from onlyif.explanation.layout import counted
from onlyif.modalities.base import Modality
from onlyif.modalities.images import Images
from onlyif.models.checked import Fault
from onlyif.models.outputs import Output
from onlyif.models.own_answers import OtherAnswersError
from onlyif.progress_bar import ProgressBar, progress_bar
from onlyif.references.base import Reference, ReferenceRecipe
from onlyif.restrictions.base import Restriction
from onlyif.searches.base import Search
from onlyif.setup.choose import Parts
from onlyif.setup.instances import pieces_of
from onlyif.setup.options import Options, Target
from onlyif.setup.prepare import in_smaller_calls, prepare
from onlyif.setup.work import Work


def explain(
    model: Any,
    X: Any,
    *,
    background: Any = None,
    target: Target = None,
    alpha: float = 0.5,
    size: int | None = None,
    exact_size: bool = False,
    epsilon: float | None = None,
    groups: Mapping[str, Sequence[str]] | str | Path | Any | None = None,
    seed: int = 0,
    max_rows: int = 16_384,
    budget: int = 2_000_000,
    progress: bool | None = None,
    time_limit: float | None = None,
    output: Output | str | None = None,
    reference: Reference | ReferenceRecipe | str | None = None,
    restriction: Restriction | Callable[[Parts, Reference], Restriction] | None = None,
    search: Search | str | None = None,
    distance: Distance | str | None = None,
    keep_table: bool = False,
    tolerate: tuple[Fault, ...] = (),
    criterion: PNS | OwnCriterion | str = "sne",
    modality: Modality | Images | None = None,
) -> Explanations:
    """What is sufficient for each prediction, what is necessary, and all that lies between; or its cause.

    Every choice that is left open is made by what the model and the table are,
    the exact way first, and is named in the result.

    Args:
        model: A trained model: a scikit-learn estimator or pipeline, an XGBoost or LightGBM model, a
            `torch.nn.Module`, an ONNX session, any object with `predict_proba` or `predict`, any callable
            from a table to outputs, or a `Predictor`.
        X: The rows to explain: a pandas or polars frame, a numpy array, a scipy sparse matrix or a torch
            tensor; or instances of a `modality`.
        background: Rows like those the model was trained on, of the same kind and columns as `X`; what
            is hidden takes its values from them. Needed unless `reference` is a finished object.
        target: Which output is explained: its number, its class label, or one of these a row. By default the
            largest output of each row, which for a classifier is the predicted class.
        alpha: α in [0, 1] of the unified set; 1 asks for sufficiency alone, 0 for necessity alone.
        size: τ, the most players in the continuum and the unified set. By default the size of the
            larger of the smallest ε-sufficient and the smallest ε-necessary set.
        exact_size: Ask for exactly `size` players instead of at most.
        epsilon: ε in the units of the distance; by default a tenth of ρ(f(x), f_0).
        groups: Columns that are one player: a mapping from names to columns, the path of a TOML file with a
            table `[groups]`, or a fitted scikit-learn transformer, whose one-hot blocks are kept whole.
        seed: The one seed; equal seeds give equal results.
        max_rows: Most rows of one model call: the one knob for memory.
        budget: Most model rows an instance. If all 2^d subsets fit it, they are all compared.
        progress: Whether a progress bar is shown, which moves inside a row too and says about how long a row
            takes; by default for long work on a terminal.
        time_limit: Most seconds of this call, all rows together. The row under way then ends with the subsets
            that were compared so far and says so in its notes; rows after it are left out, with a warning
            and in the attribute `left_out`. A call of the model under way is finished.
        output: What is explained: "probability", "margin", "logit", "value", or an object. By default the
            probability where the model has one, else its value.
        reference: What a hidden player is replaced by: "marginal" (the default, over at most 100 rows),
            "baseline", "gaussian", "empirical", a recipe such as `Marginal(n_rows=None)`, or an object.
        restriction: How f_S(x) is computed; by default in closed form, enumerated or sampled,
            whichever fits first.
        search: "exhaustive", "beam", "greedy" or an object; by default exhaustive where the budget allows.
        distance: ρ: "absolute" (the default), "discrete", "logit", or an object.
        keep_table: Keep f_S(x) for all 2^d subsets in each explanation: 8 · 2^d bytes a row.
        tolerate: Faults of the model that are noted instead of refused.
        criterion: "sne" (the default) for the sets; "pns" or `onlyif.PNS(...)` for the sets of each size that
            are most probably the necessary and sufficient cause. `size` is then that of the cause, 3 by
            default; alpha, epsilon, reference, restriction, distance and keep_table have no use. Or an
            `OwnCriterion` of yours, with its answer; then alpha, size, exact_size, epsilon, distance and
            keep_table have no use.
        modality: What kind of data X is, where its instances are no rows of a table: `Images(...)` for images
            whose patches or superpixels are the players, or a `Modality` of your own. `X` is then a sequence
            of instances. Groups have no use then; images take a background and a reference.

    Returns:
        One explanation a row, in order: `Explanations`, whatever the criterion.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an argument is out of range or does not fit another one.
        ModelError: if the model raises, or answers something that is no prediction.
        LimitError: if a table over all subsets would not fit the memory.
        Interrupted: on Ctrl-C; its `finished` holds the explanations that were whole.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(50, 3))
        >>> found = explain(lambda table: table @ [2.0, 1.0, 0.0], rows[:1], background=rows)
        >>> found[0].sufficient.names
        ('x0', 'x1')

    References:
        [bharti2024] the definitions; the guide states the corrections.
    """
    shown = Either((Flag(), None)).take("progress", progress)
    options = Options(
        target=target, question=Question(alpha, size, exact_size, epsilon), groups=groups, seed=seed,
        max_rows=max_rows, budget=budget, output=output, reference=reference, restriction=restriction,
        search=search, distance=distance, keep_table=keep_table, tolerate=tolerate, criterion=criterion,
        modality=modality,
    )  # fmt: skip
    bar = progress_bar(shown)
    meter = meter_of(time_limit, bar)
    if modality is not None:
        return _of_modality(model, X, background, options, meter, bar)
    return _all(prepare(model, X, background, options, meter), bar)


def _of_modality(  # noqa: PLR0917 - as `explain`
    model: Any, data: Any, background: Any, options: Options, meter: Meter, bar: ProgressBar
) -> Explanations:
    """Instances whose players have the same names together, in the order of the instances."""
    explained: list[Explanations] = []
    late: list[int] = []
    for rows, chosen in pieces_of(data, background, options):
        if explained and meter.left_s <= 0:
            late.extend(range(rows.first, rows.first + len(rows)))
            continue
        try:
            explained.append(_all(prepare(model, rows, None, chosen, meter), bar))
        except Interrupted as interrupt:
            whole: Any = interrupt.finished
            raise Interrupted(joined([*explained, whole])) from interrupt
    found = joined(explained)
    if not late:
        return found
    warnings.warn(f"time was up: {counted(len(late), 'instance')} left out", OnlyIfWarning, stacklevel=3)
    return replace(found, left_out=(*found.left_out, *late))


def _all(work: Work, bar: ProgressBar) -> Explanations:
    finished: list[Explanations] = [Explanations((), work.backend)]
    try:
        for part in bar.over(run(work), len(work)):
            finished.append(part)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(joined(finished)) from interrupt
    found = joined(finished)
    rest = rows_left(work, len(found))
    if not rest:
        return found
    warnings.warn(rest, OnlyIfWarning, stacklevel=3)
    return replace(found, left_out=tuple(subject.row for subject in work.whole.subjects[len(found) :]))


def rows_left(work: Work, done: int) -> str:
    """What to say of the rows that were left out when time was up; "" where there are none.

    Args:
        work: The work.
        done: How many rows were explained.
    """
    total = len(work)
    if done == total:
        return ""
    return (
        f"the time limit of {work.whole.meter.limit:g} s was reached after {done} of {total} rows; "
        f"{counted(total - done, 'row')} left out, from row {work.whole.subjects[done].row} on"
    )


def run(work: Work, start: int = 0) -> Iterator[Explanations]:
    """The explanations of a piece of work, block by block, in the order of its rows.

    It ends early when the time limit of the work's meter is reached.

    Args:
        work: What `prepare` made.
        start: First row that is wanted; those before it are taken as done.
    """
    step = work.rows_a_block
    for first in range(start, len(work), step):
        rows = slice(first, min(first + step, len(work)))
        if work.whole.meter.left_s <= 0:
            return
        work.whole.meter.begin(rows.stop - rows.start, (rows.stop - rows.start) * work.planned_rows)
        try:
            work, part = _part(work, rows)
        except TimeUpError:
            return
        work.whole.meter.end()
        yield part


def _part(work: Work, rows: slice) -> tuple[Work, Explanations]:
    """A block, and the work to go on with: with smaller calls where the model needs them."""
    try:
        return work, _explained(work, rows)
    except OtherAnswersError as error:
        work = in_smaller_calls(work, error)
        return work, _explained(work, rows)


def _explained(work: Work, rows: slice) -> Explanations:
    return Explanations(explain_case(work.whole.part(rows)), work.backend)
