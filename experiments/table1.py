"""Table 1 of FANS, measured anew: explanations of images by many methods, and by your own.

    python -m experiments.table1 --data DIR --dataset mnist --methods all --n 200
    python -m experiments.table1 --data DIR --dataset cifar10 --methods IG LIME --method my.module:explain

from the repository's folder. A method of your own is a function

    def explain(network, images, targets, seed): ...        # maps of the images' height and width

of the network (from images in [0, 1] to logits, in evaluation mode), images `(b, channels, height, width)`,
the explained class of each and a seed; it answers with one number a pixel, `(b, height, width)`, more where
it matters more. It is asked about blocks of images, and again about their noisy neighbours. What it does
wrong (raises, another shape, NaN, constant maps) is counted in its row.

All methods see the same images and are measured by the same model calls. Every method and block of images
is a file in WORK, so that a run which was ended goes on where it was; the table is the same. Settings that
`table1_tuning.py` chose are read from `experiments/table1_settings/DATASET.json`.

Writes OUT/table1_DATASET.md, .csv and .png (the maps of a few images).
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments.images import Images, add_data_argument, read_images
from experiments.networks import load_network, network_record
from experiments.outputs import save_figure, save_rows, save_text
from experiments.table1_blocks import Method, block
from experiments.table1_measures import Scene, Sizes
from experiments.table1_methods import all_methods, chosen_methods, own_method
from experiments.table1_page import long_rows, page, row_of
from experiments.table1_picture import picture
from tqdm import tqdm

from onlyif.core.errors import OnlyIfError

NETWORKS = {"mnist": "mnist_lenet5", "fashion": "fashion_lenet5", "cifar10": "cifar10_resnet18"}
SIZES = {
    "mnist": Sizes(),
    "fashion": Sizes(),
    "cifar10": Sizes(perturbations=4, inputs=2, draws=20, steps=8),
}
SEED, BLOCK, SHOWN = 0, 10, 3
Blocks = dict[int, dict[str, np.ndarray]]
HERE = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Plan:
    """Which blocks each method has.

    Args:
        n: Images.
        moving: Images for which explainers are run again.
        slow: Images of slow methods.
        slow_moving: The same of slow methods.
        size: Images of a block.
    """

    n: int
    moving: int
    slow: int
    slow_moving: int
    size: int = BLOCK

    @property
    def counts(self) -> list[int]:
        """Images of each block."""
        return [min(self.size, self.n - first) for first in range(0, self.n, self.size)]

    def jobs(self, methods: list[Method]) -> Iterator[tuple[Method, int, bool]]:
        """Method, number of the block, and whether it is run again; the maps of all methods come first."""
        for again in (False, True):
            for number in range(len(self.counts)):
                for method in methods:
                    if number * self.size < self.most(method, again=again):
                        yield method, number, again

    def most(self, method: Method, *, again: bool) -> int:
        """The images of a method."""
        most = self.slow if method.slow else self.n
        return min(most, self.slow_moving if method.slow else self.moving) if again else most


def scene_of(models: Path, dataset: str, images: Images, mean_image: torch.Tensor) -> Scene:
    """The network, and the images with the classes that it decides for."""
    network = load_network(models, NETWORKS[dataset]).requires_grad_(False)
    with torch.no_grad():
        targets = torch.cat([network(part).argmax(1) for part in images.x.split(500)])
    return Scene(network, images.x, images.labels, targets, mean_image, SIZES[dataset])


def tuned(dataset: str) -> dict[str, str]:
    """The chosen settings, if there are any."""
    path = HERE / "table1_settings" / f"{dataset}.json"
    return json.loads(path.read_text(encoding="utf-8"))["chosen"] if path.is_file() else {}


def folder_of(work: Path, dataset: str, scene: Scene, plan: Plan) -> Path:
    """The folder of a run's files: another one for other images, weights or ways of measuring."""
    weights = b"".join(value.numpy().tobytes() for value in scene.network.state_dict().values())
    told = [dataset, SEED, plan.size, repr(scene.sizes), hashlib.sha256(weights).hexdigest()]
    return work / f"{dataset}-{hashlib.sha256(repr(told).encode()).hexdigest()[:10]}"


def run(scene: Scene, methods: list[Method], plan: Plan, folder: Path) -> dict[str, Blocks]:
    """Every block of every method: what is on disk is read, the rest is made."""
    found: dict[str, Blocks] = {method.name: {} for method in methods}
    jobs = list(plan.jobs(methods))
    with tqdm(jobs, unit="block", disable=None) as bar:
        for method, number, again in bar:
            bar.set_postfix_str(method.name, refresh=False)
            some = scene.take(slice(number * plan.size, number * plan.size + plan.counts[number]))
            found[method.name][number] = block(method, some, folder, number, again)
    return found


def head_of(scene: Scene, plan: Plan, accuracy: float) -> str:
    """What the table is of."""
    right = int((scene.labels == scene.targets).sum())
    return (
        f"{plan.n} test images, {right} of them correctly classified (accuracy on all test images "
        f"{accuracy:.3f}); Max-Sensitivity on {plan.moving} with {scene.sizes.neighbours} neighbours at "
        f"r = {scene.sizes.radius:g}. Slow methods: {plan.slow} images, Max-Sensitivity on "
        f"{plan.slow_moving}. The explained class is the predicted one. Measured with {scene.sizes!r}."
    )


def main(arguments: list[str] | None = None) -> None:
    """Everything."""
    given = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    try:
        _table(given)
    except OnlyIfError as error:
        raise SystemExit(f"table1: {error}") from error


def _table(given: argparse.Namespace) -> None:
    test = read_images(given.data, given.dataset, "test").sample(given.n, SEED)
    mean_image = read_images(given.data, given.dataset, "train").x.mean(0)
    scene = scene_of(given.models, given.dataset, test, mean_image)
    methods = chosen_methods(all_methods(mean_image, tuned(given.dataset)), given.methods)
    methods += [own_method(place) for place in given.method]
    counts = [given.n, *(min(given.n, one) for one in (given.moving, given.slow, given.slow_moving))]
    plan = Plan(*counts, given.block)
    blocks = run(scene, methods, plan, folder_of(given.work, given.dataset, scene, plan))
    rows = [row_of(method, blocks[method.name], plan.counts) for method in methods]
    accuracy = network_record(given.models, NETWORKS[given.dataset])["accuracy"]
    given.out.mkdir(parents=True, exist_ok=True)
    save_rows(given.out / f"table1_{given.dataset}.csv", long_rows(rows))
    text = page(rows, given.dataset, head_of(scene, plan, accuracy))
    save_text(given.out / f"table1_{given.dataset}.md", text)
    shown = {method.name: blocks[method.name][0]["maps"][:SHOWN] for method in methods}
    save_figure(given.out / f"table1_{given.dataset}.png", picture(scene.x[:SHOWN], shown), dpi=90)
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.table1", description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    add_data_argument(parser)
    options: dict[str, dict[str, Any]] = {
        "dataset": {"choices": list(NETWORKS), "default": "mnist"},
        "methods": {"nargs": "+", "default": ["all"], "help": "names, or all; trivial rows are always there"},
        "method": {"action": "append", "default": [], "help": "module:function of your own"},
        "n": {"type": int, "default": 200, "help": "test images"},
        "moving": {"type": int, "default": 50, "help": "images for Max-Sensitivity"},
        "slow": {"type": int, "default": 50, "help": "images of slow methods"},
        "slow-moving": {"type": int, "default": 10, "help": "images of slow methods for Max-Sensitivity"},
        "block": {"type": int, "default": BLOCK, "help": "images of a block"},
        "models": {"type": Path, "default": Path("models"), "help": "from train_networks.py"},
        "work": {"type": Path, "default": Path("table1_work"), "help": "where finished blocks are kept"},
        "out": {"type": Path, "default": HERE / "results" / "table1"},
    }
    for name, how in options.items():
        parser.add_argument(f"--{name}", **how)
    return parser


if __name__ == "__main__":
    main()
