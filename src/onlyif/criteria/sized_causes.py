"""PNS of masks of images, as a cost: what nested sets that are most probably the cause are looked for by."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.shapes import Instances
from onlyif.criteria.sized import SizedCost
from onlyif.criteria.soft_causation import PosedPNS, SoftPNS


@final
@dataclass(frozen=True, eq=False)
class SizedCauses(SizedCost):
    """-(w_1 PN·P(A, B) + w_2 PS·P(Ā, B̄)) of masks, its mean over several x'; α has no use.

    A look is at some x', the next look at the next ones, each with draws of its own: sets that are judged by
    the same few perturbations again and again come to fit these, and no others.

    Args:
        x: The images.
        objective: The relaxed PNS, with the draws of a look at one x'.
        posed: The images with their samples, for each x'.
        at_once: How many x' a look is at.
        weights: w_1 and w_2.
    """

    x: Instances
    objective: SoftPNS
    posed: tuple[PosedPNS, ...]
    at_once: int
    weights: tuple[float, float]

    @property
    @override
    def images(self) -> Instances:
        return self.x

    @property
    @override
    def n_players(self) -> int:
        return self.objective.players.count

    @property
    @override
    def of_pixels(self) -> bool:
        return True

    @property
    @override
    def drawn(self) -> bool:
        return True

    @property
    @override
    def rows_a_call(self) -> int:
        return self.objective.max_rows

    @contextmanager
    @override
    def opened(self) -> Iterator["SizedCauses"]:
        with self.objective.predictor.opened() as predictor:
            yield replace(self, objective=replace(self.objective, predictor=predictor))

    @override
    def within(self, max_rows: int) -> "SizedCauses":
        return replace(self, objective=self.objective.within(max_rows))

    @override
    def cost(
        self,
        numbers: Int64[Tensor, "p"],
        alpha: Float[Tensor, "p"],
        masks: Float[Tensor, "p m d"],
        look: int,
    ) -> Float[Tensor, "p m"]:
        first, given, objective = look * self.at_once, masks.to(self.x), self.objective
        if torch.is_grad_enabled() and given.requires_grad:
            # The graphs of all x' of a look are held together.
            objective = objective.within(max(1, objective.max_rows // self.at_once))
        parts = [
            objective.parts(self.posed[number % len(self.posed)].take(numbers), given, number)
            for number in range(first, first + self.at_once)
        ]
        mean = torch.stack(parts).mean(0)
        return -(mean * mean.new_tensor(self.weights)).sum(2)

    @override
    def rows_a_mask(self, alpha: float) -> int:
        return self.at_once * self.objective.rows_a_mask(int(self.posed[0].rows.shape[1]))
