"""The amortised network g_θ: from an image to its mask in one forward pass."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from onlyif.core.errors import InputError, SettingError
from onlyif.core.seeds import child_seed
from onlyif.searches.mask_shapes import of_sizes

GROUPS = 4
ALPHA_FEATURES = 32
# Sizes are told by their logarithm, in units of that of a small set.
SMALL = 0.01


@final
@dataclass(frozen=True)
class SelectorSettings:
    """The architecture of a selector; with its weights it is the whole network.

    Args:
        channels: Channels of the images.
        width: Channels of the finest level; each coarser level has twice as many. A multiple of 4.
        levels: How often the resolution is halved. Image sides are at least 2^levels.
        alpha: The one α whose masks it gives, or None for one network conditioned on any α.
        sized: Whether it is asked for sets of a given size: it is then conditioned on the size, and ranks
            pixels. Else a mask's size is whatever it comes to.

    Raises:
        SettingError: unless channels >= 1, width is a positive multiple of 4, 1 <= levels <= 6 and
            alpha is None or in [0, 1].
    """

    channels: int
    width: int = 8
    levels: int = 4
    alpha: float | None = None
    sized: bool = False

    def __post_init__(self) -> None:
        if self.channels < 1 or self.width < GROUPS or self.width % GROUPS or not 1 <= self.levels <= 6:
            raise SettingError(
                f"a selector needs channels >= 1, width a positive multiple of {GROUPS} and levels 1 to 6, "
                f"got channels={self.channels}, width={self.width}, levels={self.levels}"
            )
        if self.alpha is not None and not 0.0 <= self.alpha <= 1.0:
            raise SettingError(f"alpha must lie in [0, 1] or be None, got {self.alpha}")

    @property
    def conditions(self) -> int:
        """Numbers that it is told beside an image."""
        return 4 if self.sized else 2

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        return tuple(self.width * 2**level for level in range(self.levels + 1))


@final
class Selector(nn.Module):
    """A small U-Net from images to one number a pixel, θ, of which masks in [0, 1] are made.

    A fresh one gives 0 nearly everywhere. Its parts have no running statistics and no dropout,
    so an instance's θ depends on that instance alone, in training as in evaluation mode.
    α and the size enter, where they do, as a scale and a shift of the features of every level but the finest.

    Args:
        settings: The architecture.
        seed: Seed of the first weights.

    Example:
        >>> selector = Selector(SelectorSettings(channels=1, alpha=1.0))
        >>> selector.masks(torch.zeros(2, 1, 16, 16), torch.ones(2)).shape
        torch.Size([2, 16, 16])

    References:
        [bharti2024] equation 14; [ronneberger2015] the network; [perez2018] how α enters.
    """

    def __init__(self, settings: SelectorSettings, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        widths, bent = settings.widths, settings.alpha is None or settings.sized
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(child_seed(seed, "selector weights"))
            self.told = nn.Linear(settings.conditions, ALPHA_FEATURES) if bent else None
            self.stem = _Block(settings.channels, widths[0], bent=False)
            pairs = list(pairwise(widths))
            self.down = nn.ModuleList(_Block(fine, coarse, stride=2, bent=bent) for fine, coarse in pairs)
            self.middle = _Block(widths[-1], widths[-1], bent=bent)
            self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in reversed(pairs))
            self.up = nn.ModuleList(_Block(f, f, bent=bent and f > widths[0]) for f, _ in reversed(pairs))
            self.last = nn.Conv2d(widths[0], 1, 1)
            for weight in self.last.parameters():
                nn.init.normal_(weight, 0.0, 0.01)

    @override
    def forward(
        self, x: Float[Tensor, "b c h w"], alpha: Float[Tensor, "b"], share: Float[Tensor, "b"] | None = None
    ) -> Float[Tensor, "b h w"]:
        told = [alpha, 1.0 - alpha]
        if share is not None:
            small = share.log() / log(SMALL)
            told += [small, 1.0 - small]
        given = torch.stack(told, 1).to(x)
        given = given if self.told is None else functional.relu(self.told(given))
        skips = [self.stem(x, given)]
        for block in self.down:
            skips.append(block(skips[-1], given))
        features = self.middle(skips.pop(), given)
        for narrow, block in zip(self.narrow, self.up, strict=True):
            skip = skips.pop()
            wide = functional.interpolate(narrow(features), skip.shape[-2:], mode="nearest")
            features = block(skip + wide, given)
        field: Tensor = self.last(features).squeeze(1)
        return field

    def masks(self, x: Float[Tensor, "b c h w"], alpha: Float[Tensor, "b"]) -> Float[Tensor, "b h w"]:
        """Checked and without gradients: the mask of each image at its α.

        Raises:
            SettingError: if an α is outside [0, 1], or not the one that the network was made for; or if it
                was made for masks of given sizes.
            InputError: if the images do not fit the network.
        """
        if self.settings.sized:
            raise SettingError("this selector gives masks of given sizes: ask for sized_masks")
        return self._checked(x, alpha, lambda weights: torch.sigmoid(self(x.to(weights), alpha)))

    def sized_masks(
        self, x: Float[Tensor, "b c h w"], alpha: Float[Tensor, "b"], share: Float[Tensor, "b"]
    ) -> Float[Tensor, "b h w"]:
        """Checked and without gradients: the mask of each image, whose mean is its share of the pixels.

        Raises:
            SettingError: if an α is outside [0, 1], or not the one that the network was made for; or if it
                was not made for masks of given sizes.
            InputError: if the images do not fit the network.
        """
        if not self.settings.sized:
            raise SettingError("this selector gives masks of no given size: ask for masks")
        return self._checked(
            x, alpha, lambda weights: masks_of_shares(self(x.to(weights), alpha, share), share)
        )

    def _checked(
        self, x: Tensor, alpha: Float[Tensor, "b"], masks: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "b h w"]:
        check_alpha(self.settings, alpha)
        self.check_images(x)
        with torch.no_grad():
            return masks(next(self.parameters())).to(x)

    def check_images(self, x: Float[Tensor, "b *x"]) -> None:
        """Refuse images that do not fit the network.

        Raises:
            InputError: unless they have the network's channels and sides of at least 2^levels.
        """
        smallest = 2**self.settings.levels
        if x.dim() != 4 or x.shape[1] != self.settings.channels or min(x.shape[-2:]) < smallest:
            raise InputError(
                f"the selector needs images of {self.settings.channels} channels and sides of at least "
                f"{smallest}, got {tuple(x.shape[1:])}"
            )


def masks_of_shares(field: Float[Tensor, "b h w"], share: Float[Tensor, "b"]) -> Float[Tensor, "b h w"]:
    """sigmoid(θ - τ) of each image, with τ such that the mask's mean is its share; differentiable in θ.

    Args:
        field: θ.
        share: The share of the pixels of each, strictly between 0 and 1.
    """
    flat = field.flatten(1)
    sized = of_sizes(flat, flat.shape[1] * share.to(flat).unsqueeze(1))
    return sized.squeeze(1).view_as(field)


def check_alpha(settings: SelectorSettings, alpha: Float[Tensor, "b"]) -> None:
    """Refuse an α for which a network was not made.

    Raises:
        SettingError: if an α is outside [0, 1], or not the one that the network was made for.
    """
    if not bool(((alpha >= 0) & (alpha <= 1)).all()):
        raise SettingError(f"alpha must lie in [0, 1], got {sorted(set(alpha.tolist()))}")
    if settings.alpha is not None and bool((alpha != settings.alpha).any()):
        raise SettingError(
            f"this selector gives masks for alpha={settings.alpha} alone, got {sorted(set(alpha.tolist()))}; "
            "train one with alpha=None for the whole continuum"
        )


@final
class _Block(nn.Module):
    """Convolution, normalisation, α, rectifier."""

    def __init__(self, n_in: int, n_out: int, *, bent: bool, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.normal = nn.GroupNorm(GROUPS, n_out)
        self.bend = _film(n_out) if bent else None

    @override
    def forward(self, features: Tensor, given: Float[Tensor, "b features"]) -> Tensor:
        normal: Tensor = self.normal(self.convolution(features))
        if self.bend is not None:
            scale, shift = self.bend(given).unsqueeze(2).unsqueeze(3).chunk(2, 1)
            normal = torch.addcmul(shift, normal, 1.0 + scale)
        return functional.relu(normal)


def _film(n_out: int) -> nn.Linear:
    last = nn.Linear(ALPHA_FEATURES, 2 * n_out)
    for weight in last.parameters():
        nn.init.zeros_(weight)
    return last
