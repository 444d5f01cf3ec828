"""How the row "necessary squares" of Table 1 was chosen: IROF of some ways on training images.

    python -m experiments.table1_squares --data DIR --models DIR --out DIR --dataset mnist --images 40

from the repository's folder. The images are correctly classified ones, drawn apart from those on which other
methods are tuned; Integrated Gradients from the same two references is beside them. Writes
table1_squares_DATASET.md.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from experiments.baselines.image_causes import SQUARES, SizedSquares
from experiments.baselines.image_gradients import FromBaseline
from experiments.images import add_data_argument, read_images
from experiments.outputs import save_text
from experiments.table1 import NETWORKS, scene_of
from experiments.table1_measures import Scene
from torch import Tensor

from onlyif.metrics import IROF, grid_segments

SEED = 977
MORE = {
    "nine sizes": SQUARES,
    "eleven sizes": (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40),
    "seventeen sizes": (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30, 35, 40, 45),
}


def irof(maps: Tensor, scene: Scene) -> np.ndarray:
    """IROF in %, as the table has it."""
    height, width = scene.x.shape[-2:]
    metric = IROF(grid_segments(height, width, scene.sizes.side))
    wide = maps[:, None].expand(scene.x.shape).double()
    return 100 * metric.measure(wide, scene.predictor, scene.x, scene.targets).values.numpy()


def with_error(values: np.ndarray) -> str:
    """Mean and standard error."""
    return f"{values.mean():.1f} ± {values.std(ddof=1) / len(values) ** 0.5:.1f}"


def report(scene: Scene, dataset: str) -> str:
    """Every way on all images."""
    gradients = FromBaseline("IntegratedGradients", scene.mean_image, "as here", own=True)
    first = irof(gradients(scene.network, scene.x.clone(), scene.targets, 0), scene)
    lines = [
        f"# Necessary squares: ways tried on {len(scene.x)} training images of {dataset}", "",
        "| way | IROF, % | ahead of IG | s an image |", "|---|---|---|---|",
        f"| IG, two references | {with_error(first)} | | |",
    ]  # fmt: skip
    for words, sizes in MORE.items():
        for aim, said in ((None, "towards f_0"), (0.0, "towards 0")):
            start = time.perf_counter()
            maps = SizedSquares(scene.mean_image, scene.sizes.side, sizes, aim)(
                scene.network, scene.x, scene.targets, 0
            )
            seconds = (time.perf_counter() - start) / len(scene.x)
            found = irof(maps, scene)
            cells = [f"{words}, {said}", with_error(found), with_error(found - first), f"{seconds:.2g}"]
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dataset", choices=list(NETWORKS), default="mnist")
    parser.add_argument("--images", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train = read_images(given.data, given.dataset, "train")
    scene = scene_of(given.models, given.dataset, train.sample(3 * given.images, SEED), train.x.mean(0))
    right = (scene.labels == scene.targets).nonzero().flatten()[: given.images]
    chosen = {name: getattr(scene, name)[right] for name in ("x", "labels", "targets")}
    given.out.mkdir(parents=True, exist_ok=True)
    save_text(
        given.out / f"table1_squares_{given.dataset}.md", report(replace(scene, **chosen), given.dataset)
    )


if __name__ == "__main__":
    main()
