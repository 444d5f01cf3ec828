"""How near a small background comes to a whole one: weighted prototypes and a random sample.

    python experiments/prototypes.py --data FOLDER

FOLDER holds adult/adult.csv.gz; without it Adult is left out. For a forest (on Adult the margin of boosted
trees) f_S(x) of all subsets is computed exactly over a whole background, and over 30 or 100 rows of it: a
random sample; medoids (the rows nearest to the centres of k-means, each with the share of its cluster);
kernel herding (rows whose kernel mean follows that of all, weighted alike). Columns are scaled by their
standard deviations. Printed are, over seeds, the root mean square of f_S over few rows less f_S over all,
as a share of the spread of f_S, and the share of smallest sufficient sets that are those of the whole
background.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import onlyif
from onlyif.core.subsets import canonical_order
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare
from onlyif.trees.marginal_restriction import compile_tree_marginal

N_ROWS, MOST = 20, 3_000


def sample(z, n, seed):
    """A random sample, weighted alike."""
    return np.random.default_rng(seed).permutation(len(z))[:n], np.full(n, 1 / n)


def medoids(z, n, seed):
    """The rows nearest to the centres of k-means, each with the share of its cluster."""
    found = KMeans(n, n_init=1, random_state=seed).fit(z)
    return cdist(found.cluster_centers_, z).argmin(1), np.bincount(found.labels_, minlength=n) / len(z)


def herded(z, n, seed):
    """Rows that kernel herding takes one after the other from at most 3,000, weighted alike."""
    near = np.random.default_rng(seed).permutation(len(z))[:MOST]
    apart = cdist(z[near], z[near], "sqeuclidean")
    kernel = np.exp(-apart / np.median(apart))
    mean, total, chosen = kernel.mean(1), np.zeros(len(near)), []
    for step in range(n):
        score = mean - total / (step + 1)
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
        total += kernel[chosen[-1]]
    return near[chosen], np.full(n, 1 / n)


def smallest(table):
    """The code of the smallest ε-sufficient set, ε a tenth of |f(x) - f_0|; the nearest of its size."""
    gaps = np.abs(table[-1] - table)
    for codes in canonical_order(len(table).bit_length() - 1):
        if gaps[codes].min() <= 0.1 * gaps[0]:
            return int(codes[gaps[codes].argmin()])
    raise AssertionError("the set of all players has no gap")


def problems(folder):
    """A model with its table, the rows to explain and the background."""
    for load, kind in (
        (load_breast_cancer, RandomForestClassifier),
        (load_wine, RandomForestClassifier),
        (load_diabetes, RandomForestRegressor),
    ):
        x, y = load(return_X_y=True)
        x = x[:, :10]
        order = np.random.default_rng(0).permutation(len(x))
        yield load.__name__[5:], kind(100, max_depth=8, random_state=0).fit(x, y), x[order], None
    if folder:
        table = pd.read_csv(folder / "adult" / "adult.csv.gz")
        coded = table.apply(
            lambda c: c if pd.api.types.is_numeric_dtype(c) else c.astype("category").cat.codes
        )
        x, y = coded.to_numpy(float)[:, :14], coded.to_numpy()[:, -1].astype(int)
        order = np.random.default_rng(0).permutation(len(x))[: 20_000 + N_ROWS]
        yield "adult", LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(x, y), x[order], "margin"


def main():
    """Print all errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, model, table, output in problems(options.data):
        rows, background = table[:N_ROWS], table[N_ROWS:]
        work = prepare(model, rows, background, Options(output=output, reference=onlyif.Marginal(None)))
        function = work.whole.criterion.set_function
        made = function.restriction.inner
        whole = function.table().mean
        spread, sets = whole.std(), [smallest(one) for one in whole]
        scaled = background / np.maximum(background.std(0), 1e-9)
        for n in (30, 100):
            for way in (sample, medoids, herded):
                errors, equal = [], []
                for seed in range(1 if way is herded and len(scaled) <= MOST else options.seeds):
                    at, weights = way(scaled, n, seed)
                    few = compile_tree_marginal(
                        made.leaves.ensemble,
                        made.leaves.players,
                        function.restriction.encode(background[at]),
                        weights,
                    )
                    found = few.table(function.restriction.encode(rows), function.readout).mean
                    errors.append(np.sqrt(np.square(found - whole).mean()) / spread)
                    equal.append(
                        np.mean([smallest(one) == code for one, code in zip(found, sets, strict=True)])
                    )
                print(
                    f"{name}, {len(background):,} rows, {n} {way.__name__}: error {np.mean(errors):.3f} "
                    f"({min(errors):.3f} to {max(errors):.3f}), equal sets {np.mean(equal):.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
