"""Who is explained: the targets, and what the reader is told of each row."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from onlyif.case import Subject
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.table import Schema
from onlyif.criteria.distances import Distance
from onlyif.predictors.base import Meaning
from onlyif.predictors.readouts import DecisionReadout, Readout, TargetReadout
from onlyif.recipes.options import OneTarget, Target


def targets_of(target: Target, outputs: Float64[Tensor, "b k"], meaning: Meaning) -> Int64[Tensor, "b"]:
    """The number of the explained output of each row; by default the largest one.

    Raises:
        SettingError: if a target is no output of the model, or there is not one a row.
    """
    if target is None:
        return outputs.argmax(1)
    asked = [target] * len(outputs) if isinstance(target, int | np.integer | str) else list(target)
    if len(asked) != len(outputs):
        raise SettingError(f"need one target, or one a row: {len(outputs)} rows, got {len(asked)} targets")
    return torch.tensor([_target(one, outputs.shape[1], meaning) for one in asked])


def _target(target: OneTarget, n_outputs: int, meaning: Meaning) -> int:
    if isinstance(target, str):
        if target not in meaning.labels:
            raise SettingError(f"unknown target {target!r}; the model's outputs are {list(meaning.labels)}")
        return meaning.labels.index(target)
    number = int(target)
    if isinstance(target, bool) or not 0 <= number < n_outputs:
        raise SettingError(f"target must be an output number from 0 to {n_outputs - 1}, got {target!r}")
    return number


def readout_of(
    distance: Distance, targets: Int64[Tensor, "b"], outputs: Float64[Tensor, "b k"], meaning: Meaning
) -> Readout:
    """Which number the distance compares: the target's output, or the decided class.

    Raises:
        SettingError: if the distance compares decisions and the model makes none.
    """
    if distance.kind.of_decisions:
        if outputs.shape[1] == 1 and meaning.threshold is None:
            raise SettingError(
                f"a distance between decisions needs classes, the model's output is one {meaning.output}"
            )
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
    """

    labels: tuple[str, ...]
    schema: Schema
    players: Players
    meaning: Meaning
    notes: tuple[str, ...]

    def values(self, row: Float64[Tensor, "c"]) -> tuple[str, ...]:
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


def subjects_of(x: Float64[Tensor, "b c"], targets: Int64[Tensor, "b"], told: Told) -> tuple[Subject, ...]:
    """What the reader is told of each row: label, values of the players, target, notes."""
    rows = zip(told.labels, x, targets.tolist(), strict=True)
    return tuple(
        Subject(label, told.values(row), target, told.target(target), told.notes)
        for label, row, target in rows
    )
