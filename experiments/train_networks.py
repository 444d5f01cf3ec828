"""Trains the networks that the image experiments explain, and states their accuracy.

| name | data | network |
|---|---|---|
| mnist_lenet5 | 60,000 digits | LeNet-5 |
| fashion_lenet5 | 60,000 pictures of clothes (IDX files) | LeNet-5 |
| cifar10_resnet18 | 20,000 photographs | ResNet-18 of width 16, random crops and flips |
| faces_smile_resnet18 | 10,532 faces | the same with a stem of stride 2 |
| faces_smile_lenet5 | 10,532 faces | LeNet-5 for 64 x 64 |

    python experiments/train_networks.py --data DIR --models DIR [--only NAME ...] [--epochs N] [--out DIR]

Stochastic gradient descent with momentum, one cycle of the learning rate, a fixed
number of epochs; the weights of the last epoch are kept, and the test images are read
once, at the end. Equal seeds give equal weights on one machine with one thread.
Writes MODELS/NAME.safetensors (settings and accuracies in its header) and, with --out,
networks.csv and networks.md of all networks in MODELS.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from images import Images, add_data_argument, read_images
from networks import Architecture, build_network, load_network, network_record, save_network
from outputs import save_frame, save_text
from torch import Tensor, nn
from torch.nn import functional

from onlyif.core.torch_seeds import torch_generator

__all__ = ["RECIPES", "Recipe", "load_network", "train"]

TEST_ROWS = 500


@dataclass(frozen=True)
class Recipe:
    """What is trained on what, and how.

    Args:
        data: Name of the data set.
        architecture: Name of the network.
        epochs: Times that every training image is seen.
        shift: Images are moved by up to so many pixels each way; what comes in is zero.
        flip: Whether every second image is mirrored.
        stride: Of the stem of a ResNet-18.
        peak: Highest learning rate of the cycle.
        decay: Weight decay.
        batch: Images a step.
        seed: Seed of first weights, order, shifts and flips.
    """

    data: str
    architecture: str
    epochs: int
    shift: int = 0
    flip: bool = False
    stride: int = 1
    peak: float = 0.1
    decay: float = 5e-4
    batch: int = 128
    seed: int = 0


RECIPES = {
    "mnist_lenet5": Recipe("mnist", "lenet5", epochs=6, shift=1),
    "fashion_lenet5": Recipe("fashion", "lenet5", epochs=8, shift=1, flip=True),
    "faces_smile_lenet5": Recipe("faces_smile", "lenet5", epochs=8, shift=4, flip=True, peak=0.03),
    "faces_smile_resnet18": Recipe("faces_smile", "resnet18", epochs=12, shift=4, flip=True, stride=2),
    "cifar10_resnet18": Recipe("cifar10", "resnet18", epochs=8, shift=4, flip=True, peak=0.2),
}

# The IDX files of the clothes are not everywhere; name this network to train it.
USUAL = [name for name in RECIPES if name != "fashion_lenet5"]


def train(recipe: Recipe, images: Images) -> tuple[nn.Module, Architecture]:
    """The network after the last epoch, in evaluation mode.

    Args:
        recipe: How to train.
        images: The training images.
    """
    channels, size = images.x.shape[1], images.x.shape[2]
    wanted = Architecture(recipe.architecture, channels, len(images.classes), size, stride=recipe.stride)
    spread, mean = torch.std_mean(images.x, (0, 2, 3))
    network = build_network(wanted, mean, spread, recipe.seed).train()
    optimiser = torch.optim.SGD(
        network.parameters(), lr=recipe.peak, momentum=0.9, nesterov=True, weight_decay=recipe.decay
    )
    steps = len(images.x) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.peak, epochs=recipe.epochs, steps_per_epoch=steps, pct_start=0.25
    )
    for epoch in range(recipe.epochs):
        started, losses = time.perf_counter(), []
        for x, labels in batches(recipe, images, epoch):
            loss = functional.cross_entropy(network(x), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        seconds = time.perf_counter() - started
        print(f"  epoch {epoch + 1}: mean loss {sum(losses) / len(losses):.4f}, {seconds:.0f} s", flush=True)
    return network.eval(), wanted


def batches(recipe: Recipe, images: Images, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled, shifted and mirrored whole batches of one epoch; what is left over is dropped."""
    random = torch_generator(recipe.seed, "training batches", epoch)
    order = torch.randperm(len(images.x), generator=random)
    for rows in order[: len(order) // recipe.batch * recipe.batch].split(recipe.batch):
        x = images.x[rows]
        yield varied(x, recipe.shift, flip=recipe.flip, random=random), images.labels[rows]


def varied(x: Tensor, shift: int, *, flip: bool, random: torch.Generator) -> Tensor:
    """Each image moved by its own whole pixels, and mirrored or not."""
    b, height, width = len(x), x.shape[2], x.shape[3]
    top, left = torch.randint(0, 2 * shift + 1, (2, b, 1), generator=random)
    rows, columns = top + torch.arange(height), left + torch.arange(width)
    if flip:
        mirrored = torch.rand(b, 1, generator=random) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    padded = functional.pad(x, (shift, shift, shift, shift)).permute(0, 2, 3, 1)
    picked = padded[torch.arange(b).view(b, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)]
    return picked.permute(0, 3, 1, 2)


def assess(network: nn.Module, images: Images) -> dict[str, float]:
    """Accuracy with its standard error, the mean over classes, the share of the largest class."""
    with torch.no_grad():
        logits = torch.cat([network(x) for x in images.x.split(TEST_ROWS)])
    right = (logits.argmax(1) == images.labels).double()
    counts = images.labels.bincount(minlength=len(images.classes))
    accuracy = right.mean().item()
    by_class = [right[images.labels == label].mean().item() for label in range(len(counts))]
    return {
        "n_test": len(right),
        "accuracy": accuracy,
        "stderr": (accuracy * (1 - accuracy) / len(right)) ** 0.5,
        "balanced_accuracy": sum(by_class) / len(by_class),
        "largest_class": (counts.max() / counts.sum()).item(),
        "mean_probability": logits.double().softmax(1).amax(1).mean().item(),
    }


def make(folder: Path, models: Path, name: str, recipe: Recipe) -> dict[str, Any]:
    """Train one network, test it, and keep it.

    Args:
        folder: The folder of data sets.
        models: Where its file goes.
        name: Its name.
        recipe: How to train.
    """
    images = read_images(folder, recipe.data, "train")
    started = time.perf_counter()
    network, wanted = train(recipe, images)
    seconds = time.perf_counter() - started
    record = {
        **asdict(recipe),
        "n_train": len(images.x),
        "n_weights": sum(weights.numel() for weights in network.parameters()),
        "train_s": round(seconds, 1),
        **assess(network, read_images(folder, recipe.data, "test")),
    }
    save_network(models / f"{name}.safetensors", network, wanted, record)
    return record


def report(models: Path, out: Path) -> None:
    """networks.csv and networks.md of every network in `models`."""
    names = [name for name in RECIPES if (models / f"{name}.safetensors").is_file()]
    table = pd.DataFrame([{"name": name, **network_record(models, name)} for name in names])
    out.mkdir(parents=True, exist_ok=True)
    save_frame(out / "networks.csv", table, float_format="%.6g")
    lines = [
        "# Networks of the image experiments",
        "",
        "`python experiments/train_networks.py --data DIR --models DIR --out experiments/results/networks`:",
        "accuracy on all test images ± one binomial standard error, of the weights of the last epoch; no",
        "test image chose anything. *Balanced* is the mean of the classes' accuracies, *largest class* the",
        "accuracy of a constant answer, *confidence* the mean largest probability. One thread of a CPU,",
        "shared with other work: the seconds are an upper bound.",
        "",
        "| name | weights | training images | epochs | accuracy | balanced | largest class | confidence "
        "| seed | training s |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_said(row) for row in table.to_dict("records")),
        "",
    ]
    save_text(out / "networks.md", "\n".join(lines))
    print("\n".join(lines))


def _said(row: dict[str, Any]) -> str:
    return (
        f"| {row['name']} | {row['n_weights']:,} | {row['n_train']:,} | {row['epochs']} "
        f"| {row['accuracy']:.2%} ± {row['stderr']:.2%} | {row['balanced_accuracy']:.2%} "
        f"| {row['largest_class']:.1%} | {row['mean_probability']:.3f} | {row['seed']} "
        f"| {row['train_s']:.0f} |"
    )


def main() -> None:
    """Train what is asked for, then report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True, help="folder of the trained networks")
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), default=USUAL)
    parser.add_argument("--epochs", type=int, help="instead of each recipe's own number")
    parser.add_argument("--out", type=Path, help="folder of the report")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.models.mkdir(parents=True, exist_ok=True)
    for name in given.only:
        recipe = replace(RECIPES[name], seed=given.seed)
        recipe = recipe if given.epochs is None else replace(recipe, epochs=given.epochs)
        print(f"{name}: {recipe.epochs} epochs on {recipe.data}", flush=True)
        record = make(given.data, given.models, name, recipe)
        print(f"  test accuracy {record['accuracy']:.4f} ± {record['stderr']:.4f}", flush=True)
    if given.out is not None:
        report(given.models, given.out)


if __name__ == "__main__":
    main()
