"""Δsuf and Δnec of given sets of pixels, whoever found them."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor, nn

from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.core.players import Players
from onlyif.core.shapes import Numbers
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.metrics.asking import (
    MAX_ROWS,
    as_numbers,
    ask,
    blocks,
    check_counts,
    chosen,
    predictor_for,
)
from onlyif.metrics.given import targets_of
from onlyif.modalities.grids import image_players
from onlyif.models.base import Predictor
from onlyif.models.readouts import TargetReadout
from onlyif.references.base import Reference
from onlyif.restrictions.base import Restriction
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.restrictions.set_function import SetFunction


@final
@dataclass(frozen=True, eq=False)
class Hiding:
    """What a hidden pixel becomes, and how the mean over it is taken.

    Args:
        reference: The distribution V of what is hidden.
        n_draws: Draws a set, where the law has more atoms than that; else all its atoms are taken.
        max_rows: Most rows of one model call, and most sets in memory. Does not change the result.
        seed: Seed of the draws, which all sets share.

    Raises:
        SettingError: unless n_draws >= 2 and max_rows >= 1.
    """

    reference: Reference
    n_draws: int = 100
    max_rows: int = MAX_ROWS
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(self.n_draws, self.max_rows)
        if self.n_draws < 2:
            raise SettingError(f"a mean over draws needs n_draws >= 2, got {self.n_draws}")

    def restriction(self, predictor: Predictor, players: Players) -> Restriction:
        """f_S(x): exact where the law has at most `n_draws` atoms.

        Args:
            predictor: The model f.
            players: How players tile an instance.
        """
        n_atoms = self.reference.law.n_atoms
        if n_atoms is not None and n_atoms <= self.n_draws:
            return EnumeratedRestriction(predictor, self.reference, players, self.max_rows)
        return SampledRestriction(predictor, self.reference, players, self.n_draws, self.max_rows, self.seed)


@final
@dataclass(frozen=True, eq=False)
class SetGaps:
    """The gaps of m sets of each image, with their standard errors; 0 where exact.

    Args:
        sufficiency: Δsuf = |f(x) - f_S(x)|.
        necessity: Δnec = |f_Sc(x) - f_0(x)|.
        sufficiency_stderr: The standard error of Δsuf, from the draws.
        necessity_stderr: That of Δnec.
    """

    sufficiency: Float64[Tensor, "b m"]
    necessity: Float64[Tensor, "b m"]
    sufficiency_stderr: Float64[Tensor, "b m"]
    necessity_stderr: Float64[Tensor, "b m"]


def set_gaps(
    sets: Bool[Tensor, "_ ..."],
    predictor: Predictor | nn.Module,
    x: Numbers,
    target: Int64[Tensor, "_"],
    hiding: Hiding,
) -> SetGaps:
    """Both gaps of each set, with ρ the absolute difference. Channels of a pixel are kept or hidden together.

    Args:
        sets: The pixels in each of m sets of each image, (b, m, h, w).
        predictor: The model. A torch module is asked for its outputs as they are: end it with a softmax,
            or pass a predictor, where probabilities are meant.
        x: The images.
        target: Number of the explained output of each image.
        hiding: What a hidden pixel becomes.

    Raises:
        InputError: if the sets have another size than the images, or a target is missing or out of range.
        ModelError: if the model answers with NaN or infinite values.
        SettingError: if it is neither a predictor nor a module.
    """
    model = predictor_for(predictor)
    target = targets_of(target, x)
    if x.dim() < 3 or sets.dim() != 4 or len(sets) != len(x) or sets.shape[2:] != x.shape[-2:]:
        raise InputError(
            f"got sets of shape {tuple(sets.shape)} for images of shape {tuple(x.shape)}; "
            "need (images, sets, height, width)"
        )
    x = as_numbers(model, x)
    height, width = x.shape[-2:]
    players = image_players(torch.arange(height * width).view(height, width), tuple(x.shape[1:]))
    found = torch.empty(4, *sets.shape[:2], dtype=torch.float64)
    with model.opened() as opened:
        chosen(ask(opened, x[:1]).expand(len(x), -1), target)
        restriction = hiding.restriction(opened, players)
        # A set is asked from both sides.
        for rows, part in blocks(len(x), sets.shape[1], max(1, hiding.max_rows // 2)):
            readout = TargetReadout(on_host(target[rows]))
            criterion = Unified(SetFunction(restriction, x[rows], readout, players.count), AbsoluteDistance())
            gaps = criterion.gap(on_host(sets[rows, part].flatten(2)))
            found[:2, rows, part] = torch.from_numpy(gaps.parts).permute(2, 0, 1)
            found[2:, rows, part] = torch.tensor(gaps.stderr).permute(2, 0, 1)
    if not bool(found[:2].isfinite().all()):
        raise ModelError(f"{model.meaning.model} answered with NaN or infinite values to masked images")
    return SetGaps(*found)
