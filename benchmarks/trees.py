"""The exact tree engine beside batched brute force and tree SHAP: one thread, medians, in one run.

    python benchmarks/trees.py --data FOLDER            quick: a few rows and repeats
    python benchmarks/trees.py --data FOLDER --full     as many as the figures in the docs

FOLDER holds the data sets (adult/adult.csv.gz); without it Adult is left out.
Times are processor times of this process, so that a busy machine changes them little.
"""

import argparse
import resource
import statistics
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import pandas as pd
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.ensemble import RandomForestClassifier

from onlyif.core.players import Players
from onlyif.core.subsets import keep_of_codes
from onlyif.explain import explain_case
from onlyif.predictors.readouts import TargetReadout
from onlyif.predictors.tree_links import TwoClassLink
from onlyif.restrictions.set_function import SetFunction
from onlyif.restrictions.tree_linked import compile_tree_linked
from onlyif.restrictions.tree_marginal import compile_tree_marginal
from onlyif.restrictions.tree_path import compile_tree_path
from onlyif.shapley import shapley_values
from oracles.cases import case_of
from oracles.trees import forest_arrays

warnings.filterwarnings("ignore")


def timed(work, repeats=1):
    """The median processor time of some runs, and the last answer."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        answer = work()
        times.append(time.process_time() - start)
    return statistics.median(times), answer


def adult(folder):
    table = pd.read_csv(folder / "adult" / "adult.csv.gz")
    codes = table.apply(lambda c: c if pd.api.types.is_numeric_dtype(c) else c.astype("category").cat.codes)
    return codes.to_numpy(float)[:, :14], codes.to_numpy()[:, -1].astype(int)


def breast_cancer(d):
    x, y = load_breast_cancer(return_X_y=True)
    return x[:, :d].astype(np.float32).astype(float), y


def synthetic(d):
    x, y = make_classification(2000, d, n_informative=d // 2, n_redundant=d // 4, random_state=0)
    return x.astype(np.float32).astype(float), y


def players_of(d):
    return Players(torch.arange(d), tuple(str(i) for i in range(d)))


def setting(data, n_background=100, n_rows=200, n_trees=100, depth=8):
    x, y = data
    model = RandomForestClassifier(n_trees, max_depth=depth, random_state=0, n_jobs=1).fit(x, y)
    order = np.random.default_rng(0).permutation(len(x))
    rows = x[order[:n_rows]]
    background = x[order[-n_background:]]
    return model, rows, background


def compiled(model, background):
    return compile_tree_marginal(
        forest_arrays(model), players_of(background.shape[1]), torch.from_numpy(background)
    )


def readout(n):
    return TargetReadout(torch.ones(n, dtype=torch.int64))


def explained(made, x):
    """Table, continuum of all α and sizes, certificate and Shapley values, as explanations have them."""
    return explain_case(case_of(SetFunction(made, x, readout(len(x)), x.shape[1])))


def brute(model, row, background, block=64):
    """f_S(x) of all subsets through the model's own predict, in batches of many rows."""
    d = len(row)
    found = []
    for keep in keep_of_codes(torch.arange(2**d), d).numpy().reshape(-1, block, d):
        blends = np.where(keep[:, None], row, background)
        found.append(model.predict_proba(blends.reshape(-1, d))[:, 1].reshape(block, -1).mean(1))
    return np.concatenate(found)


def against_brute_force(name, data, repeats):
    model, rows, background = setting(data)
    prepare, made = timed(lambda: compiled(model, background), repeats)
    one = torch.from_numpy(rows[:1])
    fast, table = timed(lambda: made.table(one, readout(1)).mean[0], 5 * repeats)
    slow, expected = timed(lambda: brute(model, rows[0], background))
    error = abs(table.numpy() - expected).max()
    print(
        f"{name}, d = {rows.shape[1]}: table {fast * 1e3:.2f} ms, preparation {prepare * 1e3:.0f} ms, "
        f"brute force {slow:.1f} s: {slow / fast:,.0f} times faster (need 400); error {error:.1e}"
    )
    many = torch.from_numpy(rows)
    whole, _ = timed(lambda: compiled(model, background).table(many, readout(len(rows))), repeats)
    print(
        f"{name}: {len(rows)} rows in one call, preparation included: {whole / len(rows) * 1e3:.2f} ms a row"
    )


def background_growth(data, repeats):
    times = {}
    for n in (100, 1000):
        model, rows, background = setting(data, n, 50)
        x = torch.from_numpy(rows)
        prepare, made = timed(lambda m=model, z=background: compiled(m, z), repeats)
        each, _ = timed(lambda m=made, x=x: m.table(x, readout(len(x))), repeats)
        times[n] = each / len(x)
        print(
            f"{n} background rows, d = 14: {times[n] * 1e3:.2f} ms a row, preparation {prepare * 1e3:.0f} ms"
        )
    print(f"  1,000 rows cost {times[1000] / times[100]:.1f} times 100 rows (need at most 5)")


def large(d, repeats):
    model, rows, background = setting(synthetic(d), n_rows=1)
    prepare, made = timed(lambda: compiled(model, background))
    x = torch.from_numpy(rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    # Only one number is kept, so that no table of the run before is still held.
    fast, _ = timed(lambda: float(made.table(x, readout(1)).mean[0, -1]), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"d = {d}: table {fast * 1e3:,.1f} ms, preparation {prepare * 1e3:.0f} ms; "
        f"peak of the process {before:.2f} GiB before, {peak:.2f} GiB after"
    )
    if d <= 20:
        whole, _ = timed(lambda: explained(made, x), repeats)
        print(f"d = {d}: the whole continuum, all sizes, with certificate: {whole:.2f} s (need 1)")


def beside_shap(repeats):
    import shap

    model, rows, background = setting(breast_cancer(12), n_rows=50)
    made, x = compiled(model, background), torch.from_numpy(rows)
    ours, table = timed(lambda: made.table(x, readout(len(x))).mean, repeats)
    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional")
    theirs, values = timed(lambda: explainer.shap_values(rows, check_additivity=False), repeats)
    values_too, found = timed(lambda: shapley_values(table), repeats)
    whole, _ = timed(lambda: explained(made, x), repeats)
    print(
        f"d = 12: table {ours / len(x) * 1e3:.2f} ms a row, Shapley values from it "
        f"{values_too / len(x) * 1e3:.2f}; "
        f"shap interventional {theirs / len(x) * 1e3:.2f}; table / shap = {ours / theirs:.2f}; whole "
        f"explanation {whole / len(x) * 1e3:.2f} ms, / shap = {whole / theirs:.2f} (need 3); "
        f"largest difference {abs(found.numpy() - values[:, :, 1]).max():.0e}"
    )
    path = compile_tree_path(forest_arrays(model), players_of(12))
    ours, _ = timed(lambda: path.table(x, readout(len(x))), repeats)
    print(f"d = 12, cover weights: table {ours / len(x) * 1e3:.2f} ms a row")


def linked(name, data, repeats):
    """A sigmoid of a sum of 500 trees of depth 6; a scaled forest stands for boosted trees."""
    model, rows, background = setting(data, n_rows=3, n_trees=500, depth=6)
    ensemble = forest_arrays(model)
    margin = replace(
        ensemble, value=ensemble.value[:, 1:] * 8, base=torch.tensor([-4.0]).double(), link=TwoClassLink()
    )
    made = compile_tree_linked(margin, players_of(rows.shape[1]), torch.from_numpy(background))
    x = torch.from_numpy(rows)
    each, _ = timed(lambda: made.table(x, readout(len(x))), repeats)
    raw = torch.randn(1, len(background), 2**14).double()
    floor, _ = timed(lambda: torch.sigmoid(raw), repeats)
    print(
        f"{name}, sigmoid of 500 trees of depth 6, d = 14: {each / len(x) * 1e3:.1f} ms a row; "
        f"floor (the sigmoids alone) {floor * 1e3:.1f} ms"
    )


def growth(repeats):
    for title, change in (
        ("trees", [{"n_trees": n} for n in (25, 50, 100, 200)]),
        ("depth", [{"depth": n} for n in (4, 6, 8, 10)]),
    ):
        for options in change:
            model, rows, background = setting(synthetic(14), n_rows=10, **options)
            made, x = compiled(model, background), torch.from_numpy(rows)
            each, _ = timed(lambda m=made, x=x: m.table(x, readout(len(x))), repeats)
            print(f"growth with {title} {options}: {each / len(x) * 1e3:.2f} ms a row")
    for d in (10, 12, 14, 16, 18, 20):
        model, rows, background = setting(synthetic(d), n_rows=5)
        made, x = compiled(model, background), torch.from_numpy(rows)
        each, _ = timed(lambda m=made, x=x: m.table(x, readout(len(x))), repeats)
        print(f"growth with d = {d}: {each / len(x) * 1e3:.2f} ms a row")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--full", action="store_true", help="more repeats, d = 25, growth")
    options = parser.parse_args()
    repeats = 7 if options.full else 3
    torch.set_num_threads(1)
    sets = {"breast cancer": breast_cancer(14)}
    if options.data:
        sets["Adult"] = adult(options.data)
    for name, data in sets.items():
        against_brute_force(name, data, repeats)
        linked(name, data, repeats)
    background_growth(sets.get("Adult", sets["breast cancer"]), repeats)
    beside_shap(repeats)
    large(20, repeats)
    if options.full:
        growth(repeats)
        large(25, 3)


if __name__ == "__main__":
    main()
