"""Pipelines that are asked behind their steps, each value of a table having gone through these once.

A blend of two rows then costs what the model at the end of the pipeline costs, and no frame.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.core.arrays import doubled
from onlyif.core.errors import ModelError
from onlyif.core.shapes import Batch
from onlyif.modalities.table import Schema
from onlyif.modalities.table_arrays import ArrayForm
from onlyif.modalities.table_forms import BatchForm, Form
from onlyif.modalities.table_frames import PandasForm, PolarsForm
from onlyif.models.base import Predictor
from onlyif.models.checked import CheckedPredictor
from onlyif.models.decided import decided
from onlyif.models.decisions import Decision
from onlyif.models.function import predictor_of
from onlyif.models.metered import tallied
from onlyif.models.outputs import DIGITS_DOUBLE, Heads
from onlyif.models.transformed import transformed_values
from onlyif.setup.options import output_of
from onlyif.setup.ready import Ready

# Mixtures of rows on which both ways are compared.
N_MIXED = 128
TOLERANCE = 1e-9
MOST_ROWS = 2**15
SAID = {"steps": "transformed once: each value went through the steps of the pipeline once, not each blend"}


@final
@dataclass(frozen=True, eq=False)
class Behind:
    """The model at the end of a pipeline, whose steps keep columns apart; or a model that is no pipeline.

    Args:
        last: The model.
        rows: From coded rows of the user's table to what it takes.
    """

    last: Any
    rows: Callable[[Batch], Any]


@final
@dataclass(frozen=True, eq=False)
class Once:
    """How a model is asked.

    Args:
        predictor: The model; behind the steps of its pipeline where that could be had.
        behind: What is known of it; None where nothing is.
        notes: Why it is asked through its whole table, where another way could have been expected.
        sentences: What is told of the steps; nothing where the model is asked through its whole table.
    """

    predictor: CheckedPredictor
    behind: Behind | None = None
    notes: tuple[str, ...] = ()
    sentences: Mapping[str, str] = field(default_factory=dict)


def transformed_once(ready: Ready, others: Float64[np.ndarray, "r c"]) -> Once:
    """The same model behind the steps of its pipeline, where it has some that keep columns apart.

    Both ways are compared on mixtures of the rows first.

    Args:
        ready: The rows to explain and the model.
        others: What hidden players are replaced by.
    """
    model, form = ready.source.model, ready.asked.form
    whole, rows = Once(ready.asked.predictor), np.concatenate([ready.tables.x, others])
    if not type(model).__module__.startswith("sklearn."):
        return whole
    steps = import_module("onlyif.models.sklearn_steps").steps_of(model, rows.shape[1])
    if steps is None:
        return whole

    plain = Behind(steps.last, partial(_transformed, steps.transform, form))
    if steps.last is model or not _is_costly(ready.tables.schema, form) or len(rows) > MOST_ROWS:
        return replace(whole, behind=plain)
    with warnings.catch_warnings():
        # Nobody gave the mixtures: what a pipeline says of them is of no use to anybody.
        warnings.simplefilter("ignore")
        try:
            return _compared(plain, steps.source, rows, ready)
        except ModelError as error:
            note = f"{ready.asked.meaning.model} is asked through its whole table: {error}"
            return replace(whole, notes=(note,))


def _transformed(transform: Callable[[Any], Any], form: Form, batch: Batch) -> Any:
    try:
        return transform(form.decode(batch))
    except Exception as error:  # a step of the user's pipeline may raise anything
        raise ModelError(f"its steps raised {type(error).__name__}: {error}") from error


def _compared(plain: Behind, source: Sequence[int], rows: Float64[np.ndarray, "r c"], ready: Ready) -> Once:
    """The model behind its steps, if it answers as it does through them."""
    asked, known = ready.asked, transformed_values(plain.rows, rows, source)
    if known is None:
        return Once(asked.predictor)
    behind = Behind(plain.last, known.rows)
    predictor = replace(asked.predictor, inner=_asked_behind(behind, ready))
    difference = _difference((asked.predictor, plain.rows), (predictor, known.rows), rows)
    if difference:
        note = f"{asked.meaning.model} is asked through its whole table: {difference}"
        return Once(asked.predictor, notes=(note,))
    return Once(predictor, behind, sentences=SAID)


def _is_costly(schema: Schema, form: Form) -> bool:
    """Whether a model's table costs more than an array of numbers."""
    if isinstance(form, ArrayForm):
        return any(column.levels is not None for column in schema.described)
    return isinstance(form, PandasForm | PolarsForm)


def _asked_behind(behind: Behind, ready: Ready) -> Predictor:
    """The model at the end with the same output, asked for coded rows."""
    heads: Heads = import_module("onlyif.models.sklearn_estimator").estimator_heads(behind.last)

    def of_rows(ask: Callable[[Any], Any]) -> Callable[[Batch], Any]:
        return lambda batch: ask(behind.rows(batch))

    rule = heads.decision
    moved = replace(
        heads,
        model=ready.asked.meaning.model,
        all=tuple(replace(head, ask=of_rows(head.ask)) for head in heads.all),
        decision=None if rule is None else Decision(of_rows(rule.ask), rule.classes),
    )
    predictor = tallied(predictor_of(moved, output_of(ready.options.output), BatchForm()), ready.meter)
    return decided(predictor, ready.asked.outputs.shape[1]) if ready.of_decisions else predictor


_Way = tuple[Predictor, Callable[[Batch], Any]]


def _difference(one: _Way, other: _Way, rows: Float64[np.ndarray, "r c"]) -> str:
    """What differs between two ways of asking, each with its rows behind the steps; empty where nothing does.

    Rows are mixed: each column is taken from some row.
    """
    numbers = np.random.default_rng(0).integers(0, len(rows), (N_MIXED, rows.shape[1]))
    mixed = np.take_along_axis(rows, numbers, axis=0)
    if not _same_table(one[1](mixed), other[1](mixed)):
        return "what its steps make of a column depends on others"
    wanted, got = (doubled(predictor.predict(mixed)) for predictor, _ in (one, other))
    apart = float(np.abs(wanted - got).max())
    if apart <= tolerance(wanted, one[0].meaning.digits):
        return ""
    return f"behind its steps its answers differ by up to {apart:.3g}"


def tolerance(outputs: Float64[np.ndarray, "r k"], digits: int) -> float:
    """By how much answers to the same rows may differ by rounding when they are computed in two ways.

    Args:
        outputs: The answers.
        digits: Their binary digits that can be trusted.
    """
    scale = max(1.0, float(np.abs(outputs).max()))
    return scale * (TOLERANCE if digits >= DIGITS_DOUBLE else 4 * 2.0**-digits)


def _same_table(one: Any, other: Any) -> bool:
    """Whether two tables are of one kind and hold the same numbers, up to rounding."""
    if type(one) is not type(other) or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if isinstance(one, np.ndarray):
        return np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    kept = all(np.array_equal(a, b) for a, b in ((one.indptr, other.indptr), (one.indices, other.indices)))
    return kept and np.allclose(one.data, other.data, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
