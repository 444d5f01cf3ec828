"""Descent on masks: α Δsuf + (1 - α) Δnec + λ_1 mean|S| + λ_TV TV(S), for many images and α at once."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.core.errors import InputError, OnlyIfWarning, SettingError
from onlyif.core.torch_seeds import torch_generator
from onlyif.criteria.soft import SoftObjective, SoftProblem
from onlyif.engine.soft import with_room
from onlyif.modalities.grids import Grid, PixelGrid
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.restrictions.soft_images import check_masks
from onlyif.searches.gradient import descend
from onlyif.searches.mask_shapes import FreeMask, GridMask
from onlyif.searches.relaxed_settings import RelaxedSettings


@final
@dataclass(frozen=True, eq=False)
class Descent:
    """The masks that a search ended with.

    Args:
        numbers: Which images and α of the problem these are.
        masks: Their masks S.
        model_rows: Rows that the model was asked for each; all but f(x) and f_0 forward and back.
        felt: Whether the prediction ever moved with a mask. Where it did not, as for a model that rounds, the
            mask is what penalties alone come to, and says nothing.
    """

    numbers: Int64[Tensor, "b"]
    masks: Float[Tensor, "b h w"]
    model_rows: Int64[Tensor, "b"]
    felt: Bool[Tensor, "b"]


@final
@dataclass(frozen=True, eq=False)
class RelaxedSearch:
    """Adam on soft masks, batched over images and α, with draws from the masks.

    Each image and α is a descent of its own: alone or in any batch it gives the same mask, up to the
    rounding of the model in batches of other sizes. Choose it for masks of pixels; for at most some
    dozens of superpixels `BeamSearch` compares sets themselves and needs no gradients.

    Args:
        objective: What is minimised.
        settings: How.
        grid: Who plays; None makes every pixel a player. Superpixels are drawn as wholes.
        seed: Seed of the starts.

    References:
        [bharti2024] equation 13, appendix A.2.1.
    """

    objective: SoftObjective
    settings: RelaxedSettings
    grid: Grid | None = None
    seed: int = 0

    def run(self, problem: SoftProblem, start: Float[Tensor, "b h w"] | None = None) -> Iterator[Descent]:
        """Finished parts, as many images at once as `max_rows` of the objective holds.

        Args:
            problem: The images and their weights.
            start: Masks to start from; None draws them from N(.5, 1/36), clipped to [0, 1].

        Raises:
            InputError: if the starts have another size than the images, or leave [0, 1].
            SettingError: if the grid is for images of another size.
            LimitError: if memory runs out even for a single row.
            ModelError: if the model gives no or no finite gradients.
        """
        grid = self.grid_of(*problem.images.x.shape[-2:])
        check_start(problem, start)
        settings, restriction = self.settings, self.objective.restriction
        restriction = replace(restriction, grid=grid.drawn, relaxation=settings.relaxation)
        restriction.predictor.check_gradient(problem.images.x[:1])
        # Warns where the model answers otherwise without gradients.
        compare = partial(restriction.predictor.check_one_function, problem.images.x)
        _, rows = with_room(restriction.max_rows, compare)
        at_once = max(1, rows // (2 * settings.relaxation.n_draws))
        for numbers in torch.split(torch.arange(len(problem)), at_once):
            first = self._start(problem.take(numbers), grid) if start is None else start[numbers]
            # Closed before a part is handed out: between parts the model is as it was found.
            with SoftObjective(replace(restriction, max_rows=rows)).opened() as opened:
                part, rows = self._part(opened, grid, problem.take(numbers), (numbers, first))
            _warn_of_no_slope(problem.take(numbers), part)
            yield part

    def _part(
        self, objective: SoftObjective, grid: Grid, problem: SoftProblem, where: tuple[Tensor, Tensor]
    ) -> tuple[Descent, int]:
        """The masks of some images, and the rows of a call that there was memory for."""
        settings, (numbers, start) = self.settings, where
        shape = FreeMask() if grid.drawn is grid else GridMask(grid)

        sided = objective.sided(problem)

        def cost(masks: Tensor, asked: Tensor, step: int, rows: int) -> Tensor:
            return objective.within(rows).value_of(sided, masks[:, 0], step, asked[:, 0]).objective

        free = grid.gather(start.to(problem.full))
        end = descend(cost, free, shape, settings.schedule, objective.restriction.max_rows)
        masks = shape.masks(end.free)[:, 0]
        if settings.compare_ends:
            masks = self._best_of_ends(objective.within(end.max_rows), problem, masks)
        sides = 2 - ((problem.weights.alpha == 0) | (problem.weights.alpha == 1)).long().cpu()
        planes = grid.drawn.spread(masks)
        return Descent(numbers, planes, sides * settings.rows, end.felt.cpu()), end.max_rows

    def _best_of_ends(
        self, objective: SoftObjective, problem: SoftProblem, masks: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        """The mask, or the empty or full one where the objective of that is lower."""
        draws, step = Relaxation(n_draws=self.settings.compare_ends), self.settings.schedule.steps
        asked = SoftObjective(replace(objective.restriction, relaxation=draws))
        with torch.no_grad():
            value, _ = with_room(
                asked.restriction.max_rows, lambda rows: asked.within(rows).value(problem, masks, step)
            )
        best = value.objective
        # The empty set keeps nothing and hides nothing: both gaps are |f(x) - f_0|. The full set has none.
        empty, full = (problem.full - problem.base).abs(), problem.weights.size.to(best)
        emptied = torch.where((empty <= best).view(-1, 1), torch.zeros_like(masks), masks)
        return torch.where((full < torch.minimum(best, empty)).view(-1, 1), torch.ones_like(masks), emptied)

    def _start(self, problem: SoftProblem, grid: Grid) -> Tensor:
        n_players = grid.shape[0]
        streams = problem.images.index.tolist()
        drawn = {
            i: torch.randn(n_players, generator=torch_generator(self.seed, "mask start", i))
            for i in set(streams)
        }
        values = (0.5 + torch.stack([drawn[i] for i in streams]) / 6).clamp(0, 1)
        return grid.spread(values.to(problem.full))

    def grid_of(self, height: int, width: int) -> Grid:
        """Who plays in images of this size.

        Raises:
            SettingError: if the grid is for images of another size.
        """
        grid = PixelGrid(height, width) if self.grid is None else self.grid
        if grid.shape[1:] != (height, width):
            raise SettingError(f"the grid is for images of {grid.shape[1:]} pixels, got {(height, width)}")
        return grid


def _warn_of_no_slope(problem: SoftProblem, part: Descent) -> None:
    """Where f(x) is f_0 there is nothing to feel, and the empty mask is right."""
    numb = (~part.felt & (problem.full != problem.base).cpu()).nonzero().flatten()
    if len(numb):
        warnings.warn(
            f"the model has no slope for {part.numbers[numb].tolist()} of what was asked: its gradient was 0 "
            "at every step, as where it rounds or is saturated. These masks come of the penalties alone and "
            "say nothing; need a smooth model, or a search without gradients: BeamSearch over superpixels",
            OnlyIfWarning,
            stacklevel=3,
        )


def check_start(problem: SoftProblem, start: Float[Tensor, "b h w"] | None) -> None:
    """Refuse masks that no descent can start from.

    Raises:
        InputError: if they have another size than the images, or leave [0, 1].
    """
    if start is None:
        return
    check_masks(problem.images, start, tuple(problem.images.x.shape[-2:]))
    if not bool(((start >= 0) & (start <= 1)).all()):
        raise InputError(f"masks to start from lie in [0, 1], got {start.min():g} to {start.max():g}")
