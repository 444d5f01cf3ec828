"""Sets of pixels of given sizes and α as other methods have them, and a judge of their gaps.

Attribution methods rank pixels, and the highest are the set. Methods that ask for gaps do so on patches or
smooth random masks; `beam` compares sets of superpixels.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from curve_methods import Scene, scores_of
from torch import Tensor, nn
from torch.nn import functional

import onlyif
from onlyif.core.torch_seeds import torch_generator
from onlyif.modalities.slic import superpixels
from onlyif.references.baseline import BaselineReference
from onlyif.searches.beam import BeamSearch

ALPHAS = (0.0, 0.5, 1.0)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
GRADIENTS = ("Integrated Gradients", "Integrated Gradients, absolute", "GradientSHAP", "Occlusion")
SEED, RANDOM_MASKS, LIME_ROWS, PATCHES_A_SIDE = 0, 1000, 500, 8
# SLIC makes a few superpixels more or less than it is asked for, 40 at most here. Colours are compared in
# Lab, whose numbers go to 100, grey values from 0 to 1: so much less compact they are.
SUPERPIXELS, COMPACTNESS = 34, {1: 0.1, 3: 10.0}
# For all α of an image together: some 500 each.
BEAM = BeamSearch(width=4, swaps=4, budget=1500)
# The set of each size and α.
Sets: TypeAlias = dict[tuple[float, float], Tensor]


class Judge:
    """Both gaps of hard sets of one image, in plain lines.

    Args:
        network: From images to logits.
        image: The image.
        target: Its class.
        baseline: What hides.
    """

    def __init__(self, network: nn.Module, image: Tensor, target: int, baseline: Tensor) -> None:
        self.network, self.image, self.target, self.baseline = network, image, target, baseline
        self.rows = 0
        self.full, self.base = self.asked(image[None]).item(), self.asked(baseline[None]).item()

    def asked(self, rows: Tensor) -> Tensor:
        """The probability of the class."""
        self.rows += len(rows)
        with torch.no_grad():
            return torch.cat([self.network(part).softmax(1)[:, self.target] for part in rows.split(256)])

    def gaps(self, sets: Tensor) -> tuple[Tensor, Tensor]:
        """Δsuf and Δnec of sets (m, h, w)."""
        keep = sets.bool()[:, None]
        kept = self.asked(torch.where(keep, self.image, self.baseline))
        hidden = self.asked(torch.where(keep, self.baseline, self.image))
        return (kept - self.full).abs(), (hidden - self.base).abs()

    def unified(self, sets: Tensor, alpha: float) -> Tensor:
        """α Δsuf + (1 - α) Δnec; at an end the other side is not asked for."""
        keep = sets.bool()[:, None]
        total = torch.zeros(len(sets))
        if alpha > 0:
            kept = self.asked(torch.where(keep, self.image, self.baseline))
            total += alpha * (kept - self.full).abs()
        if alpha < 1:
            hidden = self.asked(torch.where(keep, self.baseline, self.image))
            total += (1 - alpha) * (hidden - self.base).abs()
        return total


def highest(scores: Tensor, size: int) -> Tensor:
    """The set of the highest scores."""
    order = scores.flatten().argsort(descending=True, stable=True)[:size]
    return torch.zeros(scores.numel(), dtype=torch.bool).index_fill(0, order, True).view(scores.shape)


def patches(side: int) -> Tensor:
    """The number of the patch of each pixel."""
    row = torch.arange(side) * PATCHES_A_SIDE // side
    return row[:, None] * PATCHES_A_SIDE + row


def mixed(gaps: tuple[Tensor, Tensor], alpha: float) -> Tensor:
    """α Δsuf + (1 - α) Δnec."""
    return alpha * gaps[0] + (1 - alpha) * gaps[1]


def random_masks(judge: Judge) -> dict[float, Tensor]:
    """RISE-like: the mean of smooth random masks, weighted by how small their gap is."""
    draws = torch.rand(RANDOM_MASKS, 1, 7, 7, generator=torch_generator(SEED, "random masks"))
    smooth = functional.interpolate(draws, judge.image.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    sets = smooth > smooth.flatten(1).quantile(0.8, dim=1)[:, None, None]
    gaps, mean = judge.gaps(sets), sets.float().mean(0)
    weights = {alpha: 1 - mixed(gaps, alpha) for alpha in ALPHAS}
    return {
        alpha: (weight[:, None, None] * sets).mean(0) - weight.mean() * mean
        for alpha, weight in weights.items()
    }


def lime(judge: Judge) -> dict[float, Tensor]:
    """Ridge regression of the gap on random sets of patches."""
    index, n = patches(judge.image.shape[-1]), PATCHES_A_SIDE**2
    inside = torch.rand(LIME_ROWS, n, generator=torch_generator(SEED, "lime")) < 0.3
    gaps = judge.gaps(inside[:, index])
    design = inside.double() - inside.double().mean(0)
    found = {}
    for alpha in ALPHAS:
        gap = mixed(gaps, alpha)
        slope = torch.linalg.solve(
            design.T @ design + torch.eye(n).double(), design.T @ (gap - gap.mean()).double()
        )
        found[alpha] = -slope[index].float()
    return found


def greedy(judge: Judge) -> dict[float, Tensor]:
    """Patches in the order in which they make the gap smallest."""
    return {alpha: greedy_order(judge, alpha) for alpha in ALPHAS}


def greedy_order(judge: Judge, alpha: float) -> Tensor:
    """The patches of one α: the first has the highest score."""
    index, n = patches(judge.image.shape[-1]), PATCHES_A_SIDE**2
    inside, scores = torch.zeros(n, dtype=torch.bool), torch.zeros(index.shape)
    steps = min(n, int(np.ceil(1.3 * max(SHARES) * n)))
    for step in range(steps):
        left = (~inside).nonzero().flatten()
        tried = inside.repeat(len(left), 1)
        tried[torch.arange(len(left)), left] = True
        best = int(left[judge.unified(tried[:, index], alpha).argmin()])
        inside[best] = True
        scores[index == best] = steps - step
    return scores


@dataclass(frozen=True)
class Found:
    """The sets of one method on one image.

    Args:
        method: Its name.
        sets: They.
        rows: Model rows that they took; those of gradients are not counted.
        seconds: The time.
    """

    method: str
    sets: Sets
    rows: int
    seconds: float


def by_size(scores: dict[float, Tensor]) -> Sets:
    """The sets of the highest scores of each α."""
    return {
        (share, alpha): highest(ranking, round(share * ranking.numel()))
        for share in SHARES
        for alpha, ranking in scores.items()
    }


def beam(scene: Scene, judge: Judge) -> tuple[Sets, int]:
    """Sets by a beam search over at most 40 superpixels, with the model rows that it took.

    It knows the best set of each number of superpixels that it compared. Of those that fit into a size the
    one with the smallest gap is taken (of equal ones the one of fewer superpixels; none if none fits), then
    filled with the superpixels of the next larger best sets in turn, in the order of their numbers. The last
    one that comes in is cut to the pixels that are left, in the order of its rows.
    """
    image = judge.image
    index = superpixels(image, SUPERPIXELS, COMPACTNESS[len(image)])
    network = nn.Sequential(scene.network, nn.Softmax(1)).eval()
    item = onlyif.explain(
        network, image[None], reference=BaselineReference(judge.baseline, "the baseline"), search=BEAM,
        target=judge.target, modality=onlyif.Images(index.numpy()), seed=SEED, progress=False, max_rows=256,
    )[0]  # fmt: skip
    found: Sets = {}
    for alpha in ALPHAS:
        best = best_of_each_number(item, alpha)
        for share in SHARES:
            found[share, alpha] = filled(best, index, round(share * index.numel()))
    return found, item.model_rows


def best_of_each_number(item: onlyif.Explanation, alpha: float) -> list[tuple[Tensor, float]]:
    """The members and the gap of the best compared set of 1, 2, ... regions, of all at last."""
    sizes = np.unique(item.continua.size[item.continua.exact_size])
    sets = [item.at_size(int(size), alpha) for size in sizes if size > 0]
    return [
        (torch.from_numpy(one.keep), alpha * one.sufficiency.value + (1 - alpha) * one.necessity.value)
        for one in sets
    ]


def filled(best: list[tuple[Tensor, float]], index: Tensor, size: int) -> Tensor:
    """A set of exactly so many pixels, by the rule of `beam`."""
    areas = torch.bincount(index.flatten())
    fitting = [i for i, (keep, _) in enumerate(best) if int(areas[keep].sum()) <= size]
    first = min(fitting, key=lambda i: best[i][1], default=0)
    order: list[int] = []
    for keep, _ in best[first:]:
        order += [region for region in keep.nonzero().flatten().tolist() if region not in order]
    scores = torch.full((len(areas),), -float(len(areas)))
    scores[order] = -torch.arange(float(len(order)))
    return highest(scores[index], size)


def asking(ranked: Callable[[Judge], dict[float, Tensor]]) -> Callable[[Scene, Judge], tuple[Sets, int]]:
    """A method that ranks pixels by gaps that it asks the judge for."""

    def found(_: Scene, judge: Judge) -> tuple[Sets, int]:
        before = judge.rows
        sets = by_size(ranked(judge))
        return sets, judge.rows - before

    return found


def attribution(method: str) -> Callable[[Scene, Judge], tuple[Sets, int]]:
    """A method that knows no α."""

    def found(scene: Scene, _: Judge) -> tuple[Sets, int]:
        return by_size(dict.fromkeys(ALPHAS, scores_of(method, scene)[0])), 0

    return found


OTHERS: dict[str, Callable[[Scene, Judge], tuple[Sets, int]]] = {
    **{method: attribution(method) for method in GRADIENTS},
    "random masks": asking(random_masks),
    "LIME on patches": asking(lime),
    "greedy on patches": asking(greedy),
    "beam on superpixels": beam,
}


def other_sets(scene: Scene, judge: Judge) -> Iterator[Found]:
    """The sets of every method but ours on one image."""
    for method, make in OTHERS.items():
        start = time.perf_counter()
        sets, rows = make(scene, judge)
        yield Found(method, sets, rows, time.perf_counter() - start)
