"""Max-Sensitivity: how far a map moves when x moves a little."""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.precision import as_floats, doubled_tensor
from onlyif.core.shapes import Numbers
from onlyif.metrics.asking import MAX_ROWS, blocks, check_counts, check_same
from onlyif.metrics.base import Explainer, ExplainerMetric, Question, Targets
from onlyif.metrics.given import maps_of, targets_of
from onlyif.metrics.measured import Measured
from onlyif.metrics.perturbations import Perturbation


@final
@dataclass(frozen=True, eq=False)
class MaxSensitivity(ExplainerMetric):
    """The largest change of a map, in the Euclidean norm, over sampled neighbours of x.

        SENS_MAX(h, x, r) = max_{‖z - x‖ <= r} ‖h(z) - h(x)‖₂

    The maximum over n draws is a lower bound of the maximum over the ball, and grows with n: compare
    explainers at equal n and seed. It is in units of the map; with `relative` it is divided by ‖h(x)‖₂ (by
    1 where that is 0), without which explainers whose maps have different units do not compare.

    Args:
        neighbourhood: The law of z: `MaxNormBall` or `EuclideanBall`, with the radius r.
        n_draws: Neighbours tried.
        seed: Their seed; the instances share them.
        max_rows: Most rows given to the explainer at once.
        relative: Whether the change is divided by the norm of the map for x.

    Raises:
        SettingError: unless n_draws and max_rows are at least 1.

    Example:
        >>> from onlyif.metrics.perturbations import MaxNormBall
        >>> fixed = lambda rows, target: torch.ones_like(rows)
        >>> sensitivity = MaxSensitivity(MaxNormBall(0.1))
        >>> sensitivity.measure(fixed, torch.zeros(1, 3), torch.tensor([0])).mean
        0.0

    References:
        [yeh2019] definition 3.1; [chen2024] equation 18.
    """

    neighbourhood: Perturbation
    n_draws: int = 50
    seed: int = 0
    max_rows: int = MAX_ROWS
    relative: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_counts(self.n_draws, self.max_rows)

    @override
    def measure(self, explainer: Explainer, x: Numbers, target: Targets) -> Measured:
        target = targets_of(target, x)
        given, x = x, as_floats(x)
        if given is not x:
            check_same(lambda rows: explainer(rows, target[: len(rows)]), given, x, "the explainer")
        parts = zip(torch.split(x, self.max_rows), torch.split(target, self.max_rows), strict=True)
        maps = torch.cat([_explained(explainer, rows, targets) for rows, targets in parts])
        largest = maps.new_zeros(len(x))
        for rows, draws in blocks(len(x), self.n_draws, self.max_rows):
            z = self.neighbourhood.draw(x[rows], draws, self.seed)
            moved = _explained(explainer, z.flatten(0, 1), target[rows].repeat_interleave(z.shape[1]))
            change = (moved.view(*z.shape[:2], -1) - maps[rows].unsqueeze(1)).norm(dim=2)
            largest[rows] = torch.maximum(largest[rows], change.amax(1))
        if self.relative:
            size = maps.norm(dim=1)
            largest = largest / torch.where(size > 0, size, 1.0)
        return Measured(largest)

    @property
    @override
    def question(self) -> Question:
        return Question(
            "How far does the map move when x moves a little?",
            False,
            "any explainer that ignores x: one fixed map, or a start that is kept for all neighbours",
        )


def _explained(explainer: Explainer, rows: Numbers, target: Int64[Tensor, "b"]) -> Float64[Tensor, "b c"]:
    maps = explainer(rows.clone(), target)
    if not torch.is_tensor(maps):
        raise InputError(f"the explainer answered with a {type(maps).__name__}; need one tensor")
    return doubled_tensor(maps_of(maps, rows)).flatten(1)
