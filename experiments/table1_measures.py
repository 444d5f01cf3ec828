"""What Table 1 measures of maps and of explainers: `onlyif.metrics`, at the settings of one place."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from experiments.measured_causes import FRESH, Closeness, probabilities_of
from scipy.stats import spearmanr
from torch import Tensor, nn

from onlyif.metrics import (
    IROF,
    ConstantFill,
    FidelityMinus,
    FidelityPlus,
    Hiding,
    Infidelity,
    Insertion,
    MaxNormBall,
    MaxSensitivity,
    Sparseness,
    grid_segments,
    set_gaps,
    top_mask,
)
from onlyif.models.base import Predictor
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import BaselineReference


@dataclass(frozen=True)
class Sizes:
    """How closely is measured, the same for every method.

    Args:
        shares: Of the pixels in the sets whose gaps are measured.
        causes: Of the pixels in the sets whose PNS is measured.
        perturbations: Masks of each input of E, for PNS.
        inputs: |E|.
        draws: Perturbations of Infidelity.
        steps: Steps of insertion and deletion.
        side: Of the segments of IROF, in pixels.
        c: Threshold of a change, for PNS.
        radius: Of Max-Sensitivity: each pixel moves by at most so much of [0, 1].
        neighbours: Of Max-Sensitivity.
        share: Of the pixels that Fidelity takes away or keeps.
    """

    shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    causes: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    perturbations: int = 8
    inputs: int = 4
    draws: int = 50
    steps: int = 14
    side: int = 4
    c: float = 0.1
    radius: float = 0.1
    neighbours: int = 5
    share: float = 0.1


@dataclass(frozen=True)
class Column:
    """One measure of the table.

    Args:
        name: Its heading.
        higher: Whether more is better.
        sentence: What it is.
        explainer: Whether the explainer is run again for it.
        scale: What its values are multiplied by in the printed table.
    """

    name: str
    higher: bool
    sentence: str
    explainer: bool = False
    scale: float = 1.0


COLUMNS = (
    Column("PNS", True, "PNS of the top 5, 10, 20 and 40 % of the pixels, mean; fresh E, x' and masks"),
    Column("Δsuf", False, "sufficiency gap of the top 1, 2, 5, 10 and 20 %, mean"),
    Column("Δnec", False, "necessity gap of the same sets"),
    Column("IROF", True, "IROF on correctly classified images, in %", scale=100.0),
    Column("MS", False, "Max-Sensitivity, divided by the norm of the map", explainer=True),
    Column("IROF, all", True, "IROF on all images, segments filled with the image's own mean", scale=100.0),
    Column(
        "IROF, batch fill", True, "the same, filled with the mean of the batch (Quantus 0.6)", scale=100.0
    ),
    Column("INF", False, "Infidelity as printed"),
    Column("INF, scaled", False, "Infidelity up to the best factor of each map"),
    Column("INF, product", False, "with the matrix product of Quantus 0.4"),
    Column("SPA", True, "Gini index of the absolute map, in ascending order"),
    Column("FID+", True, "share of decisions that change without the top 10 % (black)"),
    Column("FID-", False, "share that change with the top 10 % alone"),
    Column("insertion", True, "area under the probability while pixels come in, best first"),
    Column("deletion", False, "area under the probability while pixels go, best first"),
    Column("gap area", False, "area under (Δsuf + Δnec) / 2 against the share of pixels, per unit of it"),
    Column("MS, centred", False, "Max-Sensitivity of maps less their own mean", explainer=True),
    Column("seeds", True, "rank correlation of the maps of two seeds", explainer=True),
)
CRITERIA = ("PNS", "Δsuf", "Δnec", "IROF", "MS")


@dataclass(frozen=True, eq=False)
class Scene:
    """What all methods are asked, and by what they are measured.

    Args:
        network: From images in [0, 1] to logits, in evaluation mode.
        x: The images.
        labels: Their true classes.
        targets: The explained classes: those that the network decides for.
        mean_image: Mean of the training images: what hides.
        sizes: How closely is measured.
    """

    network: nn.Module
    x: Tensor
    labels: Tensor
    targets: Tensor
    mean_image: Tensor
    sizes: Sizes = field(default_factory=Sizes)

    def take(self, rows: slice) -> "Scene":
        """Some of the images."""
        return Scene(
            self.network, self.x[rows], self.labels[rows], self.targets[rows], self.mean_image, self.sizes
        )

    @property
    def predictor(self) -> Predictor:
        """The probabilities."""
        return differentiable_module(self.network, nn.Softmax(dim=1), "probability")


def measured(maps: Tensor, scene: Scene) -> dict[str, np.ndarray]:
    """One value an image of each measure of maps; IROF is NaN where the network is wrong.

    Args:
        maps: One number a pixel, finite, `(b, height, width)`.
        scene: The images of these maps.
    """
    found: dict[str, Any] = {}
    for measure in (_of_infidelity, _of_removal, _of_gaps, _of_causes):
        found |= measure(maps.double(), scene)
    return {name: np.asarray(values, dtype=float) for name, values in found.items()}


def _of_infidelity(maps: Tensor, scene: Scene) -> dict[str, Any]:
    x, wide = scene.x, maps[:, None].expand(scene.x.shape)
    plain = Infidelity(n_draws=scene.sizes.draws, seed=FRESH)
    scaled = Infidelity(n_draws=scene.sizes.draws, seed=FRESH, rescaled=True)
    # A matrix product of map and change sees the map's column sums alone, against the rows of the change.
    columns = wide.sum((1, 2))[:, None, :, None].expand(x.shape)
    asked = {"INF": (plain, wide), "INF, scaled": (scaled, wide), "INF, product": (plain, columns)}
    return {
        name: metric.measure(one, scene.predictor, x, scene.targets).values
        for name, (metric, one) in asked.items()
        if name != "INF, product" or x.shape[-1] == x.shape[-2]
    }


def _of_removal(maps: Tensor, scene: Scene) -> dict[str, Any]:
    x, wide, sizes = scene.x, maps[:, None].expand(scene.x.shape), scene.sizes
    segments = grid_segments(*x.shape[-2:], sizes.side)
    mean, black = ConstantFill(scene.mean_image), ConstantFill(torch.zeros(()))
    batch = ConstantFill(x.mean().expand(x.shape[1:]))
    top = top_mask(maps, round(sizes.share * maps[0].numel()))[:, None].expand(x.shape)
    asked = {
        "IROF, all": (IROF(segments), wide),
        "IROF, batch fill": (IROF(segments, batch), wide),
        "SPA": (Sparseness(), wide),
        "FID+": (FidelityPlus(black), top),
        "FID-": (FidelityMinus(black), top),
        "insertion": (Insertion(mean, sizes.steps), maps),
        "deletion": (Insertion(mean, sizes.steps, deleted=True), maps),
    }
    found = {
        name: metric.measure(one, scene.predictor, x, scene.targets).values
        for name, (metric, one) in asked.items()
    }
    right = scene.labels == scene.targets
    found["IROF"] = torch.where(right, found["IROF, all"], torch.nan)
    return found


def tops(maps: Tensor, shares: tuple[float, ...]) -> Tensor:
    """The sets of the highest scores, `(b, shares, h, w)`."""
    pixels = maps[0].numel()
    return torch.stack([top_mask(maps, max(1, round(share * pixels))).bool() for share in shares], 1)


def _of_gaps(maps: Tensor, scene: Scene) -> dict[str, Any]:
    shares = scene.sizes.shares
    hiding = Hiding(BaselineReference(scene.mean_image, "the mean training image"))
    gaps = set_gaps(tops(maps, shares), scene.predictor, scene.x, scene.targets, hiding)
    both = (gaps.sufficiency + gaps.necessity) / 2
    area = torch.trapezoid(both, torch.tensor(shares, dtype=both.dtype), dim=1) / (shares[-1] - shares[0])
    return {"Δsuf": gaps.sufficiency.mean(1), "Δnec": gaps.necessity.mean(1), "gap area": area}


def _of_causes(maps: Tensor, scene: Scene) -> dict[str, Any]:
    sizes, x = scene.sizes, scene.x
    closeness = Closeness(sizes.perturbations, sizes.inputs, sizes.c)
    found = probabilities_of(tops(maps, sizes.causes), scene.predictor, x, scene.targets, closeness)
    return {"PNS": found.pns.mean(1)}


def moved(explain: Callable[[Tensor, int], Tensor], scene: Scene) -> dict[str, np.ndarray]:
    """How far the maps of an explainer move: with the input, all random numbers equal, and with the seed.

    Args:
        explain: From images in the place of the scene's, and a seed, to maps; raises where one is no map.
        scene: The images.
    """
    known: dict[bytes, Tensor] = {}

    def maps_of(rows: Tensor, _: Tensor) -> Tensor:
        key = rows.numpy().tobytes()
        if key not in known:
            known[key] = explain(rows, 0)
        return known[key][:, None].expand(rows.shape)

    def centred(rows: Tensor, targets: Tensor) -> Tensor:
        maps = maps_of(rows, targets)
        return maps - maps.mean((1, 2, 3), keepdim=True)

    # One draw of all images in a call: each neighbour stands where its image stood.
    ball, rows = MaxNormBall(scene.sizes.radius), len(scene.x)
    metric = MaxSensitivity(ball, scene.sizes.neighbours, FRESH, rows, relative=True)
    found = {
        "MS": metric.measure(maps_of, scene.x, scene.targets).values.numpy(),
        "MS, centred": metric.measure(centred, scene.x, scene.targets).values.numpy(),
    }
    pairs = zip(maps_of(scene.x, scene.targets)[:, 0], explain(scene.x, 1), strict=True)
    found["seeds"] = np.array([rank_correlation(one, other) for one, other in pairs])
    return found


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's; 1 for equal maps, 0 where a map is constant and the other is not."""
    if torch.equal(one, other):
        return 1.0
    if float(one.max()) == float(one.min()) or float(other.max()) == float(other.min()):
        return 0.0
    return float(spearmanr(one.flatten(), other.flatten()).statistic)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What is done, and the seconds that it took."""
    started = time.perf_counter()
    return work(), time.perf_counter() - started
