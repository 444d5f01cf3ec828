"""PNS of masks of images, as a cost: what nested sets that are most probably the cause are looked for by."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

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
    """-(w_1 PN·P(A, B) + w_2 PS·P(Ā, B̄)) of masks; α has no use.

    Args:
        x: The images.
        objective: The relaxed PNS, with the draws of a step.
        posed: The images with their samples.
        weights: w_1 and w_2.
        judging: The draws by which sets are judged, the same each time.
    """

    x: Instances
    objective: SoftPNS
    posed: PosedPNS
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
        objective = self.objective if step is not None else replace(self.objective, draws=self.judging)
        parts = objective.parts(self.posed.take(numbers), masks.to(self.x), -1 if step is None else step)
        return -(parts * parts.new_tensor(self.weights)).sum(2)

    @override
    def rows_a_mask(self, alpha: float, *, judging: bool) -> int:
        draws, n = self.judging if judging else self.objective.draws, int(self.posed.rows.shape[1])
        return draws.rows_a_mask(n, self.objective.abduction.n_resampled)
