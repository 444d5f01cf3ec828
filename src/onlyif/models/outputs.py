"""Which of a model's outputs is explained: probability, margin, log-odds or value.

A library's file lists the heads that a model has, an `Output` picks one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, final

import numpy as np
from array_api_compat import is_torch_array
from jaxtyping import Float
from typing_extensions import override

from onlyif.core.arrays import Array, doubled, on_host
from onlyif.core.errors import ModelError, SettingError
from onlyif.models.base import ANY_ROWS, Meaning
from onlyif.models.decisions import Decision

DIGITS_DOUBLE = 30
DIGITS_SINGLE = 20
DIGITS_HALF = 7


class HeadKind(Enum):
    """What one output of a model is."""

    PROBABILITY = "probability"
    MARGIN = "margin"
    VALUE = "value"


@final
@dataclass(frozen=True, eq=False)
class Head:
    """One way to ask a model.

    Args:
        kind: What its outputs are.
        ask: From the model's own kind of input to an array or tensor of one row an
            instance, of one or two dimensions.
        labels: One label an output, or empty when unknown.
        threshold: Where a single output changes its decision, or None.
        digits: Binary digits of the outputs that can be trusted.
        name: What one output is, as every result names it; empty for the name of its kind.
        exclusive: Whether several outputs are of classes that exclude each other; None where only the
            answers show it.
        assumed: What several outputs are taken for without knowing, as a sentence for the reader; empty
            where nothing is.
    """

    kind: HeadKind
    ask: Callable[[Any], Any]
    labels: tuple[str, ...] = ()
    threshold: float | None = None
    digits: int = DIGITS_DOUBLE
    name: str = ""
    exclusive: bool | None = None
    assumed: str = ""


@final
@dataclass(frozen=True, eq=False)
class Heads:
    """All ways to ask a model.

    Args:
        model: The kind of model, as "sklearn RandomForestClassifier".
        all: Its heads; the first is the usual choice.
        guard: Around every call: what puts the model back as it was.
        notes: What a reader of results should know of how the model is asked, each a sentence.
        decision: The model's own rule for the class of a row; None where it has none, or that is
            the largest output.
        rows_a_call: Rows of one call from which on each takes longer.
        of_known_kind: Whether that is known; else the first calls tell.

    Raises:
        SettingError: if there is none.
    """

    model: str
    all: tuple[Head, ...]
    guard: Callable[[], AbstractContextManager[None]] = nullcontext
    notes: tuple[str, ...] = ()
    decision: Decision | None = None
    rows_a_call: int = ANY_ROWS
    of_known_kind: bool = True

    def __post_init__(self) -> None:
        if not self.all:
            raise SettingError(
                f"{self.model} predicts nothing that could be explained; need a classifier or regressor"
            )

    def pick(self, kind: HeadKind) -> Head:
        """The head of one kind.

        Raises:
            SettingError: if the model has none, saying which it has.
        """
        for head in self.all:
            if head.kind is kind:
                return head
        offered = " and ".join(head.kind.value for head in self.all)
        raise SettingError(f"{self.model} offers no {kind.value}; it offers {offered}")

    def meaning(self, head: Head) -> Meaning:
        """What the outputs of one head are."""
        return Meaning(
            self.model,
            head.name or head.kind.value,
            head.labels,
            head.threshold,
            head.digits,
            head.exclusive,
            () if self.decision is None else self.decision.classes,
            head.assumed,
            self.rows_a_call,
            self.of_known_kind,
        )


class Output(ABC):
    """The choice of what is explained."""

    @abstractmethod
    def choose(self, heads: Heads) -> Head:
        """The head that is explained.

        Args:
            heads: All that the model offers.

        Raises:
            SettingError: if the model does not offer it, saying what it offers.
        """


@final
@dataclass(frozen=True)
class AutoOutput(Output):
    """The usual choice for the kind of model: the probability of a classifier, if it has one,
    else its margin; the value of a regressor, a torch module or a function.

    Example:
        >>> head = Head(HeadKind.VALUE, lambda batch: batch)
        >>> AutoOutput().choose(Heads("a model", (head,))).kind
        <HeadKind.VALUE: 'value'>
    """

    @override
    def choose(self, heads: Heads) -> Head:
        return heads.all[0]


@final
@dataclass(frozen=True)
class ProbabilityOutput(Output):
    """The probability of each class.

    Two classes have two probabilities.
    """

    @override
    def choose(self, heads: Heads) -> Head:
        return heads.pick(HeadKind.PROBABILITY)


@final
@dataclass(frozen=True)
class MarginOutput(Output):
    """The score of each class before it becomes a probability.

    Two classes have one score, above 0 for the second class. It adds over trees and
    linear terms, but its unit differs from model to model; `LogitOutput` has the same
    unit for all.
    """

    @override
    def choose(self, heads: Heads) -> Head:
        return heads.pick(HeadKind.MARGIN)


@final
@dataclass(frozen=True)
class ValueOutput(Output):
    """The model's own number, as a regressor's prediction."""

    @override
    def choose(self, heads: Heads) -> Head:
        return heads.pick(HeadKind.VALUE)


@final
@dataclass(frozen=True)
class LogitOutput(Output):
    """The log-odds ln(p / (1 - p)) of each class's probability p.

    They are infinite at 0 and 1, so p is clipped first; the name of the output states it.

    Args:
        clip: p is held within [clip, 1 - clip].

    Raises:
        SettingError: unless 0 < clip < 1/2.

    Example:
        >>> head = Head(HeadKind.PROBABILITY, lambda p: p)
        >>> logit = LogitOutput().choose(Heads("a model", (head,)))
        >>> logit.ask(np.array([[0.0, 0.5]])).round(4)
        array([[-13.8155,   0.    ]])
    """

    clip: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.clip < 0.5:
            raise SettingError(f"need 0 < clip < 1/2, got {self.clip}")

    @override
    def choose(self, heads: Heads) -> Head:
        head = heads.pick(HeadKind.PROBABILITY)

        def log_odds(native: Any) -> Any:
            p = doubled(as_outputs(head.ask(native), n_rows(native))).clip(self.clip, 1 - self.clip)
            return np.log(p / (1 - p))

        name = f"log-odds of the probability, clipped to [{self.clip:g}, 1 - {self.clip:g}]"
        return replace(head, ask=log_odds, name=name)


def as_outputs(answer: Any, rows: int | None = None) -> Float[np.ndarray, "r k"]:
    """What a model answered, as an array (r, k); one number a row is k = 1.

    To a single row many models answer without its dimension: a bare number is then its one output,
    and a vector are its outputs.

    Args:
        answer: A tensor, an array, a frame or a list.
        rows: How many rows were asked for, where that is known.

    Raises:
        ModelError: if it is not numeric, is masked, or has not one or two dimensions.
    """
    kind = type(answer).__name__
    if _is_masked(answer):
        raise ModelError(
            f"the model answered with a masked {kind}; need plain numbers: what is masked is no prediction"
        )
    try:
        outputs = numbers_of(answer) if is_torch_array(answer) else _plain(answer)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the model answered with a {kind} that is not numeric ({error}); need numbers"
        ) from error
    if np.iscomplexobj(outputs):
        raise ModelError(f"the model answered with complex numbers ({outputs.dtype}); need real ones")
    if rows == 1 and outputs.ndim < 2:
        outputs = outputs.reshape(1, -1)
    if outputs.ndim not in (1, 2):
        raise ModelError(
            f"the model answered with {outputs.ndim} dimensions, shape {tuple(outputs.shape)}; "
            "need (rows, outputs)"
        )
    table = outputs[:, None] if outputs.ndim == 1 else outputs
    return table if table.dtype.kind == "f" else table.astype(np.float64)


def numbers_of(answer: Array) -> np.ndarray:
    """The numbers of an array of any library, in a dtype of numpy's with no more digits than its own.

    Args:
        answer: The array. Numbers of bfloat16 that float16 does not hold become float32.
    """
    values = on_host(answer)
    if digits_of(values.dtype) <= digits_of(answer.dtype):
        return values
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.array_equal(np.isfinite(half), np.isfinite(values)) else values


def digits_of(dtype: Any) -> int:
    """Binary digits that can be trusted of numbers of a dtype, with room for some rounding.

    Args:
        dtype: The dtype of a model's outputs, of numpy or torch.
    """
    name = str(dtype).rpartition(".")[2]
    if name == "float64" or "float" not in name:
        return DIGITS_DOUBLE
    return DIGITS_SINGLE if name == "float32" else DIGITS_HALF


def n_rows(native: Any) -> int:
    """How many rows a table of any kind has; sparse matrices have no len()."""
    shape = getattr(native, "shape", None)
    return int(shape[0]) if shape else len(native)


def _is_masked(answer: Any) -> bool:
    """Whether it is a masked array or tensor, or a list that holds some."""
    if isinstance(answer, list | tuple):
        return any(_is_masked(part) for part in answer)
    return np.ma.isMaskedArray(answer) or type(answer).__name__ == "MaskedTensor"


def _plain(answer: Any) -> Any:
    """A numpy array in memory of its own, in the machine's byte order."""
    array = np.array(answer)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    if array.dtype.kind in "biufc":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind != "O" or array.ndim == 0:
        raise TypeError(f"it holds {array.dtype}")
    return array.astype(np.float64)
