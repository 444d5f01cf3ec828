"""|f(x) - f(x')|: how far one prediction is from another."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import SettingError


class Change(ABC):
    """How much a prediction changes, from all outputs of the model."""

    @abstractmethod
    def between(
        self, outputs: Float[Tensor, "#b m n t k"], base: Float[Tensor, "#b n k"]
    ) -> Float[Tensor, "b m n t"]:
        """The change of each output from its base.

        Args:
            outputs: Predictions for perturbed inputs.
            base: Predictions for these inputs as they are.

        Raises:
            SettingError: if the model has no such output.
        """

    def take(self, numbers: Int64[Tensor, "p"]) -> "Change":
        """The change of some of the instances, by number; itself where all are read alike."""
        return self

    def distinct(self, n_instances: int) -> tuple["Change", Int64[Tensor, "b"]]:
        """The change without repeats, and which one is each instance's."""
        return self, torch.zeros(n_instances, dtype=torch.int64)


@final
@dataclass(frozen=True, eq=False)
class TargetChange(Change):
    """The absolute change of one named output an instance.

    Args:
        target: Number of the output of each instance.
    """

    target: Int64[Tensor, "b"]

    @override
    def between(
        self, outputs: Float[Tensor, "#b m n t k"], base: Float[Tensor, "#b n k"]
    ) -> Float[Tensor, "b m n t"]:
        n_outputs, target = outputs.shape[-1], self.target.to(outputs.device)
        if not bool(((target >= 0) & (target < n_outputs)).all()):
            raise SettingError(
                f"target must be a number of an output, 0 to {n_outputs - 1}; got {target.tolist()}"
            )
        b, (_, m, n, t, _) = len(target), outputs.shape
        chosen = outputs.expand(b, -1, -1, -1, -1).gather(4, target.view(b, 1, 1, 1, 1).expand(b, m, n, t, 1))
        start = base.expand(b, -1, -1).gather(2, target.view(b, 1, 1).expand(b, n, 1))
        return (chosen.squeeze(4) - start.unsqueeze(1)).abs()

    @override
    def take(self, numbers: Int64[Tensor, "p"]) -> "TargetChange":
        return TargetChange(self.target[numbers.to(self.target.device)])

    @override
    def distinct(self, n_instances: int) -> tuple["TargetChange", Int64[Tensor, "b"]]:
        values, which = torch.unique(self.target, return_inverse=True)
        return TargetChange(values), which


@final
@dataclass(frozen=True)
class NormChange(Change):
    """The Euclidean norm of the change of all outputs: the paper's reading of a vector-valued f."""

    @override
    def between(
        self, outputs: Float[Tensor, "#b m n t k"], base: Float[Tensor, "#b n k"]
    ) -> Float[Tensor, "b m n t"]:
        # Not a square root of squares: its slope at no change would be NaN.
        norm: Tensor = torch.linalg.vector_norm(outputs - base.unsqueeze(1).unsqueeze(3), dim=4)
        return norm
