"""|f(x) - f(x')|: how far one prediction is from another, of numpy or, with a gradient, of tensors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from typing import final

import numpy as np
from jaxtyping import Float, Int64
from typing_extensions import override

from onlyif.core.arrays import Array, beside, namespace
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances
from onlyif.engine.engine import outputs_of
from onlyif.models.base import Predictor


class Change(ABC):
    """How much a prediction changes, from all outputs of the model."""

    @abstractmethod
    def between(
        self, outputs: Float[Array, "#b m n t k"], base: Float[Array, "#b n k"]
    ) -> Float[Array, "b m n t"]:
        """The change of each output from its base.

        Args:
            outputs: Predictions for perturbed inputs.
            base: Predictions for these inputs as they are, of the same library.

        Raises:
            SettingError: if the model has no such output.
        """

    def take(self, numbers: Int64[np.ndarray, "p"]) -> "Change":
        """The change of some of the instances, by number; itself where all are read alike."""
        return self

    def distinct(self, n_instances: int) -> tuple["Change", Int64[np.ndarray, "b"]]:
        """The change without repeats, and which one is each instance's."""
        return self, np.zeros(n_instances, dtype=np.int64)


@final
@dataclass(frozen=True, eq=False)
class TargetChange(Change):
    """The absolute change of one named output an instance.

    Args:
        target: Number of the output of each instance.
    """

    target: Int64[np.ndarray, "b"]

    @override
    def between(
        self, outputs: Float[Array, "#b m n t k"], base: Float[Array, "#b n k"]
    ) -> Float[Array, "b m n t"]:
        n_outputs, target = outputs.shape[-1], self.target
        if not ((target >= 0) & (target < n_outputs)).all():
            raise SettingError(
                f"target must be a number of an output, 0 to {n_outputs - 1}; got {target.tolist()}"
            )
        column = beside(target, outputs)
        of_outputs, of_base = (
            beside(np.broadcast_to(np.arange(len(held)), target.shape).copy(), held)
            for held in (outputs, base)
        )
        chosen, start = outputs[of_outputs, :, :, :, column], base[of_base, :, column]
        return abs(chosen - start[:, None, :, None])

    @override
    def take(self, numbers: Int64[np.ndarray, "p"]) -> "TargetChange":
        return TargetChange(self.target[numbers])

    @override
    def distinct(self, n_instances: int) -> tuple["TargetChange", Int64[np.ndarray, "b"]]:
        values, which = np.unique(self.target, return_inverse=True)
        return TargetChange(values), which


@final
@dataclass(frozen=True, eq=False)
class DecisionChange(Change):
    """How much nearer a prediction comes to deciding for another class, from probabilities.

    The fall of σ((log p - log p') / τ), with p of the named class and p' of the most probable other; a rise
    is no change. A model that is sure of its class may lose much of its probability and decide as before:
    that is a small change here, and a large one by `TargetChange`. Where what speaks against the class
    is perturbed, the prediction rises, which is none.

    Args:
        target: Number of the class of each instance.
        temperature: τ, which odds count as near a decision; σ is then between .27 and .73 at 1 to e.

    Raises:
        SettingError: unless the temperature is above 0.
    """

    target: Int64[np.ndarray, "b"]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise SettingError(f"the temperature must be above 0, got {self.temperature}")

    @override
    def between(
        self, outputs: Float[Array, "#b m n t k"], base: Float[Array, "#b n k"]
    ) -> Float[Array, "b m n t"]:
        n_outputs = outputs.shape[-1]
        if n_outputs < 2 or not ((self.target >= 0) & (self.target < n_outputs)).all():
            raise SettingError(
                "a decision needs probabilities of several classes, and a target among them; got "
                f"{n_outputs} outputs and {self.target.tolist()}"
            )
        of_outputs = self._decided(outputs.reshape(len(outputs), -1, n_outputs))
        of_base = self._decided(base)
        shape = (len(self.target), *outputs.shape[1:-1])
        fall = of_base[:, None, :, None] - of_outputs.reshape(shape)
        return namespace(fall).clip(fall, min=0.0)

    def _decided(self, chances: Float[Array, "#b r k"]) -> Float[Array, "b r"]:
        """σ of the log odds of the named class and the best other one."""
        xp = namespace(chances)
        logs = xp.log(xp.clip(chances, min=float(xp.finfo(chances.dtype).tiny)))
        logs = xp.broadcast_to(logs, (len(self.target), *logs.shape[1:]))
        own = beside(np.arange(logs.shape[-1]) == self.target[:, None, None], chances)
        others = xp.max(xp.where(own, -inf, logs), axis=-1)
        odds = (xp.sum(xp.where(own, logs, xp.zeros_like(logs)), axis=-1) - others) / self.temperature
        # Written with tanh, which the array API has.
        return 0.5 + 0.5 * xp.tanh(0.5 * odds)

    @override
    def take(self, numbers: Int64[np.ndarray, "p"]) -> "DecisionChange":
        return DecisionChange(self.target[numbers], self.temperature)

    @override
    def distinct(self, n_instances: int) -> tuple["DecisionChange", Int64[np.ndarray, "b"]]:
        values, which = np.unique(self.target, return_inverse=True)
        return DecisionChange(values, self.temperature), which


@final
@dataclass(frozen=True)
class NormChange(Change):
    """The Euclidean norm of the change of all outputs: the paper's reading of a vector-valued f."""

    @override
    def between(
        self, outputs: Float[Array, "#b m n t k"], base: Float[Array, "#b n k"]
    ) -> Float[Array, "b m n t"]:
        # Not a square root of squares: its slope at no change would be NaN.
        return namespace(outputs).linalg.vector_norm(outputs - base[:, None, :, None, :], axis=-1)


def predicted_targets(predictor: Predictor, x: Instances, max_rows: int = 16_384) -> Int64[np.ndarray, "b"]:
    """The largest output of each instance.

    Args:
        predictor: The model f.
        x: The instances.
        max_rows: Most rows of one model call.
    """
    targets: np.ndarray = outputs_of(predictor, x, max_rows).argmax(1)
    return targets
