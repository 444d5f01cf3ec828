"""Predictors whose rows are counted, and whose time is limited."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from typing_extensions import override

from onlyif.core.arrays import namespace
from onlyif.core.progress import Meter
from onlyif.core.shapes import Batch, Outputs
from onlyif.models.base import Meaning, Predictor
from onlyif.models.decided import DecidedPredictor
from onlyif.models.function import FunctionPredictor


@final
@dataclass(frozen=True, eq=False)
class MeteredPredictor(Predictor):
    """The same predictor, with its rows counted on a meter.

    With a time limit a call is asked in pieces, and ends between two of them when time is up.

    Args:
        inner: The predictor.
        meter: What counts.
    """

    inner: Predictor
    meter: Meter

    @property
    @override
    def meaning(self) -> Meaning:
        return self.inner.meaning

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
        answers: list[Outputs] = []
        start = 0
        while start < len(batch) or not answers:
            self.meter.check()
            part = batch[start : start + self.meter.piece(len(batch))]
            answers.append(self.inner.predict(part))
            self.meter.count(len(part))
            start += len(part)
        return answers[0] if len(answers) == 1 else namespace(*answers).concat(answers)


@final
@dataclass(frozen=True, eq=False)
class TalliedPredictor(Predictor):
    """The same predictor, with every row that it is given counted, whatever that is for.

    Args:
        inner: The predictor.
        meter: What counts.
    """

    inner: Predictor
    meter: Meter

    @property
    @override
    def meaning(self) -> Meaning:
        return self.inner.meaning

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
        self.meter.receive(len(batch))
        return self.inner.predict(batch)


def tallied(predictor: Predictor, meter: Meter) -> Predictor:
    """The same predictor, with every row that the user's model is given counted.

    Args:
        predictor: The predictor; one that is counted already is counted by this meter alone.
        meter: What counts.
    """
    match predictor:
        case FunctionPredictor() | TalliedPredictor():
            return replace(predictor, meter=meter)
        case DecidedPredictor():
            return replace(predictor, inner=tallied(predictor.inner, meter))
    return TalliedPredictor(predictor, meter)
