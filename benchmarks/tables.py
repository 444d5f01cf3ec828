"""Speed and memory of explanations of tables, as ratios side by side in one run.

    python benchmarks/tables.py [--quick]

The floor of exhaustive search is the model's own time for the same number of rows in
its best batch: nothing that asks the model 2^d · n times a row can be faster.
Everything runs on one thread. Times are CPU seconds of this process (start-up times are
wall seconds), medians of alternating runs.
"""

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from onlyif.answers.solutions import continua_of
from onlyif.core.players import column_players
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.modalities.table import fit_schema
from onlyif.models.detect import detect
from onlyif.models.outputs import AutoOutput
from onlyif.models.readouts import TargetReadout
from onlyif.references.gaussian import fit_gaussian
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.base import Estimate, Method
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.linear_gaussian import LinearGaussianRestriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.restrictions.tabulated import TabulatedRestriction
from onlyif.searches.exhaustive import ExhaustiveSearch

MAX_ROWS = 16_384
D, N = 10, 100


def seconds(work):
    started = time.process_time()
    work()
    return time.process_time() - started


def players(d):
    return column_players([f"x{i}" for i in range(d)])


def readout(b):
    return TargetReadout(np.zeros(b, dtype=np.int64))


def mlp(d=D):
    """The network as the library asks it, and the bare network on finished batches."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(d, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 1),
    )
    table = torch.randn(1000, d).double()
    return detect(net, fit_schema(table), AutoOutput()), net, table.float(), table


def forest():
    """The forest as the library asks it, and the bare forest on finished batches."""
    table, label = load_breast_cancer(return_X_y=True)
    table = table[:, :D]
    model = RandomForestClassifier(100, random_state=0, n_jobs=1).fit(table, label)
    predictor = detect(model, fit_schema(table), AutoOutput())
    return predictor, model.predict_proba, table, torch.as_tensor(table)


def blended(plain, b):
    """The very rows that are asked: all subsets of b instances, blended with the background."""
    keep = np.array([[code >> i & 1 for i in range(D)] for code in range(2**D)], dtype=bool)[:, None]
    rows = [np.where(keep, np.asarray(row), np.asarray(plain[-N:])[None]) for row in plain[:b]]
    found = np.concatenate(rows).reshape(-1, D)
    return torch.from_numpy(found) if torch.is_tensor(plain) else found


def bare(ask, rows, size):
    """CPU seconds of the bare model for finished rows, in batches of one size."""
    begun = time.process_time()
    for first in range(0, len(rows), size):
        ask(rows[first : first + size])
    return time.process_time() - begun


def loop(ask, x, background, n_coalitions):
    """One call of the bare model a coalition, one instance: what a plain implementation does."""
    where_torch = torch.is_tensor(x)
    for code in range(n_coalitions):
        keep = [bool(code >> i & 1) for i in range(D)]
        rows = (
            torch.where(torch.tensor(keep), x, background) if where_torch else np.where(keep, x, background)
        )
        ask(rows).mean()


def exhaustive(name, model, b, repeats, max_rows=MAX_ROWS):
    predictor, ask, plain, table = model
    restriction = EnumeratedRestriction(
        predictor, MarginalReference(table[-N:].clone()), players(D), max_rows
    )
    # Finished rows of ten instances at most: for more the floor is measured on ten and scaled.
    rows, share = blended(plain, min(b, 10)), b / min(b, 10)
    sizes = (1024, 2048, 4096, 16_384)
    floors, totals, loops = {size: [] for size in sizes}, [], []
    with torch.no_grad():
        ask(rows[:MAX_ROWS])
        for _ in range(repeats):
            for size in sizes:
                floors[size].append(share * bare(ask, rows, size))
            totals.append(seconds(lambda: restriction.table(table[:b], readout(b))))
            loops.append(seconds(lambda: loop(ask, plain[0], plain[-N:], 128)) / 128 * 2**D * b)
    best = min(sizes, key=lambda size: min(floors[size]))
    print(
        f"{name}, d={D} n={N} b={b} max_rows={max_rows}, {repeats} alternating runs: "
        f"floor {min(floors[best]):.2f} s (batches of {best}), total {min(totals):.2f} s; "
        f"total/floor {min(totals) / min(floors[best]):.3f} of minima, "
        f"{statistics.median(totals) / statistics.median(floors[best]):.3f} of medians; "
        f"coalition by coalition {statistics.median(loops) / statistics.median(totals):.1f} x our time",
        flush=True,
    )


def linear_gaussian():
    random = np.random.default_rng(0)
    for d, b in ((10, 100), (20, 1)):
        table = torch.as_tensor(random.normal(size=(500, d)) @ random.normal(size=(d, d)))
        law = fit_gaussian(table)
        weights = random.normal(size=(d, 1))
        restriction = LinearGaussianRestriction(weights, np.zeros(1), law, players(d))
        times = [seconds(lambda: restriction.table(table[:b], readout(b))) for _ in range(5)]  # noqa: B023
        print(f"linear-Gaussian, all 2^{d} subsets, {b} row(s): {statistics.median(times):.3f} s")


def frontier():
    rng = np.random.default_rng(0)
    for d in (10, 12, 14, 16, 18, 20):
        # A smooth game with noise: neither all ties nor all chance.
        bits = keep_of_codes(np.arange(2**d), d)
        table = (np.tanh(bits @ rng.normal(size=d)) + 0.1 * rng.normal(size=2**d))[None]
        zero = np.broadcast_to(np.zeros(()), table.shape)
        known = TabulatedRestriction(Estimate(table, zero, zero, 0.0), Method("given", exact=True, rows=0))
        criterion = Unified(SetFunction(known, torch.zeros(1, d), readout(1), d), AbsoluteDistance())

        def work():
            cloud = ExhaustiveSearch().compare(criterion, d, 30).clouds[0]  # noqa: B023
            continua_of([cloud], tuple(f"x{i}" for i in range(d)))  # noqa: B023

        times = [seconds(work) for _ in range(5)]
        print(
            f"finished table, all alpha, all tau, both rules, d={d}: {1000 * statistics.median(times):.1f} ms"
        )


def resident(code):
    """Peak resident MiB of a fresh process that runs the code."""
    # Not ru_maxrss: a child starts with its parent's.
    ask = "[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0]"
    script = f"{code}\nprint(int({ask}) / 1024)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


MEMORY = """
import numpy as np
import torch
torch.set_num_threads(1)
from onlyif.core.players import column_players
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import TargetReadout
from onlyif.references.marginal import MarginalReference
from onlyif.references.gaussian import fit_gaussian
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.sampled import SampledRestriction
d, b, n, m, kind = {d}, {b}, {n}, {m}, {kind!r}
background = torch.randn(2000 if kind == "sampled" else n, d).double()
f = FunctionPredictor(lambda batch: batch.sum(1, keepdim=True))
players = column_players([f"x{{i}}" for i in range(d)])
if kind == "sampled":
    restriction = SampledRestriction(f, fit_gaussian(background), players, n, 4096)
else:
    restriction = EnumeratedRestriction(f, MarginalReference(background), players, 4096)
keep = np.random.default_rng(0).random((1, m, d)) < 0.5
x = torch.randn(b, d).double()
restriction.predict(x, keep, TargetReadout(np.zeros(b, dtype=np.int64)))
"""


def memory():
    base = {"d": 20, "b": 20, "n": 100, "m": 500}
    for kind in ("exact", "sampled"):
        start = resident(MEMORY.format(**{**base, "b": 1, "m": 1, "n": 2}, kind=kind))
        here = resident(MEMORY.format(**base, kind=kind))
        parts = [f"x1: {here - start:.1f} MiB above a tiny run"]
        for name in ("b", "n", "m"):
            more = {**base, name: 10 * base[name]}
            arrays = (
                8
                * (more["b"] * more["m"] * (1 if kind == "exact" else 3) + more["n"] * 20 + more["b"] * 20)
                / 2**20
            )
            found = resident(MEMORY.format(**more, kind=kind))
            parts.append(f"{name} x10: {found - start:.1f} MiB (inputs and outputs: {arrays:.1f})")
        print(f"peak memory, {kind}, max_rows 4096, d=20: " + "; ".join(parts))
    large = """
import torch, numpy as np
from onlyif.core.players import column_players
from onlyif.models.readouts import TargetReadout
from onlyif.references.gaussian import fit_gaussian
from onlyif.restrictions.linear_gaussian import LinearGaussianRestriction
from onlyif.answers.solutions import continua_of
d = {d}
law = fit_gaussian(torch.randn(500, d).double())
weights, players = np.random.default_rng(0).normal(size=(d, 1)), column_players([f"x{{i}}" for i in range(d)])
r = LinearGaussianRestriction(weights, np.zeros(1), law, players)
r.table(torch.randn(1, d).double(), TargetReadout(np.zeros(1, dtype=np.int64)))
"""
    grown = resident(large.format(d=20)) - resident(large.format(d=2))
    print(f"peak memory, linear-Gaussian table of 2^20 subsets: {grown:.0f} MiB above d=2 (limit 1024)")


def started(name):
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
    return time.perf_counter() - begun


def imports(repeats):
    ratios = [started("onlyif") / started("torch") for _ in range(repeats)]
    spread = f"(of {repeats}: {min(ratios):.3f} to {max(ratios):.3f})"
    print(f"import onlyif / import torch: {statistics.median(ratios):.3f} {spread}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="10 rows instead of 100")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    b = 10 if quick else 100
    for max_rows in (MAX_ROWS, 4 * MAX_ROWS):
        exhaustive("torch MLP 2x64", mlp(), b, 9 if quick else 5, max_rows)
    exhaustive("random forest", forest(), b, 3 if quick else 1)
    linear_gaussian()
    frontier()
    memory()
    imports(5)


if __name__ == "__main__":
    main()
