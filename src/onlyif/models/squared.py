"""A model's outputs and their squares, whose means tell how outputs are spread."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from typing_extensions import override

from onlyif.core.arrays import doubled
from onlyif.core.shapes import Batch, Outputs
from onlyif.models.base import Meaning, Predictor


@final
@dataclass(frozen=True, eq=False)
class SquaredPredictor(Predictor):
    """The outputs of another predictor, followed by their squares, in double precision.

    Args:
        inner: The other predictor.

    Example:
        >>> from onlyif.models.function import FunctionPredictor
        >>> SquaredPredictor(FunctionPredictor(lambda rows: rows)).predict(np.array([[0.5, 2.0]]))
        array([[0.5 , 2.  , 0.25, 4.  ]])
    """

    inner: Predictor

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
        outputs = doubled(self.inner.predict(batch))
        return np.concatenate([outputs, np.square(outputs)], axis=1)
