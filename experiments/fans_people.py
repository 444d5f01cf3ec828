"""Adult for the FANS experiments: rows of 14 columns, and a network trained in seconds.

One table in two forms with the same distances and predictions: 14 codes and numbers a row, for
searches and exact tables; and 14 blocks of equal length, categories one-hot, through which gradients flow.
"""

import argparse
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fans_common import C, Subjects
from torch import Tensor, nn

from onlyif.causation.change import TargetChange, predicted_targets
from onlyif.causation.dissimilarity import GowerDifference, MeanSquare, ScaledDifference
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.players import Players, column_players
from onlyif.core.torch_seeds import torch_generator
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.closeness import Closeness, fit_closeness
from onlyif.samples.background import BackgroundSample

NUMBERS = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
TRAIN_ROWS = 24_000


@dataclass(frozen=True, eq=False)
class Adult:
    """The table and a network.

    Args:
        frame: The columns as they are.
        x: 14 numbers a person: numbers in units of their spread, categories as codes.
        sizes: Categories of each column; 1 for numbers.
        network: From compact rows (categories one-hot, nothing padded) to one logit a class.
        accuracy: On the rows it was not trained on.
    """

    frame: pd.DataFrame
    x: Tensor
    sizes: tuple[int, ...]
    network: nn.Module
    accuracy: float

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.frame.columns)

    @property
    def ordered(self) -> Tensor:
        """Which columns are numbers."""
        return torch.tensor([size == 1 for size in self.sizes])

    @property
    def closeness(self) -> Closeness:
        """Gower's distance with the spans of the training rows."""
        return fit_closeness(self.x[:TRAIN_ROWS].double().numpy(), self.ordered.numpy(), None)

    def padded(self, rows: Tensor) -> Tensor:
        """`(r, 14)` to `(r, 14, k)`: blocks as long as the longest, zeros behind."""
        blocks = rows.new_zeros(*rows.shape, max(self.sizes))
        for column, size in enumerate(self.sizes):
            if size == 1:
                blocks[:, column, 0] = rows[:, column]
            else:
                blocks[torch.arange(len(rows)), column, rows[:, column].long()] = 1.0
        return blocks

    def compact(self, blocks: Tensor) -> Tensor:
        """`(r, 14, k)` without the zeros behind the blocks."""
        return torch.cat([blocks[:, column, :size] for column, size in enumerate(self.sizes)], dim=1)

    def probabilities(self, blocks: Tensor) -> Tensor:
        """What the network says of padded rows."""
        return self.network(self.compact(blocks)).softmax(1)

    def typical(self) -> Tensor:
        """The median of every number and the commonest value of every category, `(1, 14)`."""
        train = self.x[:TRAIN_ROWS]
        row = torch.where(self.ordered, train.median(0).values, train.mode(0).values)
        return row.unsqueeze(0)


def read_adult(given: argparse.Namespace, epochs: int = 5) -> Adult:
    """All 14 columns are players; the network does not look at `fnlwgt`, a survey weight."""
    frame = pd.read_csv(Path(given.data) / "adult" / "adult.csv.gz").sample(frac=1, random_state=0)
    frame = frame.reset_index(drop=True)
    labels = torch.tensor((frame.pop("income") == ">50K").to_numpy()).long()
    columns, sizes = [], []
    for name in frame.columns:
        if name in NUMBERS:
            values = frame[name].to_numpy(dtype=np.float64)
            values = (values - values[:TRAIN_ROWS].mean()) / values[:TRAIN_ROWS].std()
            sizes.append(1)
        else:
            values, kinds = pd.factorize(frame[name], sort=True)
            sizes.append(len(kinds))
        columns.append(torch.tensor(values, dtype=torch.float32))
    x = torch.stack(columns, dim=1)
    untrained = Adult(frame, x, tuple(sizes), nn.Identity(), 0.0)
    return _trained(untrained, labels, given.seed, epochs)


def _trained(adult: Adult, labels: Tensor, seed: int, epochs: int) -> Adult:
    rows = adult.compact(adult.padded(adult.x))
    rows[:, sum(adult.sizes[: adult.names.index("fnlwgt")])] = 0.0
    source = torch_generator(seed, "training on Adult")
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        layers = nn.Linear(rows.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2)
    network = nn.Sequential(*layers)
    adam = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-4)
    for _ in range(epochs):
        for part in torch.randperm(TRAIN_ROWS, generator=source).split(256):
            loss = nn.functional.cross_entropy(network(rows[part]), labels[part])
            adam.zero_grad()
            loss.backward()
            adam.step()
    with torch.no_grad():
        # What was always 0 in training has weights that were never trained.
        layers[0].weight[:, sum(adult.sizes[: adult.names.index("fnlwgt")])] = 0.0
        right = network(rows[TRAIN_ROWS:]).argmax(1) == labels[TRAIN_ROWS:]
    return replace(adult, network=network.requires_grad_(False).eval(), accuracy=float(right.double().mean()))


def people(adult: Adult, n: int, n_background: int, seed: int, c: float = C) -> Subjects:
    """People the network was not trained on, with E = training rows and the person, x' a typical row.

    Distances: numbers by |a - b| / span, categories by mismatch, the mean of the squares over the
    compared columns; b is half the median distance of two rows.
    """
    background, x = adult.x[:n_background], adult.x[TRAIN_ROWS : TRAIN_ROWS + n]
    predictor = DifferentiablePredictor(lambda rows: adult.probabilities(adult.padded(rows)))
    apart = GowerDifference(adult.closeness)
    events = SoftEvents(0.5 * median_distance(apart, adult.x[:200]), c)
    test = DualStageTest(
        predictor,
        column_players(adult.names),
        BackgroundSample(background),
        adult.typical(),
        Neighbourhood(events, apart, MeanSquare()),
        max_rows=65_536,
        seed=seed,
    )
    return Subjects(predictor, x, test, TargetChange(predicted_targets(predictor, x)))


def in_blocks(adult: Adult, subjects: Subjects) -> Subjects:
    """The same people, model, E, baseline and distances in the form through which gradients flow."""
    old, length = subjects.test, max(adult.sizes)
    spans = torch.tensor(adult.closeness.span).float()
    scale = torch.where(adult.ordered, spans, math.sqrt(2.0)) / math.sqrt(length)
    index = torch.arange(len(adult.names)).unsqueeze(1).expand(-1, length)
    events = old.neighbourhood.events
    test = replace(
        old,
        predictor=DifferentiablePredictor(adult.probabilities),
        players=Players(index.numpy(), adult.names),
        sample=BackgroundSample(adult.padded(old.sample.background)),
        baseline=adult.padded(old.baseline),
        neighbourhood=Neighbourhood(
            events, ScaledDifference(scale.unsqueeze(1).expand(-1, length)), MeanSquare()
        ),
        max_rows=16_384,
    )
    return replace(subjects, predictor=test.predictor, x=adult.padded(subjects.x), test=test)


def median_distance(apart: GowerDifference, rows: Tensor) -> float:
    """The median distance of two rows on all columns."""
    places = rows.double().numpy()
    squares = np.stack([apart.squares(places, one).mean(1) for one in places])
    return float(torch.from_numpy(squares[~np.eye(len(rows), dtype=bool)]).sqrt().median())
