"""Conditionals of a fitted Gaussian: hidden features follow the kept ones, as far as correlations say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64
from typing_extensions import override

from onlyif.core.arguments import Either, Kind, Number
from onlyif.core.arrays import Array, doubled, like
from onlyif.core.errors import InputError, SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background
from onlyif.references.base import Draws, Law, Plan, Reference, ReferenceRecipe

_SINGULAR = 1e-10  # smallest eigenvalue of a correlation matrix whose inverse still has some six digits
_CHUNK = 256  # draws from one child seed; fixed, so that draw i does not depend on how the work is split
_BLOCK_ENTRIES = 2**22  # numbers in the matrices of one block of subsets: 32 MiB


@final
@dataclass(frozen=True, eq=False)
class GaussianReference(Reference):
    """Hidden columns follow their exact conditional law under one Gaussian: X_Sc ~ N(μ, Σ) given x_S.

    With h hidden and k kept, draws are X_h = z_h + Σ_hk Σ_kk⁻¹ (x_k - z_k) for one z ~ N(μ, Σ) that all
    instances and subsets share (Matheron's rule). Choose it for tables of numbers that are roughly
    elliptical; for mixed tables choose `EmpiricalReference`. With a linear model,
    `LinearGaussianRestriction` needs no draws at all.

    Args:
        mean: μ.
        covariance: Σ, a square matrix of as many columns, symmetric and not singular.
        origin: Where both come from, for the sentence in results.
        columns: Names of the columns for messages; empty for x0, x1, ...

    Raises:
        SettingError: if the shapes disagree, a number is not finite, or Σ is not symmetric.
        InputError: if Σ is singular; from `draw`, if a kept value is missing or x has other columns.

    Example:
        >>> pair = GaussianReference(np.zeros(2), np.array([[1.0, 0.5], [0.5, 1.0]]))
        >>> mean, _ = pair.conditional(np.array([[2.0, 9.0]]), np.array([[[True, False]]]))
        >>> mean
        array([[[2., 1.]]])

    References:
        [doucet2010] Matheron's rule for exact conditional simulation of Gaussians.
    """

    mean: Float64[np.ndarray, "c"]
    covariance: Float64[np.ndarray, "_ _"]
    origin: str = "given mean and covariance"
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.covariance.shape != (len(self.mean), len(self.mean)):
            raise SettingError(
                f"a mean of {len(self.mean)} columns needs a covariance of that many rows and columns, "
                f"got shape {tuple(self.covariance.shape)}"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise SettingError("mean and covariance must be finite, got NaN or infinity in them")
        scale = np.sqrt(np.maximum(self.covariance.diagonal(), 0))
        if not np.all(np.abs(self.covariance - self.covariance.T) <= 1e-9 * np.outer(scale, scale)):
            raise SettingError("the covariance must be symmetric, got one that is not")
        _refuse_singular(self.covariance, _names(self.columns, len(self.mean)))

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if plan.seed is None:
            raise SettingError("a Gaussian has no finite list of atoms: give a seed to draw from it")
        normals = _normals(plan.seed, plan.start, plan.stop, len(self.mean))
        noise = normals @ np.linalg.cholesky(self.covariance).T
        centred = self._centred(x, keep)
        values = np.empty((*centred.shape[:2], *noise.shape))
        for part, gains in self._gains(keep):
            shared = noise @ gains
            np.subtract(noise, shared, out=shared)
            means = self.mean + (centred[:, part, None] @ gains)
            np.add(means, shared, out=values[:, part])
        return Draws(like(values, x), plan.equal_weights)

    def conditional(
        self, x: Instances, keep: InputKeep
    ) -> tuple[Float64[np.ndarray, "b m c"], Float64[np.ndarray, "_ m c c"]]:
        """Mean and covariance of all columns given the kept ones, which are at x and do not vary.

        Args:
            x: The instances.
            keep: True where x is kept; size 1 in b means shared, and then the covariance is shared too.
        """
        centred = self._centred(x, keep)
        gains = np.concatenate([block for _, block in self._gains(keep)], axis=1)
        mean = self.mean + (centred[:, :, None] @ gains)[:, :, 0]
        covariance = self.covariance - self.covariance @ gains
        covariance *= ~keep[:, :, None] & ~keep[:, :, :, None]
        return np.where(keep, doubled(x)[:, None], mean), covariance

    def _centred(self, x: Instances, keep: InputKeep) -> Float64[np.ndarray, "b m c"]:
        if x.shape[1:] != self.mean.shape:
            raise InputError(f"the Gaussian has {len(self.mean)} columns, got rows of {tuple(x.shape[1:])}")
        rows = doubled(x)
        bad = np.argwhere((keep & ~np.isfinite(rows)[:, None]).any(1))
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(
                f"row {row} has no finite number in column {_names(self.columns, len(self.mean))[column]!r}, "
                "the Gaussian reference needs one to keep it; EmpiricalReference takes missing values"
            )
        return np.where(keep, (rows - self.mean)[:, None], 0.0)

    def _gains(self, keep: InputKeep) -> Iterator[tuple[slice, Float64[np.ndarray, "_ _ c c"]]]:
        """Blocks of Σ_kk⁻¹ Σ_k: with zero rows for what is hidden, each with its subsets."""
        # On correlations: pivots are chosen by size, which says nothing on scales that differ.
        scale = np.sqrt(self.covariance.diagonal())
        correlation, unit = self.covariance / np.outer(scale, scale), np.eye(len(self.mean))
        size = max(1, _BLOCK_ENTRIES // (len(keep) * len(self.mean) ** 2))
        for first in range(0, keep.shape[1], size):
            part = slice(first, first + size)
            kept = keep[:, part, :, None].astype(np.float64)
            seen = kept * correlation
            matrix = seen * kept.swapaxes(2, 3)
            matrix += unit * (1 - kept)
            gains = np.linalg.solve(matrix, seen)
            gains *= scale / scale[:, None]
            yield part, gains

    @property
    @override
    def law(self) -> Law:
        sentence = (
            "Hidden features are drawn from their conditional distribution given the kept ones, "
            f"under one Gaussian ({self.origin})."
        )
        return Law(sentence, None, depends_on_x=True)


def fit_gaussian(
    background: Float[Array, "rows c"],
    shrinkage: float | None = None,
    columns: Sequence[str] = (),
    numeric: Bool[np.ndarray, "c"] | None = None,
) -> GaussianReference:
    """The Gaussian with the mean and the (shrunk) covariance of a background.

    Columns are standardised, their correlations multiplied by 1 - shrinkage, and the result scaled
    back: variances stay as they are in the background (divided by N, not N - 1).

    Args:
        background: The rows.
        shrinkage: From 0 (none) to 1 (all correlations dropped); None for the estimate of Ledoit and Wolf.
        columns: Names of the columns for messages; empty for x0, x1, ...
        numeric: Which columns are numbers; None when all are.

    Raises:
        InputError: if the background has fewer than two rows, a missing or infinite value, a constant
            column, a column that is no number, or a singular covariance.
        SettingError: unless 0 <= shrinkage <= 1.

    Example:
        >>> rows = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 0.5], [3.0, 3.0]])
        >>> fit_gaussian(rows, shrinkage=0.1).law.sentence
        'Hidden ... (4 background rows, correlations shrunk by 0.1 as given).'

    References:
        [ledoit2004] the shrinkage intensity.
    """
    rows, names = doubled(background), _names(columns, background.shape[1])
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise SettingError(f"shrinkage must lie in [0, 1] or be None for Ledoit-Wolf, got {shrinkage}")
    _refuse_unfit(rows, names, numeric)
    mean, scale = rows.mean(0), rows.std(0)
    standard = (rows - mean) / scale
    intensity = ledoit_wolf(standard) if shrinkage is None else shrinkage
    correlation = (1 - intensity) * standard.T @ standard / len(standard)
    # In single precision as it has always been: in double, answers would move by some 1e-9.
    correlation += float(np.float32(intensity)) * np.eye(len(scale))
    how = "by Ledoit-Wolf" if shrinkage is None else "as given"
    origin = f"{len(rows)} background rows, correlations shrunk by {intensity:.3g} {how}"
    return GaussianReference(mean, correlation * np.outer(scale, scale), origin, tuple(names))


def ledoit_wolf(standard: Float64[np.ndarray, "rows c"]) -> float:
    """The shrinkage intensity of Ledoit and Wolf, from 0 to 1, for columns of mean 0 and variance 1.

    The share that minimises the expected squared error of (1 - s) S + s I, with S the covariance.

    References:
        [ledoit2004] Lemma 3.4, with μ = 1.
    """
    n, c = standard.shape
    covariance, squares = standard.T @ standard / n, np.square(standard)
    size = np.square(covariance).sum()
    noise = ((squares.T @ squares / n).sum() - size) / n
    distance = size - c
    return float(np.clip(noise / distance, 0, 1)) if distance > 1e-12 else 0.0


def _normals(seed: int, start: int, stop: int, c: int) -> Float64[np.ndarray, "n c"]:
    first, last = start // _CHUNK, -(-stop // _CHUNK)
    chunks = [generator(seed, "gaussian draws", i).standard_normal((_CHUNK, c)) for i in range(first, last)]
    return np.concatenate(chunks)[start - first * _CHUNK : stop - first * _CHUNK]


def _names(columns: Sequence[str], c: int) -> list[str]:
    return list(columns) or [f"x{i}" for i in range(c)]


def _refuse_unfit(
    background: Float64[np.ndarray, "rows c"], names: Sequence[str], numeric: Bool[np.ndarray, "c"] | None
) -> None:
    def listed(wrong: Bool[np.ndarray, "c"]) -> list[str]:
        return [name for name, bad in zip(names, wrong.tolist(), strict=True) if bad]

    if len(background) < 2:
        raise InputError(f"a Gaussian needs at least 2 background rows to be fitted, got {len(background)}")
    if numeric is not None and not numeric.all():
        raise InputError(
            f"the Gaussian reference needs numbers, got other columns {listed(~numeric)}; "
            "EmpiricalReference takes mixed columns"
        )
    if not np.isfinite(background).all():
        raise InputError(
            "the Gaussian reference needs finite numbers, got missing or infinite background values in "
            f"columns {listed(~np.isfinite(background).all(0))}; EmpiricalReference takes missing values"
        )
    if constant := listed((background == background[:1]).all(0)):
        raise InputError(
            f"the Gaussian reference needs columns that vary, got constant background columns {constant}; "
            "drop them or choose another reference"
        )


def _refuse_singular(covariance: Float64[np.ndarray, "c c"], names: Sequence[str]) -> None:
    variance = covariance.diagonal()
    if np.any(variance <= 0):
        flat = [name for name, value in zip(names, variance.tolist(), strict=True) if value <= 0]
        raise InputError(f"the covariance must have positive variances, got none in columns {flat}")
    scale = np.sqrt(variance)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    if values[0] >= _SINGULAR:
        return
    weight = np.abs(vectors[:, values < _SINGULAR]).max(1)
    tied = [name for name, share in zip(names, weight.tolist(), strict=True) if share > 1e-3]
    raise InputError(
        f"the covariance is singular (smallest eigenvalue {values[0]:.1g} of the correlations, needed "
        f"{_SINGULAR:g}): columns {tied} determine one another; drop some of them, give more rows, or shrink"
    )


@final
@dataclass(frozen=True)
class Gaussian(ReferenceRecipe):
    """Hidden players follow the conditional law of a fitted Gaussian, given what is kept.

    Args:
        shrinkage: From 0 (none) to 1 (correlations dropped), or None for Ledoit and Wolf's estimate.
    """

    shrinkage: float | None = None

    @property
    @override
    def kinds(self) -> Mapping[str, Kind]:
        return {"shrinkage": Either((Number(least=0.0, most=1.0), None))}

    @override
    def build(self, background: Background) -> Reference:
        return fit_gaussian(background.values, self.shrinkage, background.columns, background.numeric)

    @override
    def fresh(self, background: Background) -> Reference | None:
        return self.build(background)
