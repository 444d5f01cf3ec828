"""Where the training of a selector stands: all that the next step depends on, as data."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.core.errors import SettingError

# Bytes of the digest of an image.
DIGEST = 16
MOMENTS = ("exp_avg", "exp_avg_sq")


@final
@dataclass(frozen=True)
class TrainingSettings:
    """How a selector is trained; the defaults are the paper's where it gives them.

    Args:
        learning_rate: Adam's.
        betas: Adam's.
        batch: Images a step.
        n_steps: Most steps.
        round_steps: Steps a round; after each round the gaps on the validation images are taken.
        patience: Rounds without a better validation objective after which training stops.
        p_ends: For a selector conditioned on α, the share of images at α = 0 or 1, half each; the others'
            α is uniform in [0, 1]. Without them the two ends, which are asked for most, are never trained on.
        seed: Seed of the first weights, the order of images, α and all draws.

    Raises:
        SettingError: if one of them is out of its range.

    References:
        [bharti2024] appendix A.2.2.
    """

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    batch: int = 32
    n_steps: int = 20_000
    round_steps: int = 250
    patience: int = 10
    p_ends: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.batch, self.n_steps, self.round_steps, self.patience) < 1:
            raise SettingError(
                "training needs batch, n_steps, round_steps and patience of at least 1, got "
                f"{self.batch}, {self.n_steps}, {self.round_steps}, {self.patience}"
            )
        inside = all(0.0 <= beta < 1.0 for beta in self.betas)
        if not (self.learning_rate > 0 and inside and 0.0 <= self.p_ends <= 1.0):
            raise SettingError(
                "training needs learning_rate > 0, betas in [0, 1) and p_ends in [0, 1], got "
                f"{self.learning_rate}, {self.betas}, {self.p_ends}"
            )


@final
@dataclass(frozen=True)
class Round:
    """What one round of steps brought.

    Args:
        step: Steps done at its end.
        training: Mean objective over its steps, each on its own images and draws.
        objective: Mean objective of the validation images, on draws that are the same in every round.
        stderr: Standard error of `objective` over these images.
        sufficiency: Their mean Δsuf.
        necessity: Their mean Δnec.
        size: Their mean mask, the share of the image that is kept.
    """

    step: int
    training: float
    objective: float
    stderr: float
    sufficiency: float
    necessity: float
    size: float


@final
@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a training run after some rounds.

    It holds no random state: every random number is drawn from the seed and the number of the step.

    Args:
        selector: The architecture.
        training: The settings of the run.
        data: A digest of what it trains on.
        rounds: The finished rounds.
        weights: The network's weights.
        moments: Adam's two moments of each weight, as "exp_avg.NAME" and "exp_avg_sq.NAME".
        best: The weights of the round with the best validation objective.
        trained_on: A digest of each image that it trains on; none in files of before.
    """

    selector: SelectorSettings
    training: TrainingSettings
    data: str
    rounds: tuple[Round, ...]
    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    trained_on: UInt8[Tensor, "n bytes"] = field(default_factory=lambda: torch.zeros(0, DIGEST).byte())

    @property
    def step(self) -> int:
        """Steps done."""
        return self.rounds[-1].step if self.rounds else 0

    @property
    def best_round(self) -> int:
        """The number of the round with the best validation objective, from 0; -1 before the first."""
        values = [done.objective for done in self.rounds]
        return values.index(min(values)) if values else -1

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or the validation objective has not improved for long enough."""
        waited = len(self.rounds) - 1 - self.best_round
        return self.step >= self.training.n_steps or (bool(self.rounds) and waited >= self.training.patience)

    def network(self) -> Selector:
        """The selector with the best weights so far, in evaluation mode and without gradients."""
        return network_of(self.selector, self.best).requires_grad_(requires_grad=False).eval()


def digests_of(x: Float[Tensor, "b *x"]) -> UInt8[Tensor, "b bytes"]:
    """A digest of each image, by which it is known again.

    Args:
        x: The images.
    """
    plain = x.detach().to("cpu", torch.float32).contiguous().numpy()
    found = [hashlib.sha256(image.tobytes()).digest()[:DIGEST] for image in plain]
    return torch.tensor([list(each) for each in found], dtype=torch.uint8).view(len(found), DIGEST)


def network_of(settings: SelectorSettings, weights: Mapping[str, Tensor]) -> Selector:
    """A new selector with copies of given weights, where these lie.

    Args:
        settings: Its architecture.
        weights: A tensor for each of its weights.
    """
    network = Selector(settings).to(next(iter(weights.values())).device)
    network.load_state_dict({name: value.clone() for name, value in weights.items()})
    return network


def weights_of(network: Selector) -> dict[str, Tensor]:
    """Copies of a network's weights, by name."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def no_moments(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adam's moments before the first step."""
    return {
        f"{moment}.{name}": torch.zeros_like(value) for moment in MOMENTS for name, value in weights.items()
    }


def adam_at(checkpoint: Checkpoint, network: Selector) -> torch.optim.Adam:
    """The optimiser as it was after the checkpoint's last step.

    Args:
        checkpoint: Where the run stands.
        network: The network with the checkpoint's weights.
    """
    given = checkpoint.training
    adam = torch.optim.Adam(network.parameters(), given.learning_rate, given.betas)
    for name, weight in network.named_parameters():
        adam.state[weight] = {
            "step": torch.tensor(float(checkpoint.step)),
            **{moment: _like(weight, checkpoint.moments[f"{moment}.{name}"]) for moment in MOMENTS},
        }
    return adam


def _like(weight: Tensor, value: Tensor) -> Tensor:
    # In the weight's own memory layout: another one could round differently.
    return torch.empty_like(weight, requires_grad=False).copy_(value)


def moments_of(adam: torch.optim.Adam, named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Copies of the optimiser's moments, by name.

    Args:
        adam: The optimiser.
        named: Its weights with their names.
    """
    weights = dict(named)
    return {
        f"{moment}.{name}": adam.state[weight][moment].clone()
        for moment in MOMENTS
        for name, weight in weights.items()
    }
