"""f of an instance in which hidden players take their values from each row of a background, row by row."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from typing_extensions import override

from onlyif.core.players import Players
from onlyif.core.shapes import Instances
from onlyif.engine.engine import Engine, outputs_of, slices
from onlyif.models.base import Predictor
from onlyif.models.readouts import TargetReadout
from onlyif.restrictions.additive import AdditiveRestriction

# Entries of blends, or margins, that are made at once.
ENTRIES_AT_ONCE = 2**22
# Products of numbers of levels stay below it.
MOST_KEYS = 2**62


class RowOutputs(ABC):
    """The explained output for each instance, subset kept and row of a background."""

    @abstractmethod
    def at(self, instance: int, keep: Bool[np.ndarray, "m d"], rows: slice) -> Float64[np.ndarray, "m n"]:
        """The outputs of one instance with some subsets kept, and all else from each of some rows.

        Args:
            instance: Its number.
            keep: The players kept, for each subset.
            rows: Which rows.
        """

    @abstractmethod
    def part(self, instances: slice) -> "RowOutputs":
        """The same of some of the instances."""

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """The number of rows."""

    @property
    @abstractmethod
    def asks(self) -> bool:
        """Whether the model is asked for each row and subset."""


@final
@dataclass(frozen=True, eq=False)
class Alike:
    """Which rows of a background are equal in some players.

    Args:
        levels: For each player the number of each row's values among all that it takes.
    """

    levels: Int64[np.ndarray, "d n"]

    def distinct(
        self, keep: Bool[np.ndarray, "d"], rows: slice
    ) -> tuple[Int64[np.ndarray, "u"], Int64[np.ndarray, "n"]]:
        """The first of all rows that are equal in what is hidden, and each row's place among these.

        Args:
            keep: The players kept.
            rows: Which rows are looked at.
        """
        key, count = np.zeros(len(self.levels[0, rows]), dtype=np.int64), 1
        for levels in self.levels[~keep][:, rows]:
            n_levels = int(levels.max()) + 1
            if count * n_levels >= MOST_KEYS:
                key = np.unique(key, return_inverse=True)[1].reshape(-1)
                count = int(key.max()) + 1
            key, count = key * n_levels + levels, count * n_levels
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        return first, number.reshape(-1)


def alike_of(players: Players, rows: Float64[np.ndarray, "n c"]) -> Alike:
    """Which rows are equal in some players.

    Args:
        players: How players tile a row.
        rows: The rows.
    """
    columns = [rows[:, list(players.columns(player))] for player in range(players.count)]
    found = [np.unique(values, axis=0, return_inverse=True)[1].reshape(-1) for values in columns]
    return Alike(np.stack(found).astype(np.int64))


@final
@dataclass(frozen=True, eq=False)
class AskedRows(RowOutputs):
    """The same by asking the model, for equal rows of one subset once.

    Args:
        predictor: The model.
        players: How players tile an instance.
        x: The instances.
        rows: The rows of the background.
        readout: Which output is explained.
        max_rows: Most rows of one model call.
        alike: Which of the rows are equal in some players.
    """

    predictor: Predictor
    players: Players
    x: Instances
    rows: Float64[np.ndarray, "n c"]
    readout: TargetReadout
    max_rows: int
    alike: Alike

    @override
    def at(self, instance: int, keep: Bool[np.ndarray, "m d"], rows: slice) -> Float64[np.ndarray, "m n"]:
        taken = self.rows[rows]
        outputs = np.empty((len(keep), len(taken)))
        for some in slices(len(keep), max(1, ENTRIES_AT_ONCE // taken.size)):
            alike = [self.alike.distinct(one, rows) for one in keep[some]]
            blends = [
                np.where(self.players.spread(one), self.x[instance], taken[first])
                for one, (first, _) in zip(keep[some], alike, strict=True)
            ]
            answers = self._answers(np.concatenate(blends), instance)
            ends = np.cumsum([len(first) for first, _ in alike])[:-1]
            for place, (own, (_, number)) in enumerate(
                zip(np.split(answers, ends), alike, strict=True), start=some.start
            ):
                outputs[place] = own[number]
        return outputs

    @override
    def part(self, instances: slice) -> "AskedRows":
        return replace(self, x=self.x[instances], readout=self.readout.part(instances))

    @property
    @override
    def n_rows(self) -> int:
        return len(self.rows)

    @property
    @override
    def asks(self) -> bool:
        return True

    def _answers(self, blends: Float64[np.ndarray, "r c"], instance: int) -> Float64[np.ndarray, "r"]:
        with self.predictor.opened() as opened:
            outputs = outputs_of(opened, blends, self.max_rows)
        column: np.ndarray = outputs[:, self.readout.target[instance]]
        return column


@final
@dataclass(frozen=True, eq=False)
class AddedRows(RowOutputs):
    """The same where the model's margin is a sum over players: nothing is asked.

    Args:
        restriction: What the model's parts are, and its link.
        x: The instances.
        parts: What each player adds in each row of the background.
        readout: Which output is explained.
    """

    restriction: AdditiveRestriction
    x: Instances
    parts: Float64[np.ndarray, "d n k"]
    readout: TargetReadout

    @override
    def at(self, instance: int, keep: Bool[np.ndarray, "m d"], rows: slice) -> Float64[np.ndarray, "m n"]:
        own, parts, target = self._own[instance], self.parts[:, rows], self.readout.target[instance]
        some = slices(len(keep), max(1, ENTRIES_AT_ONCE // parts[0].size))
        made = [self.restriction.row_outputs(own, parts, keep[part])[:, :, target] for part in some]
        return np.concatenate(made)

    @override
    def part(self, instances: slice) -> "AddedRows":
        return replace(self, x=self.x[instances], readout=self.readout.part(instances))

    @property
    @override
    def n_rows(self) -> int:
        return int(self.parts.shape[1])

    @property
    @override
    def asks(self) -> bool:
        return False

    @cached_property
    def _own(self) -> Float64[np.ndarray, "b d k"]:
        return self.restriction.parts_of(self.x)


def added_parts(
    restriction: AdditiveRestriction, rows: Float64[np.ndarray, "n c"]
) -> Float64[np.ndarray, "d n k"]:
    """What each player adds in each row of a background: of equal values the model is asked once.

    Args:
        restriction: The model's parts in other rows, and the row that they are measured from.
        rows: The rows of the background.
    """
    players, origin = restriction.players, restriction.origin
    engine = Engine(restriction.margins, players, restriction.max_rows)
    parts = np.empty((players.count, len(rows), len(restriction.base)))
    with engine.opened() as opened:
        for player in range(players.count):
            columns = list(players.columns(player))
            _, first, number = np.unique(rows[:, columns], axis=0, return_index=True, return_inverse=True)
            keep = np.zeros((len(first), players.count), dtype=bool)
            keep[:, player] = True
            which = first, np.zeros(len(first), dtype=np.int64)
            margins = opened.blends(rows, origin, which, keep)
            parts[player] = margins[number.reshape(-1)] - restriction.base
    return parts
