"""onlyif beside other libraries and its floors: one run, one thread, milliseconds a row with preparation.

    make peers                                         in an environment of its own (benchmarks/peers.txt)
    python benchmarks/peers.py [--parts forests boosted frames functions] [--only WORD] [--data FOLDER]
        [--turns 9] [--seconds 4] [--out FILE]

FOLDER holds the data sets (adult/adult.csv.gz; ONLYIF_DATA by default); without it scikit-learn's data are
taken. onlyif gives whole explanations: smallest sets, the continua of all sizes, a certificate, Shapley
values. The others give Shapley values of the same game: shap's interventional TreeExplainer and woodelf of
trees, shap's and shapiq's exact explainers of anything that is asked. A floor is the bare model on the
distinct rows that the answer rests on, in the fastest of three batch sizes; beside it stands the same with
these rows written and their answers averaged. "preparation" is what comes before the first row.

Every side of a comparison is a process of its own, forked with the model and the data at hand. They take
turns: nine times each, fewer where a side has had four seconds. Times are processor times, medians with
quartiles; a ratio is the median of the ratios of turns. Memory is the peak of a process above what it
had before its first run.
"""

import argparse
import multiprocessing
import os
import re
import statistics
import time
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import onlyif
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare

warnings.filterwarnings("ignore")
N_ROWS = 200
EVERYTHING = onlyif.Marginal(n_rows=None)


@dataclass(frozen=True)
class Side:
    """One of those compared: what it does, and for how many rows."""

    name: str
    rows: int
    work: object
    package: str = "onlyif"


@dataclass(frozen=True)
class Case:
    name: str
    sides: tuple


# ---------------------------------------------------------------------------------------------- measuring


def _status(field):
    return int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024


def _serve(side, pipe):
    """In a process of its own: a run a message, then the peak of its memory."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    before = _status("VmRSS")
    while pipe.recv():
        started = time.process_time()
        try:
            side.work()
        # What fails is printed in its row.
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0][:90]}")
            return
        pipe.send(time.process_time() - started)
    pipe.send(_status("VmHWM") - before)


def measured(case, n_turns, most_s):
    """Milliseconds a row of each side and turn, the peaks of memory, and what failed with its sentence."""
    fork, pipes, processes, failed = multiprocessing.get_context("fork"), {}, [], {}
    rows = {side.name: side.rows for side in case.sides}
    for side in case.sides:
        if find_spec(side.package) is None:
            failed[side.name] = "not installed"
            continue
        pipes[side.name], end = fork.Pipe()
        processes.append(fork.Process(target=_serve, args=(side, end), daemon=True))
        processes[-1].start()
    times, spent = {name: [] for name in pipes}, dict.fromkeys(pipes, 0.0)
    # The first run loads, compiles and fills caches; it counts only where another would take far too long.
    for turn in range(n_turns + 1):
        for name in [name for name in times if spent[name] < most_s or not times[name]]:
            pipes[name].send(True)
            answer = pipes[name].recv()
            if isinstance(answer, str):
                failed[name] = answer
                del times[name]
                continue
            spent[name] += answer
            if turn or answer >= 8 * most_s:
                times[name].append(1000 * answer / rows[name])
    peaks = {}
    for name in times:
        pipes[name].send(False)
        peaks[name] = pipes[name].recv()
    for process in processes:
        process.join()
    return times, peaks, failed


def spread(values, digits=2):
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def lines(case, n_turns, most_s):
    """The rows of the table for one case."""
    times, peaks, failed = measured(case, n_turns, most_s)
    first, *others = case.sides
    if first.name in failed:
        yield f"| {case.name} | {failed[first.name]} | | | | |"
        return
    turns = {
        name: "" if len(values) == n_turns else f", {len(values)} turns" for name, values in times.items()
    }
    head = f"| {case.name}{turns[first.name]} | {spread(times[first.name])} | {peaks[first.name]:.0f} |"
    if not others:
        yield f"{head} no other library answers this | | |"
    for side in others:
        if side.name in failed:
            yield f"{head} {side.name}: {failed[side.name]} | | |"
        else:
            ratio = spread([a / b for a, b in zip(times[first.name], times[side.name], strict=False)], 3)
            rows = "" if side.rows == first.rows else f", {side.rows} row{'s' * (side.rows > 1)}"
            middle = f"{side.name}{rows}{turns[side.name]}: {spread(times[side.name])}"
            yield f"{head} {middle} | {peaks[side.name]:.0f} | {ratio} |"
        head = "| | | |"
    if "model + engine" in times:
        pairs = zip(times[first.name], times["model + engine"], strict=False)
        yield f"| | | | fixed part a row: {spread([a - b for a, b in pairs])} | | |"


# --------------------------------------------------------------------------------------------------- data


def numbers(folder, n_columns=14):
    """Rows of codes and numbers, and their labels."""
    if folder is None:
        x, y = load_breast_cancer(return_X_y=True)
        return x[:, :n_columns], y
    table, y = frame(folder)
    return _codes(table).to_numpy(float)[:, :n_columns], y


def frame(folder):
    """A frame of numbers and categories, and its labels."""
    if folder is None:
        x, y = load_breast_cancer(return_X_y=True, as_frame=True)
        x = x.iloc[:, :14]
        cut = {
            column: pd.qcut(x[column], 4, labels=["low", "middle", "high", "top"]).astype(str)
            for column in x.columns[:4]
        }
        return x.assign(**cut), y.to_numpy()
    table = pd.read_csv(folder / "adult" / "adult.csv.gz")
    return table.drop(columns="income"), (table["income"].str.strip() == ">50K").to_numpy(int)


def _is_number(column):
    return pd.api.types.is_numeric_dtype(column)


def _codes(table):
    return table.apply(lambda column: column if _is_number(column) else column.astype("category").cat.codes)


def parts(x, n_background, n_rows=N_ROWS):
    """Rows to explain and background rows."""
    order = np.random.default_rng(0).permutation(len(x))
    take = x.iloc.__getitem__ if isinstance(x, pd.DataFrame) else x.__getitem__
    return take(order[:n_rows]), take(order[-n_background:])


# -------------------------------------------------------------------------------------------------- sides


def ours(model, rows, background, **options):
    options = {"background": background, "progress": False, **options}
    return Side("onlyif", len(rows), lambda: onlyif.explain(model, rows, **options))


def shap_trees(model, rows, background, output):
    def work():
        import shap

        kind = "interventional"
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.TreeExplainer(model, masker, model_output=output, feature_perturbation=kind)
        explainer.shap_values(rows, check_additivity=False)

    return Side("shap", len(rows), work, "shap")


def woodelf_trees(model, rows, background):
    def work():
        from woodelf import WoodelfExplainer

        WoodelfExplainer(model, pd.DataFrame(background)).shap_values(pd.DataFrame(rows))

    return Side("woodelf", len(rows), work, "woodelf")


def shap_exact(ask, rows, background):
    def work():
        import shap

        masker = shap.maskers.Independent(background, max_samples=len(background))
        shap.explainers.Exact(ask, masker)(rows, max_evals=1 << 20, silent=True)

    return Side("shap, exact", len(rows), work, "shap")


def shapiq_exact(ask, rows, background):
    def work():
        from shapiq import ExactComputer, MarginalImputer

        for row in rows:
            game = MarginalImputer(ask, background, x=row[None], sample_size=len(background))
            ExactComputer(game, n_players=rows.shape[1])("SV", order=1)

    return Side("shapiq, exact", len(rows), work, "shapiq")


def engine(model, rows, background):
    """What an explanation spends on preparation and on f_S(x) of all subsets."""

    def work():
        made = prepare(model, rows, background, Options(reference=EVERYTHING))
        made.whole.criterion.set_function.table()

    return Side("model + engine", len(rows), work)


def preparation(model, rows, background, **options):
    """What an explanation spends before the first row: a part of the side of onlyif."""

    def work():
        prepare(model, rows, background, Options(reference=EVERYTHING, **options))

    return Side("preparation", len(rows), work)


def floor(ask, rows, background):
    """The bare model on the distinct mixtures of each row with the background rows."""
    mixed = [_mixtures(rows[place : place + 1], background)[0] for place in range(len(rows))]

    def asked(size, n=None):
        started = time.process_time()
        for table in mixed[:n]:
            _answers(ask, table, size)
        return time.process_time() - started

    size = min((1024, 4096, 16_384), key=lambda size: asked(size, 3))
    return Side(
        f"floor ({sum(map(len, mixed)) // len(mixed):,} model rows a row)", len(rows), lambda: asked(size)
    )


def plain(ask, rows, background, size=4096):
    """The floor, with these mixtures written and their answers averaged for every subset by plain numpy.

    Which mixtures are distinct, and where they belong, is known before.
    """
    both = [np.concatenate([row[None], background]) for row in rows]
    known = [_mixtures(row[None], background)[1:] for row in rows]

    def work():
        for values, (source, place) in zip(both, known, strict=True):
            outputs = _answers(ask, values[source, np.arange(values.shape[1])], size)
            outputs.take(place).mean(0)

    return Side("model, writing and averaging", len(rows), work)


def _answers(ask, table, size):
    return np.concatenate([ask(table[first : first + size]) for first in range(0, len(table), size)])


def _mixtures(row, background):
    """All that is partly the row and partly a background row, each mixture once.

    Beside it the row that each of its values is of, and the number of the mixture of each background row and
    subset that is kept.
    """
    is_frame = isinstance(row, pd.DataFrame)
    both = pd.concat([row, background]) if is_frame else np.concatenate([row, background])
    values = _codes(both).to_numpy(float) if is_frame else both
    taken, places, n_taken = [], [], 0
    subsets = np.arange(1 << values.shape[1])
    for z in range(1, len(values)):
        differ = np.flatnonzero(values[z] != values[0])
        keep = np.arange(1 << len(differ))[:, None] >> np.arange(len(differ)) & 1
        from_z = np.zeros((len(keep), values.shape[1]), dtype=int)
        from_z[:, differ] = z * (1 - keep)
        places.append(n_taken + ((subsets[:, None] >> differ & 1) << np.arange(len(differ))).sum(1))
        taken.append(from_z)
        n_taken += len(keep)
    source = np.concatenate(taken)
    _, first, number = np.unique(
        values[source, np.arange(values.shape[1])], axis=0, return_index=True, return_inverse=True
    )
    source, place = source[first], number.reshape(-1)[np.array(places)]
    if is_frame:
        table = pd.DataFrame({name: both[name].array.take(source[:, i]) for i, name in enumerate(both)})
        return table, source, place
    return values[source, np.arange(values.shape[1])], source, place


# -------------------------------------------------------------------------------------------------- cases


def of_forest(folder):
    x, y = numbers(folder)
    model = RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1).fit(x, y)
    for n, few in ((100, 50), (1000, 5), (10_000, 1)):
        rows, background = parts(x, min(n, len(x) - N_ROWS))
        yield Case(
            f"forest 100 x 8, {len(background):,} background rows, {len(rows)} rows",
            (
                ours(model, rows, background, reference=EVERYTHING),
                preparation(model, rows, background),
                shap_trees(model, rows[:few], background, "raw"),
                woodelf_trees(model, rows, background),
            ),
        )


def of_boosted(folder):
    import lightgbm
    import xgboost

    x, y = numbers(folder)
    models = {
        "LightGBM": lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(x, y),
        "XGBoost": xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1).fit(x, y),
    }
    for library, model in models.items():
        for output, n, few in (
            ("margin", 100, 50),
            ("margin", 1000, 5),
            ("probability", 100, 20),
            ("probability", 1000, 3),
        ):
            rows, background = parts(x, min(n, len(x) - N_ROWS))
            sides = [
                ours(model, rows, background, reference=EVERYTHING, output=output),
                preparation(model, rows, background, output=output),
                shap_trees(model, rows[:few], background, "raw" if output == "margin" else output),
            ]
            if output == "margin":
                sides.append(woodelf_trees(model, rows, background))
            yield Case(
                f"{library} {output}, {len(background):,} background rows, {len(rows)} rows", tuple(sides)
            )
    rows, background = parts(x, 100)
    for n in (1, 5):
        cause = ours(models["LightGBM"], rows[:n], background, criterion="pns")
        yield Case(f"PNS, LightGBM, {n} row{'s' * (n > 1)}", (cause,))


def of_frames(folder):
    table, y = frame(folder)
    table = table.iloc[:, -10:]
    texts = [name for name in table if not _is_number(table[name])]
    others = [name for name in table if name not in texts]
    # shap's masker compares numbers only: every value is handed to it as the place among those of its column.
    levels = {name: np.unique(table[name]) for name in table}
    for name, head in (
        ("logistic regression", LogisticRegression(max_iter=500)),
        ("MLP 2 x 64", MLPClassifier((64, 64), max_iter=5, random_state=0)),
    ):
        encoder = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), texts), (StandardScaler(), others)
        )
        model = make_pipeline(encoder, head).fit(table[:10_000], y[:10_000])
        rows, background = parts(table, 100, 5)

        def placed(part):
            return np.stack([np.searchsorted(levels[name], part[name]) for name in table], axis=1).astype(
                float
            )

        def ask(codes, model=model):
            back = {
                column: values[codes[:, i].astype(int)] for i, (column, values) in enumerate(levels.items())
            }
            return model.predict_proba(pd.DataFrame(back))[:, 1]

        yield Case(
            f"mixed frame, pipeline with {name}, d = 10, 100 background rows, 5 rows",
            (
                ours(model, rows, background, reference=EVERYTHING),
                engine(model, rows, background),
                floor(model.predict_proba, rows, background),
                shap_exact(ask, placed(rows[:1]), placed(background)),
            ),
        )
        whole = _whole_frame(folder, head)
        yield Case(f"mixed frame, pipeline with {name}, d = 14, 100 background rows, {N_ROWS} rows", (whole,))
        if name == "logistic regression":
            conditional = ours(model, rows[:1], background, reference="empirical")
            yield Case("empirical reference, the same pipeline, 1 row", (conditional,))


def _whole_frame(folder, head):
    """All columns, and as many rows as tables have in a night."""
    table, y = frame(folder)
    texts = [name for name in table if not _is_number(table[name])]
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), texts),
        (StandardScaler(), [n for n in table if n not in texts]),
    )
    model = make_pipeline(encoder, clone(head)).fit(table[:10_000], y[:10_000])
    return ours(model, *parts(table, 100, N_ROWS), reference=EVERYTHING)


def of_functions(folder):
    x, y = numbers(folder, 10)
    x = (x - x.mean(0)) / x.std(0)
    weights = np.random.default_rng(0).normal(size=10)
    forest = RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1).fit(x, y)
    network = MLPClassifier((64, 64), max_iter=5, random_state=0).fit(x[:10_000], y[:10_000])
    for name, ask, n_rows in (
        ("tanh of a sum", lambda table: np.tanh(table @ weights), 40),
        ("MLP 2 x 64", lambda table: network.predict_proba(table)[:, 1], 10),
        ("forest 100 x 8", lambda table: forest.predict_proba(table)[:, 1], 10),
    ):
        rows, background = parts(x, 100, n_rows)
        few = rows[:5]
        yield Case(
            f"black box, {name}, d = 10, 100 background rows, {n_rows} rows",
            (
                ours(ask, rows, background, reference=EVERYTHING),
                engine(ask, rows, background),
                floor(ask, rows, background),
                plain(ask, rows, background),
                shap_exact(ask, few, background),
                shapiq_exact(ask, few, background),
            ),
        )


PARTS = {"forests": of_forest, "boosted": of_boosted, "frames": of_frames, "functions": of_functions}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    own = os.environ.get("ONLYIF_DATA")
    parser.add_argument("--data", type=Path, default=own and Path(own), help="folder of the data sets")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--only", default="", help="a word that the names of cases have in them")
    parser.add_argument("--turns", type=int, default=9, help="how often each side runs")
    parser.add_argument("--seconds", type=float, default=4.0, help="no more turns for a side after so many")
    parser.add_argument("--out", type=Path, help="file for the table")
    options = parser.parse_args()
    said = [
        "| work | onlyif, ms a row | peak MiB | beside it, ms a row | peak MiB | onlyif over it |",
        "|---|---|---|---|---|---|",
    ]
    print(*said, sep="\n", flush=True)
    if find_spec("shap"):
        # Here, so that what it compiles is at hand in every process.
        shap_exact(lambda table: table.sum(1), np.zeros((1, 3)), np.ones((2, 3))).work()
    for part in options.parts:
        for case in PARTS[part](options.data):
            for line in lines(case, options.turns, options.seconds) if options.only in case.name else ():
                said.append(line)
                print(line, flush=True)
    if options.out:
        options.out.write_text("\n".join(said) + "\n", "utf-8")


if __name__ == "__main__":
    main()
