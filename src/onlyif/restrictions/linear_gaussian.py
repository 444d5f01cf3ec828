"""The closed form for a linear model under a Gaussian reference: no draws, no model calls."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.arrays import doubled
from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.core.players import Players
from onlyif.core.shapes import Instances, Keep
from onlyif.models.readouts import Readout
from onlyif.references.gaussian import GaussianReference
from onlyif.restrictions.base import Estimate, Method, Restriction

_BLOCK_ENTRIES = 2**21  # numbers in the matrices of one block of subsets: 16 MiB
_BLOCK_BYTES = 2**26  # working memory wanted for one block of instances of a table
_COPIES = 3  # a step of the elimination holds the old states, the new ones and one product


@final
@dataclass(frozen=True, eq=False)
class _States:
    """What is left to eliminate, for every subset of the players already decided.

    Args:
        residual: Covariance of the undecided columns given what is kept.
        shared: Their covariance with the outputs, given what is kept.
        offset: x minus their conditional mean.
        reached: f_S(x) of the subset.
    """

    residual: Float64[np.ndarray, "s u u"]
    shared: Float64[np.ndarray, "s u k"]
    offset: Float64[np.ndarray, "s b u"]
    reached: Float64[np.ndarray, "s b k"]

    def hide(self, n: int) -> "_States":
        """The first n columns are hidden: they leave the problem."""
        return _States(self.residual[:, n:, n:], self.shared[:, n:], self.offset[:, :, n:], self.reached)

    def keep(self, n: int) -> "_States":
        """The first n columns are kept: Gaussian elimination, one pivot after another."""
        states = self
        for _ in range(n):
            states = states._pivot()
        return states

    def _pivot(self) -> "_States":
        gain = self.residual[:, 0, 1:] / self.residual[:, 0, :1]
        seen = self.offset[:, :, :1]
        share = self.shared[:, :1] / self.residual[:, :1, :1]
        return _States(
            _less(self.residual[:, 1:, 1:], gain[:, :, None] * self.residual[:, :1, 1:]),
            _less(self.shared[:, 1:], gain[:, :, None] * self.shared[:, :1]),
            _less(self.offset[:, :, 1:], seen * gain[:, None]),
            self.reached + seen * share,
        )

    def join(self, other: "_States") -> "_States":
        """The states of both, these first."""
        return _States(
            np.concatenate([self.residual, other.residual]),
            np.concatenate([self.shared, other.shared]),
            np.concatenate([self.offset, other.offset]),
            np.concatenate([self.reached, other.reached]),
        )


def _less(values: Float64[np.ndarray, "*s"], product: Float64[np.ndarray, "*s"]) -> Float64[np.ndarray, "*s"]:
    """values - product, in the product's memory."""
    np.subtract(values, product, out=product)
    return product


@final
@dataclass(frozen=True, eq=False)
class LinearGaussianRestriction(Restriction):
    """Exact f_S(x) of a linear model f(x) = wᵀx + w_0 under X ~ N(μ, Σ).

    f_S(x) = f(μ) + (x - μ)_Sᵀ Σ_SS⁻¹ (Σ w)_S. Choose it whenever both hold; otherwise
    `SampledRestriction`. `table` eliminates one player after another in all subsets at once, so that all
    2^d subsets cost a constant number of operations each, not d³.

    Args:
        weights: w, one column an output.
        intercept: w_0, one number an output.
        reference: The Gaussian.
        players: How players tile the columns.
        max_bytes: Most memory that `table` may take.

    Raises:
        SettingError: if weights, intercept, reference and players disagree on columns or outputs.
        InputError: from `predict` and `table`, if x has other columns or missing values.

    Example:
        >>> from onlyif.core.players import column_players
        >>> from onlyif.models.readouts import TargetReadout
        >>> pair = GaussianReference(np.zeros(2), np.array([[1.0, 0.5], [0.5, 1.0]]))
        >>> players = column_players(["a", "b"])
        >>> total = LinearGaussianRestriction(np.ones((2, 1)), np.zeros(1), pair, players)
        >>> total.table(np.array([[2.0, 4.0]]), TargetReadout(np.array([0]))).mean
        array([[0., 3., 6., 6.]])
    """

    weights: Float64[np.ndarray, "_ k"]
    intercept: Float64[np.ndarray, "_"]
    reference: GaussianReference
    players: Players
    max_bytes: int = 2**31

    def __post_init__(self) -> None:
        c = len(self.reference.mean)
        if self.weights.shape[0] != c or self.players.index.shape != (c,):
            raise SettingError(
                f"the Gaussian has {c} columns; got weights of {self.weights.shape[0]} and players of "
                f"{tuple(self.players.index.shape)} columns; all must be the same"
            )
        if self.intercept.shape != self.weights.shape[1:]:
            raise SettingError(
                f"need one intercept an output, got {self.weights.shape[1]} columns of weights and "
                f"intercepts of shape {tuple(self.intercept.shape)}"
            )

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        centred = self._centred(x)
        size = max(1, _BLOCK_ENTRIES // (len(keep) * x.shape[1] ** 2))
        parts = range(0, keep.shape[1], size)
        blocks = [self._predict_block(centred, keep[:, first : first + size]) for first in parts]
        return _exact(readout.read(np.concatenate(blocks, axis=1)))

    def _predict_block(self, centred: Float64[np.ndarray, "b c"], keep: Keep) -> Float64[np.ndarray, "b m k"]:
        sigma, kept = self.reference.covariance, self.players.spread(keep)[..., None].astype(np.float64)
        # On correlations: pivots are chosen by size, which says nothing on scales that differ.
        scale = np.sqrt(sigma.diagonal())
        matrix = kept * (sigma / np.outer(scale, scale)) * kept.swapaxes(2, 3)
        matrix += np.eye(len(sigma)) * (1 - kept)
        weighted = sigma @ self.weights / scale[:, None]
        slopes = np.linalg.solve(matrix, kept * weighted) / scale[:, None]
        predicted: np.ndarray = self._at_mean + (centred[:, None, None] @ slopes)[:, :, 0]
        return predicted

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        centred = self._centred(x)
        block = self._instances_per_block(len(x))
        table = np.empty((len(x), 2**self.players.count))
        for first in range(0, len(x), block):
            reached = self._eliminate(centred[first : first + block])
            part = slice(first, first + block)
            table[part] = readout.part(part).read(reached.swapaxes(0, 1))
        return _exact(table)

    def _eliminate(self, centred: Float64[np.ndarray, "b c"]) -> Float64[np.ndarray, "s b k"]:
        """f_S(x) by code: player i is decided in step i, so that it becomes bit i."""
        order, sigma = np.argsort(self.players.index, kind="stable"), self.reference.covariance
        weighted = (sigma @ self.weights)[order]
        start = np.broadcast_to(self._at_mean, (1, len(centred), self.weights.shape[1]))
        states = _States(sigma[order][:, order][None], weighted[None], centred[:, order][None], start)
        for n in self._player_sizes():
            states = states.hide(n).join(states.keep(n))
        return states.reached

    def _instances_per_block(self, b: int) -> int:
        shared, each = self._working_bytes()
        table = 8 * b << self.players.count
        needed = table + shared + each
        if needed > self.max_bytes:
            raise LimitError(
                f"the table of {b} rows over 2^{self.players.count} subsets needs {needed / 2**30:.3g} GiB, "
                f"the limit max_bytes is {self.max_bytes / 2**30:.3g} GiB; "
                "explain fewer rows at a time, group columns, or use a search that needs no table"
            )
        room = min(_BLOCK_BYTES, self.max_bytes - table - shared)
        return max(1, min(b, room // each))

    def _working_bytes(self) -> tuple[int, int]:
        """Most memory of the elimination at one time: for all instances together, and for each."""
        undecided, k = self.weights.shape
        shared, each = 0, 1
        for i, n in enumerate(self._player_sizes()):
            # The elimination of n columns starts with those still there and doubles the states at its end.
            undecided -= n
            for states, u in ((1 << i, undecided + n), (2 << i, undecided)):
                shared = max(shared, 8 * _COPIES * states * u * (u + k))
                each = max(each, 8 * _COPIES * states * (u + k))
        return shared, each

    def _player_sizes(self) -> list[int]:
        return [len(self.players.columns(player)) for player in range(self.players.count)]

    @property
    def _at_mean(self) -> Float64[np.ndarray, "k"]:
        predicted: np.ndarray = self.reference.mean @ self.weights + self.intercept
        return predicted

    def _centred(self, x: Instances) -> Float64[np.ndarray, "b c"]:
        if x.shape[1:] != self.reference.mean.shape:
            raise InputError(
                f"the model has {len(self.reference.mean)} columns, got rows of shape {tuple(x.shape[1:])}"
            )
        rows = doubled(x)
        infinite = ~np.isfinite(rows).all(1)
        if infinite.any():
            row = int(np.argmax(infinite))
            raise InputError(
                f"row {row} has a value that is missing or infinite; a linear model needs numbers"
            )
        centred: np.ndarray = rows - self.reference.mean
        return centred

    @property
    @override
    def method(self) -> Method:
        return Method("exactly, by the closed form for a linear model under a Gaussian", exact=True, rows=0)


def _exact(mean: Float64[np.ndarray, "b m"]) -> Estimate:
    nothing = np.broadcast_to(0.0, mean.shape)
    return Estimate(mean, nothing, nothing, 0.0)
