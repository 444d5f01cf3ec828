"""From the sums of leaf values to a tree ensemble's outputs."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

ROWS_AT_ONCE = 2048


class Link(ABC):
    """The function from margins (sums over trees) to outputs."""

    @abstractmethod
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        """The outputs.

        Args:
            margins: Sums of leaf values, the base included.
        """

    def averaged(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        """The outputs whose means are taken: those from which `completed` has all of them.

        Args:
            margins: Sums of leaf values, the base included.
        """
        return self.outputs(margins)

    def completed(self, means: Float64[np.ndarray, "*m _"]) -> Float64[np.ndarray, "*m _"]:
        """The means of all outputs.

        Args:
            means: Those of the outputs that `averaged` gives.
        """
        return means

    def completed_squares(
        self, means: Float64[np.ndarray, "*m _"], squares: Float64[np.ndarray, "*m _"]
    ) -> Float64[np.ndarray, "*m _"]:
        """The means of the squares of all outputs.

        Args:
            means: Those of the outputs that `averaged` gives.
            squares: Those of their squares.
        """
        return squares

    @property
    def additive(self) -> bool:
        """Whether outputs are the margins themselves, so that means pass through the link."""
        return False

    @property
    def costly(self) -> bool:
        """Whether it costs about what asking a model costs."""
        return False


@final
@dataclass(frozen=True)
class IdentityLink(Link):
    """Outputs are the margins: raw scores, values, averaged probabilities of a forest."""

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        return margins

    @property
    @override
    def additive(self) -> bool:
        return True


@final
@dataclass(frozen=True)
class SigmoidLink(Link):
    """Each output is 1 / (1 + exp(-slope · margin)).

    Args:
        slope: Factor of the margin.
    """

    slope: float = 1.0

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        return _sigmoid(margins, self.slope)


@final
@dataclass(frozen=True)
class TwoClassLink(Link):
    """One margin becomes two probabilities, 1 - p and p, with p = 1 / (1 + exp(-slope · margin)).

    Args:
        slope: Factor of the margin.

    Example:
        >>> TwoClassLink().outputs(np.zeros((1, 1)))
        array([[0.5, 0.5]])
    """

    slope: float = 1.0

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        # 1 - p would lose the digits of a p close to 1.
        return np.concatenate([_sigmoid(margins, -self.slope), _sigmoid(margins, self.slope)], axis=-1)

    @override
    def averaged(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        return _sigmoid(margins, self.slope)

    @override
    def completed(self, means: Float64[np.ndarray, "*m _"]) -> Float64[np.ndarray, "*m _"]:
        return np.concatenate([1 - means, means], axis=-1)

    @override
    def completed_squares(
        self, means: Float64[np.ndarray, "*m _"], squares: Float64[np.ndarray, "*m _"]
    ) -> Float64[np.ndarray, "*m _"]:
        return np.concatenate([1 - 2 * means + squares, squares], axis=-1)


@final
@dataclass(frozen=True)
class SoftmaxLink(Link):
    """Outputs are proportional to exp(margin) and sum to 1."""

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        each: np.ndarray = margins - margins.max(-1, keepdims=True)
        np.exp(each, out=each)
        each /= each.sum(-1, keepdims=True)
        return each


@final
@dataclass(frozen=True)
class OneVersusRestLink(Link):
    """Sigmoids of the margins, divided by their sum; alike where all of them are 0."""

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        each: np.ndarray = _sigmoid(margins, 1.0)
        each[(each == 0).all(-1)] = 1.0
        each /= each.sum(-1, keepdims=True)
        return each


@final
@dataclass(frozen=True)
class ExpLink(Link):
    """Outputs are exp(margin): Poisson, gamma and Tweedie regression."""

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        # What is too large for a number is infinite, as the libraries have it.
        with np.errstate(over="ignore"):
            outputs: np.ndarray = np.exp(margins)
        return outputs


@final
@dataclass(frozen=True, eq=False)
class NetworkLink(Link):
    """What the further layers of a network make of the sums that enter its first one.

    Args:
        weights: Of each layer after the first.
        biases: The same.
        activation: The activation of the layers before the last.
        last: From the sums of the last layer to outputs.
    """

    weights: tuple[Float64[np.ndarray, "_ _"], ...]
    biases: tuple[Float64[np.ndarray, "_"], ...]
    activation: Callable[[Float64[np.ndarray, "r k"]], Float64[np.ndarray, "r k"]]
    last: Link

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        return self.last.outputs(self._sums(margins))

    @override
    def averaged(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        return self.last.averaged(self._sums(margins))

    @override
    def completed(self, means: Float64[np.ndarray, "*m _"]) -> Float64[np.ndarray, "*m _"]:
        return self.last.completed(means)

    @override
    def completed_squares(
        self, means: Float64[np.ndarray, "*m _"], squares: Float64[np.ndarray, "*m _"]
    ) -> Float64[np.ndarray, "*m _"]:
        return self.last.completed_squares(means, squares)

    @property
    @override
    def costly(self) -> bool:
        return True

    def _sums(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        # So many at once that what a layer gives to the next is still in the processor's cache.
        rows = margins.reshape(-1, margins.shape[-1])
        parts = [self._layers(rows[at : at + ROWS_AT_ONCE]) for at in range(0, len(rows), ROWS_AT_ONCE)]
        return np.concatenate(parts).reshape(*margins.shape[:-1], -1)

    def _layers(self, rows: Float64[np.ndarray, "r k"]) -> Float64[np.ndarray, "r _"]:
        for weights, biases in zip(self.weights, self.biases, strict=True):
            rows = self.activation(rows) @ weights
            rows += biases
        return rows


@final
@dataclass(frozen=True)
class SquaredLink(Link):
    """The outputs of another link, followed by their squares, whose means tell how outputs are spread.

    Args:
        link: The other link.

    Example:
        >>> SquaredLink(TwoClassLink()).outputs(np.zeros((1, 1)))
        array([[0.5 , 0.5 , 0.25, 0.25]])
    """

    link: Link

    @override
    def outputs(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        return _with_squares(self.link.outputs(margins))

    @override
    def averaged(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        return _with_squares(self.link.averaged(margins))

    @override
    def completed(self, means: Float64[np.ndarray, "*m _"]) -> Float64[np.ndarray, "*m _"]:
        plain, squares = np.split(means, 2, axis=-1)
        both = [self.link.completed(plain), self.link.completed_squares(plain, squares)]
        return np.concatenate(both, axis=-1)

    @property
    @override
    def costly(self) -> bool:
        return self.link.costly


def _with_squares(outputs: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
    return np.concatenate([outputs, np.square(outputs)], axis=-1)


def _sigmoid(margins: Float64[np.ndarray, "*m k"], slope: float) -> Float64[np.ndarray, "*m k"]:
    each: np.ndarray = margins * -slope
    # Beyond 709 the exponential is infinite and the sigmoid 0, which is right.
    with np.errstate(over="ignore"):
        np.exp(each, out=each)
    each += 1
    np.reciprocal(each, out=each)
    return each
