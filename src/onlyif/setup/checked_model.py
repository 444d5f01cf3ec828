"""The model behind its checks: what it is, how it answers, and whether it still is what it was."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import ModelError
from onlyif.core.progress import Meter
from onlyif.engine.engine import outputs_of, slices
from onlyif.modalities.table_forms import Form
from onlyif.models.base import Meaning, Predictor
from onlyif.models.checked import CheckedPredictor, Fault, fault_note, probe, rounding
from onlyif.models.detect import detect
from onlyif.models.function import FunctionPredictor, Watched
from onlyif.models.metered import tallied
from onlyif.setup.options import Options, output_of
from onlyif.setup.tables import N_PROBE, Tables


class OtherModelError(ModelError):
    """A model answers the same rows otherwise than before: it was changed, or looks at the other rows too."""


@final
@dataclass(frozen=True, eq=False)
class RowAnswers:
    """What a model says of the rows to explain.

    Args:
        outputs: Its outputs.
        notes: What the reader should know, each a sentence.
    """

    outputs: Float64[np.ndarray, "b k"]
    notes: tuple[str, ...]


@final
@dataclass(frozen=True, eq=False)
class CheckedModel:
    """The model behind its checks, with its answers to some rows of the background.

    Args:
        predictor: The model.
        form: The kind of table it takes.
        sample: Some rows of the background.
        outputs: Its answers to these.
        notes: What the reader should know, each a sentence.
    """

    predictor: CheckedPredictor
    form: Form
    sample: Float64[np.ndarray, "r c"]
    outputs: Float64[np.ndarray, "r k"]
    notes: tuple[str, ...]

    @property
    def meaning(self) -> Meaning:
        """What its outputs are."""
        return self.predictor.meaning

    def metered(self, meter: Meter) -> "CheckedModel":
        """The same, with the rows that the model is given counted.

        Args:
            meter: What counts.
        """
        return replace(self, predictor=replace(self.predictor, inner=tallied(self.predictor.inner, meter)))

    def answers(self, x: Float64[np.ndarray, "b c"], options: Options) -> RowAnswers:
        """What it says of the rows to explain, and whether it still says the same of the sample.

        Both are asked for together, so that a model that looks at the other rows of a call is found too.

        Args:
            x: The rows, coded.
            options: How large a call may be, and what is tolerated.

        Raises:
            OtherModelError: if it answers the sample otherwise than before, unless chance is tolerated.
            ModelError: if it changes the rows, unless that is tolerated, or answers badly.
        """
        first, tolerate = x[:N_PROBE], frozenset(options.tolerate)
        asked = np.concatenate([first, self.sample])
        seen = [self._watched(asked[part]) for part in slices(len(asked), options.max_rows)]
        outputs = np.concatenate([one.outputs for one in seen])
        self._check_sample(outputs[len(first) :], tolerate)
        changed = any(one.changed for one in seen)
        model, fault = self.meaning.model, Fault.CHANGES_INPUT
        notes = (fault_note(model, fault, "each call gets a copy", tolerate),) if changed else ()
        return RowAnswers(self._all(x, outputs[: len(first)], options.max_rows), notes)

    def _watched(self, batch: Float64[np.ndarray, "r c"]) -> Watched:
        seen = self.predictor.watch(batch)
        return Watched(seen.outputs.astype(np.float64), seen.changed)

    def _check_sample(self, outputs: Float64[np.ndarray, "r k"], tolerate: frozenset[Fault]) -> None:
        apart = float(np.abs(outputs - self.outputs).max(initial=0.0))
        if apart <= rounding(self.outputs, self.meaning.digits) or Fault.RANDOM in tolerate:
            return
        detail = f"its answer to a row changes by up to {apart:.3g} with the other rows of the call"
        try:
            fault_note(self.meaning.model, Fault.RANDOM, detail, tolerate)
        except ModelError as error:
            raise OtherModelError(str(error)) from error

    def _all(
        self, x: Float64[np.ndarray, "b c"], first: Float64[np.ndarray, "f k"], max_rows: int
    ) -> Float64[np.ndarray, "b k"]:
        """The answers to all rows, in calls that are answered as small ones are."""
        if len(x) <= len(first):
            return first
        outputs = outputs_of(self.predictor, x, max_rows)
        if np.abs(outputs[: len(first)] - first).max() <= rounding(first, self.meaning.digits):
            return outputs
        return outputs_of(self.predictor, x, N_PROBE)


def checked_model(model: Any, tables: Tables, options: Options, meter: Meter) -> CheckedModel:
    """The user's model, probed on some rows of the background.

    Args:
        model: The model.
        tables: The kind of table, and the background.
        options: Which output is explained, how large a call may be, and what is tolerated.
        meter: What counts the rows that it is given.

    Raises:
        SettingError: if it is no model, or does not offer the output.
        ModelError: if it fails on these rows.
    """
    raw = detect(model, tables.schema, output_of(options.output))
    form = raw.form if isinstance(raw, FunctionPredictor) else tables.schema.form
    notes = raw.notes if isinstance(raw, FunctionPredictor) else ()
    return probed_model(tallied(raw, meter), form, notes, tables.sample(options), options)


def probed_model(
    raw: Predictor,
    form: Form,
    notes: tuple[str, ...],
    sample: Float64[np.ndarray, "r c"],
    options: Options,
) -> CheckedModel:
    """A predictor behind its checks.

    Args:
        raw: The predictor.
        form: The kind of table it takes.
        notes: What is known of it.
        sample: Rows that it is probed on.
        options: What is tolerated.

    Raises:
        ModelError: for each fault that is not tolerated.
    """
    probed = probe(raw, sample, frozenset(options.tolerate))
    predictor = CheckedPredictor(raw, probed.outputs.shape[1], probed.digits, probed.rows_a_call)
    return CheckedModel(
        predictor, form, sample, probed.outputs, tuple(dict.fromkeys((*notes, *probed.notes)))
    )
