"""Mask: one image's soft mask for one α, the set of pixels cut from it, and the gaps of both."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.explanation.layout import aligned, counted, number
from onlyif.explanation.selection import Gap

N_SHOWN = 10


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

    def share(self) -> str:
        """The size of the set in words: "empty", else its share of all pixels, rounded to neither end."""
        return share_text(self.size, self.hard.numel())

    @override
    def __repr__(self) -> str:
        shape, pair = " x ".join(map(str, self.hard.shape)), self.hard_gaps
        return (
            f"Mask(image={self.image}, alpha={self.alpha:.4g}, target={self.target}, {shape} pixels, "
            f"set: {self.share()}, Δsuf={pair.sufficiency.value:.4g}, Δnec={pair.necessity.value:.4g})"
        )

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

    @override
    def __repr__(self) -> str:
        if not self.items:
            return "no masks"
        half = N_SHOWN // 2
        shown = self.items if len(self) <= N_SHOWN else self.items[:half] + self.items[-half:]
        header = ["image", "α", "target", "f(x)", "f_0", "Δsuf", "Δnec", "set"]
        lines = aligned(header, [_line(item) for item in shown], indent="")
        if len(shown) < len(self):
            lines.insert(1 + half, f"… {len(self) - len(shown)} more …")
        return "\n".join([counted(len(self), "mask"), *lines])

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


def share_text(size: int, n_pixels: int) -> str:
    """How large a set of pixels is, in words; only the empty one is 0, only the whole one is all.

    Args:
        size: Pixels in the set.
        n_pixels: All pixels.

    Example:
        >>> share_text(0, 4096), share_text(2, 4096), share_text(512, 4096)
        ('empty: no pixel', '0.049% of pixels', '12.5% of pixels')
        >>> share_text(4095, 4096), share_text(4096, 4096)
        ('99.976% of pixels', 'all pixels')
    """
    if size in (0, n_pixels):
        return "all pixels" if size else "empty: no pixel"
    percent = 100 * size / n_pixels
    near = min(percent, 100 - percent)  # the digits that tell it from nothing, or from everything
    digits = 1 if near >= 1 else 1 - math.floor(math.log10(near))
    return f"{percent:.{digits}f}% of pixels"


def _line(item: Mask) -> list[str]:
    pair = item.hard_gaps
    numbers = (item.prediction, item.base.value, pair.sufficiency.value, pair.necessity.value)
    return [str(item.image), number(item.alpha), str(item.target), *map(number, numbers), item.share()]
