"""Conditionals of a fitted Gaussian: hidden features follow the kept ones, as far as correlations say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError, SettingError
from onlyif.core.shapes import InputKeep, Instances
from onlyif.core.torch_seeds import torch_generator
from onlyif.references.base import Draws, Law, Plan, Reference

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
        >>> pair = GaussianReference(torch.zeros(2).double(), torch.tensor([[1, .5], [.5, 1]]).double())
        >>> mean, _ = pair.conditional(torch.tensor([[2., 9.]]).double(), torch.tensor([[[True, False]]]))
        >>> mean
        tensor([[[2., 1.]]], dtype=torch.float64)

    References:
        [doucet2010] Matheron's rule for exact conditional simulation of Gaussians.
    """

    mean: Float64[Tensor, "c"]
    covariance: Float64[Tensor, "_ _"]
    origin: str = "given mean and covariance"
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.covariance.shape != (len(self.mean), len(self.mean)):
            raise SettingError(
                f"a mean of {len(self.mean)} columns needs a covariance of that many rows and columns, "
                f"got shape {tuple(self.covariance.shape)}"
            )
        if not (self.mean.isfinite().all() and self.covariance.isfinite().all()):
            raise SettingError("mean and covariance must be finite, got NaN or infinity in them")
        scale = self.covariance.diagonal().clamp(min=0).sqrt()
        if not torch.all((self.covariance - self.covariance.T).abs() <= 1e-9 * scale.outer(scale)):
            raise SettingError("the covariance must be symmetric, got one that is not")
        _refuse_singular(self.covariance, _names(self.columns, len(self.mean)))

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if plan.seed is None:
            raise SettingError("a Gaussian has no finite list of atoms: give a seed to draw from it")
        normals = _normals(plan.seed, plan.start, plan.stop, len(self.mean)).to(x.device)
        noise = normals @ torch.linalg.cholesky(self.covariance.to(x.device)).T
        shift = self._centred(x, keep)
        parts = [
            torch.einsum("bmi,bmij->bmj", shift[:, first : first + gains.shape[1]], gains).unsqueeze(2)
            + (noise - torch.einsum("ni,bmij->bmnj", noise, gains))
            for first, gains in self._gains(keep)
        ]
        values = (self.mean.to(x.device) + torch.cat(parts, 1)).to(x.dtype)
        return Draws(values, torch.full((1, 1, len(noise)), 1 / plan.total, dtype=x.dtype, device=x.device))

    def conditional(
        self, x: Instances, keep: InputKeep
    ) -> tuple[Float64[Tensor, "b m c"], Float64[Tensor, "_ m c c"]]:
        """Mean and covariance of all columns given the kept ones, which are at x and do not vary.

        Args:
            x: The instances.
            keep: True where x is kept; size 1 in b means shared, and then the covariance is shared too.
        """
        shift, sigma = self._centred(x, keep), self.covariance.to(x.device)
        gains = torch.cat([block for _, block in self._gains(keep)], 1)
        mean = self.mean.to(x.device) + torch.einsum("bmi,bmij->bmj", shift, gains)
        hidden = (~keep).double()
        covariance = (sigma - sigma @ gains) * hidden.unsqueeze(3) * hidden.unsqueeze(2)
        return torch.where(keep, x.double().unsqueeze(1), mean), covariance

    def _centred(self, x: Instances, keep: InputKeep) -> Float64[Tensor, "b m c"]:
        if x.shape[1:] != self.mean.shape:
            raise InputError(f"the Gaussian has {len(self.mean)} columns, got rows of {tuple(x.shape[1:])}")
        bad = (keep & ~x.isfinite().unsqueeze(1)).any(1).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(
                f"row {row} has no finite number in column {_names(self.columns, len(self.mean))[column]!r}, "
                "the Gaussian reference needs one to keep it; EmpiricalReference takes missing values"
            )
        return torch.where(keep, (x.double() - self.mean.to(x.device)).unsqueeze(1), 0.0)

    def _gains(self, keep: InputKeep) -> Iterator[tuple[int, Float64[Tensor, "_ _ c c"]]]:
        """Blocks of Σ_kk⁻¹ Σ_k: with zero rows for what is hidden, each with its first subset."""
        sigma, unit = self.covariance.to(keep.device), torch.eye(len(self.mean), device=keep.device)
        size = max(1, _BLOCK_ENTRIES // (len(keep) * len(self.mean) ** 2))
        for first in range(0, keep.shape[1], size):
            kept = keep[:, first : first + size].double().unsqueeze(3)
            seen = kept * sigma
            matrix = seen * kept.transpose(2, 3) + unit * (1 - kept)
            yield first, torch.cholesky_solve(seen, torch.linalg.cholesky(matrix))

    @property
    @override
    def law(self) -> Law:
        sentence = (
            "Hidden features are drawn from their conditional distribution given the kept ones, "
            f"under one Gaussian ({self.origin})."
        )
        return Law(sentence, None, depends_on_x=True)


def fit_gaussian(
    background: Float[Tensor, "rows c"],
    shrinkage: float | None = None,
    columns: Sequence[str] = (),
    numeric: Bool[Tensor, "c"] | None = None,
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
        >>> rows = torch.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 0.5], [3.0, 3.0]])
        >>> fit_gaussian(rows, shrinkage=0.1).law.sentence
        'Hidden ... (4 background rows, correlations shrunk by 0.1 as given).'

    References:
        [ledoit2004] the shrinkage intensity.
    """
    names = _names(columns, background.shape[1])
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise SettingError(f"shrinkage must lie in [0, 1] or be None for Ledoit-Wolf, got {shrinkage}")
    _refuse_unfit(background, names, numeric)
    mean, scale = background.double().mean(0), background.double().std(0, correction=0)
    standard = (background.double() - mean) / scale
    intensity = ledoit_wolf(standard) if shrinkage is None else shrinkage
    correlation = (1 - intensity) * standard.T @ standard / len(standard)
    correlation += intensity * torch.eye(len(scale), device=scale.device)
    how = "by Ledoit-Wolf" if shrinkage is None else "as given"
    origin = f"{len(background)} background rows, correlations shrunk by {intensity:.3g} {how}"
    return GaussianReference(mean, correlation * scale.outer(scale), origin, tuple(names))


def ledoit_wolf(standard: Float64[Tensor, "rows c"]) -> float:
    """The shrinkage intensity of Ledoit and Wolf, from 0 to 1, for columns of mean 0 and variance 1.

    The share that minimises the expected squared error of (1 - s) S + s I, with S the covariance.

    Args:
        standard: The standardised rows.

    References:
        [ledoit2004] Lemma 3.4, with μ = 1.
    """
    n, c = standard.shape
    covariance = standard.T @ standard / n
    noise = ((standard.square().T @ standard.square() / n).sum() - covariance.square().sum()) / n
    distance = covariance.square().sum() - c
    return float((noise / distance).clamp(0, 1)) if distance > 1e-12 else 0.0


def _normals(seed: int, start: int, stop: int, c: int) -> Float64[Tensor, "n c"]:
    first, last = start // _CHUNK, -(-stop // _CHUNK)
    chunks = [
        torch.randn(_CHUNK, c, dtype=torch.float64, generator=torch_generator(seed, "gaussian draws", i))
        for i in range(first, last)
    ]
    return torch.cat(chunks)[start - first * _CHUNK : stop - first * _CHUNK]


def _names(columns: Sequence[str], c: int) -> list[str]:
    return list(columns) or [f"x{i}" for i in range(c)]


def _refuse_unfit(
    background: Float[Tensor, "rows c"], names: Sequence[str], numeric: Bool[Tensor, "c"] | None
) -> None:
    def listed(wrong: Bool[Tensor, "c"]) -> list[str]:
        return [name for name, bad in zip(names, wrong.tolist(), strict=True) if bad]

    if len(background) < 2:
        raise InputError(f"a Gaussian needs at least 2 background rows to be fitted, got {len(background)}")
    if numeric is not None and not numeric.all():
        raise InputError(
            f"the Gaussian reference needs numbers, got other columns {listed(~numeric)}; "
            "EmpiricalReference takes mixed columns"
        )
    if not background.isfinite().all():
        raise InputError(
            "the Gaussian reference needs finite numbers, got missing or infinite background values in "
            f"columns {listed(~background.isfinite().all(0))}; EmpiricalReference takes missing values"
        )
    if constant := listed((background == background[:1]).all(0)):
        raise InputError(
            f"the Gaussian reference needs columns that vary, got constant background columns {constant}; "
            "drop them or choose another reference"
        )


def _refuse_singular(covariance: Float64[Tensor, "c c"], names: Sequence[str]) -> None:
    variance = covariance.diagonal()
    if torch.any(variance <= 0):
        flat = [name for name, value in zip(names, variance.tolist(), strict=True) if value <= 0]
        raise InputError(f"the covariance must have positive variances, got none in columns {flat}")
    scale = variance.sqrt()
    values, vectors = torch.linalg.eigh(covariance / scale.outer(scale))
    if values[0] >= _SINGULAR:
        return
    weight = vectors[:, values < _SINGULAR].abs().amax(1)
    tied = [name for name, share in zip(names, weight.tolist(), strict=True) if share > 1e-3]
    raise InputError(
        f"the covariance is singular (smallest eigenvalue {values[0]:.1g} of the correlations, needed "
        f"{_SINGULAR:g}): columns {tied} determine one another; drop some of them, give more rows, or shrink"
    )
