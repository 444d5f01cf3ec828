"""|f(x) - f(x')|: how far one prediction is from another, of numpy or, with a gradient, of tensors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
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
