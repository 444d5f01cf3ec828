"""RelaxedLessons whose best masks are known: two bright patches, either of which is enough for the model."""

import torch
from torch import nn

from onlyif.amortised.relaxed_lessons import Penalties, RelaxedLessons
from onlyif.criteria.soft import SoftObjective
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation

SIDE = 8
PATCHES = (slice(1, 3), slice(5, 7))


class EitherPatch(nn.Module):
    """1 - (1 - p)(1 - q), p and q the mean brightness of two patches: either one is enough for 1."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        p, q = (batch[:, 0, rows, 1:3].mean((1, 2)) for rows in PATCHES)
        return 1 - (1 - p) * (1 - q)


def bright_images(n: int, seed: int = 0) -> torch.Tensor:
    """Noise of up to .2, both patches white."""
    x = 0.2 * torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    for rows in PATCHES:
        x[:, :, rows, 1:3] = 1.0
    return x


def patch_lessons(
    n: int = 12,
    n_held: int = 5,
    predictor: DifferentiablePredictor | None = None,
    max_rows: int = 1024,
    penalties: Penalties | None = None,
) -> RelaxedLessons:
    """RelaxedLessons on such images with a black reference."""
    restriction = SoftRestriction(
        predictor or differentiable_module(EitherPatch()),
        BaselineReference(torch.zeros(1, SIDE, SIDE)),
        Relaxation(n_draws=4),
        max_rows=max_rows,
        seed=3,
    )
    weights = penalties or Penalties((0.2, 0.2), (0.01, 0.01), SIDE)
    return RelaxedLessons(
        SoftObjective(restriction),
        bright_images(n),
        torch.zeros(n, dtype=torch.int64),
        bright_images(n_held, seed=1),
        torch.zeros(n_held, dtype=torch.int64),
        weights,
    )
