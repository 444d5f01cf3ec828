"""h-Shap: Shapley values of quadrants, quadrants of quadrants, and so on where they matter.

The algorithm of J. Teneggi, A. Luster and J. Sulam, *Fast hierarchical games for image
explanations* (2022). A region's four quadrants play a game: the model's output when only
some of them are shown and all else, also outside the region, is the baseline. Quadrants
whose Shapley value is above a threshold are divided in turn, down to a least size; a leaf
gets the product of the values on the way to it, everything else 0.

    from hshap import HShap

    scores = HShap(model, baseline, min_size=4).scores(image, target)      # (h, w)
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Region = tuple[int, int, int, int]
COALITIONS = tuple(itertools.product((False, True), repeat=4))


@dataclass(frozen=True, eq=False)
class HShap:
    """h-Shap of one image and output.

    Args:
        model: From images to probabilities.
        baseline: What is not shown becomes this image.
        min_size: Quadrants are not divided when their sides would be shorter.
        threshold: Quadrants with a larger Shapley value are divided.
        max_rows: Most images of one model call.
    """

    model: Callable[[Tensor], Tensor]
    baseline: Tensor
    min_size: int = 4
    threshold: float = 0.0
    max_rows: int = 256

    def scores(self, image: Tensor, target: int) -> Tensor:
        """One score a pixel, at least 0 for a threshold of at least 0."""
        height, width = image.shape[-2:]
        scores = torch.zeros(height, width, dtype=torch.float64)
        level: list[tuple[Region, float]] = [((0, height, 0, width), 1.0)]
        while level:
            values = self._values(image, target, [region for region, _ in level])
            chosen = []
            for (region, score), shapley in zip(level, values, strict=True):
                parts = zip(quadrants(region), shapley, strict=True)
                chosen += [(part, score * value) for part, value in parts if value > self.threshold]
            level = [each for each in chosen if self._divisible(each[0])]
            for (top, bottom, left, right), score in chosen:
                if not self._divisible((top, bottom, left, right)):
                    scores[top:bottom, left:right] = score
        return scores

    def _divisible(self, region: Region) -> bool:
        top, bottom, left, right = region
        return min(bottom - top, right - left) // 2 >= self.min_size

    def _values(self, image: Tensor, target: int, regions: list[Region]) -> list[list[float]]:
        """The Shapley values of the quadrants of each region."""
        rows = (self._shown(image, region, who) for region in regions for who in COALITIONS)
        outputs: list[float] = []
        with torch.no_grad():
            while part := list(itertools.islice(rows, self.max_rows)):
                outputs += self.model(torch.stack(part))[:, target].double().tolist()
        n = len(COALITIONS)
        games = [outputs[i * n : (i + 1) * n] for i in range(len(regions))]
        return [shapley_values(dict(zip(COALITIONS, game, strict=True))) for game in games]

    def _shown(self, image: Tensor, region: Region, who: tuple[bool, ...]) -> Tensor:
        shown = self.baseline.clone()
        for (top, bottom, left, right), present in zip(quadrants(region), who, strict=True):
            if present:
                shown[..., top:bottom, left:right] = image[..., top:bottom, left:right]
        return shown


def quadrants(region: Region) -> tuple[Region, Region, Region, Region]:
    """The four quadrants of a region given as top, bottom, left and right."""
    top, bottom, left, right = region
    middle, centre = (top + bottom) // 2, (left + right) // 2
    return (
        (top, middle, left, centre),
        (top, middle, centre, right),
        (middle, bottom, left, centre),
        (middle, bottom, centre, right),
    )


def shapley_values(game: dict[tuple[bool, ...], float]) -> list[float]:
    """The Shapley values of the players of a game given as a table of all coalitions."""
    n = len(next(iter(game)))
    values = [0.0] * n
    for who, worth in game.items():
        size = sum(who)
        for player, present in enumerate(who):
            if not present:
                joined = (*who[:player], True, *who[player + 1 :])
                weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                values[player] += weight * (game[joined] - worth)
    return values
