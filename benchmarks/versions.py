"""This checkout beside another one of the same project: time and memory of the same work, in turns.

    python benchmarks/versions.py OTHER [--only WORDS] [--rounds 9]

OTHER is the root of the other checkout, for example a git worktree of an older commit. Each piece of work
runs in one process a side, which imports that side's `src` and shares everything else. Both run it once
untimed; then they take turns. Printed are processor times on one thread, medians with quartiles; the ratio of
paired turns; the peak of resident memory during a run, above what was held before it (Linux); and how far
numbers are apart. Only public functions are called, so that sides may differ inside.
"""

import argparse
import ctypes
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
STATUS = Path("/proc/self/status")
WORK = {}
# Processor time of a turn, at least.
SECONDS = 0.7


def work(name):
    """Registers a function that prepares a piece of work and gives it back, ready to be run."""

    def kept(prepare):
        WORK[name] = prepare
        return prepare

    return kept


def gaps(explanations):
    """What the answers of both sides are compared by."""
    return [
        getattr(item, kind).sufficiency.value for item in explanations for kind in ("sufficient", "necessary")
    ]


def tabular(model, table, rows, **options):
    import onlyif

    return lambda: gaps(
        onlyif.explain(model, table[:rows], background=table[-100:], progress=False, **options)
    )


def cancer(columns=10):
    from sklearn.datasets import load_breast_cancer

    table, label = load_breast_cancer(return_X_y=True)
    return np.ascontiguousarray(table[:, :columns]), label


def network(columns, outputs=1):
    import torch

    torch.manual_seed(0)
    width = 64
    return torch.nn.Sequential(
        torch.nn.Linear(columns, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU(),
        torch.nn.Linear(width, outputs),
    )  # fmt: skip


@work("tables: torch MLP 2 x 64, d = 10, 100 background rows, 3 rows")
def mlp_of_torch():
    table = np.random.default_rng(0).normal(size=(400, 10)).astype(np.float32)
    return tabular(network(10), table, 3)


@work("tables: scikit-learn MLP 2 x 64 as a function, d = 10, 100 background rows, 3 rows")
def mlp_of_sklearn():
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import scale

    table, label = cancer()
    table = scale(table)
    model = MLPClassifier((64, 64), max_iter=40, random_state=0).fit(table, label)
    return tabular(model.predict_proba, table, 3, target=1)


@work("tables: random forest as a function, d = 8, 100 background rows, 1 row")
def forest_as_function():
    from sklearn.ensemble import RandomForestClassifier

    table, label = cancer(8)
    model = RandomForestClassifier(50, random_state=0, n_jobs=1).fit(table, label)
    return tabular(model.predict_proba, table, 1, target=1)


@work("tables: logistic regression, d = 10, 100 background rows, 20 rows")
def logistic():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import scale

    table, label = cancer()
    table = scale(table)
    return tabular(LogisticRegression().fit(table, label), table, 20)


@work("tables: linear regression under a Gaussian, d = 12, 10 rows")
def linear_gaussian():
    from sklearn.linear_model import LinearRegression

    random = np.random.default_rng(0)
    table = random.normal(size=(500, 12)) @ random.normal(size=(12, 12))
    model = LinearRegression().fit(table, table @ random.normal(size=12))
    return tabular(model, table, 10, reference="gaussian")


@work("tables: beam search, torch MLP, d = 30, 1 row")
def beam():
    table = np.random.default_rng(0).normal(size=(400, 30)).astype(np.float32)
    return tabular(network(30), table, 1, search="beam")


@work("tables: mixed frame, logistic pipeline, d = 6, 100 background rows, 3 rows")
def frame():
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table, label = cancer(4)
    mixed = pd.DataFrame(table, columns=list("abcd"))
    for name, column in (("kind", table[:, 0]), ("place", table[:, 1])):
        mixed[name] = pd.cut(column, 4, labels=["one", "two", "three", "four"]).astype(str)
    steps = make_column_transformer((StandardScaler(), list("abcd")), (OneHotEncoder(), ["kind", "place"]))
    return tabular(make_pipeline(steps, LogisticRegression(max_iter=500)).fit(mixed, label), mixed, 3)


def boosted():
    from lightgbm import LGBMClassifier

    table, label = cancer(12)
    return LGBMClassifier(n_estimators=60, num_leaves=16, verbose=-1, n_jobs=1).fit(table, label), table


@work("trees: forest 100 x 8, d = 12, 100 background rows, 20 rows")
def forest():
    from sklearn.ensemble import RandomForestClassifier

    table, label = cancer(12)
    model = RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1).fit(table, label)
    return tabular(model, table, 20)


@work("trees: LightGBM margin, d = 12, 100 background rows, 20 rows")
def margin():
    return tabular(*boosted(), 20, output="logit")


@work("trees: LightGBM probability, d = 12, 100 background rows, 5 rows")
def probability():
    return tabular(*boosted(), 5)


@work("fans: PNS of a table, LightGBM, d = 12, 1 row")
def causes():
    import onlyif

    model, table = boosted()

    def run():
        found = onlyif.explain(model, table[:1], background=table[-100:], progress=False, criterion="pns")
        return [item.cause.pns.value for item in found]

    return run


def digits(times=1):
    import torch
    from sklearn.datasets import load_digits

    images = torch.as_tensor(load_digits().images[:200, None] / 16, dtype=torch.float32)
    images = images.repeat_interleave(times, 2).repeat_interleave(times, 3)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, padding=1),
        torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1024 * times**2, 10), torch.nn.Softmax(1),
    )  # fmt: skip
    return net, images


@work("fans: ascent of PNS, convolutional network, 8 x 8 digits, 1 image")
def ascent():
    from onlyif.interop.captum_fans import FANS

    net, images = digits()
    # The thresholds of an untrained network, and nothing drawn but the perturbations.
    drawn = {"baselines": 0, "samples": images[:8], "b": 1.0, "c": 0.01}
    return lambda: FANS(net).attribute(images[:1], target=3, **drawn).flatten().tolist()


@work("masks: relaxed masks, convolutional network, 8 x 8 digits, 4 images")
def masks():
    from onlyif.interop.captum_masks import SufficientNecessaryMask

    net, images = digits()
    return lambda: SufficientNecessaryMask(net).attribute(images[:4], target=3).flatten().tolist()


@work("masks: relaxed masks, convolutional network, 24 x 24 digits, 1 image")
def larger_masks():
    from onlyif.interop.captum_masks import SufficientNecessaryMask

    net, images = digits(3)
    return lambda: SufficientNecessaryMask(net).attribute(images[:1], target=3).flatten().tolist()


def resident(key):
    return 1024 * next(
        int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(key)
    )


def peak(run):
    """Bytes that a run holds at most, more than before it; what was free is given back first."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    run()
    return resident("VmHWM") - before


def serve(name):
    """One side: prepares a piece of work and runs it whenever it is told to."""
    run = WORK[name]()
    print(json.dumps(run()), flush=True)
    begun = time.process_time()
    run()
    times = math.ceil(SECONDS / (time.process_time() - begun))
    for line in sys.stdin:
        if line.strip() == "memory":
            print(peak(run), flush=True)
        else:
            begun = time.process_time()
            for _ in range(times):
                run()
            print((time.process_time() - begun) / times, flush=True)


class Side:
    """A process that does one piece of work with the code of one checkout."""

    def __init__(self, root, name):
        paths = f"{root / 'src'}{os.pathsep}{root / 'tests'}"
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--serve", name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **threads, "PYTHONPATH": paths},
        )  # fmt: skip

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a side ended with code {self.process.wait()}")
        return json.loads(line)

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spread(values):
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def compare(name, other, rounds):
    sides = [Side(ROOT, name), Side(other, name)]
    answers = [np.array(side.read(), dtype=float) for side in sides]
    apart = (
        f"{np.abs(answers[0] - answers[1]).max():.1e}"
        if len(answers[0]) == len(answers[1])
        else "other forms"
    )
    seconds = [[], []]
    for turn in range(rounds):
        for number in (0, 1) if turn % 2 else (1, 0):
            seconds[number].append(sides[number].ask("time"))
    peaks = [side.ask("memory") / 2**20 for side in sides]
    for side in sides:
        side.close()
    ratios = [ours / theirs for ours, theirs in zip(*seconds, strict=True)]
    print(
        f"| {name} | {spread(seconds[0])} | {spread(seconds[1])} | {spread(ratios)} "
        f"| {peaks[0]:.1f} | {peaks[1]:.1f} | {peaks[0] / peaks[1]:.2f} | {apart} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", nargs="?", type=Path)
    parser.add_argument("--only", default="", help="only work with these words in its name")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        return serve(chosen.serve)
    if chosen.other is None or not (chosen.other / "src/onlyif").is_dir():
        parser.error("need the root of another checkout")
    print("| work | this, s | other, s | ratio of pairs | this, MiB | other, MiB | ratio | numbers apart |")
    print("|---|---|---|---|---|---|---|---|")
    for name in WORK:
        if chosen.only in name:
            compare(name, chosen.other.resolve(), chosen.rounds)
    return None


if __name__ == "__main__":
    main()
