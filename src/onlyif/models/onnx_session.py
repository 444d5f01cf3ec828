"""ONNX sessions: one tensor for the whole table, or one input a column."""

import re
from dataclasses import dataclass, replace
from typing import Any, final

import narwhals as nw
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.modalities.table_values import is_missing, some
from onlyif.models.decisions import Decision, several_labels
from onlyif.models.outputs import DIGITS_DOUBLE, DIGITS_SINGLE, Head, HeadKind, Heads

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
# Rounding may bring a probability slightly outside [0, 1].
SLACK = 1e-4


@final
@dataclass(frozen=True, eq=False)
class SessionCall:
    """A session as a function of tables.

    Args:
        session: The session.
        output: Name of the output that is asked for.
        columns: The table's column names, in order.
        limits: Lowest and highest number it may answer with.
    """

    session: onnxruntime.InferenceSession
    output: str
    columns: tuple[str, ...]
    limits: tuple[float, float] = (-np.inf, np.inf)

    def __call__(self, native: Any) -> NDArray[Any]:
        """The output's numbers, one row an instance.

        Raises:
            InputError: if an input of strings would get a missing value.
            ModelError: if a number is outside the limits.
        """
        table = np.concatenate([_rows(answer) for answer in self.run(native)])[: len(native)]
        low, high = self.limits
        if low > -np.inf and table.size and not (np.nanmin(table) >= low and np.nanmax(table) <= high):
            raise ModelError(
                f"the output {self.output!r} holds {np.nanmin(table):g} to {np.nanmax(table):g}; these "
                "are no probabilities"
            )
        return table

    def run(self, native: Any) -> list[Any]:
        """The raw answers; several where the session takes a fixed number of rows."""
        feed = self._feed(native)
        fixed = self.session.get_inputs()[0].shape[0]
        if not isinstance(fixed, int):
            return [self.session.run([self.output], feed)[0]]
        starts = range(0, len(native), fixed)
        return [
            self.session.run(
                [self.output], {name: _block(part, first, fixed) for name, part in feed.items()}
            )[0]
            for first in starts
        ]

    def _feed(self, native: Any) -> dict[str, NDArray[Any]]:
        inputs = self.session.get_inputs()
        if takes_columns(self.session, self.columns):
            return {entry.name: _column(native, _place(entry.name, self.columns), entry) for entry in inputs}
        return {inputs[0].name: np.ascontiguousarray(np.asarray(native).astype(DTYPES[inputs[0].type]))}


def _block(values: NDArray[Any], first: int, size: int) -> NDArray[Any]:
    """Rows `first` to `first + size`, the last one repeated where there are fewer."""
    rows = np.minimum(np.arange(first, first + size), len(values) - 1)
    return values[rows]


def session_heads(session: onnxruntime.InferenceSession, columns: tuple[str, ...], row: Any) -> Heads:
    """What a session offers, by the names and types of its outputs.

    An output named "probabilities" is taken for that if it answers like it, else for
    margins. Without such an output the first output of numbers is the value.

    Args:
        session: The session.
        columns: The table's column names.
        row: A table of one row, asked once for the names of classes.

    Raises:
        InputError: if the session's inputs do not fit the columns.
        SettingError: if an input is of an unknown type, or no output holds numbers.
    """
    _check_inputs(session, columns)
    digits = DIGITS_DOUBLE if session.get_inputs()[0].type == "tensor(double)" else DIGITS_SINGLE
    maps = [entry.name for entry in session.get_outputs() if entry.type.startswith("seq(map(")]
    numeric = [
        entry.name for entry in session.get_outputs() if entry.type in ("tensor(float)", "tensor(double)")
    ]
    named = maps or [name for name in numeric if "prob" in name.lower()]
    if named:
        return _classifier(session, named[0], columns, row, digits)
    if not numeric:
        held = {entry.name: entry.type for entry in session.get_outputs()}
        raise SettingError(f"the ONNX model has no output of numbers; it has {held}")
    return Heads(
        "onnx model", (Head(HeadKind.VALUE, SessionCall(session, numeric[0], columns), digits=digits),)
    )


def takes_columns(session: onnxruntime.InferenceSession, columns: tuple[str, ...]) -> bool:
    """Whether the session has one input a column."""
    inputs = session.get_inputs()
    return len(inputs) > 1 or _place(inputs[0].name, columns) is not None


def _classifier(
    session: onnxruntime.InferenceSession, output: str, columns: tuple[str, ...], row: Any, digits: int
) -> Heads:
    try:
        answer = SessionCall(session, output, columns).run(row)[0]
        scores = _rows(answer)[0]
    except Exception as error:  # whatever the library raises
        raise ModelError(
            "the ONNX model does not answer a row of zeros and first levels, which tells its classes "
            f"({type(error).__name__}: {error})"
        ) from error
    classes = tuple(answer[0]) if isinstance(answer, list) else ()
    head = _class_head(SessionCall(session, output, columns), scores, tuple(map(str, classes)), digits)
    said = _label_output(session)
    # Without names of its columns what the model decides for cannot be told apart from their numbers.
    known = said is not None and bool(classes)
    decision = Decision(SessionCall(session, said or "", columns), classes) if known else None
    return Heads("onnx classifier", (head,), decision=decision)


def _label_output(session: onnxruntime.InferenceSession) -> str | None:
    """The output with the decided class, as converters name it.

    Raises:
        SettingError: if it holds several labels a row.
    """
    for entry in session.get_outputs():
        if entry.type in ("tensor(int64)", "tensor(string)") and "label" in entry.name.lower():
            if len(entry.shape) == 2 and entry.shape[1] != 1:
                raise SettingError(several_labels(f"its output {entry.name!r} has {entry.shape[1]} columns"))
            return str(entry.name)
    return None


def _class_head(call: SessionCall, scores: NDArray[Any], labels: tuple[str, ...], digits: int) -> Head:
    if scores.min() >= 0 and abs(scores.sum() - 1) < 1e-3:
        bounded = replace(call, limits=(-SLACK, 1 + SLACK))
        return Head(HeadKind.PROBABILITY, bounded, labels, digits=digits, exclusive=True)
    return Head(HeadKind.MARGIN, call, labels, 0.0, digits, exclusive=True)


def _check_inputs(session: onnxruntime.InferenceSession, columns: tuple[str, ...]) -> None:
    inputs = session.get_inputs()
    unknown = {entry.name: entry.type for entry in inputs if entry.type not in DTYPES}
    if unknown:
        raise SettingError(f"the ONNX model has inputs of unknown types {unknown}; need {sorted(DTYPES)}")
    if takes_columns(session, columns):
        names = [entry.name for entry in inputs]
        if {_place(name, columns) for name in names} != set(range(len(columns))):
            raise InputError(
                f"the ONNX model has the inputs {some(names)}, the table the columns {some(columns)}"
            )
        return
    width = inputs[0].shape[1] if len(inputs[0].shape) == 2 else None
    if isinstance(width, int) and width != len(columns):
        raise InputError(
            f"the ONNX model takes {width} columns, the table has {len(columns)}: {some(columns)}"
        )


def _place(name: str, columns: tuple[str, ...]) -> int | None:
    """The column that an input names; converters write an underscore for what no identifier may hold."""
    plain = [re.sub(r"\W", "_", column) for column in columns]
    for names in (list(columns), plain):
        if names.count(name) == 1:
            return names.index(name)
    return None


def _rows(answer: Any) -> NDArray[Any]:
    """The numbers of one output: an array, or a list of one dictionary a row."""
    if isinstance(answer, list):
        return np.array([list(row.values()) for row in answer])
    return np.asarray(answer).reshape(len(answer), -1)


def _column(native: Any, i: int | None, entry: Any) -> NDArray[Any]:
    """One column as the session's input wants it."""
    dtype = DTYPES[entry.type]
    if nw.dependencies.is_into_dataframe(native):
        series = nw.from_native(native, eager_only=True)[:, i]
        if dtype is np.object_:
            values = np.array(series.to_list(), dtype=object)
        else:
            values = series.cast(nw.Float64).to_numpy()
    else:
        values = np.asarray(native)[:, i]
    if dtype is np.object_:
        missing = [row for row, value in enumerate(values) if is_missing(value)]
        if missing:
            raise InputError(
                f"the ONNX input {entry.name!r} takes strings, which cannot be missing as in row {missing[0]}"
            )
        values = np.array([str(value) for value in values], dtype=object)
    return values.astype(dtype).reshape(-1, *[1] * (len(entry.shape) - 1))
