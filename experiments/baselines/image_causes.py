"""The explanations of this library as maps of images."""

from dataclasses import dataclass, field, replace

import torch
from experiments.baselines.image_gradients import FromBaseline, own_mean
from torch import Tensor, nn

from onlyif.criteria.blended import blended_gaps
from onlyif.interop.captum import FANS, SufficientNecessaryMask
from onlyif.metrics import grid_segments
from onlyif.modalities.grids import SuperpixelGrid
from onlyif.models.differentiable import differentiable_module
from onlyif.searches.ascent_settings import paper_settings
from onlyif.searches.sized import SizedSearch, SizedSets, pixel_settings, region_settings
from onlyif.setup.sized import sizes_of

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
# Sizes in squares: what is taken away first decides most of a deletion curve.
SQUARES = (1, 2, 3, 4, 6, 8, 12, 16, 24)
# So little that it only orders pixels which add the same.
AMONG_EQUALS = 1e-3
# Attributions that cancel are not scaled by their sum.
LEAST_SUM = 0.1


def one_channel(attribution: Tensor) -> Tensor:
    """The map that the channels share."""
    return attribution.detach().mean(1)


@dataclass(frozen=True)
class FANSMap:
    """How necessary and sufficient a cause a pixel is, with pixels as players.

    Args:
        paper: Whether PNS is ascended as printed (50 steps of .001); else as recommended.
        c: Threshold of a change of the probability.
        max_rows: Most rows of one model call.
    """

    paper: bool = False
    c: float = 0.1
    max_rows: int = 512

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        height, width = images.shape[-2:]
        pixels = torch.arange(height * width).view(1, 1, height, width).expand_as(images[:1])
        found = FANS(nn.Sequential(network, nn.Softmax(1))).attribute(
            images, target=targets, feature_mask=pixels, c=self.c, seed=seed, max_rows=self.max_rows,
            settings=paper_settings() if self.paper else None,
        )  # fmt: skip
        return one_channel(found)


@dataclass(frozen=True)
class MeanFANSMap:
    """The mean of maps that each have an E, an x' and masks of their own.

    A single ascent finds pixels that are a cause under its own x'; where their number is large, many of them
    are none under another one.

    Args:
        one: What is averaged.
        draws: Over how many.
    """

    one: FANSMap
    draws: int = 4

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        seeds = range(seed * self.draws, (seed + 1) * self.draws)
        return torch.stack([self.one(network, images, targets, each) for each in seeds]).mean(0)


@dataclass(frozen=True)
class SizedMap:
    """Nested sets of pixels by size; a pixel's number is what it adds to them.

    That is the mean of two: by how much the cost falls with the pixels that come in between two sizes, shared
    equally; and Integrated Gradients between the same references and the image, scaled to the same sum. The
    highest numbers are the sets.

    Args:
        mean_image: Mean of the training images: what hides.
        own: Whether each image's own mean hides, too; a set's outputs are means over both.
        regions: Whether sets are of at most five connected regions; else of any pixels.
        shares: The sizes.
        alpha: 1 is sufficiency, 0 necessity.
    """

    mean_image: Tensor = field(repr=False)
    own: bool = False
    regions: bool = False
    shares: tuple[float, ...] = SHARES
    alpha: float = 0.5

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        predictor = differentiable_module(network, nn.Softmax(1), "probability")
        ends = [self.mean_image.expand_as(images), *([own_mean(images)] if self.own else [])]
        gaps = blended_gaps(predictor, images, torch.stack(ends, 1), targets, 256)
        sizes = sizes_of(list(self.shares), gaps.n_players)
        settings = region_settings() if self.regions else pixel_settings()
        every, alpha = torch.arange(len(images)), torch.full((len(images),), self.alpha)
        found = SizedSearch(gaps, sizes, settings, seed).run(every, alpha)
        costs = gaps.cost(every, alpha, found.sets.to(gaps.full), 0).detach()
        moved = (gaps.full - gaps.base).abs()
        paths = FromBaseline("IntegratedGradients", self.mean_image, "as here", own=self.own)
        slopes = paths(network, images, targets, seed).flatten(1)
        total = torch.maximum(slopes.sum(1), LEAST_SUM * slopes.abs().sum(1)).clamp(min=torch.finfo().tiny)
        numbers = (added(moved, costs, found, sizes) + slopes * (moved / total)[:, None]) / 2
        return in_order(numbers, found, sizes).view_as(images[:, 0])


@dataclass(frozen=True)
class SizedSquares:
    """Nested necessary sets of squares, by size: a square's number is the share of the sets that it is in.

    The mean training image and each image's own mean hide; a set's outputs are means over both.

    Args:
        mean_image: Mean of the training images: what hides.
        side: Pixels of a square's side; those at the right and at the bottom may be smaller.
        sizes: The sizes, in squares; those that an image does not have are left out.
        aim: What the probability should come to without a set. None is f_0, as in Δnec, to which a
            probability below f_0 is as far as one above; 0 asks for the least.
    """

    mean_image: Tensor = field(repr=False)
    side: int = 4
    sizes: tuple[int, ...] = SQUARES
    aim: float | None = 0.0

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        predictor = differentiable_module(network, nn.Softmax(1), "probability")
        ends = torch.stack([self.mean_image.expand_as(images), own_mean(images)], 1)
        height, width = images.shape[-2:]
        index = grid_segments(height, width, self.side)[0]
        gaps = blended_gaps(predictor, images, ends, targets, 256, grid=SuperpixelGrid(index))
        if self.aim is not None:
            gaps = replace(gaps, base=torch.full_like(gaps.base, self.aim))
        sizes = tuple(size for size in self.sizes if size < gaps.n_players)
        necessity = torch.zeros(len(images))
        found = SizedSearch(gaps, sizes, pixel_settings(), seed).run(torch.arange(len(images)), necessity)
        return found.scores[:, index].to(images.dtype)


def added(empty: Tensor, costs: Tensor, found: SizedSets, sizes: tuple[int, ...]) -> Tensor:
    """By how much the cost falls for each pixel that comes in between two sizes, `(b, pixels)`.

    The fall is that of the least concave curve above the falls at all sizes, so that a pixel of a smaller set
    never has the lower number.

    Args:
        empty: The cost of no pixel.
        costs: Of each set; that of all pixels is 0.
        found: The sets.
        sizes: Their sizes.
    """
    zero = empty[:, None]
    fallen = torch.cat([zero - zero, zero - costs, zero], 1)
    counts = fallen.new_tensor([0, *sizes, found.sets.shape[2]])
    slopes = (fallen[:, None] - fallen[:, :, None]) / (counts - counts[:, None])
    rings = [slopes[:, : k + 1, k + 1 :].amax(2).amin(1) for k in range(len(sizes) + 1)]
    return torch.stack(rings, 1).gather(1, len(sizes) - found.sets.sum(1))


def in_order(numbers: Tensor, found: SizedSets, sizes: tuple[int, ...]) -> Tensor:
    """The numbers, cut where they contradict the sets; among equals the search's ranking counts.

    The k highest numbers stay about what they were, and go to the set of k pixels.

    Args:
        numbers: One a pixel.
        found: The sets.
        sizes: Their sizes.
    """
    falling = numbers.sort(dim=1, descending=True).values
    between = [(falling[:, size - 1] + falling[:, size]) / 2 for size in sizes]
    bounds = torch.stack([falling[:, 0], *between, falling[:, -1]], 1)
    ring = len(sizes) - found.sets.sum(1)
    cut = torch.minimum(torch.maximum(numbers, bounds.gather(1, ring + 1)), bounds.gather(1, ring))
    return cut + AMONG_EQUALS * (falling[:, :1] - falling[:, -1:]) * found.scores


@dataclass(frozen=True)
class RelaxedMask:
    """A mask in [0, 1] with a weight on its size.

    Args:
        baseline: What hides.
        alpha: 1 is sufficiency, 0 necessity.
        size: Weight of the mask's mean.
    """

    baseline: Tensor = field(repr=False)
    alpha: float = 0.5
    size: float = 2.0

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
        """The maps."""
        found = SufficientNecessaryMask(nn.Sequential(network, nn.Softmax(1))).attribute(
            images, self.baseline[None], targets, alpha=self.alpha, size=self.size, seed=seed, max_rows=256
        )
        return one_channel(found)
