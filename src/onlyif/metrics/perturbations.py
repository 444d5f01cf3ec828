"""Random inputs near x, or partly removed ones: what Infidelity and Max-Sensitivity try."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import as_floats, at_least_single
from onlyif.core.shapes import Numbers
from onlyif.core.torch_seeds import torch_generator
from onlyif.metrics.fills import Fill


class Perturbation(ABC):
    """A law of inputs, given x.

    Draw number i depends on x, the seed and i alone; instances share its random numbers.
    """

    @abstractmethod
    def draw(self, x: Numbers, draws: slice, seed: int) -> Float[Tensor, "b n *x"]:
        """Perturbed inputs.

        Args:
            x: The instances.
            draws: Numbers of the wanted draws.
            seed: Seed of all of them.
        """


@final
@dataclass(frozen=True)
class FadePerturbation(Perturbation):
    """x ∘ m with m uniform on [0, 1]^D: every entry moves towards 0 by a share of its own.

    The law of the FANS paper. Nothing happens to entries that are 0, and in hundreds of dimensions all
    draws are about x / 2; `SquarePerturbation` removes something in particular.

    References:
        [chen2024] appendix C.3.1.
    """

    @override
    def draw(self, x: Numbers, draws: slice, seed: int) -> Float[Tensor, "b n *x"]:
        share = _stack(x, draws, seed, "fade", lambda g: torch.rand(x.shape[1:], generator=g))
        return _as_given(x, as_floats(x).unsqueeze(1) * share)


@final
@dataclass(frozen=True, eq=False)
class SquarePerturbation(Perturbation):
    """One square of an image, anywhere inside it with equal probability, is filled in all channels.

    Args:
        side: Its side, in pixels.
        fill: What it is filled with.

    Raises:
        SettingError: unless the side is at least 1.

    References:
        [yeh2019] section 2.2, square removal.
    """

    side: int
    fill: Fill

    def __post_init__(self) -> None:
        if self.side < 1:
            raise SettingError(f"side must be at least 1, got {self.side}")

    @override
    def draw(self, x: Numbers, draws: slice, seed: int) -> Float[Tensor, "b n *x"]:
        if x.dim() < 3 or min(x.shape[-2:]) < self.side:
            raise InputError(f"a square of side {self.side} does not fit into instances {tuple(x.shape[1:])}")
        inside = torch.stack([self._square(x, seed, i) for i in range(draws.start, draws.stop)])
        inside = inside.view(1, len(inside), *[1] * (x.dim() - 3), *x.shape[-2:])
        return torch.where(inside, self.fill.values(x).unsqueeze(1), as_floats(x).unsqueeze(1))

    def _square(self, x: Tensor, seed: int, number: int) -> Tensor:
        source = torch_generator(seed, "square", number)
        rows, columns = (self._span(length, source, x.device) for length in x.shape[-2:])
        return rows.unsqueeze(1) & columns.unsqueeze(0)

    def _span(self, length: int, source: torch.Generator, device: torch.device) -> Tensor:
        first = int(torch.randint(length - self.side + 1, (), generator=source))
        place = torch.arange(length, device=device)
        return (place >= first) & (place < first + self.side)


@final
@dataclass(frozen=True, eq=False)
class NoisyBaselinePerturbation(Perturbation):
    """A noisy baseline in place of all of x.

    Args:
        baseline: The baseline.
        sigma: Standard deviation of the Gaussian noise on it, in units of the input.

    Raises:
        SettingError: unless sigma >= 0.

    References:
        [yeh2019] section 2.2, noisy baseline.
    """

    baseline: Fill
    sigma: float

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < torch.inf:
            raise SettingError(f"sigma must be finite and at least 0, got {self.sigma}")

    @override
    def draw(self, x: Numbers, draws: slice, seed: int) -> Float[Tensor, "b n *x"]:
        noise = _stack(x, draws, seed, "noisy baseline", lambda g: torch.randn(x.shape[1:], generator=g))
        return _as_given(x, self.baseline.values(x).unsqueeze(1) + self.sigma * noise)


@final
@dataclass(frozen=True)
class MaxNormBall(Perturbation):
    """z uniform on ‖z - x‖∞ <= r: every entry moves by at most r.

    Args:
        radius: r, in units of the input.

    Raises:
        SettingError: unless the radius is above 0 and finite.
    """

    radius: float

    def __post_init__(self) -> None:
        _check_radius(self.radius)

    @override
    def draw(self, x: Numbers, draws: slice, seed: int) -> Float[Tensor, "b n *x"]:
        noise = _stack(x, draws, seed, "max norm", lambda g: torch.rand(x.shape[1:], generator=g) * 2 - 1)
        return _as_given(x, as_floats(x).unsqueeze(1) + self.radius * noise)


@final
@dataclass(frozen=True)
class EuclideanBall(Perturbation):
    """z uniform on ‖z - x‖₂ <= r. In hundreds of dimensions nearly all of it lies at distance r.

    Args:
        radius: r, in units of the input.

    Raises:
        SettingError: unless the radius is above 0 and finite.
    """

    radius: float

    def __post_init__(self) -> None:
        _check_radius(self.radius)

    @override
    def draw(self, x: Numbers, draws: slice, seed: int) -> Float[Tensor, "b n *x"]:
        def step(source: torch.Generator) -> Tensor:
            way = torch.randn(x.shape[1:], generator=source, dtype=torch.float64)
            uniform = float(torch.rand((), generator=source, dtype=torch.float64))
            return way * (math.pow(uniform, 1 / way.numel()) / float(way.norm()))

        return _as_given(
            x, as_floats(x).unsqueeze(1) + self.radius * _stack(x, draws, seed, "euclidean", step)
        )


def _check_radius(radius: float) -> None:
    if not 0 < radius < torch.inf:
        raise SettingError(f"radius must be above 0 and finite, got {radius}")


def _stack(
    x: Numbers, draws: slice, seed: int, use: str, make: Callable[[torch.Generator], Tensor]
) -> Float[Tensor, "1 n *x"]:
    numbers = range(draws.start, draws.stop)
    drawn = torch.stack([make(torch_generator(seed, use, i)) for i in numbers])
    return drawn.to(device=x.device, dtype=at_least_single(as_floats(x[:0]).dtype)).unsqueeze(0)


def _as_given(x: Numbers, moved: Float[Tensor, "b n *x"]) -> Float[Tensor, "b n *x"]:
    """In the dtype of x, where that has fractions: what a model of half precision is shown."""
    return moved.to(x.dtype) if x.is_floating_point() else moved
