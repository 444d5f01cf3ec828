"""The answers a model gave first, to be compared with what explanations say that it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import ModelError
from onlyif.models.checked import Fault, fault_note, rounding
from onlyif.models.readouts import Readout


class OtherAnswersError(ModelError):
    """A model answered otherwise when a row was explained than when it was asked for it alone."""


@final
@dataclass(frozen=True, eq=False)
class OwnAnswers:
    """What a model answered to the rows when it was asked for nothing else.

    The f(x) of an explanation comes out of large calls, or of trees that were read: a model that answers
    otherwise there, that drifts, or that loses a race, is found by comparing both, for nothing.

    Args:
        outputs: Its outputs for each row.
        model: The kind of model.
        digits: Binary digits of its outputs that can be trusted.
        tolerate: Faults to live with.
    """

    outputs: Float64[np.ndarray, "b k"]
    model: str
    digits: int
    tolerate: frozenset[Fault] = frozenset()

    def part(self, rows: slice) -> "OwnAnswers":
        """The answers to some of the rows."""
        return replace(self, outputs=self.outputs[rows])

    def compare(
        self, reported: Float64[np.ndarray, "b"], readout: Readout, labels: Sequence[str]
    ) -> list[tuple[str, ...]]:
        """Notes on each row whose reported f(x) is not the model's own answer, where that is lived with.

        Args:
            reported: f(x) as it is in the explanations.
            readout: Which number of a row's outputs it is.
            labels: A label a row.

        Raises:
            OtherAnswersError: if they differ by more than rounding, unless that is tolerated.
        """
        own = readout.read(self.outputs[:, None])[:, 0]
        differ = np.abs(own - reported) > rounding(self.outputs, self.digits)
        notes: list[tuple[str, ...]] = [()] * len(own)
        for i in np.flatnonzero(differ).tolist():
            said = (
                f"row {labels[i]}: {own[i]:.6g} when asked for it alone, "
                f"{reported[i]:.6g} when it was explained"
            )
            try:
                notes[i] = (fault_note(self.model, Fault.RANDOM, said, self.tolerate),)
            except ModelError as error:
                raise OtherAnswersError(str(error)) from error
        return notes
