"""A larger background, where that of all subsets must be small: smallest sets are chosen on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.answers.confidence import quantile_of
from onlyif.answers.elimination import (
    CONFIDENCE,
    ERROR,
    Elimination,
    OneInstance,
    Side,
    error_of,
    rows_besides,
)
from onlyif.criteria.distances import Distance
from onlyif.models.readouts import MomentsReadout, TargetReadout
from onlyif.restrictions.base import Estimate, Restriction
from onlyif.restrictions.groups import Groups
from onlyif.restrictions.row_outputs import RowOutputs
from onlyif.restrictions.set_function import SetFunction


@final
@dataclass(frozen=True, eq=False)
class Larger:
    """A larger background of the same rows as a smaller one, with none in common.

    Args:
        outputs: What the model makes of its rows, and of blends with them.
        squared: f_S(x) over the smaller one, of outputs and their squares.
        n_small: How many rows that one has.
        n_outputs: How many outputs the model has.
        distance: ρ.
        confidence: How sure it is to be that a chosen set is within ε on as many other rows.
        bases: Each output that was explained, of the background's own rows; it grows.
        most_raced: Rows asked for beyond which only the nearest set of each further size is looked at.
    """

    outputs: RowOutputs
    squared: Restriction
    n_small: int
    n_outputs: int
    distance: Distance
    confidence: float = CONFIDENCE
    bases: dict[int, Float64[np.ndarray, "n"]] = field(default_factory=dict)
    most_raced: int = 0

    def part(self, instances: slice) -> "Larger":
        """The same for some of the instances.

        Args:
            instances: Which.
        """
        return replace(self, outputs=self.outputs.part(instances))

    @property
    def most_rows(self) -> int:
        """The most rows that the model is asked for, for an instance."""
        if not self.outputs.asks:
            return 0
        return rows_besides(self.outputs.n_rows) + 2 * self.most_raced

    def tables(self, function: SetFunction) -> tuple[Estimate, Estimate]:
        """f_S(x) of all subsets over the smaller background, as it is; and with its errors as a sample, but
        for f_0, which is over the larger one.

        Args:
            function: f_S(x) of the block over the smaller background; of a target each.
        """
        assert isinstance(function.readout, TargetReadout)
        readout = MomentsReadout(function.readout.target, self.n_outputs)
        groups = Groups((np.arange(self.n_small),), np.zeros((0, 1)))
        made = replace(function, restriction=self.squared, readout=readout).grouped_table(groups)
        mean = made.whole.mean.copy()
        squares = np.stack([made.of_groups(i)[:, 0, 1] for i in range(len(mean))])
        stderr = np.sqrt(np.maximum(squares - np.square(mean), 0.0) / (self.n_small - 1))
        for i in range(len(mean)):
            base = self.of(function, i, mean[i, -1]).base
            mean[i, 0], stderr[i, 0] = base.mean(), error_of(base)
        # With all players kept nothing is drawn: what is left there is rounding.
        stderr[:, -1] = 0.0
        from_base = np.hypot(stderr, stderr[:, :1])
        from_base[:, 0] = 0.0
        rows = made.whole.model_rows + (self.outputs.n_rows if self.outputs.asks else 0)
        return made.whole, Estimate(mean, stderr, from_base, rows)

    def lower(self, table: Estimate) -> Float64[np.ndarray, "b two_to_d p"]:
        """What the gaps of all subsets are not below, but with a probability of half of `ERROR` a kind.

        Args:
            table: f_S(x) of all subsets, with its errors.
        """
        times, distance = quantile_of(1 - ERROR / 2 / table.mean.shape[1], self.n_small), self.distance
        full, base, hidden = table.mean[:, -1:], table.mean[:, :1], table.mean[:, ::-1]
        reach = table.mean.min(1, keepdims=True), table.mean.max(1, keepdims=True)
        kept = Side(lambda to: distance.between(full, to), table.mean, table.stderr)
        gone = Side(lambda to: distance.between(to, base), hidden, table.stderr_from_base[:, ::-1])
        lower = [side.gap - side.margin(distance, times, reach) for side in (kept, gone)]
        return np.stack(lower, axis=2)

    def rows_of(self, eliminations: Mapping[str, Elimination]) -> int:
        """Model rows that the eliminations of an instance, and what is reported of three sets, need.

        Args:
            eliminations: How its smallest sets were found, by kind.
        """
        spent = sum(one.rows for one in eliminations.values()) + 6 * self.outputs.n_rows
        return spent if self.outputs.asks else 0

    def of(self, function: SetFunction, instance: int, prediction: float) -> OneInstance:
        """The larger background for one instance.

        Args:
            function: f_S(x) of the block.
            instance: Its number.
            prediction: f(x).
        """
        assert isinstance(function.readout, TargetReadout)
        target = int(function.readout.target[instance])
        if target not in self.bases:
            nothing, rows = np.zeros((1, function.n_players), dtype=bool), slice(0, self.outputs.n_rows)
            self.bases[target] = self.outputs.at(instance, nothing, rows)[0]
        return OneInstance(
            self.outputs, self.distance, self.confidence, self.most_raced, instance, function.n_players,
            prediction, self.bases[target],
        )  # fmt: skip


def told_of_eliminations(larger: Larger, eliminations: Mapping[str, Elimination]) -> dict[str, int]:
    """How smallest sets were found, as settings of an explanation.

    Args:
        larger: The larger background.
        eliminations: What was chosen on it, by kind.
    """
    told = {"smaller_rows": larger.n_small, "larger_rows": larger.outputs.n_rows}
    for kind, one in eliminations.items():
        told |= {f"compared_{kind}": one.compared, f"undecided_{kind}": one.undecided}
    return told
