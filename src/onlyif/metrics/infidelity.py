"""Infidelity: how badly a map, as a linear model, forecasts what a perturbation does to the output."""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor
from typing_extensions import override

from onlyif.core.precision import at_least_single, doubled_tensor
from onlyif.core.shapes import Numbers
from onlyif.metrics.asking import (
    MAX_ROWS,
    as_numbers,
    ask,
    blocks,
    check_counts,
    chosen,
)
from onlyif.metrics.base import MapMetric, Maps, Question, Targets
from onlyif.metrics.given import maps_of, targets_of
from onlyif.metrics.measured import Measured
from onlyif.metrics.perturbations import FadePerturbation, Perturbation
from onlyif.models.base import Predictor


@final
@dataclass(frozen=True, eq=False)
class Infidelity(MapMetric):
    """The mean squared error of a map's forecast of a change of the output.

        INFD(s, x, f) = E_z [ ((x - z)ᵀ s - (f(x) - f(z)))² ],    z a perturbed x.

    Its unit is that of the output squared, and a map must be in units of output per unit of input: gradients
    are, masks in [0, 1] are not. With `rescaled` each map is first multiplied by the factor that is best for
    it, Σ uv / Σ u² with u the forecast and v the change, so that units play no part.

    Args:
        perturbation: The law of z.
        n_draws: Draws of z.
        seed: Their seed; the instances share them.
        max_rows: Most rows of one model call. Does not change the result.
        rescaled: Whether each map is first multiplied by its best factor.

    Raises:
        SettingError: unless n_draws and max_rows are at least 1.

    Example:
        >>> from onlyif.models.function import FunctionPredictor
        >>> total = FunctionPredictor(lambda batch: batch.sum(1))
        >>> x, target = torch.tensor([[1.0, 2.0]]), torch.tensor([0])
        >>> round(Infidelity().measure(torch.ones(1, 2), total, x, target).mean, 9)
        0.0

    References:
        [yeh2019] definition 2.1; [chen2024] appendix C.3.1.
    """

    perturbation: Perturbation = field(default_factory=FadePerturbation)
    n_draws: int = 1000
    seed: int = 0
    max_rows: int = MAX_ROWS
    rescaled: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_counts(self.n_draws, self.max_rows)

    @override
    def measure(self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets) -> Measured:
        target, maps = targets_of(target, x), maps_of(maps, x)
        forecast, change = self._tried(maps, predictor, as_numbers(predictor, x), target)
        if self.rescaled:
            power = forecast.square().sum(1, keepdim=True)
            best = (forecast * change).sum(1, keepdim=True) / power
            forecast = forecast * torch.where(power > 0, best, 0.0)
        errors = (forecast - change).square()
        return Measured(errors.mean(1), errors)

    def _tried(
        self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets
    ) -> Float64[Tensor, "two b n"]:
        """The forecast and the change of each instance and draw."""
        slopes = doubled_tensor(maps).flatten(1)
        wide = at_least_single(x.dtype)
        found = slopes.new_empty(2, len(x), self.n_draws)
        with predictor.opened() as opened:
            before = chosen(ask(opened, x, self.max_rows), target)
            for rows, draws in blocks(len(x), self.n_draws, self.max_rows):
                z = self.perturbation.draw(x[rows], draws, self.seed)
                step = doubled_tensor(x[rows].unsqueeze(1).to(wide) - z.to(wide)).flatten(2)
                after = chosen(
                    ask(opened, z.flatten(0, 1), self.max_rows), target[rows].repeat_interleave(z.shape[1])
                )
                found[0, rows, draws] = torch.einsum("bnd,bd->bn", step, slopes[rows])
                found[1, rows, draws] = before[rows].unsqueeze(1) - after.view(z.shape[:2])
        return found

    @property
    @override
    def question(self) -> Question:
        won_by = "the map of zeros, unless a map is in units of output per input: masks in [0, 1] are not"
        if self.rescaled:
            won_by = "no trivial map (zeros come last), but with fades, all about x / 2, x itself does well"
        return Question("How well does the map forecast what a perturbation does?", False, won_by)
