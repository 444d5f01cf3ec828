"""Mask: one image's soft mask for one α, the set of pixels cut from it, and the gaps of both."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from onlyif.core.errors import SettingError
from onlyif.explanation.selection import Gap


@final
@dataclass(frozen=True)
class GapPair:
    """How sufficient and how necessary something is.

    Args:
        sufficiency: Δsuf: it kept, the rest hidden.
        necessity: Δnec: it hidden, the rest kept.
    """

    sufficiency: Gap
    necessity: Gap

    def unified(self, alpha: float) -> Gap:
        """Δuni(α); the error takes both gaps for independent, 0 · NaN for 0."""
        parts = [(alpha, self.sufficiency), (1.0 - alpha, self.necessity)]
        kept = [(weight, gap) for weight, gap in parts if weight]
        value = sum(weight * gap.value for weight, gap in kept)
        return Gap(value, sum((weight * gap.stderr) ** 2 for weight, gap in kept) ** 0.5)


@final
@dataclass(frozen=True)
class MaskProvenance:
    """Where masks come from.

    Args:
        model: The kind of model.
        output: What the explained output is.
        reference: What hidden pixels are replaced by.
        search: How the masks were found.
        cut: How a set of pixels was cut from each.
        seed: Seed of all draws.
        n_fresh: Draws on which the gaps were estimated, none of which the search saw.
        version: Version of onlyif.
    """

    model: str
    output: str
    reference: str
    search: str
    cut: str
    seed: int
    n_fresh: int
    version: str


@final
@dataclass(frozen=True, eq=False)
class Mask:
    """The explanation of one image for one α.

    Args:
        image: Number of the image among those explained.
        alpha: α; 1 is sufficiency, 0 necessity.
        target: Number of the explained output.
        prediction: f(x).
        base: f_0, with its error.
        soft: The soft mask S in [0, 1].
        soft_gaps: Its gaps on fresh draws.
        objective: Δuni of the soft mask on fresh draws, plus its penalties: what was minimised.
        hard: The set of pixels cut from it.
        hard_gaps: The gaps of that set; exact where the reference has one atom.
        steps: Steps until the search ended.
        model_rows: Rows that the model was asked for by the search, each forward and back.
        provenance: Where it comes from.
    """

    image: int
    alpha: float
    target: int
    prediction: float
    base: Gap
    soft: Float[Tensor, "h w"]
    soft_gaps: GapPair
    objective: float
    hard: Bool[Tensor, "h w"]
    hard_gaps: GapPair
    steps: int
    model_rows: int
    provenance: MaskProvenance

    @property
    def size(self) -> int:
        """Pixels in the set."""
        return int(self.hard.sum())

    def row(self) -> dict[str, int | float]:
        """All numbers in one row of a table."""
        return {
            "image": self.image,
            "alpha": self.alpha,
            "target": self.target,
            "prediction": self.prediction,
            "base": self.base.value,
            "objective": self.objective,
            "soft_size": self.soft.mean().item(),
            "soft_sufficiency": self.soft_gaps.sufficiency.value,
            "soft_necessity": self.soft_gaps.necessity.value,
            "hard_size": self.size / self.hard.numel(),
            "hard_sufficiency": self.hard_gaps.sufficiency.value,
            "hard_necessity": self.hard_gaps.necessity.value,
            "steps": self.steps,
            "model_rows": self.model_rows,
        }


@final
@dataclass(frozen=True, eq=False)
class Masks:
    """The masks of some images and α's, in order of image, then as α was given.

    Args:
        items: The masks.
    """

    items: tuple[Mask, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Mask]:
        return iter(self.items)

    def of_image(self, image: int) -> "Masks":
        """The masks of one image, one for each α."""
        return Masks(tuple(item for item in self.items if item.image == image))

    def at_alpha(self, alpha: float) -> "Masks":
        """The masks for one α, one for each image.

        Raises:
            SettingError: if there is none, naming those there are.
        """
        found = tuple(item for item in self.items if abs(item.alpha - alpha) < 1e-6)
        if not found:
            raise SettingError(
                f"no mask for alpha={alpha}; there are {sorted({i.alpha for i in self.items})}"
            )
        return Masks(found)

    def soft(self) -> Float[Tensor, "b h w"]:
        """All soft masks in one tensor."""
        return torch.stack([item.soft for item in self.items])

    def hard(self) -> Bool[Tensor, "b h w"]:
        """All sets of pixels in one tensor."""
        return torch.stack([item.hard for item in self.items])

    def rows(self) -> list[dict[str, int | float]]:
        """One dictionary a mask, ready for a data frame."""
        return [item.row() for item in self.items]
