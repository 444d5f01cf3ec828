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
        return abs(_gained(outputs, base, self.target))

    @override
    def take(self, numbers: Int64[np.ndarray, "p"]) -> "TargetChange":
        return TargetChange(self.target[numbers])

    @override
    def distinct(self, n_instances: int) -> tuple["TargetChange", Int64[np.ndarray, "b"]]:
        values, which = np.unique(self.target, return_inverse=True)
        return TargetChange(values), which


@final
@dataclass(frozen=True, eq=False)
class FallChange(Change):
    """By how much one named output an instance falls; 0 where it rises.

    Hiding what speaks against a class makes its probability rise, which an absolute change counts like a
    fall. Choose it where what matters is whether the class is still predicted.

    Args:
        target: Number of the output of each instance.

    Example:
        >>> after, before = np.array([[[[[0.9]], [[0.2]]]]]), np.array([[[0.5]]])
        >>> FallChange(np.array([0])).between(after, before).ravel()
        array([0. , 0.3])
    """

    target: Int64[np.ndarray, "b"]

    @override
    def between(
        self, outputs: Float[Array, "#b m n t k"], base: Float[Array, "#b n k"]
    ) -> Float[Array, "b m n t"]:
        gained = _gained(outputs, base, self.target)
        return namespace(gained).where(gained < 0, -gained, namespace(gained).zeros_like(gained))

    @override
    def take(self, numbers: Int64[np.ndarray, "p"]) -> "FallChange":
        return FallChange(self.target[numbers])

    @override
    def distinct(self, n_instances: int) -> tuple["FallChange", Int64[np.ndarray, "b"]]:
        values, which = np.unique(self.target, return_inverse=True)
        return FallChange(values), which


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


def _gained(
    outputs: Float[Array, "#b m n t k"], base: Float[Array, "#b n k"], target: Int64[np.ndarray, "b"]
) -> Float[Array, "b m n t"]:
    """By how much the target of each instance rose.

    Raises:
        SettingError: if the model has no such output.
    """
    n_outputs = outputs.shape[-1]
    if not ((target >= 0) & (target < n_outputs)).all():
        raise SettingError(
            f"target must be a number of an output, 0 to {n_outputs - 1}; got {target.tolist()}"
        )
    column = beside(target, outputs)
    of_outputs, of_base = (
        beside(np.broadcast_to(np.arange(len(held)), target.shape).copy(), held) for held in (outputs, base)
    )
    return outputs[of_outputs, :, :, :, column] - base[of_base, :, column][:, None, :, None]


def predicted_targets(predictor: Predictor, x: Instances, max_rows: int = 16_384) -> Int64[np.ndarray, "b"]:
    """The largest output of each instance.

    Args:
        predictor: The model f.
        x: The instances.
        max_rows: Most rows of one model call.
    """
    targets: np.ndarray = outputs_of(predictor, x, max_rows).argmax(1)
    return targets
