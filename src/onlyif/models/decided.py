"""The decisions of a model: by its own rule, where it has one, else by its largest output."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int64
from typing_extensions import override

from onlyif.core.arrays import on_host
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Batch, Outputs
from onlyif.models.base import Meaning, Predictor
from onlyif.models.decisions import one_hot
from onlyif.models.function import FunctionPredictor

DECISION = "decision (1 for the decided class)"


@final
@dataclass(frozen=True, eq=False)
class DecidedPredictor(Predictor):
    """A predictor's decisions: 1 for the class with the largest output, 0 for all others.

    A single output decides between two classes, by the side of its threshold on which it lies.

    Args:
        inner: The predictor.

    Example:
        >>> from onlyif.models.function import FunctionPredictor
        >>> DecidedPredictor(FunctionPredictor(lambda p: p)).predict(np.array([[0.2, 0.5, 0.3]]))
        array([[0., 1., 0.]])
    """

    inner: Predictor

    @property
    @override
    def meaning(self) -> Meaning:
        return decided_meaning(self.inner.meaning)

    @property
    @override
    def batch_dtype(self) -> np.dtype[Any]:
        return self.inner.batch_dtype

    @override
    @contextmanager
    def opened(self) -> Iterator[Predictor]:
        with self.inner.opened() as inner:
            yield replace(self, inner=inner)

    @override
    def predict(self, batch: Batch) -> Outputs:
        outputs = on_host(self.inner.predict(batch))
        numbers = decided_numbers(outputs, self.inner.meaning)
        # Whatever is no number must stay so, for the checks around.
        finite = np.isfinite(outputs).all(axis=1, keepdims=True)
        return np.where(finite, one_hot(numbers, max(2, outputs.shape[1])), np.nan)


def decided_numbers(outputs: Float[np.ndarray, "r k"], meaning: Meaning) -> Int64[np.ndarray, "r"]:
    """The class that outputs speak for: the first of the largest, or the side of the threshold.

    Raises:
        SettingError: if a single output has no threshold.
    """
    if outputs.shape[1] > 1:
        largest: np.ndarray = outputs.argmax(1)
        return largest
    if meaning.threshold is None:
        raise SettingError(
            f"a distance between decisions needs classes, the model's output is one {meaning.output}"
        )
    above: np.ndarray = outputs[:, 0] > meaning.threshold
    return above.astype(np.int64)


def decided_meaning(meaning: Meaning) -> Meaning:
    """What the decisions of a model are, whatever its outputs were."""
    labels = tuple(map(str, meaning.classes)) or (meaning.labels if len(meaning.labels) > 1 else ())
    return Meaning(meaning.model, DECISION, labels, exclusive=True, classes=meaning.classes)


def decided(predictor: Predictor, n_outputs: int) -> Predictor:
    """A predictor of the same model's decisions: 1 for the class it decides for, 0 for all others.

    Args:
        predictor: The model with any of its outputs.
        n_outputs: How many outputs it has.
    """
    if isinstance(predictor, FunctionPredictor) and predictor.decision is not None:
        n_classes = len(predictor.decision.classes) or max(2, n_outputs)
        return replace(
            predictor,
            function=partial(predictor.decision.one_hot, n_classes=n_classes),
            described=decided_meaning(predictor.described),
            decision=None,
        )
    return DecidedPredictor(predictor)
