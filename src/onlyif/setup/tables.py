"""What every way of explaining tables needs first: the tables coded, the model checked and asked."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64, Int64

from onlyif.core.errors import SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.progress import Meter
from onlyif.engine.engine import outputs_of
from onlyif.modalities.background import Background
from onlyif.modalities.groups import read_groups
from onlyif.modalities.rendered import RenderedRows
from onlyif.modalities.table import Schema, fit_schema
from onlyif.modalities.table_forms import Form
from onlyif.models.base import Meaning
from onlyif.models.checked import CheckedPredictor, probe, rounding
from onlyif.models.detect import detect
from onlyif.models.function import FunctionPredictor
from onlyif.models.metered import tallied
from onlyif.models.own_answers import OwnAnswers
from onlyif.samples.masked import MaskedSample
from onlyif.setup.options import Options, output_of

N_PROBE = 32
# Masked copies of an instance that has no other rows like it.
N_MASKED = 100


@final
@dataclass(frozen=True, eq=False)
class Tables:
    """The user's tables, coded."""

    schema: Schema
    players: Players
    x: Float64[np.ndarray, "b c"]
    values: Float64[np.ndarray, "rows c"]

    def few(self, options: Options) -> Float64[np.ndarray, "r c"]:
        """Some typical rows, of those to explain and of the background, for one call.

        Args:
            options: How large a call may be.
        """
        return np.concatenate([self.x[:N_PROBE], self.values[:N_PROBE]])[: options.max_rows]


def tables_of(
    rows: Any, background: Any, options: Options, *, needed: bool = True, baseline: Any = None
) -> Tables:
    """The tables, coded by what both of them hold.

    Args:
        rows: The rows to explain.
        background: The background, or None.
        options: All that can be chosen.
        needed: Whether there must be a background.
        baseline: One more row whose levels must be known, or None.

    Raises:
        SettingError: if it is needed and there is none.
    """
    if isinstance(rows, RenderedRows):
        copies = masked_sample(rows).rows(rows.codes[:1], options.seed).own[0, 1:]
        return Tables(rows.schema(), column_players(rows.names), rows.codes, copies)
    if background is None and needed:
        raise SettingError(
            "need a background: a table of rows like those the model was trained on, from which hidden "
            "columns take their values; pass background=..."
        )
    known = rows if background is None else background
    given = [known, rows] if baseline is None else [known, rows, baseline]
    first = "rows" if background is None else "background"
    schema = fit_schema(*given, roles=(first, "rows", "baseline"))
    players = column_players(schema.columns, read_groups(options.groups))
    return Tables(schema, players, schema.encode(rows), schema.encode(known))


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """The model behind its checks, and what it says of the rows.

    Args:
        predictor: The model.
        form: The kind of table it takes.
        meaning: What its outputs are.
        outputs: Its answers to the rows to explain.
        notes: What the reader should know, each a sentence.
        decisions: The number of the class that it decides for in each row, where it has classes.
        row_notes: What the reader should know of each row alone.
    """

    predictor: CheckedPredictor
    form: Form
    meaning: Meaning
    outputs: Float64[np.ndarray, "b k"]
    notes: tuple[str, ...]
    decisions: Int64[np.ndarray, "b"] | None = None
    row_notes: tuple[tuple[str, ...], ...] = ()

    def own(self, options: Options) -> OwnAnswers:
        """Its answers to the rows, to compare explanations with."""
        meaning = self.meaning
        return OwnAnswers(self.outputs, meaning.model, meaning.digits, frozenset(options.tolerate))


def masked_sample(rows: RenderedRows) -> MaskedSample:
    """Copies of an instance that stand for a background where a modality has none."""
    return MaskedSample(N_MASKED, rows.modality.n_draws)


def asked_of(model: Any, tables: Tables, options: Options, meter: Meter) -> Asked:
    """The model, probed on some rows and asked for all that are explained."""
    raw = tallied(detect(model, tables.schema, output_of(options.output)), meter)
    probed = probe(raw, tables.few(options), frozenset(options.tolerate))
    predictor = CheckedPredictor(raw, probed.outputs.shape[1], probed.digits)
    outputs = _own_answers(predictor, tables.x, options.max_rows, probed.outputs)
    form = raw.form if isinstance(raw, FunctionPredictor) else tables.schema.form
    told = raw.notes if isinstance(raw, FunctionPredictor) else ()
    return Asked(predictor, form, predictor.meaning, outputs, (*told, *probed.notes))


def _own_answers(
    predictor: CheckedPredictor,
    x: Float64[np.ndarray, "b c"],
    max_rows: int,
    first: Float64[np.ndarray, "r k"],
) -> Float64[np.ndarray, "b k"]:
    """The answers to the rows, in calls that are answered as small ones are.

    Few rows were all among the first that the model was asked for, whose answers are these.
    """
    if len(x) <= min(N_PROBE, max_rows):
        return first[: len(x)]
    outputs, few = outputs_of(predictor, x, max_rows), outputs_of(predictor, x[:N_PROBE], N_PROBE)
    if np.abs(outputs[: len(few)] - few).max() <= rounding(few, predictor.meaning.digits):
        return outputs
    return outputs_of(predictor, x, N_PROBE)


def background_of(tables: Tables, options: Options) -> Background:
    """The background as recipes see it."""
    schema = tables.schema
    return Background(
        values=tables.values,
        columns=schema.columns,
        numeric=np.array([column.levels is None and column.plain is not bool for column in schema.described]),
        ordered=schema.ordered,
        positions=schema.positions,
        encode=schema.encode,
        decode=schema.decode,
        seed=options.seed,
        affordable_rows=options.budget // 2 ** min(tables.players.count, 60),
    )
