"""A learned explainer: networks that rank the pixels of an image, as the start of a short search."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from onlyif.amortised.selector import Selector
from onlyif.amortised.sized_lessons import sized_masks_of
from onlyif.amortised.training_state import Checkpoint, digests_of
from onlyif.amortised.training_storage import load_checkpoint, save_checkpoint
from onlyif.core.errors import SettingError
from onlyif.searches.starts import SearchStart

# Pixels that belong in no set and in all of them are kept off the ends, where a search cannot move them.
MARGIN = 1e-3


@final
@dataclass(frozen=True, eq=False)
class LearnedExplainer(SearchStart):
    """Networks that say in one forward pass which pixels belong in the sets of an image.

    `onlyif.train_explainer` trains one. It is never trusted alone: `onlyif.explain(network, images, size=...,
    search=learned)` begins with its ranking, repairs it by a short search on the image itself, and measures
    the sets as ever. Choose it for hundreds of images or more, like those that it was trained on. For a few
    images, or for others, leave it out: the search from nothing finds better sets.

    Args:
        checkpoints: Its training: of one network that is conditioned on α, or of some for one α each, which
            are mixed for an α between.

    Raises:
        SettingError: unless there is a network, and all are for sets of given sizes.
    """

    checkpoints: tuple[Checkpoint, ...]

    def __post_init__(self) -> None:
        settings = [one.selector for one in self.checkpoints]
        if not settings or not all(one.sized for one in settings):
            raise SettingError("a learned explainer needs networks for sets of given sizes")

    @staticmethod
    def load(*paths: str | os.PathLike[str]) -> "LearnedExplainer":
        """One that was saved, or that is being trained: the best weights so far.

        Args:
            *paths: The files of its networks.

        Raises:
            StorageError: if a file is missing, cut short, changed or of a newer format.
            SettingError: if it holds a network of masks of any size.
        """
        return LearnedExplainer(tuple(load_checkpoint(path) for path in paths))

    def save(self, path: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Write its networks: `<path>.selector.safetensors`, with the α of each where there are several.

        Args:
            path: The stem.

        Raises:
            StorageError: if a file cannot be written.
        """
        several = len(self.checkpoints) > 1
        return tuple(
            save_checkpoint(one, f"{os.fspath(path)}{f'-{one.selector.alpha:g}' if several else ''}")
            for one in self.checkpoints
        )

    def beside(self, other: "LearnedExplainer") -> "LearnedExplainer":
        """The networks of both, each for its own α.

        Args:
            other: The other one.
        """
        return LearnedExplainer((*self.checkpoints, *other.checkpoints))

    @property
    @override
    def sentence(self) -> str:
        steps = ", ".join(f"{one.step:,}" for one in self.checkpoints)
        return f"It began with what a network had learned in {steps} steps on other images."

    @override
    def check(self, x: Any) -> None:
        for one in self.checkpoints:
            one.network().check_images(x)

    @override
    def knows(self, x: Float[Tensor, "p *x"]) -> Bool[Tensor, "p"]:
        seen = {bytes(row) for one in self.checkpoints for row in one.trained_on.tolist()}
        return torch.tensor([bytes(row) in seen for row in digests_of(x).tolist()], dtype=torch.bool)

    @override
    def start(
        self, x: Float[Tensor, "p c h w"], alpha: Float[Tensor, "p"], shares: tuple[float, ...]
    ) -> Float[Tensor, "p d"]:
        networks = {one.selector.alpha: one.network().to(x.device) for one in self.checkpoints}
        if None in networks:
            found = self._mean(networks[None], x, alpha, shares)
        else:
            parts = {end: self._at(networks, x, end, shares) for end in (0.0, 1.0)}
            share = alpha.to(x)[:, None]
            found = (1 - share) * parts[0.0] + share * parts[1.0]
        return found.clamp(MARGIN, 1 - MARGIN)

    def _at(
        self, networks: dict[float | None, Selector], x: Tensor, end: float, shares: tuple[float, ...]
    ) -> Float[Tensor, "p d"]:
        if end not in networks:
            held = ", ".join(f"{one.selector.alpha:g}" for one in self.checkpoints)
            raise SettingError(
                f"this learned explainer is for α = {held} alone, and sets of α = {end:g} are wanted too; "
                "put another beside it, or train one with alpha=None"
            )
        return self._mean(networks[end], x, torch.full((len(x),), end), shares)

    @staticmethod
    def _mean(
        network: Selector, x: Tensor, alpha: Float[Tensor, "p"], shares: tuple[float, ...]
    ) -> Float[Tensor, "p d"]:
        return sized_masks_of(network, x, alpha.to(x), shares).flatten(2).mean(1)
