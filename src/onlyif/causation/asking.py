"""The model, asked for inputs of E some of whose players are at the baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from onlyif.causation.change import Change
from onlyif.core.arrays import Array, beside, doubled, in_dtype, namespace, where_kept
from onlyif.core.errors import ModelError
from onlyif.core.players import Players
from onlyif.models.base import Predictor


@final
@dataclass(frozen=True, eq=False)
class Asker:
    """Inputs of E with their predictions, and how changes of these are read.

    Args:
        predictor: The model f, opened for many calls.
        players: How players tile an instance.
        baseline: x'; size 1 in b means shared.
        rows: The inputs; size 1 in b means shared.
        base: f of these inputs as they are.
        change: The change of each instance's prediction.
        rounding: The largest change of each instance that may be rounding: in the digits of f and of c that
            cannot be trusted. Size 1 means alike for all.
        threshold: c. A change that differs from it by no more than rounding is equal to it.
    """

    predictor: Predictor
    players: Players
    baseline: Float[Array, "#b *x"]
    rows: Float[Array, "#b n *x"]
    base: Float64[np.ndarray, "#b n k"]
    change: Change
    rounding: Float64[np.ndarray, "#b"]
    threshold: float

    def own_changes(
        self, instances: Int64[np.ndarray, "p"], inputs: slice, hit: Bool[np.ndarray, "p #n t d"]
    ) -> Float64[np.ndarray, "p n t"]:
        """|f(g) - f| for sets of players at the baseline, each of one instance and read as that is.

        Args:
            instances: Whose inputs each of the p entries is about.
            inputs: Which inputs of E.
            hit: The players at the baseline, for each choice t.
        """
        rows, ends = _of(self.rows, instances)[:, inputs], _of(self.baseline, instances)
        values = self.change.take(instances).between(
            self._outputs(rows, ends, hit)[:, None], _of(self.base, instances)[:, inputs]
        )
        return self._rounded(values[:, 0], _of(self.rounding, instances))

    def all_changes(self, inputs: slice, hit: Bool[np.ndarray, "p #n t d"]) -> Float64[np.ndarray, "b p n t"]:
        """The same where inputs and baseline are shared: each set once for all instances, read as each is.

        Args:
            inputs: Which inputs of E.
            hit: The players at the baseline, for each choice t.
        """
        outputs = self._outputs(self.rows[:, inputs], self.baseline, hit)
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
        self, rows: Float[Array, "#p n *x"], ends: Float[Array, "#p *x"], hit: Bool[np.ndarray, "p #n t d"]
    ) -> Float64[np.ndarray, "p n t k"]:
        kept = self.players.spread(~hit)
        mixed = where_kept(kept, rows[:, :, None], ends[:, None, None])
        p, n, t = mixed.shape[:3]
        batch = namespace(mixed).reshape(mixed, (p * n * t, *mixed.shape[3:]))
        return ask(self.predictor, batch).reshape(p, n, t, -1)


def ask(predictor: Predictor, batch: Float[Array, "r *x"]) -> Float64[np.ndarray, "r k"]:
    """The outputs for some inputs, checked, in double precision, on the host.

    Args:
        predictor: The model f.
        batch: The inputs.
    """
    return doubled(answers(predictor, batch))


def answers(predictor: Predictor, batch: Float[Array, "r *x"]) -> Float[Array, "r k"]:
    """The outputs for some inputs, checked, as the model answered.

    Args:
        predictor: The model f.
        batch: The inputs.

    Raises:
        ModelError: if an output is NaN or infinite.
    """
    outputs = predictor.predict(in_dtype(batch, predictor.batch_dtype))
    if not bool(namespace(outputs).isfinite(outputs).all()):
        raise ModelError(
            "the model answered NaN or infinite for an input with some players at the baseline; need finite "
            "outputs: check the baseline's values, or explain another output"
        )
    return outputs


def slices(total: int, step: int) -> Iterator[slice]:
    """Consecutive slices of at most `step`.

    Args:
        total: Where they end.
        step: The longest.
    """
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


def _of(array: Float[Array, "#b ..."], instances: Int64[np.ndarray, "p"]) -> Float[Array, "#p ..."]:
    """What belongs to each entry; itself where it is shared."""
    return array if len(array) == 1 else array[beside(instances, array)]
