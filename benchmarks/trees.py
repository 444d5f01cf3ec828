"""The exact tree engine beside batched brute force and tree SHAP: one thread, medians, in one run.

    python benchmarks/trees.py --data FOLDER                     quick: a few rows and repeats
    python benchmarks/trees.py --data FOLDER --full --out DIR    as many as the figures in the docs

FOLDER holds the data sets (adult/adult.csv.gz); without it Adult is left out. DIR gets trees.md (what
is printed), growth.csv and growth.png. Times are processor times of this process, so that a busy
machine changes them little. Brute force asks the same model for the same blends,
in batches of 6,400 to 102,400 rows, of which the fastest counts.
"""

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import time
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import pandas as pd
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif.answers.explained import explain_case
from onlyif.answers.shapley import shapley_values
from onlyif.core.players import column_players
from onlyif.core.subsets import keep_of_codes
from onlyif.models.links import TwoClassLink
from onlyif.models.readouts import TargetReadout
from onlyif.restrictions.set_function import SetFunction
from onlyif.runs.rows import explained as explained_work
from onlyif.setup.constraints import Constraints
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare
from onlyif.trees.marginal_restriction import compile_tree_marginal
from onlyif.trees.path_restriction import compile_tree_path
from onlyif.trees.transform import add_subsets
from oracles.cases import case_of
from oracles.trees import forest_arrays

warnings.filterwarnings("ignore")
SAID = []
ROWS_FOR_MEMORY = (64, 640)


def say(text):
    SAID.append(text)
    print(text, flush=True)


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
    return column_players([str(i) for i in range(d)])


def setting(data, n_background=100, n_rows=200, n_trees=100, depth=8):
    x, y = data
    model = RandomForestClassifier(n_trees, max_depth=depth, random_state=0, n_jobs=1).fit(x, y)
    order = np.random.default_rng(0).permutation(len(x))
    rows = x[order[:n_rows]]
    background = x[order[-n_background:]]
    return model, rows, background


def compiled(model, background):
    return compile_tree_marginal(forest_arrays(model), players_of(background.shape[1]), background)


def readout(n):
    return TargetReadout(np.ones(n, dtype=np.int64))


def explained(made, x):
    """Table, continuum of all α and sizes, certificate and Shapley values, as explanations have them."""
    return explain_case(case_of(SetFunction(made, x, readout(len(x)), x.shape[1])))


def brute(model, row, background, block):
    """f_S(x) of all subsets through the model's own predict, in batches of many rows."""
    d = len(row)
    found = []
    for keep in keep_of_codes(np.arange(2**d), d).reshape(-1, block, d):
        blends = np.where(keep[:, None], row, background)
        found.append(model.predict_proba(blends.reshape(-1, d))[:, 1].reshape(block, -1).mean(1))
    return np.concatenate(found)


def against_brute_force(name, data, repeats):
    model, rows, background = setting(data)
    prepare, made = timed(lambda: compiled(model, background), repeats)
    fast, table = timed(lambda: made.table(rows[:1], readout(1)).mean[0], 5 * repeats)
    tried = [timed(lambda n=block: brute(model, rows[0], background, n)) for block in (64, 256, 1024)]
    slow, expected = min(tried, key=lambda one: one[0])
    error = abs(table - expected).max()
    say(
        f"{name}, d = {rows.shape[1]}: table {fast * 1e3:.2f} ms, preparation {prepare * 1e3:.0f} ms, "
        f"brute force {slow:.1f} s: {slow / fast:,.0f} times faster (need 400); error {error:.1e}"
    )
    whole, _ = timed(lambda: compiled(model, background).table(rows, readout(len(rows))), repeats)
    say(f"{name}: {len(rows)} rows in one call, preparation included: {whole / len(rows) * 1e3:.2f} ms a row")


def background_growth(data, repeats):
    times = {}
    for n in (100, 1000):
        model, rows, background = setting(data, n, 50)
        prepare, made = timed(lambda m=model, z=background: compiled(m, z), repeats)
        each, _ = timed(lambda m=made, x=rows: m.table(x, readout(len(x))), repeats)
        times[n] = each / len(rows)
        say(f"{n} background rows, d = 14: {times[n] * 1e3:.2f} ms a row, preparation {prepare * 1e3:.0f} ms")
    say(f"  1,000 rows cost {times[1000] / times[100]:.1f} times 100 rows (need at most 5)")


def large(d, repeats):
    model, rows, background = setting(synthetic(d), n_rows=1)
    prepare, made = timed(lambda: compiled(model, background))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    # Only one number is kept, so that no table of the run before is still held.
    fast, _ = timed(lambda: float(made.table(rows, readout(1)).mean[0, -1]), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    say(
        f"d = {d}: table {fast * 1e3:,.1f} ms, preparation {prepare * 1e3:.0f} ms; "
        f"peak of the process {before:.2f} GiB before, {peak:.2f} GiB after"
    )
    if d <= 20:
        whole, _ = timed(lambda: explained(made, rows), repeats)
        say(f"d = {d}: the whole continuum, all sizes, with certificate: {whole:.2f} s (need 1)")
    else:
        whole, _ = timed(lambda: explained(made, rows))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        say(f"d = {d}: the whole explanation: {whole:.1f} s; peak of the process {peak:.2f} GiB")


def beside_shap(repeats):
    import shap

    model, rows, background = setting(breast_cancer(12), n_rows=50)
    made, x = compiled(model, background), rows
    ours, table = timed(lambda: made.table(x, readout(len(x))).mean, repeats)
    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional")
    theirs, values = timed(lambda: explainer.shap_values(rows, check_additivity=False), repeats)
    values_too, found = timed(lambda: shapley_values(table), repeats)
    whole, _ = timed(lambda: explained(made, x), repeats)
    say(
        f"d = 12: table {ours / len(x) * 1e3:.2f} ms a row, Shapley values from it "
        f"{values_too / len(x) * 1e3:.2f}; "
        f"shap interventional {theirs / len(x) * 1e3:.2f}; table / shap = {ours / theirs:.2f}; whole "
        f"explanation {whole / len(x) * 1e3:.2f} ms, / shap = {whole / theirs:.2f} (need 3)"
    )
    rounded = compile_tree_marginal(_single(model), players_of(12), background).table(x, readout(len(x)))
    say(
        f"  Shapley values differ from shap's by up to {_apart(found, values):.0e}, and by "
        f"{_apart(shapley_values(rounded.mean), values):.0e} with thresholds rounded to single precision as "
        "shap rounds them"
    )
    path = compile_tree_path(forest_arrays(model), players_of(12))
    ours, _ = timed(lambda: path.table(x, readout(len(x))), repeats)
    say(f"d = 12, cover weights: table {ours / len(x) * 1e3:.2f} ms a row")


def boosted(data, repeats, n_rows=3):
    """500 XGBoost trees of depth 6, through the loader: probabilities, which are no sum over trees."""
    import xgboost

    x, y = data
    model = xgboost.XGBClassifier(n_estimators=500, max_depth=6, n_jobs=1).fit(x, y)
    order = np.random.default_rng(0).permutation(len(x))
    rows, background = x[order[:n_rows]], x[order[-100:]]
    for output in ("probability", "margin"):
        settings = Options(output=output, reference=onlyif.Marginal(None))
        spent, work = timed(lambda s=settings: prepare(model, rows, background, s))
        function = work.whole.criterion.set_function
        each, table = timed(lambda f=function: f.table().mean, repeats)
        say(
            f"XGBoost, 500 trees of depth 6, d = {x.shape[1]}, {output}: {each / n_rows * 1e3:.1f} ms a row, "
            f"preparation with loading and comparison {spent:.1f} s; {function.restriction.method.sentence}"
        )
        if output == "probability":
            error = _boosted_error(model, rows[0], background, table[0], function.readout.target[0])
            raw = np.random.default_rng(0).normal(size=(len(background), 2 ** x.shape[1]))
            floor, _ = timed(lambda r=raw: TwoClassLink().averaged(r).mean(0), 3 * repeats)
            say(
                f"  floor (100 sigmoids of each of 2^{x.shape[1]} numbers, and their mean): "
                f"{floor * 1e3:.1f} ms; {each / n_rows / floor:.1f} times it; "
                f"error against the model's own predict_proba on 512 subsets {error:.1e}"
            )


def _boosted_error(model, row, background, table, target):
    d = len(row)
    codes = np.random.default_rng(1).choice(2**d, 512, replace=False)
    blends = np.where(keep_of_codes(codes, d)[:, None], row, background)
    asked = model.predict_proba(blends.reshape(-1, d))[:, int(target)].reshape(512, -1).mean(1)
    return abs(table[codes] - asked).max()


def _single(model):
    """The forest with each threshold replaced by the nearest number of single precision."""
    ensemble, own = forest_arrays(model), [each.tree_.threshold for each in model.estimators_]
    nearest = np.concatenate(own).astype(np.float32).astype(np.float64)
    return replace(ensemble, nodes=replace(ensemble.nodes, threshold=nearest))


def _apart(found, values):
    return abs(found - values[:, :, 1]).max()


def one_growth(repeats, title, value, d=14, n_rows=10, **options):
    model, rows, background = setting(synthetic(d), n_rows=n_rows, **options)
    made, x = compiled(model, background), rows
    each, _ = timed(lambda: made.table(x, readout(len(x))), repeats)
    say(f"growth with {title}, {value}: {each / n_rows * 1e3:.2f} ms a row")
    return title, value, each / n_rows * 1e3


def growth(repeats):
    found = [one_growth(repeats, "trees", n, n_trees=n) for n in (25, 50, 100, 200, 400)]
    found += [one_growth(repeats, "depth", n, depth=n) for n in (2, 4, 6, 8, 10, 12)]
    found += [one_growth(repeats, "background rows", n, n_background=n) for n in (10, 30, 100, 300, 1000)]
    found += [one_growth(repeats, "columns d", d, d=d, n_rows=3) for d in (8, 10, 12, 14, 16, 18, 20, 22)]
    return found


def tried(repeats):
    """What the engine does beside what it does not do."""
    for d in (14, 20, 25):
        table = np.zeros((1, 2**d))
        ours, _ = timed(lambda t=table: add_subsets(t), repeats)
        plain, _ = timed(lambda t=table, n=d: _bit_by_bit(t[0], n), repeats)
        say(
            f"tried, transform of 2^{d}: {ours * 1e3:.2f} ms in parts of the cache's size, "
            f"{plain * 1e3:.2f} ms bit by bit"
        )
    masks = np.random.default_rng(0).integers(0, 2**8, (10_000, 100)) << 7
    ours, _ = timed(lambda: np.sort(masks | np.arange(100), axis=1), repeats)
    plain, _ = timed(lambda: np.argsort(masks, axis=1), repeats)
    say(
        f"tried, patterns of 10,000 leaves and 100 rows: {ours * 1e3:.0f} ms sorted with the row in the low "
        f"bits, {plain * 1e3:.0f} ms by argsort"
    )


def _bit_by_bit(table, d):
    for i in range(d):
        pairs = table.reshape(-1, 2, 2**i)
        pairs[:, 1] += pairs[:, 0]


def draw(found, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    titles = list(dict.fromkeys(title for title, *_ in found))
    for place, title in zip(figure.subplots(2, 2).flat, titles, strict=True):
        at = [(value, ms) for name, value, ms in found if name == title]
        place.plot(*zip(*at, strict=True), marker="o", color="#2b6ca3")
        place.set_xlabel(title)
        place.set_ylabel("ms a row")
        place.set_yscale("log")
        if title not in {"depth", "columns d"}:
            place.set_xscale("log")
        values, times = zip(*at, strict=True)
        ticks = [n * 10**power for power in range(-2, 5) for n in (1, 2, 5)]
        ticks = [tick for tick in ticks if min(times) / 2 <= tick <= max(times) * 2]
        place.set_yticks(ticks, [f"{tick:,g}" for tick in ticks])
        place.set_xticks(values, [f"{value:,}" for value in values])
        place.minorticks_off()
        place.grid(alpha=0.3)
    figure.suptitle(
        "Table of all subsets, one row; else 100 trees, depth 8, 100 background rows, d = 14 (synthetic data)"
    )
    figure.savefig(path, dpi=150)


def fresh(*options):
    """What another process of this script prints, whose memory nothing was in before."""
    answer = subprocess.run([sys.executable, __file__, *options], check=True, capture_output=True, text=True)
    return answer.stdout.splitlines()


def memory():
    """Peak memory of fresh processes that explain more and more rows."""
    peaks = []
    for n in ROWS_FOR_MEMORY:
        peaks.append(int(fresh("--rows-for-memory", str(n))[-1]) / 2**10)
    say(
        f"explain, breast cancer, d = 14: peak of a fresh process {peaks[0]:.0f} MiB for "
        f"{ROWS_FOR_MEMORY[0]} rows, {peaks[1]:.0f} MiB for {ROWS_FOR_MEMORY[1]}"
    )


def whole(data, repeats, n_rows=200):
    """onlyif.explain of few rows and of one, from which the cost of a row and of the preparation follow."""
    import lightgbm
    import xgboost

    x, y = data
    order = np.random.default_rng(0).permutation(len(x))
    boosted = {
        "LightGBM": lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(x, y),
        "XGBoost": xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1).fit(x, y),
    }
    forest = RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1).fit(x, y)
    cases = [("forest", forest, None, n, 40) for n in (100, 1_000, 10_000)]
    cases += [(name, boosted[name], "margin", n, 40) for name in boosted for n in (100, 1_000)]
    cases += [(name, boosted[name], None, n, 4_000 // n) for name in boosted for n in (100, 1_000)]
    for name, model, output, n_background, n in cases:
        settings = {
            "background": x[order[-n_background:]],
            "output": output,
            "reference": onlyif.Marginal(None),
        }
        one, more = [], []
        for _ in range(repeats):
            for times, rows in ((one, x[order[:1]]), (more, x[order[: 1 + n]])):
                spent, found = timed(lambda m=model, r=rows, s=settings: onlyif.explain(m, r, **s))
                times.append(spent)
                assert found[0].certificate.basis.name == "EXACT"
        rows = [(b - a) / n for a, b in zip(one, more, strict=True)]
        each = [1e3 * (row + a / n_rows) for row, a in zip(rows, one, strict=True)]
        low, middle, high = statistics.quantiles(each, n=4) if repeats > 1 else each * 3
        say(
            f"whole explanation, {name}, {output or 'probability'}, {n_background} background rows: "
            f"{middle:.1f} ms a row (quartiles {low:.1f} and {high:.1f}), preparation spread over {n_rows} "
            f"rows; a call for one row {statistics.median(one) * 1e3:.0f} ms"
        )


def sure(data, repeats, n_rows=20):
    """Explanations over the usual and over many background rows, and with 50 resamples of each."""
    import lightgbm

    x, y = data
    order = np.random.default_rng(0).permutation(len(x))
    model = lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(x, y)
    forest = RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1).fit(x, y)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
    many = min(30_000, len(x) - n_rows)
    cases = [("LightGBM margin", model, "margin", (100, many)), ("forest", forest, None, (100, many))]
    cases += [("LightGBM probability", model, None, (100,)), ("logistic regression", linear, None, (100,))]
    cases += [("a function", linear.predict_proba, None, (100,))]
    for name, asked, output, sizes in cases:
        times = {}
        for n, resamples in [(n, count) for n in sizes for count in (None, 50)]:
            options = Options(output=output, reference=onlyif.Marginal(None), stability=resamples)
            before, work = timed(
                lambda a=asked, n=n, o=options: prepare(a, x[order[:n_rows]], x[order[-n:]], o)
            )
            spent, _ = timed(lambda w=work: [*explained_work(w)], repeats)
            times[n, resamples] = spent / n_rows, before
        usual = times[sizes[0], None][0]
        for (n, resamples), (each, before) in times.items():
            beside = times[n, None][0]
            say(
                f"{name}, {n:,} background rows, {resamples or 'no'} resamples: {each * 1e3:.1f} ms a row, "
                f"{each / usual:.1f} times {sizes[0]} rows, {each / beside:.1f} times no resamples; "
                f"preparation {before:.2f} s"
            )


def permitted(data, repeats, n_rows=20, n_background=1_000):
    """Explanations by sets that may be reported, and by cost, beside those without."""
    import lightgbm

    x, y = data
    order = np.random.default_rng(0).permutation(len(x))
    model = lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(x, y)
    asked = {
        "none": Constraints(),
        "one player kept, one never, one in need of another": Constraints([0], [1], None, {2: [3]}),
        "costs": Constraints(costs=[1.0 + i for i in range(x.shape[1])]),
    }
    usual = {}
    for name, constraints in asked.items():
        options = Options(output="margin", reference=onlyif.Marginal(None), constraints=constraints)
        work = prepare(model, x[order[:n_rows]], x[order[-n_background:]], options)
        spent, _ = timed(lambda w=work: [*explained_work(w)], repeats)
        tracemalloc.start()
        _ = [*explained_work(work)]
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        usual = usual or {"time": spent, "peak": peak}
        say(
            f"LightGBM margin, {n_background:,} background rows, constraints: {name}: "
            f"{spent / n_rows * 1e3:.1f} ms a row, {spent / usual['time']:.2f} times none; "
            f"peak {peak:.1f} MiB, "
            f"{peak / usual['peak']:.2f} times none"
        )


def linked(d, n_background):
    """Probabilities of boosted trees, where every background row has a table of its own."""
    import lightgbm

    x, y = synthetic(d)
    model = lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(x, y)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    reference = onlyif.Marginal(None)
    spent, _ = timed(lambda: onlyif.explain(model, x[:1], background=x[-n_background:], reference=reference))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    say(
        f"LightGBM, 100 trees, probability, d = {d}, {n_background} background rows: {spent:.1f} s a row; "
        f"peak of a fresh process {before:.2f} GiB before, {peak:.2f} GiB after (need 1)"
    )


def explain_rows(n):
    x, y = breast_cancer(14)
    model = RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1).fit(x, y)
    rows = np.resize(x, (n, 14))
    onlyif.explain(model, rows, background=x)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--full", action="store_true", help="more repeats, d = 25, growth, memory")
    parser.add_argument("--out", type=Path, help="folder for results")
    parser.add_argument("--rows-for-memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--large", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--linked", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--background", type=int, default=1_000, help=argparse.SUPPRESS)
    parser.add_argument(
        "--sure", action="store_true", help="only larger backgrounds, resamples and constraints"
    )
    parser.add_argument("--whole", action="store_true", help="only whole explanations of models of trees")
    options = parser.parse_args()
    if options.rows_for_memory:
        explain_rows(options.rows_for_memory)
        return
    if options.large:
        large(options.large, 3)
        return
    if options.linked:
        linked(options.linked, options.background)
        return
    if options.sure:
        data = adult(options.data) if options.data else breast_cancer(14)
        sure(data, 3)
        permitted(data, 3)
        return
    if options.whole:
        whole(adult(options.data) if options.data else breast_cancer(14), 3)
        return
    # First, for a process that is begun counts as its peak what the one that began it held.
    for line in fresh("--linked", "20"):
        say(line)
    repeats = 7 if options.full else 3
    sets = {"breast cancer": breast_cancer(14)}
    if options.data:
        sets["Adult"] = adult(options.data)
    for name, data in sets.items():
        against_brute_force(name, data, repeats)
    widest = sets.get("Adult", sets["breast cancer"])
    boosted(widest, repeats)
    whole(widest, repeats)
    background_growth(widest, repeats)
    sure(widest, repeats)
    permitted(widest, repeats)
    beside_shap(repeats)
    large(20, repeats)
    found = []
    if options.full:
        found = growth(3)
        tried(3)
        memory()
        for line in fresh("--large", "25"):
            say(line)
    if options.out:
        write(options.out, found)


def write(folder, found):
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f"- {line.strip()}" for line in SAID)
    (folder / "trees.md").write_text(f"# The exact tree engine, one thread\n\n{text}\n", "utf-8")
    if found:
        with (folder / "growth.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("grows", "value", "ms_a_row"), *found])
        draw(found, folder / "growth.png")


if __name__ == "__main__":
    main()
