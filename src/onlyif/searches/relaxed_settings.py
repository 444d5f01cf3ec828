"""How a mask is descended: step by step, and when to stop."""

from dataclasses import dataclass, field
from math import cos, pi
from typing import final

from onlyif.core.errors import SettingError
from onlyif.restrictions.soft_draws import Relaxation


@final
@dataclass(frozen=True)
class Stage:
    """A run of Adam steps on a mask, projected to [0, 1] after each.

    Args:
        steps: Most steps.
        rate: The first step's learning rate.
        last_rate: The last one's; between them it falls along half a cosine.
        relaxation: How binary masks are drawn.
        cell: Pixels a side of one number of the mask: 1 for pixels, more for a coarse grid that is
            spread bilinearly. The next stage starts from the pixels of this one.
        momentum: Adam's β_1.
        memory: Adam's β_2.

    Raises:
        SettingError: unless steps >= 1, rates > 0, cell >= 1 and both betas lie in [0, 1).
    """

    steps: int
    rate: float = 0.1
    last_rate: float = 0.1
    relaxation: Relaxation = field(default_factory=Relaxation)
    cell: int = 1
    momentum: float = 0.9
    memory: float = 0.99

    def __post_init__(self) -> None:
        if self.steps < 1 or self.cell < 1:
            raise SettingError(f"need steps >= 1 and cell >= 1, got steps={self.steps}, cell={self.cell}")
        if not (self.rate > 0 and self.last_rate > 0):
            raise SettingError(f"need learning rates above 0, got {self.rate} and {self.last_rate}")
        if not (0 <= self.momentum < 1 and 0 <= self.memory < 1):
            raise SettingError(f"Adam's betas lie in [0, 1), got {self.momentum} and {self.memory}")

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, 0 to steps - 1."""
        share = step / max(1, self.steps - 1)
        return self.last_rate + (self.rate - self.last_rate) * (1 + cos(pi * share)) / 2


@final
@dataclass(frozen=True)
class RelaxedSettings:
    """How masks are found.

    Args:
        name: For the reader.
        stages: Runs of steps, one after the other.
        patience: Stop an image's stage when its objective, averaged over about as many steps, has not
            fallen by `tolerance` in as many; 0 never stops early.
        tolerance: The least fall that counts.
        compare_ends: Draws on which the mask is at last compared with the empty and the full one, whose
            objectives are known; the lowest is taken. 0 compares nothing.

    Raises:
        SettingError: unless there is a stage, and the numbers are at least 0.

    References:
        [bharti2024] appendix A.2.1.
    """

    name: str
    stages: tuple[Stage, ...]
    patience: int = 0
    tolerance: float = 1e-3
    compare_ends: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise SettingError("a search needs at least one stage, got none")
        if min(self.patience, self.tolerance, self.compare_ends) < 0:
            raise SettingError(
                f"need patience, tolerance and compare_ends of at least 0, got {self.patience}, "
                f"{self.tolerance} and {self.compare_ends}"
            )

    @property
    def sentence(self) -> str:
        """For the reader."""
        parts = [
            f"{stage.steps} Adam steps of {stage.rate:g} to {stage.last_rate:g} with "
            f"{stage.relaxation.n_draws} {'paired ' if stage.relaxation.antithetic else ''}draws at "
            f"temperature {stage.relaxation.temperature:g} on cells of {stage.cell} px"
            for stage in self.stages
        ]
        return f"relaxed ({self.name}): {', then '.join(parts)}"


def paper_settings(temperature: float = 0.5) -> RelaxedSettings:
    """The paper's: 1,000 steps of .1 from N(.5, 1/36), betas .9 and .99, K = 10 draws.

    Args:
        temperature: Not given in the paper.

    References:
        [bharti2024] appendix A.2.1.
    """
    return RelaxedSettings("as in the paper", (Stage(1000, 0.1, 0.1, Relaxation(temperature)),))


def recommended_settings() -> RelaxedSettings:
    """A lower objective than the paper's setting for about a twentieth of its model rows.

    100 steps instead of 1,000, two pairs of draws instead of ten draws, a rate that falls from .1 to
    .005 (masks settle instead of trembling), and the empty or full mask where that is better.
    Chosen on images apart from those it was measured on; docs/masks.md has the numbers.
    """
    draws = Relaxation(0.5, n_draws=4, antithetic=True)
    return RelaxedSettings("recommended", (Stage(100, 0.1, 0.005, draws),), compare_ends=10)
