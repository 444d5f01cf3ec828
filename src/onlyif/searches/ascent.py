"""Ascent of PNS on a relaxed subset, for models with gradients (Sec. 4.7)."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.causation.change import Change
from onlyif.causation.checks import check_instances
from onlyif.causation.dual_stage import DualStageTest
from onlyif.core.arrays import beside, like, on_host
from onlyif.core.errors import InputError, OnlyIfWarning
from onlyif.core.precision import at_least_single
from onlyif.core.shapes import Instances
from onlyif.criteria.soft_causation import PosedPNS, SoftPNS
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.searches.ascent_settings import AscentSettings, recommended_settings
from onlyif.searches.gradient import Descended, descend

# Where the mask of every player starts, where no start is given.
START = 0.5
LEAST_MOVE = 1e-6
# A mask that moved by less did so by rounding: those that find a slope come to differ by tenths.
LITTLE_MOVE = 0.01


@final
@dataclass(frozen=True, eq=False)
class Ascended:
    """What an ascent came to, for some instances.

    Args:
        scores: One number in [0, 1] a player: the relaxed subset, or its mean over sizes.
        start: The same at the start.
        trace: The score of each step, averaged over sizes.
        model_rows: Rows that the model was asked for, for one instance; each of the steps' rows was also
            differentiated.
        felt: Whether PNS ever moved with the prediction for perturbed inputs, and not with nearness alone.
        received: Rows that the model really received, for one instance: of answers that were made twice,
            for want of memory.
    """

    scores: Float[Tensor, "b d"]
    start: Float[Tensor, "b d"]
    trace: Float[Tensor, "b steps"]
    model_rows: float
    felt: Bool[Tensor, "b"]
    received: float

    @property
    def moved(self) -> Bool[Tensor, "b"]:
        """Whether the model led the masks of an instance away from their start.

        It does not where PNS has no slope: where every mask changes the prediction by far
        more than c, or none does, or the model's gradient is 0. Its scores then say nothing.
        """
        return self.felt & ((self.scores - self.start).abs() > LEAST_MOVE).any(1)


@final
@dataclass(frozen=True, eq=False)
class PNSAscent:
    """Adam on relaxed subsets, with many instances in every model call.

    Instances are taken block by block, so that a step of a block asks for at most `max_rows`
    rows; the result does not depend on the blocks. Choose it for hundreds of players and a model with
    gradients; `BeamSearch` and `ForwardGreedySearch` with the `PNS` criterion take any model.

    Args:
        predictor: The model f, with gradients.
        test: The dual-stage test whose PNS is made large; its abduction and perturbations are replaced by
            those of the settings.
        settings: How it is ascended.
        max_rows: Most rows of one model call. The default suits a CPU; a GPU wants more.

    References:
        [chen2024] section 4.7.
    """

    predictor: DifferentiablePredictor
    test: DualStageTest
    settings: AscentSettings
    max_rows: int = 512

    def run(
        self, x: Instances, change: Change, start: Float[Tensor, "b d"] | None = None
    ) -> Iterator[Ascended]:
        """The relaxed subsets, block by block, in the order of the instances.

        Args:
            x: The instances.
            change: How a change of each instance's prediction is read.
            start: Where the masks start, in [0, 1]; by default all players alike. NaN where an instance has
                no such player: its x, x' and E are 0 there, and so is its score.

        Raises:
            InputError: if the start is not one number in [0, 1] a player, or the instances do not fit.
            ModelError: if the model has no gradient, or one that is NaN.
        """
        d = self.test.players.count
        check_instances(x, self.test.baseline, change)
        given = torch.full((len(x), d), START) if start is None else start
        fits = given.shape == (len(x), d)
        absent = self._absent(x, given) if fits else given.new_zeros(1)
        if not fits or not bool(((given >= 0) & (given <= 1) | absent).all()):
            raise InputError(
                f"need a start of shape {(len(x), d)} with values in [0, 1]; got {tuple(given.shape)} with "
                f"values in [{given.min():g}, {given.max():g}]"
            )
        self.predictor.check_gradient(x[:1])
        self.predictor.check_one_function(x, self.max_rows)
        step = self._instances_a_block(x, given)
        for first in range(0, len(x), step):
            numbers = torch.arange(first, min(first + step, len(x)))
            yield self._block(x[numbers], change.take(on_host(numbers)), given[numbers], numbers)

    def _absent(self, x: Instances, given: Float[Tensor, "b d"]) -> Bool[Tensor, "b d"]:
        """Where there is no player, which may be only where x and x' are 0."""
        there = (x != 0) | (like(self.test.baseline, x) != 0)
        held = torch.zeros_like(given).index_add(
            1, beside(self.test.players.index.ravel(), given), there.flatten(1).to(given)
        )
        return given.isnan() & (held == 0)

    def _objective(self, predictor: DifferentiablePredictor, numbers: Tensor) -> SoftPNS:
        test, settings = self.test, self.settings
        alike = len(test.baseline) == 1
        return SoftPNS(
            predictor=predictor,
            players=test.players,
            sample=test.sample,
            baseline=test.baseline if alike else test.baseline[numbers],
            neighbourhood=test.neighbourhood,
            surrogate=settings.surrogate,
            abduction=settings.abduction,
            draws=settings.draws,
            max_rows=self.max_rows,
            seed=test.seed,
        )

    def _instances_a_block(self, x: Instances, given: Float[Tensor, "b d"]) -> int:
        objective = self._objective(self.predictor, torch.arange(len(x)))
        n = self.test.sample.rows(x[:1], self.test.seed).count
        sizes = self.settings.shape.masks(torch.zeros_like(given[:1])).shape[1]
        return max(1, self.max_rows // max(n, sizes * objective.rows_a_mask(n)))

    def _block(self, x: Instances, change: Change, given: Float[Tensor, "b d"], numbers: Tensor) -> Ascended:
        settings, shape = self.settings, self.settings.shape
        received = list[int]()
        with self.predictor.counted(received.append).opened() as predictor:
            objective = self._objective(predictor, numbers)
            posed = objective.pose(x.to(at_least_single(predictor.dtype)), change)
            free = shape.start(given.to(posed.rows))
            begun = shape.masks(free).mean(1)
            end = self._climb(objective, posed, free)
            scores, trace, felt = shape.masks(end.free).mean(1), end.trace, end.felt
            again = self._stuck(scores, begun, felt)
            if len(again):
                some, starts = posed.take(again), free[again]
                wide = objective.spread(some, shape.masks(starts)) / objective.neighbourhood.events.threshold
                other = self._climb(objective, some, starts, wide)
                scores = scores.index_copy(0, again, shape.masks(other.free).mean(1))
                trace = trace.index_copy(0, again, other.trace)
                felt = felt.index_copy(0, again, other.felt)
        rows, share = settings.rows(posed.rows.shape[1]), len(again) / len(x)
        asked = rows * (1 + share) + share * rows / settings.schedule.steps + posed.model_rows / len(x)
        return Ascended(scores.cpu(), begun.cpu(), -trace.cpu(), asked, felt.cpu(), sum(received) / len(x))

    def _stuck(
        self, scores: Float[Tensor, "b d"], begun: Float[Tensor, "b d"], felt: Bool[Tensor, "b"]
    ) -> Int64[Tensor, "p"]:
        """The instances that are ascended again, from a wider threshold."""
        if not self.settings.easing:
            return torch.arange(0)
        return (((scores - begun).abs().amax(1) < LITTLE_MOVE) | ~felt).nonzero().flatten()

    def _climb(
        self,
        objective: SoftPNS,
        posed: PosedPNS,
        start: Float[Tensor, "b d"],
        wide: Float[Tensor, "b"] | None = None,
    ) -> Descended:
        settings, counts = self.settings, (start > -torch.inf).sum(1)

        def cost(masks: Tensor, asked: Tensor, step: int, rows: int) -> Tensor:
            eased = None if wide is None else settings.eased(wide, step)
            parts = objective.within(rows).parts(posed, masks, step, eased, asked)
            worth = (parts * parts.new_tensor(settings.weights)).sum(2).mean(1)
            return settings.size * masks.mean(1).sum(1) / counts - worth if settings.size else -worth

        return descend(cost, start, settings.shape, settings.schedule, self.max_rows)


def ascend(
    predictor: DifferentiablePredictor,
    test: DualStageTest,
    x: Instances,
    change: Change,
    *,
    settings: AscentSettings | None = None,
    start: Float[Tensor, "b d"] | None = None,
    max_rows: int = 512,
) -> Ascended:
    """All blocks of an ascent together, with a warning where masks did not leave their start.

    Args:
        predictor: The model f, with gradients.
        test: The dual-stage test whose PNS is made large.
        x: The instances.
        change: How a change of each instance's prediction is read.
        settings: How; `recommended_settings()` by default.
        start: Where the masks start.
        max_rows: Most rows of one model call.
    """
    ascent = PNSAscent(predictor, test, settings or recommended_settings(test.players.count), max_rows)
    parts = list(ascent.run(x, change, start))
    risen = replace(
        parts[0],
        scores=torch.cat([part.scores for part in parts]),
        start=torch.cat([part.start for part in parts]),
        trace=torch.cat([part.trace for part in parts]),
        felt=torch.cat([part.felt for part in parts]),
        model_rows=sum(part.model_rows * len(part.scores) for part in parts) / len(x),
        received=sum(part.received * len(part.scores) for part in parts) / len(x),
    )
    stuck = torch.nonzero(~risen.moved).flatten().tolist()
    if stuck:
        warnings.warn(
            f"PNS has no slope for instances {stuck}: the model did not lead their masks from the start, and "
            "their scores say nothing. Every mask changes the prediction by far more than c, or none does, "
            "or the model's gradient is 0: try a larger c, or a search without gradients",
            OnlyIfWarning,
            stacklevel=2,
        )
    return risen
