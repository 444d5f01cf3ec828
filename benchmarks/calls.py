"""How large a call is best, and from which share of distinct blends on it pays to find them: one thread.

    python benchmarks/calls.py [--parts sizes shares images] [--turns 5]

Sizes: microseconds a row of finished rows, by kind of model, columns and rows of a call; what
`onlyif.models.call_sizes` says is read off here. Shares: f_S(x) of all subsets with distinct blends found
over the same with every blend asked for, by the share of distinct ones. Images: the ascent of PNS over the
forward and backward passes that it asks for in their best batches, by rows of a call. Processor times,
minima of turns.
"""

import argparse
import os
import time
from functools import partial

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import torch
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from torch import nn

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.players import Players, column_players
from onlyif.engine import engine
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import TargetReadout
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import recommended_settings

ROWS = (256, 512, 1024, 2048, 4096, 8192, 16_384)
BATCHES = (32, 64, 128, 256, 512, 1024)
RANDOM = np.random.default_rng(0)


def least(work, turns):
    """The least processor time of some turns, in seconds."""
    times = []
    for _ in range(turns):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def in_calls(ask, rows, size):
    for first in range(0, len(rows), size):
        ask(rows[first : first + size])


def models(d):
    """What is asked, by name, for float64 rows of d columns."""
    x, y = RANDOM.normal(size=(500, d)), RANDOM.integers(0, 2, 500)
    weights, net = RANDOM.normal(size=d), nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 2))
    yield "function, tanh of a sum", lambda rows: np.tanh(rows @ weights)
    yield "LogisticRegression", LogisticRegression().fit(x, y).predict_proba
    yield "MLP 2 x 64", MLPClassifier((64, 64), max_iter=2).fit(x, y).predict_proba
    yield "MLP 1 x 256", MLPClassifier((256,), max_iter=2).fit(x, y).predict_proba
    yield "SVC, RBF", SVC(probability=False).fit(x, y).decision_function
    yield "forest 20 x 6", RandomForestClassifier(20, max_depth=6, n_jobs=1).fit(x, y).predict_proba
    yield "boosted 50", GradientBoostingClassifier(n_estimators=50).fit(x, y).predict_proba

    def module(rows):
        with torch.no_grad():
            return net(torch.as_tensor(rows, dtype=torch.float32)).numpy()

    yield "torch MLP 64", module


def sizes(turns):
    print("| model | columns | " + " | ".join(f"{size:,}" for size in ROWS) + " |")
    for d in (10, 100):
        rows = RANDOM.normal(size=(ROWS[-1], d))
        for name, ask in models(d):
            spent = [least(partial(in_calls, ask, rows, size), turns) for size in ROWS]
            print(f"| {name} | {d} | " + " | ".join(f"{1e6 * s / len(rows):.2f}" for s in spent) + " |")


def shares(turns):
    x, weights = RANDOM.normal(size=(1, 10)), RANDOM.normal(size=10)
    network = MLPClassifier((64, 64), max_iter=2).fit(
        RANDOM.normal(size=(500, 10)), RANDOM.integers(0, 2, 500)
    )
    asked = {"tanh of a sum": lambda rows: np.tanh(rows @ weights), "MLP 2 x 64": network.predict_proba}
    print("| share of distinct blends | " + " | ".join(asked) + " |")
    players, readout = column_players([f"x{i}" for i in range(10)]), TargetReadout(np.zeros(1, dtype=int))
    for equal in (0.5, 0.3, 0.2, 0.12, 0.06, 0.03, 0.0):
        rows = np.where(RANDOM.random((100, 10)) < equal, x[0], RANDOM.normal(size=(100, 10)))
        ratios, most = [], engine.MOST_DISTINCT
        for ask in asked.values():
            made = EnumeratedRestriction(FunctionPredictor(ask), MarginalReference(rows), players)
            spent = []
            for engine.MOST_DISTINCT in (1.0, 0.0):
                spent.append(least(lambda made=made: made.table(x, readout), turns))
            ratios.append(spent[0] / spent[1])
        engine.MOST_DISTINCT = most
        share = (2.0 ** ((x != rows).sum(1) - 10)).mean()
        print(f"| {share:.2f} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


def network(n_channels, size):
    """A small convolutional network of images."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(n_channels, 8, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(8, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * ((size // 2 - 4) // 2) ** 2, 10), nn.Softmax(1),
    ).requires_grad_(False)  # fmt: skip


def images(turns):
    print("| image, instances | floor, its batch | " + " | ".join(f"{size:,}" for size in BATCHES) + " |")
    for shape in ((1, 28, 28), (3, 32, 32)):
        net = network(shape[0], shape[1])
        given, entries = torch.rand(BATCHES[-1], *shape), int(np.prod(shape))
        floors = {batch: least(partial(passes, net, given[:batch]), turns) / batch for batch in BATCHES}
        best = min(floors, key=floors.get)
        players = Players(np.arange(entries).reshape(shape), tuple(map(str, range(entries))))
        predictor = DifferentiablePredictor(net)
        near = Neighbourhood(SoftEvents(scott_boundary(4, entries), 0.1))
        test = DualStageTest(predictor, players, NoisySample(4, 0.01), torch.zeros(1, *shape), near)
        settings = recommended_settings(entries)
        for b in (1, 20):
            x, ratios = given[:b], []
            change = TargetChange(net(x).argmax(1).numpy())
            for batch in BATCHES:
                work = partial(ascend, predictor, test, x, change, settings=settings, max_rows=batch)
                rows = work().model_rows * b
                ratios.append(least(work, max(1, turns // 2)) / (rows * floors[best]))
            told = f"{1e6 * floors[best]:.0f} µs a row, {best}"
            print(f"| {shape}, {b} | {told} | " + " | ".join(f"{r:.2f}" for r in ratios) + " |", flush=True)


def passes(net, batch):
    rows = batch.clone().requires_grad_()
    torch.autograd.grad(net(rows).square().sum(), rows)


PARTS = {"sizes": sizes, "shares": shares, "images": images}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for part in given.parts:
        PARTS[part](given.turns)


if __name__ == "__main__":
    main()
