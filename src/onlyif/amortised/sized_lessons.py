"""Lessons by size: masks whose size is asked for, so that nothing but the gaps is made small.

E_X E_size [ Δuni(g_θ(X, α, size), α) ],    Σ g_θ(X, α, size) = size
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from onlyif.amortised.relaxed_lessons import check_images_to_learn_from, digest_of
from onlyif.amortised.selector import Selector, SelectorSettings, masks_of_shares
from onlyif.amortised.training_lessons import Judged, Lessons, PosedLessons, validation_alphas
from onlyif.amortised.training_state import TrainingSettings
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances
from onlyif.core.torch_seeds import torch_generator
from onlyif.criteria.blended import BlendedGaps


@final
@dataclass(frozen=True, eq=False)
class SizedLessons(Lessons):
    """What a selector of masks of given sizes learns from.

    Args:
        gaps: Those of the images to train on, which hold the model, what hides, and the targets.
        held: Those of images to validate on, none of which is trained on.
        shares: The sizes as shares of the pixels: a step takes any between the first and the last, validation
            takes these.

    Raises:
        InputError: if there is none of either, or the held-out ones have another shape.
        SettingError: unless shares rise strictly between 0 and 1.
    """

    gaps: BlendedGaps
    held: BlendedGaps
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        check_images_to_learn_from(self.gaps.x, self.held.x)
        given = (0.0, *self.shares, 1.0)
        if not self.shares or any(low >= high for low, high in pairwise(given)):
            raise SettingError(f"sizes must be shares that rise between 0 and 1, got {self.shares}")

    @property
    @override
    def digest(self) -> str:
        tensors = [(one.x, one.target, one.full, one.base, one.fillings) for one in (self.gaps, self.held)]
        return digest_of(("sized", self.shares), (*tensors[0], *tensors[1]))

    @property
    @override
    def images(self) -> Instances:
        return self.gaps.x

    @property
    @override
    def max_rows(self) -> int:
        return self.gaps.max_rows

    @override
    def check(self, network: Selector) -> None:
        self.gaps.predictor.check_gradient(self.gaps.x[:1])
        if not network.settings.sized:
            raise SettingError("these lessons are for masks of given sizes, got a selector of any size")
        network.check_images(self.gaps.x)

    @override
    def posed(self, selector: SelectorSettings) -> "PosedSized":
        return PosedSized(self.gaps, self.held, self.shares, validation_alphas(selector))


@final
@dataclass(frozen=True, eq=False)
class PosedSized(PosedLessons):
    """Such lessons, whose f(x) and f_0 are known from the start.

    Args:
        gaps: Those of the images to train on.
        held: Those of the images to validate on.
        shares: The sizes.
        alphas: The α of validation.
    """

    gaps: BlendedGaps
    held: BlendedGaps
    shares: tuple[float, ...]
    alphas: tuple[float, ...]

    @contextmanager
    @override
    def opened(self) -> Iterator["PosedSized"]:
        with self.gaps.opened() as gaps:
            yield replace(self, gaps=gaps)

    @override
    def masks(
        self, network: Selector, numbers: Tensor, alpha: Tensor, training: TrainingSettings, step: int
    ) -> Float[Tensor, "b h w"]:
        share = shares_at(self.shares, training, step)
        x = self.gaps.x[numbers.to(self.gaps.x.device)]
        return masks_of_shares(network(x, alpha, share), share)

    @override
    def cost(self, numbers: Tensor, alpha: Tensor, masks: Tensor, step: int, rows: int) -> Float[Tensor, ""]:
        device = self.gaps.x.device
        gaps = self.gaps.within(rows).unified(numbers.to(device), alpha.to(device), masks.unsqueeze(1))
        return gaps.mean()

    @override
    def validated(self, network: Selector, at_once: int) -> Judged:
        held = self.held
        n, device = len(held), held.x.device
        numbers, means = torch.arange(n, device=device), []
        objective = torch.zeros(n, dtype=torch.float64, device=device)
        with held.opened() as gaps:
            for alpha in self.alphas:
                soft = sized_masks_of(network, held.x, torch.full((n,), alpha), self.shares, at_once)
                suf, nec = gaps.both(numbers, soft.flatten(2))
                objective = objective + (alpha * suf + (1 - alpha) * nec).mean(1).double()
                means.append((suf.mean().item(), nec.mean().item()))
        suf_mean, nec_mean = torch.tensor(means).double().mean(0).tolist()
        return Judged(objective / len(self.alphas), suf_mean, nec_mean, sum(self.shares) / len(self.shares))


def shares_at(shares: tuple[float, ...], training: TrainingSettings, step: int) -> Float[Tensor, "b"]:
    """The size of each image of one step: any between the first and the last, small ones as often as large.

    Args:
        shares: The sizes as shares of the pixels.
        training: It has the seed and the size of a batch.
        step: Number of the step.
    """
    numbers = torch.rand(training.batch, generator=torch_generator(training.seed, "training sizes", step))
    low, high = log(shares[0]), log(shares[-1])
    return (low + (high - low) * numbers).exp()


def sized_masks_of(
    network: Selector,
    x: Float[Tensor, "b c h w"],
    alpha: Float[Tensor, "b"],
    shares: tuple[float, ...],
    at_once: int = 32,
) -> Float[Tensor, "b z h w"]:
    """The network's masks of many images and several sizes, some at a time.

    Args:
        network: The selector.
        x: The images.
        alpha: α of each.
        shares: The sizes as shares of the pixels.
        at_once: Most images in one forward pass. Bounds memory.
    """
    pairs = list(zip(torch.split(x, at_once), torch.split(alpha, at_once), strict=True))
    return torch.stack(
        [
            torch.cat([network.sized_masks(some, at, torch.full((len(some),), share)) for some, at in pairs])
            for share in shares
        ],
        1,
    )
