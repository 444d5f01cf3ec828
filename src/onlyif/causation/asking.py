"""The model, asked for inputs of E some of whose players are at the baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from onlyif.causation.change import Change
from onlyif.core.arrays import in_dtype, on_host
from onlyif.core.blend import blend
from onlyif.core.errors import ModelError
from onlyif.core.players import Players
from onlyif.predictors.base import Predictor
from onlyif.predictors.outputs import digits_of


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
        change: The change of each instance's prediction; of as many as are wanted if `b` is 1.
        b: Number of instances whose inputs differ; 1 if all is shared.
        digits: Binary digits of the predictions that can be trusted.
        threshold: c. A change that differs from it by no more than rounding is equal to it.
    """

    predictor: Predictor
    players: Players
    baseline: Float[Tensor, "#b *x"]
    rows: Float[Tensor, "#b n *x"]
    base: Float64[Tensor, "#b n k"]
    change: Change
    b: int
    digits: int
    threshold: float

    def changes(
        self, instances: Int64[Tensor, "p"], inputs: slice, hit: Bool[Tensor, "p #n t d"]
    ) -> Float64[Tensor, "lead p n t"]:
        """|f(g) - f| for sets of players at the baseline; `lead` counts the changes wanted if all is shared.

        A change within the rounding of the predictions is 0: the same input, or one that differs where the
        model does not look, may be answered with other last digits at another place of a call.

        Args:
            instances: Whose inputs each of the p entries is about.
            inputs: Which inputs of E.
            hit: The players at the baseline, for each choice t.
        """
        whole = self._of(self.base, instances)
        outputs = self._outputs(instances, inputs, hit)
        if self.b == 1:
            # All entries are about the same inputs.
            values = self.change.between(outputs.unsqueeze(0), whole[:1, inputs])
            rounding = self._rounding(self.change, whole[:1]).view(-1, 1, 1, 1)
        else:
            change = self.change.take(instances)
            values = change.between(outputs.unsqueeze(1), whole[:, inputs]).transpose(0, 1)
            rounding = self._rounding(change, whole).view(1, -1, 1, 1)
        values = torch.where((values - self.threshold).abs() <= rounding, self.threshold, values)
        return torch.where(values <= rounding, 0.0, values)

    def _rounding(self, change: Change, base: Float64[Tensor, "p n k"]) -> Float64[Tensor, "r"]:
        """The largest change that may be rounding: in the digits of f and of c that cannot be trusted."""
        nothing = torch.zeros_like(base)
        size = change.between(base.unsqueeze(1).unsqueeze(3), nothing).flatten(1).amax(1)
        return size.clamp(min=self.threshold) * 2.0**-self.digits

    def _outputs(
        self, instances: Int64[Tensor, "p"], inputs: slice, hit: Bool[Tensor, "p #n t d"]
    ) -> Float64[Tensor, "p n t k"]:
        rows = self._of(self.rows, instances)[:, inputs]
        p, n, t = *rows.shape[:2], hit.shape[2]
        shape = rows.shape[2:]
        spread = self.players.spread(~hit.to(rows.device)).expand(p, n, t, *shape).flatten(0, 1)
        ends = self._of(self.baseline, instances).unsqueeze(1).expand(p, n, *shape).flatten(0, 1)
        mixed = blend(rows.flatten(0, 1), ends.unsqueeze(1).unsqueeze(1), spread)
        answer = ask(self.predictor, mixed.flatten(0, 2))
        return answer.reshape(p, n, t, -1)

    def _of(self, tensor: Tensor, instances: Int64[Tensor, "p"]) -> Tensor:
        """What belongs to each entry; a view where it is shared."""
        if len(tensor) == 1:
            return tensor.expand(len(instances), *tensor.shape[1:])
        return tensor[instances.to(tensor.device)]


def ask(predictor: Predictor, batch: Float[Tensor, "r *x"]) -> Float64[Tensor, "r k"]:
    """The outputs for some inputs, checked, in double precision, on the CPU.

    Args:
        predictor: The model f.
        batch: The inputs.
    """
    return answers(predictor, batch).double()


def answers(predictor: Predictor, batch: Float[Tensor, "r *x"]) -> Float[Tensor, "r k"]:
    """The outputs for some inputs, checked, in the precision in which the model answered, on the CPU.

    Args:
        predictor: The model f.
        batch: The inputs.

    Raises:
        ModelError: if an output is NaN or infinite.
    """
    outputs = torch.from_numpy(on_host(predictor.predict(in_dtype(batch, predictor.batch_dtype))))
    if not bool(outputs.isfinite().all()):
        raise ModelError(
            "the model answered NaN or infinite for an input with some players at the baseline; need finite "
            "outputs: check the baseline's values, or explain another output"
        )
    return outputs


def trusted_digits(predictor: Predictor, dtype: torch.dtype) -> int:
    """Binary digits of the predictions that can be trusted: no more than their dtype holds.

    Args:
        predictor: The model f.
        dtype: That of its answers.
    """
    return min(predictor.meaning.digits, digits_of(dtype))


def slices(total: int, step: int) -> Iterator[slice]:
    """Consecutive slices of at most `step`.

    Args:
        total: Where they end.
        step: The longest.
    """
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))
