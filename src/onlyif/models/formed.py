"""A predictor that takes its batches in another form."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

from typing_extensions import override

from onlyif.core.shapes import Batch, Outputs
from onlyif.modalities.table_forms import BatchForm, Form
from onlyif.models.base import Meaning, Predictor
from onlyif.models.function import FunctionPredictor


@final
@dataclass(frozen=True, eq=False)
class FormedPredictor(Predictor):
    """The same predictor behind a change of form, as from coded tables to the tensors that it takes.

    Args:
        inner: The predictor.
        form: What it takes.

    Example:
        >>> import numpy as np
        >>> inner = FunctionPredictor(lambda batch: batch.sum(1))
        >>> FormedPredictor(inner, BatchForm()).predict(np.ones((1, 2)))
        array([[2.]])
    """

    inner: Predictor
    form: Form

    @property
    @override
    def meaning(self) -> Meaning:
        return self.inner.meaning

    @override
    @contextmanager
    def opened(self) -> Iterator[Predictor]:
        with self.inner.opened() as inner:
            yield replace(self, inner=inner, form=self.form.of_given())

    @override
    def predict(self, batch: Batch) -> Outputs:
        return self.inner.predict(self.form.decode(batch))


def formed(predictor: Predictor, form: Form) -> Predictor:
    """A finished predictor for batches of coded tables."""
    taken = form.of_batches
    if isinstance(taken, BatchForm):
        return predictor
    if isinstance(predictor, FunctionPredictor):
        return replace(predictor, form=taken) if isinstance(predictor.form, BatchForm) else predictor
    return FormedPredictor(predictor, taken)
