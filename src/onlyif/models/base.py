"""The model f: rows in, outputs out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from onlyif.core.shapes import Batch, Outputs

# As many rows as there are.
ANY_ROWS = 2**62
# Of a network on a processor, what the layers make of more rows leaves the cache: `benchmarks/calls.py`.
NETWORK_ROWS = 4096


@final
@dataclass(frozen=True)
class Meaning:
    """What a predictor's outputs are.

    Args:
        model: The kind of model, as "sklearn RandomForestClassifier".
        output: What one output is, as "probability"; named in every result.
        labels: One label an output (class names, say), or empty when unknown before the first call.
        threshold: Where a single output changes its decision (.5 for a probability, 0 for a margin), or None.
        digits: Binary digits of the outputs that can be trusted: about 30 for float64, 20 for float32.
        exclusive: Whether several outputs are of classes that exclude each other, so that one of them is
            predicted. None where only the answers show it: rows of probabilities that sum to 1.
        classes: The classes as the model itself names them, of whatever type; empty where it names none.
            They are those of the outputs in order, or two of which a single output is the second.
        assumed: What several outputs are taken for without knowing, as a sentence; empty where nothing is.
        rows_a_call: Rows of one call from which on each takes longer; calls are no larger.
        of_known_kind: Whether that is known; else the first calls tell.
    """

    model: str
    output: str
    labels: tuple[str, ...] = ()
    threshold: float | None = None
    digits: int = 30
    exclusive: bool | None = None
    classes: tuple[Any, ...] = ()
    assumed: str = ""
    rows_a_call: int = ANY_ROWS
    of_known_kind: bool = True


class Predictor(ABC):
    """A trained model, asked for batches of rows.

    A member leaves the model as it found it (mode, device, hooks, gradients,
    random state), also when the model raises, and gives each call's rows no
    influence on another's.
    """

    @abstractmethod
    def predict(self, batch: Batch) -> Outputs:
        """The outputs for each row, in numpy or in the library of the batch.

        Args:
            batch: Rows, one instance each, of numpy or torch.
        """

    @property
    @abstractmethod
    def meaning(self) -> Meaning:
        """What the outputs are."""

    @contextmanager
    def opened(self) -> Iterator["Predictor"]:
        """The same predictor for many calls, with batches that are given away.

        What each call puts back as it was is put back once, at the end; a batch may be
        changed by the model, so the caller uses it no more.
        """
        yield self

    @property
    def batch_dtype(self) -> np.dtype[Any]:
        """The dtype in which batches are best handed over, of whichever library; others are taken too."""
        return np.dtype(np.float64)
