"""The model, asked for inputs of E some of whose players are at the baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from onlyif.causation.change import Change
from onlyif.core.blend import blend
from onlyif.core.errors import ModelError
from onlyif.core.players import Players
from onlyif.predictors.base import Predictor


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
    """

    predictor: Predictor
    players: Players
    baseline: Float[Tensor, "#b *x"]
    rows: Float[Tensor, "#b n *x"]
    base: Float64[Tensor, "#b n k"]
    change: Change
    b: int

    def changes(
        self, instances: Int64[Tensor, "p"], inputs: slice, hit: Bool[Tensor, "p #n t d"]
    ) -> Float64[Tensor, "lead p n t"]:
        """|f(g) - f| for sets of players at the baseline; `lead` counts the changes wanted if all is shared.

        Args:
            instances: Whose inputs each of the p entries is about.
            inputs: Which inputs of E.
            hit: The players at the baseline, for each choice t.
        """
        base = self._of(self.base, instances)[:, inputs]
        outputs = self._outputs(instances, inputs, hit)
        if self.b == 1:
            # All entries are about the same inputs.
            return self.change.between(outputs.unsqueeze(0), base[:1])
        return self.change.take(instances).between(outputs.unsqueeze(1), base).transpose(0, 1)

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
    """The outputs for some inputs, checked.

    Args:
        predictor: The model f.
        batch: The inputs.

    Raises:
        ModelError: if an output is NaN or infinite.
    """
    outputs = predictor.predict(batch.to(predictor.batch_dtype)).double()
    if not bool(outputs.isfinite().all()):
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
