"""A predictor whose answers are checked, and a probe of how a model behaves."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property, partial
from typing import Any, TypeVar, final

import numpy as np
from jaxtyping import Float, Float64
from typing_extensions import override

from onlyif.core.arrays import beside, copied, doubled, on_host
from onlyif.core.errors import ModelError, OnlyIfError
from onlyif.core.shapes import Batch, Outputs
from onlyif.models.base import ANY_ROWS, Meaning, Predictor
from onlyif.models.call_sizes import best_rows, peak_of
from onlyif.models.function import FunctionPredictor, Watched
from onlyif.models.outputs import DIGITS_SINGLE, digits_of, numbers_of
from onlyif.models.random_states import advance_random_states, all_random_states

# What a model may raise that is no fault of its own: the user's interrupt, our errors, too little memory.
NO_FAULT = (KeyboardInterrupt, GeneratorExit, OnlyIfError, MemoryError)
T = TypeVar("T")
_Answers = Float[np.ndarray, "..."]
# Kernels differ with the number of rows: more rounding is allowed for than between equal calls.
KERNELS = 64
# What to do where a library's own words do not say it.
_ADVICE = {
    "categorical_feature do not match": " Columns of texts have to be categories, as in training: "
    "table[column].astype('category')."
}


class Fault(Enum):
    """A fault of a model that can be tolerated."""

    CHANGES_INPUT = "changes the input it is given"
    RANDOM = "answers differently each time"


@final
@dataclass(frozen=True, eq=False)
class CheckedPredictor(Predictor):
    """A predictor that gives a plain error for each bad answer of the model; its own are numpy arrays.

    Args:
        inner: The predictor.
        n_outputs: How many outputs a row has, or None where that is not known yet.
        digits: Binary digits of its answers that were found to be trusted; None for what the model says.
        rows_a_call: Rows of one call from which on each was found to take longer.

    Example:
        >>> bad = FunctionPredictor(lambda batch: np.where(batch < 0, np.nan, batch))
        >>> CheckedPredictor(bad).predict(np.array([[1.0], [-1.0]]))
        Traceback (most recent call last):
            ...
        onlyif.core.errors.ModelError: a function answered nan for row 1 of a call of 2 rows; ...
    """

    inner: Predictor
    n_outputs: int | None = None
    digits: int | None = None
    rows_a_call: int = ANY_ROWS

    @cached_property
    @override
    def meaning(self) -> Meaning:
        told = self.inner.meaning
        digits = told.digits if self.digits is None else min(told.digits, self.digits)
        return replace(told, digits=digits, rows_a_call=min(told.rows_a_call, self.rows_a_call))

    @override
    @contextmanager
    def opened(self) -> Iterator[Predictor]:
        with self.inner.opened() as inner:
            yield replace(self, inner=inner)

    @property
    @override
    def batch_dtype(self) -> np.dtype[Any]:
        return self.inner.batch_dtype

    @override
    def predict(self, batch: Batch) -> Outputs:
        return self._checked(self._answered(batch, self._numbers), len(batch))

    def watch(self, batch: Batch) -> Watched:
        """The answers to a batch, and whether the model changed it.

        Args:
            batch: The rows.

        Raises:
            ModelError: for a bad answer.
        """
        seen = self._answered(batch, self._watched)
        return replace(seen, outputs=self._checked(seen.outputs, len(batch)))

    def _numbers(self, batch: Batch) -> Float[np.ndarray, "..."]:
        return numbers_of(self.inner.predict(batch))

    def _watched(self, batch: Batch) -> Watched:
        if isinstance(self.inner, FunctionPredictor):
            seen = self.inner.watch(batch)
            return replace(seen, outputs=numbers_of(seen.outputs))
        taken = copied(batch)
        outputs = self._numbers(taken)
        return Watched(outputs, changed=not np.array_equal(on_host(taken), on_host(batch), equal_nan=True))

    def _answered(self, batch: Batch, ask: Callable[[Batch], T]) -> T:
        try:
            return ask(batch)
        except NO_FAULT:
            raise
        except BaseException as error:  # SystemExit among them: a model must not end the program
            raise ModelError(self.raised(batch, error)) from error

    def _checked(self, outputs: Float[np.ndarray, "r k"], n_rows: int) -> Float[np.ndarray, "r k"]:
        self._check_shape(outputs, n_rows)
        bad = np.flatnonzero(~np.isfinite(outputs).all(axis=1)).tolist()
        if bad:
            values = [value for value in outputs[bad[0]].tolist() if not np.isfinite(value)]
            raise ModelError(
                f"{self.meaning.model} answered {values[0]} for row {bad[0]} of a call of {n_rows} rows; "
                f"need finite numbers ({len(bad)} such rows in this call)"
            )
        return outputs

    def _check_shape(self, outputs: np.ndarray, n_rows: int) -> None:
        model, labels = self.meaning.model, self.meaning.labels
        if outputs.ndim != 2:
            raise ModelError(f"{model} answered with shape {outputs.shape}; need (rows, outputs)")
        if len(outputs) != n_rows:
            raise ModelError(f"{model} answered with {len(outputs)} rows to {n_rows} rows; need one a row")
        needed = self.n_outputs or len(labels) or outputs.shape[1]
        if outputs.shape[1] != needed or needed == 0:
            raise ModelError(
                f"{model} answered with {outputs.shape[1]} outputs a row; need {needed or 'at least 1'}"
            )

    def raised(self, batch: Batch, error: BaseException) -> str:
        """What to say when the model raised on a batch: what, and at which row."""
        first = _first_failing(self.inner, batch)
        place = (
            f"in a call of {len(batch)} rows"
            if first is None
            else f"at row {first} of a call of {len(batch)} rows"
        )
        advice = next((said for words, said in _ADVICE.items() if words in str(error)), "")
        return f"{self.meaning.model} raised {type(error).__name__} {place}: {error}{advice}"


def checked(inner: Predictor, batch: Batch) -> CheckedPredictor:
    """A checked predictor that also knows how many outputs there must be, and in which precision they come.

    Args:
        inner: The predictor.
        batch: Rows, of which the first is asked.

    Raises:
        ModelError: if the model's answer to that row is bad.
    """
    first = CheckedPredictor(inner).predict(batch[:1])
    return CheckedPredictor(inner, first.shape[1], digits_of(first.dtype))


@final
@dataclass(frozen=True, eq=False)
class Probed:
    """What a probe found.

    Args:
        notes: One sentence for each fault that is lived with.
        digits: Binary digits to which answers that must be equal were equal.
        outputs: The answers to the whole batch.
        rows_a_call: Rows of one call from which on each takes longer.
    """

    notes: tuple[str, ...]
    digits: int
    outputs: Float64[np.ndarray, "r k"]
    rows_a_call: int


def probe(predictor: Predictor, batch: Batch, tolerate: Collection[Fault] = ()) -> Probed:
    """Look for a model that changes its input or answers differently each time.

    The same batch is asked twice, and every second row of it without the others: an answer may depend
    neither on chance nor on the other rows of a call, nor on its place there. Two rows show most faults.

    Args:
        predictor: The predictor.
        batch: A few typical rows.
        tolerate: Faults to live with.

    Raises:
        ModelError: for each fault that is not in `tolerate`.
    """
    with all_random_states():
        seen = CheckedPredictor(predictor).watch(batch)
        first = on_host(seen.outputs)
        second, some, best = _asked_again(CheckedPredictor(predictor), batch)
        difference, digits = _difference(CheckedPredictor(predictor), first, second, some)
    notes = []
    if seen.changed:
        notes.append(
            fault_note(predictor.meaning.model, Fault.CHANGES_INPUT, "each call gets a copy", tolerate)
        )
    if difference is not None:
        notes.append(fault_note(predictor.meaning.model, Fault.RANDOM, difference, tolerate))
    return Probed(tuple(notes), digits, doubled(first), best)


def apart_in_a_large_call(predictor: Predictor, batch: Batch, rows: int) -> float:
    """By how much answers change in a large call, beyond rounding; 0 where they do not.

    Args:
        predictor: The predictor.
        batch: A few typical rows.
        rows: Rows of the large call.
    """
    small = on_host(predictor.predict(copied(batch)))
    places = np.arange(rows) % len(batch)
    large, wanted = on_host(predictor.predict(batch[beside(places, batch)])), small[places]
    apart = float(np.abs(large - wanted).max())
    return 0.0 if apart <= rounding(wanted, predictor.meaning.digits) else apart


def rounding(outputs: Float[np.ndarray, "r k"], digits: int) -> float:
    """By how much answers to the same rows may differ when they are asked in calls of other sizes.

    A model that counts in single precision and answers in double is not called random for that.

    Args:
        outputs: The answers.
        digits: Their binary digits that can be trusted.
    """
    largest = float(np.abs(outputs).max())
    return KERNELS * max(max(1.0, largest) * 2.0**-digits, largest * 2.0 ** -(DIGITS_SINGLE + 3))


def fault_note(model: str, fault: Fault, detail: str, tolerate: Collection[Fault]) -> str:
    """A sentence on a fault that is lived with.

    Args:
        model: The kind of model.
        fault: The fault.
        detail: How it was seen.
        tolerate: Faults to live with.

    Raises:
        ModelError: unless the fault is one of these.
    """
    if fault not in tolerate:
        raise ModelError(f"{model} {fault.value} ({detail}); to go on nevertheless, tolerate {fault.name}")
    return f"{model} {fault.value} ({detail}); this was tolerated on request"


def _asked_again(predictor: CheckedPredictor, batch: Batch) -> tuple[_Answers, _Answers, int]:
    """The answers to a batch once more, those to every second of its rows, and how large calls are best."""
    some = batch[1::2] if len(batch) > 1 else batch
    advance_random_states()
    if predictor.meaning.of_known_kind:
        return predictor.predict(copied(batch)), predictor.predict(copied(some)), ANY_ROWS
    again, many = peak_of(partial(predictor.predict, copied(batch)), len(batch))
    apart, few = peak_of(partial(predictor.predict, copied(some)), len(some))
    return again, apart, best_rows(many, few, on_host(batch).nbytes // len(batch))


def _difference(
    predictor: CheckedPredictor, first: _Answers, second: _Answers, some: _Answers
) -> tuple[str | None, int]:
    """What differs between answers that must be equal, as text; and to how many digits they are equal.

    Args:
        predictor: What was asked.
        first: The answers to a batch.
        second: The same once more.
        some: Those to every second row.
    """
    wanted = first[1::2] if len(first) > 1 else first
    digits = min(predictor.meaning.digits, digits_of(first.dtype))
    if first.shape != second.shape or wanted.shape != some.shape:
        shapes = [answer.shape for answer in (first, second, some)]
        return (
            f"its answers had the shapes {shapes[0]}, {shapes[1]}, and {shapes[2]} for every second row",
            digits,
        )
    again, apart = float(np.abs(first - second).max()), float(np.abs(wanted - some).max())
    largest = float(np.abs(first).max())
    trusted = max(1.0, largest) * 2.0**-digits
    if _counts_in_single(first, again) and (again > trusted or apart > KERNELS * trusted):
        digits, trusted = min(digits, DIGITS_SINGLE), max(trusted, largest * 2.0**-DIGITS_SINGLE)
    if again > trusted:
        return f"two calls with the same {len(first)} rows differ by up to {again:.3g}", digits
    if apart > KERNELS * trusted:
        said = f"its answer to a row changes by up to {apart:.3g} with the other rows of the call"
        return said, digits
    return None, digits


def _counts_in_single(outputs: Float[np.ndarray, "r k"], again: float) -> bool:
    """Whether answers in double precision may have been counted in single precision.

    Its numbers are such that single precision holds them, or equal calls were answered equally, so that
    what little differs between calls of other sizes is rounding.
    """
    with np.errstate(over="ignore"):  # what is beyond single precision is infinite in it
        return again == 0 or bool((outputs == outputs.astype(np.float32)).all())


def _first_failing(predictor: Predictor, batch: Batch) -> int | None:
    """The first row at which the model raises, found by halving; None if it does not raise again."""
    if not _raises(predictor, batch):
        return None
    low, high = 0, len(batch)
    while high - low > 1:
        middle = (low + high) // 2
        if _raises(predictor, batch[low:middle]):
            high = middle
        else:
            low = middle
    return low if _raises(predictor, batch[low:high]) else None


def _raises(predictor: Predictor, batch: Batch) -> bool:
    try:
        predictor.predict(batch)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException:  # any error will do
        return True
    return False
