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
from onlyif.criteria.soft_causation_draws import StepDraws


@final
@dataclass(frozen=True, eq=False)
class SizedCauses(SizedCost):
    """-(w_1 PN·P(A, B) + w_2 PS·P(Ā, B̄)) of masks, its mean over several x'; α has no use.

    A step looks at one x', the next step at the next; sets are judged by the same few each time.

    Args:
        x: The images.
        objective: The relaxed PNS, with the draws of a step.
        posed: The images with their samples, for each x' of the steps.
        judged: The same for each x' by which sets are judged.
        weights: w_1 and w_2.
        judging: The draws by which sets are judged under each of these, the same each time.
    """

    x: Instances
    objective: SoftPNS
    posed: tuple[PosedPNS, ...]
    judged: tuple[PosedPNS, ...]
    weights: tuple[float, float]
    judging: StepDraws

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
        step: int | None,
    ) -> Float[Tensor, "p m"]:
        if step is None:
            objective = replace(self.objective, draws=self.judging)
            looked = [(-1 - number, posed) for number, posed in enumerate(self.judged)]
        else:
            objective, looked = self.objective, [(step, self.posed[step % len(self.posed)])]
        parts = [objective.parts(posed.take(numbers), masks.to(self.x), at) for at, posed in looked]
        mean = torch.stack(parts).mean(0)
        return -(mean * mean.new_tensor(self.weights)).sum(2)

    @override
    def rows_a_mask(self, alpha: float, *, judging: bool) -> int:
        draws, n = self.judging if judging else self.objective.draws, int(self.posed[0].rows.shape[1])
        of_one = draws.rows_a_mask(n, self.objective.abduction.n_resampled)
        return of_one * (len(self.judged) if judging else 1)
