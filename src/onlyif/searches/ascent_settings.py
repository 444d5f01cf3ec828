"""How PNS is ascended: the paper's way, and the one that was found to be better."""

from dataclasses import dataclass, field, replace
from math import inf
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from onlyif.causation.abduction import Abduction, Resampling, WeightedMean
from onlyif.causation.surrogate import ExponentialSurrogate, KernelSurrogate, Surrogate
from onlyif.core.errors import SettingError
from onlyif.criteria.soft_causation_draws import StepDraws
from onlyif.searches.gradient import Schedule
from onlyif.searches.mask_shapes import FreeMask, MaskShape, SizedMasks

FEW_PLAYERS = 100
# Those that Adam was published with; the paper gives none.
BETAS = (0.9, 0.999)


@final
@dataclass(frozen=True)
class AscentSettings:
    """How a relaxed subset is made the necessary and sufficient cause.

    `paper_settings()` and `recommended_settings()` are the two that are measured in the guide.

    Args:
        name: For the reader.
        schedule: The steps.
        shape: How free numbers become masks.
        draws: The random choices of a step.
        abduction: How the factual event is conditioned on.
        surrogate: What stands for the indicators.
        weights: Of PN·P(A, B) and PS·P(Ā, B̄); (1, 0) leaves the sufficiency module out, (0, 1) the necessity
            module.
        easing: For instances whose masks could not leave their start at c itself: the share of the steps of
            a second ascent over which the threshold falls from the largest change there is to c. 0 makes no
            second one.
        size: λ, what the mean of a mask costs. PNS of a free mask grows with it, so that without a price it
            ends at all players; masks of given sizes need none.

    Raises:
        SettingError: unless a weight is above 0, size is at least 0, easing lies in [0, 1] and is 0 with
            resampling.
    """

    name: str
    schedule: Schedule
    shape: MaskShape = field(default_factory=SizedMasks)
    draws: StepDraws = field(default_factory=StepDraws)
    abduction: Abduction = field(default_factory=WeightedMean)
    surrogate: Surrogate = field(default_factory=KernelSurrogate)
    weights: tuple[float, float] = (0.5, 0.5)
    easing: float = 0.0
    size: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.size < inf:
            raise SettingError(f"the price of a mask's size must be at least 0 and finite, got {self.size}")
        if min(self.weights) < 0 or max(self.weights) <= 0:
            raise SettingError(f"weights must be at least 0 and not both 0, got {self.weights}")
        if not 0.0 <= self.easing <= 1.0 or (self.easing and self.abduction.n_resampled is not None):
            raise SettingError(
                f"need 0 <= easing <= 1, and 0 with resampling; got {self.easing} with {self.abduction}"
            )

    def eased(self, wide: Float[Tensor, "b"], step: int) -> Float[Tensor, "b"]:
        """By what c is multiplied at a step of a second ascent, down to 1.

        Args:
            wide: The largest change of each instance, divided by c.
            step: The step, 0 to steps - 1.
        """
        left = max(0.0, 1.0 - step / (self.easing * self.schedule.steps))
        return wide.clamp(min=1.0) ** left

    def rows(self, n: int) -> int:
        """Rows that the steps ask the model for, for one instance."""
        sizes = self.shape.masks(torch.zeros(1, 2)).shape[1]
        return self.schedule.steps * sizes * self.draws.rows_a_mask(n, self.abduction.n_resampled)


def paper_settings(*, steps: int = 50, rate: float = 0.001) -> AscentSettings:
    """The printed setting: lr .001, at most 50 steps, t = 50, resampling size 1.

    It moves a mask by at most `steps · rate` = .05 from its start: what it "finds" is its start.

    Args:
        steps: Steps of Adam.
        rate: Learning rate.

    References:
        [chen2024] appendix C.2.
    """
    return AscentSettings(
        name="paper",
        schedule=Schedule(steps, rate, betas=BETAS),
        shape=FreeMask(),
        draws=StepDraws(n_intervened=50, n_factual=1, antithetic=False),
        abduction=Resampling(1),
        surrogate=ExponentialSurrogate(),
    )


def paper_graph_settings(*, steps: int = 30, rate: float = 0.1) -> AscentSettings:
    """The printed setting for graphs: lr .1, at most 30 steps, t = 50, resampling size 1.

    Nothing in it speaks against a mask of 1 everywhere but that the copies of E are then far away.

    Args:
        steps: Steps of Adam.
        rate: Learning rate.

    References:
        [chen2024] appendix C.2.
    """
    printed = paper_settings(steps=steps, rate=rate)
    return replace(printed, name="paper, for graphs", draws=replace(printed.draws, by_player=True))


def recommended_graph_settings(*, steps: int = 30, rate: float = 0.2) -> AscentSettings:
    """Masks of several sizes from one ranking of the edges, with one input of E and one perturbation a step.

    Found on nodes kept apart from all reported ones, with the start that `FANSExplainer` makes.

    Args:
        steps: Steps of Adam.
        rate: First learning rate.
    """
    return AscentSettings(
        name="recommended, for graphs",
        schedule=Schedule(steps, rate, 0.02 * rate, BETAS),
        shape=SizedMasks((0.1, 0.3, 0.5)),
        draws=StepDraws(n_intervened=1, antithetic=False, p_replace=0.95, n_inputs=1, by_player=True),
        surrogate=ExponentialSurrogate(),
    )


def recommended_settings(
    n_players: int | None = None,
    *,
    steps: int | None = None,
    rate: float = 0.6,
    n_inputs: int | None = None,
    easing: float = 0.0,
) -> AscentSettings:
    """Masks of several sizes from one ranking, PNS itself, and one antithetic pair of draws a step.

    Found on images kept apart from all reported ones; it starts from all players alike.

    Args:
        n_players: d. Up to a hundred of them (superpixels, columns) ascent is given more steps, for there
            it is compared with searches that are nearly exhaustive.
        steps: Steps of Adam; None takes 60, or 200 for up to a hundred players.
        rate: First learning rate.
        n_inputs: How many inputs of E a step looks at; None is all. One is enough for `NoisySample`.
        easing: Of a second ascent, where the first could not leave its start; .5 is what `FANS` takes.
    """
    few = n_players is not None and n_players <= FEW_PLAYERS
    return AscentSettings(
        name="recommended",
        schedule=Schedule((200 if few else 60) if steps is None else steps, rate, 0.02 * rate, BETAS),
        draws=StepDraws(n_intervened=2, antithetic=True, n_inputs=n_inputs),
        easing=easing,
    )
