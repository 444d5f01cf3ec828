"""What the FANS experiments share: models, instances, tests, rankings of players, tables.

Digits are MNIST test images with LeNet-5. Nothing that is reported was used to choose settings: those
were chosen on training images from number 50,000 on.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from captum.attr import IntegratedGradients
from images import add_data_argument, read_images
from networks import load_network
from torch import Tensor, nn

mpl.use("Agg")

from outputs import save_text

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import Change, TargetChange, predicted_targets
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.core.players import Players
from onlyif.core.torch_seeds import torch_generator
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.base import Sample
from onlyif.samples.noisy import NoisySample

C = 0.1


@dataclass(frozen=True, eq=False)
class Subjects:
    """Instances, the model, and the test of them.

    Args:
        predictor: The model, whose outputs are probabilities.
        x: The instances.
        test: The dual-stage test; its seed is that of the searches.
        change: The change of the predicted class.
    """

    predictor: DifferentiablePredictor
    x: Tensor
    test: DualStageTest
    change: TargetChange

    def take(self, rows: slice) -> "Subjects":
        """Some of the instances; the baseline is shared by all."""
        return replace(self, x=self.x[rows], change=TargetChange(self.change.target[rows]))

    @property
    def target(self) -> Tensor:
        """The predicted class of each."""
        return torch.from_numpy(self.change.target)

    def fresh(self, n_perturbations: int, seed: int = 4711) -> DualStageTest:
        """The same test with other random numbers, for measuring."""
        return replace(self.test, perturbations=Perturbations(n_perturbations=n_perturbations), seed=seed)

    def with_c(self, c: float) -> "Subjects":
        """The same with another threshold."""
        old = self.test.neighbourhood
        return replace(
            self,
            test=replace(self.test, neighbourhood=replace(old, events=SoftEvents(old.events.b, c))),
        )


def set_pns(test: DualStageTest, x: Tensor, subsets: Tensor, change: Change) -> Tensor:
    """PNS of given subsets, `(b, m)`."""
    return torch.from_numpy(test.measure(x, subsets.numpy(), change).pns)


def table_pns(test: DualStageTest, x: Tensor, change: Change) -> Tensor:
    """PNS of all subsets by bit code, `(b, 2^d)`."""
    return torch.from_numpy(test.table(x, change).pns)


def arguments(text: str, name: str, **sizes: int) -> argparse.Namespace:
    """The arguments of a script: where the data lie, where results go, its sizes and the seed."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, default=Path("models"), help="from train_networks.py")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / name)
    parser.add_argument("--seed", type=int, default=0)
    for key, value in sizes.items():
        parser.add_argument(f"--{key.replace('_', '-')}", type=int, default=value)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    return given


def pixel_players(size: int = 28, side: int = 1) -> Players:
    """Square patches of an image as players; pixels with side 1."""
    across = -(-size // side)
    row, column = np.indices((1, size, size))[1:] // side
    return Players(row * across + column, tuple(f"p{i}" for i in range(across**2)))


def digits(given: argparse.Namespace, n: int, side: int = 1, sample: Sample | None = None) -> Subjects:
    """The first test digits of a seeded order, LeNet-5, E of four noisy copies, Scott's b, c = .1."""
    predictor = differentiable_module(
        load_network(given.models, "mnist_lenet5"), nn.Softmax(dim=1), "probability"
    )
    x = read_images(given.data, "mnist", "test").sample(n, given.seed).x
    sample = sample or NoisySample(4, 0.01)
    events = SoftEvents(scott_boundary(sample.rows(x[:1], 0).count, x[0].numel()), C)
    test = DualStageTest(
        predictor,
        pixel_players(28, side),
        sample,
        torch.from_numpy(uniform_baseline((1, 28, 28), seed=given.seed)),
        Neighbourhood(events),
        Perturbations(n_perturbations=32),
        max_rows=2048,
        seed=given.seed,
    )
    return Subjects(predictor, x, test, TargetChange(predicted_targets(predictor, x)))


def integrated_gradients(subjects: Subjects, baseline: Tensor, n_steps: int = 32) -> Tensor:
    """Integrated Gradients of the predicted class from a baseline, one number an entry."""
    found = IntegratedGradients(subjects.predictor.function).attribute(
        subjects.x, baseline.expand_as(subjects.x), target=subjects.target, n_steps=n_steps
    )
    return found.detach().float()


def by_player(entries: Tensor, players: Players) -> Tensor:
    """Sums over the entries of each player, `(b, *x)` to `(b, d)`."""
    index = torch.from_numpy(players.index).flatten()
    return entries.new_zeros(len(entries), players.count).index_add_(1, index, entries.flatten(1))


def random_scores(b: int, d: int, seed: int) -> Tensor:
    """Uniform noise, one number a player."""
    return torch.rand(b, d, generator=torch_generator(seed, "random ranking"))


def mean_error(values: Tensor) -> tuple[float, float]:
    """The mean over instances and its standard error."""
    error = float(values.double().std() / len(values) ** 0.5) if len(values) > 1 else math.nan
    return float(values.mean()), error


def said(values: Tensor, digits: int = 3) -> str:
    """Mean ± standard error over instances."""
    mean, error = mean_error(values)
    if math.isnan(mean):
        return "undefined"
    if math.isnan(error):
        return f"{mean:.{digits}f} (1 instance)"
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def table(rows: Sequence[dict], columns: Sequence[str] | None = None) -> str:
    """Markdown of equal dictionaries."""
    names = list(columns or rows[0])
    # A bar would end the cell.
    cells = [[str(row[name]).replace("|", "\\|") for name in names] for row in rows]
    heads = [name.replace("|", "\\|") for name in names]
    lines = [heads, ["---"] * len(names), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_page(out: Path, name: str, parts: Sequence[str]) -> None:
    """A short markdown page, printed too."""
    text = "\n\n".join(parts) + "\n"
    save_text(out / f"{name}.md", text)
    print(text)
