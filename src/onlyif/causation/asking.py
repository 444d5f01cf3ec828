"""The model, asked for inputs of E some of whose players are at the baseline."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from onlyif.causation.change import Change
from onlyif.core.arrays import Array, beside, namespace
from onlyif.core.subsets import codes_of_keep
from onlyif.engine.distinct import Differences
from onlyif.engine.engine import PAIRS_AT_ONCE, Engine


@final
@dataclass(frozen=True, eq=False)
class Asker:
    """Inputs of E with their predictions, and how changes of these are read.

    Args:
        engine: The model f, opened for many calls.
        baseline: x'; size 1 in b means shared.
        rows: The inputs; size 1 in b means shared.
        differ: In which players inputs, those of all instances one after the other, and baselines differ;
            None where each row is asked for.
        base: f of these inputs as they are.
        change: The change of each instance's prediction.
        rounding: The largest change of each instance that may be rounding: in the digits of f and of c that
            cannot be trusted. Size 1 means alike for all.
        threshold: c. A change that differs from it by no more than rounding is equal to it.
    """

    engine: Engine
    baseline: Float[Array, "#b *x"]
    rows: Float[Array, "#b n *x"]
    differ: Differences | None
    base: Float64[np.ndarray, "#b n k"]
    change: Change
    rounding: Float64[np.ndarray, "#b"]
    threshold: float

    @property
    def at_once(self) -> int:
        """How many rows are asked for together: those of a call, or more where equal ones are looked for."""
        return self.engine.rows_a_call if self.differ is None else max(self.engine.rows_a_call, PAIRS_AT_ONCE)

    def own_changes(
        self, instances: Int64[np.ndarray, "p"], inputs: slice, hit: Bool[np.ndarray, "p #n t d"]
    ) -> Float64[np.ndarray, "p n t"]:
        """|f(g) - f| for sets of players at the baseline, each of one instance and read as that is.

        Args:
            instances: Whose inputs each of the p entries is about.
            inputs: Which inputs of E.
            hit: The players at the baseline, for each choice t.
        """
        outputs = self._outputs(instances, inputs, hit)
        base = _of(self.base, instances)[:, inputs]
        values = self.change.take(instances).between(outputs[:, None], base)[:, 0]
        return self._rounded(values, _of(self.rounding, instances))

    def all_changes(self, inputs: slice, hit: Bool[np.ndarray, "p #n t d"]) -> Float64[np.ndarray, "b p n t"]:
        """The same where inputs and baseline are shared: each set once for all instances, read as each is.

        Args:
            inputs: Which inputs of E.
            hit: The players at the baseline, for each choice t.
        """
        return self._read(self._outputs(np.zeros(len(hit), dtype=np.int64), inputs, hit), inputs)

    def changes_of(
        self, numbers: Int64[np.ndarray, "r"], outputs: Float64[np.ndarray, "r k"]
    ) -> Float64[np.ndarray, "b r"]:
        """The change of each instance's prediction from inputs of E to some outputs.

        Args:
            numbers: Which input each of the outputs is compared with, of those that are shared.
            outputs: The outputs.
        """
        values = self.change.between(outputs[None, None, :, None], self.base[:, numbers])
        return self._rounded(values, self.rounding)[:, 0, :, 0]

    def _read(self, outputs: Float64[np.ndarray, "p n t k"], inputs: slice) -> Float64[np.ndarray, "b p n t"]:
        return self._rounded(self.change.between(outputs[None], self.base[:, inputs]), self.rounding)

    def _rounded(
        self, values: Float64[np.ndarray, "b *s"], rounding: Float64[np.ndarray, "#b"]
    ) -> Float64[np.ndarray, "b *s"]:
        """A change within the rounding of the predictions is 0, and one that close to c is c.

        The same input, or one that differs where the model does not look, may be answered with other last
        digits at another place of a call.
        """
        rounding = rounding.reshape(-1, *[1] * (values.ndim - 1))
        values = np.where(np.abs(values - self.threshold) <= rounding, self.threshold, values)
        return np.where(values <= rounding, 0.0, values)

    def _outputs(
        self, instances: Int64[np.ndarray, "p"], inputs: slice, hit: Bool[np.ndarray, "p #n t d"]
    ) -> Float64[np.ndarray, "p n t k"]:
        if self.differ is None:
            rows, ends = _of(self.rows, instances)[:, inputs], _of(self.baseline, instances)
            return self.engine.replaced(rows, ends, hit)
        n = self.rows.shape[1]
        owner, end = (
            (instances if len(each) > 1 else np.zeros_like(instances))[:, None, None]
            for each in (self.rows, self.baseline)
        )
        flat = namespace(self.rows).reshape(self.rows, (-1, *self.rows.shape[2:]))
        which = owner * n + np.arange(n)[inputs][:, None], end
        return self.engine.distinct(flat, self.baseline, which, codes_of_keep(hit), self.differ)


def _of(array: Float[Array, "#b ..."], instances: Int64[np.ndarray, "p"]) -> Float[Array, "#p ..."]:
    """What belongs to each entry; itself where it is shared."""
    return array if len(array) == 1 else array[beside(instances, array)]
