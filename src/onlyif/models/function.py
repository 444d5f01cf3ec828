"""Any callable as a predictor: the class that all models of tables share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from typing_extensions import override

from onlyif.core.errors import InputError, ModelError
from onlyif.core.progress import Meter
from onlyif.core.shapes import Batch, Outputs
from onlyif.modalities.base import Call
from onlyif.modalities.table_forms import BatchForm, Form
from onlyif.models.base import Meaning, Predictor
from onlyif.models.decisions import Decision
from onlyif.models.outputs import Heads, Output, as_outputs


@final
@dataclass(frozen=True, eq=False)
class Watched:
    """The answers to a batch, and what became of it.

    Args:
        outputs: The answers.
        changed: Whether the model changed what it was given.
    """

    outputs: Outputs
    changed: bool


@final
@dataclass(frozen=True, eq=False)
class FunctionPredictor(Predictor):
    """A callable that takes batches of rows; its answers are numpy arrays, in its own precision.

    Args:
        function: From a batch in its own form to one row of outputs an instance: a
            tensor, an array, a frame or a list, of one or two dimensions.
        form: The kind of input the function takes: that of a `Schema` for data frames
            and arrays; by default the batch itself, as a copy.
        described: What the outputs are.
        guard: Around every call: what puts the model back as it was.
        notes: What a reader of results should know of how the model is asked, each a sentence.
        decision: The model's own rule for the class of a row, in the same form; None where that is the
            largest output.
        meter: What counts the rows that the function is given.

    Example:
        >>> total = FunctionPredictor(lambda batch: batch.sum(1))
        >>> total.predict(np.array([[1.0, 2.0]]))
        array([[3.]])
    """

    function: Callable[[Any], Any]
    form: Form = field(default_factory=BatchForm)
    described: Meaning = field(default_factory=lambda: Meaning("a function", "value"))
    guard: Callable[[], AbstractContextManager[None]] = nullcontext
    notes: tuple[str, ...] = ()
    decision: Decision | None = None
    meter: Meter = field(default_factory=Meter)

    @property
    @override
    def meaning(self) -> Meaning:
        return self.described

    @property
    @override
    def batch_dtype(self) -> np.dtype[Any]:
        return self.form.batch_dtype

    @override
    def predict(self, batch: Batch) -> Outputs:
        return self.answers(self.form.decode(batch), len(batch))

    def answers(self, native: Any, n_rows: int) -> Outputs:
        """The answers to what the function itself takes.

        Args:
            native: In the function's own form, in memory of its own.
            n_rows: The rows that are asked for.

        Raises:
            ModelError: if the function answers with other than one row a row.
        """
        self.meter.receive(n_rows)
        with self.guard():
            answer = self.function(native)
        outputs = as_outputs(answer, n_rows)
        if len(outputs) != n_rows:
            raise ModelError(
                f"{self.described.model} answered with {len(outputs)} rows to {n_rows} rows; need one a row"
            )
        return outputs

    @override
    @contextmanager
    def opened(self) -> Iterator[Predictor]:
        with self.guard():
            yield replace(self, guard=nullcontext, form=self.form.of_given())

    def watch(self, batch: Batch) -> Watched:
        """The answers to a batch, and whether the function changed the table it was given.

        It is given a copy on each call, so that the user's own table never changes. What a modality renders
        is made anew for each call, and is not looked at.

        Args:
            batch: The rows.

        Raises:
            ModelError: if the function answers with other than one row a row.
        """
        if not self.form.of_tables:
            return Watched(self.predict(batch), changed=False)
        native = self.form.decode(batch)
        before = self.form.encode(native)
        outputs = self.answers(native, len(batch))
        try:
            after = self.form.encode(native)
        except InputError:
            return Watched(outputs, changed=True)
        # Columns that were added are left out where a table is coded.
        added = bool(self.form.column_notes(native, "rows"))
        return Watched(outputs, changed=added or not np.array_equal(before, after, equal_nan=True))


def predictor_of(heads: Heads, output: Output, form: Form) -> FunctionPredictor:
    """The predictor of the chosen one of a model's heads.

    Args:
        heads: What the model offers.
        output: What is explained.
        form: The kind of table the model takes.

    Raises:
        SettingError: if the model does not offer that output.
    """
    head = output.choose(heads)
    return FunctionPredictor(head.ask, form, heads.meaning(head), heads.guard, heads.notes, heads.decision)


def taking_arguments(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """A function that takes a batch, which may be a `Call` of several arguments.

    Args:
        function: Takes a batch, or these arguments.
    """

    def ask(batch: Any) -> Any:
        return batch.answered_by(function) if isinstance(batch, Call) else function(batch)

    return ask
