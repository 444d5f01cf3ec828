"""What the reader is told of each row, and which number of its outputs is compared."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int64

from onlyif.answers.case import Subject
from onlyif.core.labels import Row
from onlyif.core.players import Players
from onlyif.criteria.distances import Distance
from onlyif.modalities.table import Schema
from onlyif.models.base import Meaning
from onlyif.models.readouts import DecisionReadout, Readout, TargetReadout


def readout_of(distance: Distance, targets: Int64[np.ndarray, "b"], meaning: Meaning) -> Readout:
    """Which number the distance compares: the target's output, or the class that is decided most often."""
    if distance.kind.of_decisions:
        return DecisionReadout(0.5 if meaning.threshold is None else meaning.threshold)
    return TargetReadout(targets)


@final
@dataclass(frozen=True, eq=False)
class Told:
    """What is said of rows, beside their values and targets.

    Args:
        labels: A label a row.
        schema: The kind of table.
        players: How players tile a row.
        meaning: What the outputs are.
        notes: What the reader should know, each a sentence.
        row_notes: The same of each row alone.
    """

    labels: tuple[Row, ...]
    schema: Schema
    players: Players
    meaning: Meaning
    notes: tuple[str, ...]
    row_notes: tuple[tuple[str, ...], ...]

    def values(self, row: Float64[np.ndarray, "c"]) -> tuple[str, ...]:
        """The value of each player as text; those of a group with their columns' names."""
        texts, names = self.schema.text(row), self.schema.columns
        held = [self.players.columns(player) for player in range(self.players.count)]
        return tuple(
            texts[columns[0]] if len(columns) == 1 else ", ".join(f"{names[c]}={texts[c]}" for c in columns)
            for columns in held
        )

    def target(self, number: int) -> str:
        """The name of one output."""
        labels = self.meaning.labels
        return labels[number] if number < len(labels) else f"output {number}"


def subjects_of(
    x: Float64[np.ndarray, "b c"], targets: Int64[np.ndarray, "b"], told: Told
) -> tuple[Subject, ...]:
    """What the reader is told of each row: label, values of the players, target, notes."""
    rows = zip(told.labels, x, targets.tolist(), told.row_notes, strict=True)
    return tuple(
        Subject(label, told.values(row), target, told.target(target), (*told.notes, *own))
        for label, row, target, own in rows
    )
