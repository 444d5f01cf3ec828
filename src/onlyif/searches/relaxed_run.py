"""One stage of a descent: Adam on the numbers of a grid, projected to [0, 1]."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.criteria.soft import SoftObjective, SoftProblem, with_room
from onlyif.modalities.grids import CoarseGrid, Grid
from onlyif.searches.relaxed_adam import fresh_adam
from onlyif.searches.relaxed_settings import RelaxedSettings, Stage


@final
@dataclass(frozen=True, eq=False)
class _Found:
    """The objective, its slope in each number of the grid, and whether the prediction moved at all."""

    objective: Float[Tensor, "b"]
    up: Float[Tensor, "b d"]
    felt: Bool[Tensor, "b"]


def coarser(grid: Grid, cell: int) -> Grid:
    """A grid of cells of so many pixels a side; the grid itself where it draws regions as wholes.

    Args:
        grid: The grid of the whole search.
        cell: Pixels a side.
    """
    _, height, width = grid.shape
    if cell == 1 or grid.together is not None:
        return grid
    return CoarseGrid(max(1, -(-height // cell)), max(1, -(-width // cell)), height, width)


@final
@dataclass(frozen=True, eq=False)
class Descended:
    """The end of a stage.

    Args:
        masks: The masks.
        steps: Steps of each.
        felt: Whether the prediction ever moved with any pixel of a mask.
        objective: The objective that had the memory.
    """

    masks: Float[Tensor, "b h w"]
    steps: Int64[Tensor, "b"]
    felt: Bool[Tensor, "b"]
    objective: SoftObjective


@final
@dataclass(frozen=True, eq=False)
class Run:
    """One stage for some images and α.

    Args:
        objective: What is minimised.
        stage: The steps.
        grid: Who plays in this stage.
        settings: Those of the search.
        offset: Number of the first step; each has draws of its own.
    """

    objective: SoftObjective
    stage: Stage
    grid: Grid
    settings: RelaxedSettings
    offset: int

    def descend(self, problem: SoftProblem, masks: Float[Tensor, "b h w"]) -> Descended:
        """The masks at the end of the stage.

        Args:
            problem: The images.
            masks: Masks to start from.
        """
        restriction = replace(self.objective.restriction, relaxation=self.stage.relaxation)
        objective, left = SoftObjective(restriction), torch.arange(len(problem))
        ends, steps = self.grid.gather(masks).clone(), torch.full_like(left, self.stage.steps)
        values, adam, trend = ends.clone(), fresh_adam(ends), _no_trend(ends)
        felt = torch.zeros(len(problem), dtype=torch.bool)
        for step in range(self.stage.steps):
            found, objective = with_room(objective, self._ask(problem, values, step))
            felt[left] |= found.felt.cpu()
            adam = adam.after(found.up, self.stage.momentum, self.stage.memory)
            move = adam.move(self.stage.rate_at(step), self.stage.momentum, self.stage.memory)
            values = (values + move).clamp(0, 1)
            if not self.settings.patience:
                continue
            trend = trend.after(found.objective, self.settings)
            done = trend.since >= self.settings.patience
            if bool(done.any()):
                gone, kept = done.cpu(), ~done
                ends[left[gone]], steps[left[gone]] = values[done], step + 1
                left, values, adam, trend = left[~gone], values[kept], adam.take(kept), trend.take(kept)
                problem = problem.take((~gone).nonzero().flatten())
            if not len(left):
                break
        ends[left] = values
        return Descended(self.grid.spread(ends), steps, felt, objective)

    def _ask(self, problem: SoftProblem, values: Tensor, step: int) -> Callable[[SoftObjective], _Found]:
        def ask(objective: SoftObjective) -> _Found:
            with torch.enable_grad():
                leaf = values.detach().requires_grad_()
                masks = self.grid.spread(leaf)
            answer = objective.slope(problem, masks.detach(), self.offset + step)
            (up,) = torch.autograd.grad(masks, leaf, answer.up)
            return _Found(answer.objective, up, answer.felt)

        return ask


@final
@dataclass(frozen=True, eq=False)
class _Trend:
    """Whether objectives still fall.

    Args:
        mean: Running mean of the objective.
        best: Its lowest value so far.
        since: Steps since it last fell by the tolerance.
    """

    mean: Float[Tensor, "b"]
    best: Float[Tensor, "b"]
    since: Int64[Tensor, "b"]

    def after(self, worth: Float[Tensor, "b"], settings: RelaxedSettings) -> "_Trend":
        share = 2 / (settings.patience + 1)
        mean = torch.where(self.mean.isfinite(), self.mean.lerp(worth, share), worth)
        fell = mean < self.best - settings.tolerance
        since = torch.where(fell, torch.zeros_like(self.since), self.since + 1)
        return _Trend(mean, torch.where(fell, mean, self.best), since)

    def take(self, kept: Bool[Tensor, "b"]) -> "_Trend":
        return _Trend(self.mean[kept], self.best[kept], self.since[kept])


def _no_trend(values: Float[Tensor, "b d"]) -> _Trend:
    unknown = torch.full_like(values[:, 0], torch.inf)
    return _Trend(unknown, unknown.clone(), torch.zeros(len(values), dtype=torch.int64, device=values.device))
