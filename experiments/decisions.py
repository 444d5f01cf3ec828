"""How far answers of declined applicants can be trusted: Adult with LightGBM, XGBoost and a pipeline.

    python experiments/decisions.py --data FOLDER --out FOLDER     200 declined rows, all models
    python experiments/decisions.py --data FOLDER --out FOLDER --rows 20 --models lightgbm-margin

The first folder holds adult/adult.csv.gz, the second is filled: what is in it is not computed again.
Printed are, over 100 and 122 background rows (former defaults, the second one of probabilities), at the
default, with a confidence of .95 and against the rows that are decided otherwise: the share of sets with
members that speak against the prediction (all of them are marked); the verdicts on 10,000 fresh rows; the
time a row. Then, for backgrounds drawn from disjoint parts of the table, how often two of them give the same
set, and how often a set whose stated stability is at least .9 recurs in the others: of all such statements,
and over the rows with any. Errors are standard errors over rows.
"""

import argparse
import json
import time
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

import onlyif
from onlyif.explanation.selection import Measure
from onlyif.explanation.stability import Stability
from onlyif.explanation.verdicts import verdict_of
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.setup.prepare import prepare

N_TRAINED, N_FRESH, N_RESAMPLES = 20_000, 10_000, 50
SURE = 0.9
KINDS = ("sufficient", "necessary")
WAYS = {
    "100 rows": {"reference": onlyif.Marginal(100)},
    "122 rows": {"reference": onlyif.Marginal(122)},
    "default": {},
    "confidence .95": {"confidence": 0.95},
    "against": {"against": "other decisions"},
}


def adult(folder):
    """The columns as numbers (categories by their codes), and whether the income is high."""
    table = pd.read_csv(folder / "adult" / "adult.csv.gz")
    label = table.iloc[:, -1].astype("category").cat.codes.to_numpy()
    table = table.iloc[:, :-1]
    words = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{name: table[name].astype("category").cat.codes for name in words}), label, words


def models(words):
    """Each model, with what is explained of it and how many rows its larger samples may have."""
    boosted = {"n_estimators": 100, "n_jobs": 1, "random_state": 0}
    encoded = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), remainder=StandardScaler()
    )
    light, extreme = LGBMClassifier(verbose=-1, **boosted), XGBClassifier(max_depth=6, **boosted)
    pipeline = make_pipeline(encoded, LogisticRegression(max_iter=1000))
    return {
        "lightgbm-margin": (light, "margin", 100_000),
        "lightgbm-probability": (light, "probability", 100),
        "xgboost-margin": (extreme, "margin", 100_000),
        "xgboost-probability": (extreme, "probability", 100),
        "pipeline-probability": (pipeline, "probability", 100),
    }


def share(values):
    """The mean of some shares, one a row, with its standard error."""
    values = np.array([value for value in values if not np.isnan(value)])
    if not len(values):
        return float("nan"), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float(
        "nan"
    )


@dataclass(frozen=True)
class Problem:
    """A model, what is explained of it, declined rows, and other rows in random order."""

    name: str
    model: object
    output: str
    rows: pd.DataFrame
    others: pd.DataFrame
    n_fresh: int


def shown(pair):
    """A share and its error as text."""
    return f"{pair[0]:.3f} ± {pair[1]:.3f}"


def against_the_prediction(found):
    """Of each row the share of its sets with members that speak against the prediction."""
    return share(
        [
            np.mean([any(map(item.speaks_against, item.sets[kind].directions)) for kind in KINDS])
            for item in found
        ]
    )


def verdicts(problem, found, settings):
    """What rows that nothing has seen say of each sufficient and necessary set."""
    fresh, background = problem.others[: problem.n_fresh], problem.others[problem.n_fresh :]
    options = onlyif.Explainer(problem.model, background, **settings).options
    work = prepare(problem.model, problem.rows, background, options)
    criterion, tables = work.whole.criterion, work.setup.foundation.tables
    reference = MarginalReference(tables.schema.encode(fresh))
    restriction = SampledRestriction(
        work.ready.asked.predictor, reference, tables.players, n_draws=len(fresh), max_rows=2**16
    )
    counts = {kind: Counter() for kind in KINDS}
    for i, item in enumerate(found):
        function = replace(criterion.set_function.part(slice(i, i + 1)), restriction=restriction)
        keep = np.array([[item.sets[kind].keep for kind in KINDS]])
        gaps = criterion.of(function).gap(keep)
        for place, kind in enumerate(KINDS):
            name = f"fresh_{'sufficiency' if kind == 'sufficient' else 'necessity'}"
            gap = Measure(float(gaps.parts[0, place, place]), float(gaps.stderr[0, place, place]))
            chosen = replace(item.sets[kind], measures={**item.sets[kind].measures, name: gap})
            counts[kind][verdict_of(chosen, kind, item.epsilon).finding.value] += 1
    n = len(found)
    return {kind: {said: count / n for said, count in sorted(counts[kind].items())} for kind in KINDS}


def default(problem, way):
    """One line for the former default, the default or the rows that are decided otherwise."""
    rows, others = problem.rows, problem.others[problem.n_fresh :]
    settings = {"output": "probability" if way == "against" else problem.output, **WAYS[way]}
    begun = time.process_time()
    found = onlyif.explain(problem.model, rows[:1], background=others, **settings)
    first = time.process_time() - begun
    found = onlyif.explain(problem.model, rows, background=others, **settings)
    spent = time.process_time() - begun - 2 * first
    told = Counter(item.verdicts[kind].finding.value for item in found for kind in KINDS)
    own = {"both, the library's own": {said: count / 2 / len(found) for said, count in told.items()}}
    return {
        "model": problem.name,
        "way": way,
        "reference": found[0].provenance.reference.rpartition("(")[2].rstrip(").").partition(": ")[2],
        "with a member against it": against_the_prediction(found),
        "size": float(np.mean([item.sets[kind].size for item in found for kind in KINDS])),
        "on more rows": found[0].settings.get("larger_rows", 0),
        "smaller ones undecided": share(
            [np.mean([item.settings.get(f"undecided_{kind}", 0) > 0 for kind in KINDS]) for item in found]
        ),
        "ms a row": 1e3 * spent / max(1, len(rows) - 1),
        "s for one row": first,
        "verdicts": own if way == "against" else verdicts(problem, found, settings),
    }


def sample(problem, background):
    """The sets of every row, as bits, and their stated stability, over one background."""
    settings = {"reference": onlyif.Marginal(None), "output": problem.output, "stability": N_RESAMPLES}
    found = onlyif.explain(problem.model, problem.rows, background=background, **settings)
    return {
        kind: {
            "sets": [sum(1 << player for player in item.sets[kind].players) for item in found],
            "stated": [item.stability[kind].share.value for item in found],
        }
        for kind in KINDS
    }


def pooled(hits, counts):
    """The share of all statements that are right, with its standard error over rows."""
    if not counts.sum():
        return float("nan"), float("nan")
    whole, n = hits.sum() / counts.sum(), len(counts)
    return float(whole), float(np.sqrt(np.square(hits - whole * counts).sum() * n / (n - 1)) / counts.sum())


def recurrence(found, kind):
    """Of backgrounds from disjoint parts: equal sets, and whether stated stability recurs."""
    sets = np.array([one[kind]["sets"] for one in found])
    stated = np.array([one[kind]["stated"] for one in found])
    same = sets[:, None] == sets[None]
    recurs = (same.sum(1) - 1) / (len(sets) - 1)
    bounds = [[Stability(Measure(one), {}, {}, N_RESAMPLES).at_least for one in part] for part in stated]
    return {
        "equal": share(recurs.mean(0)),
        "stated": share(stated.mean(0)),
        "share": statements(stated >= SURE, recurs),
        "lower bound": statements(np.array(bounds) >= SURE, recurs),
    }


def statements(sure, recurs):
    """How many statements of a sure set there are, and how often these recur."""
    counts, hits = sure.sum(0), (recurs * sure).sum(0)
    return {
        "statements": int(counts.sum()),
        "rows": int((counts > 0).sum()),
        "recur": pooled(hits, counts),
        "recur, a row": share(hits[counts > 0] / counts[counts > 0]),
    }


def kept(path, made):
    """What a file holds; made and written first where it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".part")
        whole.write_text(json.dumps(made()), "utf-8")
        whole.rename(path)
    return json.loads(path.read_text("utf-8"))


def problems(options):
    """Each model that is asked for, fitted, with its declined rows."""
    table, label, words = adult(options.data)
    order = np.random.default_rng(options.seed).permutation(len(table))
    for name, (model, output, most) in models(words).items():
        if options.models and name not in options.models:
            continue
        trained, rest = order[:N_TRAINED], order[N_TRAINED:]
        model.fit(table.iloc[trained], label[trained])
        declined = rest[model.predict(table.iloc[rest]) == 0][: options.rows]
        rows, others = table.iloc[declined], table.iloc[np.setdiff1d(order, declined, assume_unique=True)]
        mixed = others.sample(frac=1, random_state=options.seed)
        yield Problem(name, model, output, rows, mixed, options.fresh), most


def tell_default(line):
    """One line of the former default, the default and so on."""
    print(
        f"{line['model']}, {line['way']} ({line['reference']}): member against the prediction in "
        f"{shown(line['with a member against it'])} of sets; {line['size']:.2f} members; "
        f"{line['ms a row']:.1f} ms a row, one row {line['s for one row']:.2f} s",
        flush=True,
    )
    if line.get("on more rows"):
        told = f"of which smaller ones could not be ruled out {shown(line['smaller ones undecided'])}"
        print(f"    smallest sets chosen on {line['on more rows']:,} more rows, {told}")
    for kind, counts in line["verdicts"].items():
        print(f"    {kind}: " + ", ".join(f"{said} {part:.3f}" for said, part in counts.items()))


def tell_samples(name, size, found):
    """The lines of backgrounds of one size."""
    print(f"{name}, {len(found)} disjoint backgrounds of {size:,} rows", flush=True)
    for kind in KINDS:
        one = recurrence(found, kind)
        print(f"    {kind}: equal {shown(one['equal'])}, stated stability {shown(one['stated'])}")
        for what in ("share", "lower bound"):
            told = one[what]
            print(
                f"        {what} at least {SURE}: {told['statements']} statements on {told['rows']} rows, of "
                f"which {shown(told['recur'])} recur, a row {shown(told['recur, a row'])}",
                flush=True,
            )


def main():
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of what was computed")
    parser.add_argument("--rows", type=int, default=200, help="declined rows that are explained")
    parser.add_argument("--samples", type=int, default=20, help="disjoint backgrounds of each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 4_000], help="rows of these")
    parser.add_argument("--models", nargs="+", help="some of the models")
    parser.add_argument(
        "--fresh", type=int, default=N_FRESH, help="fresh rows that judge; the others are given"
    )
    parser.add_argument("--ways", nargs="+", default=list(WAYS), help="some of the ways to ask")
    parser.add_argument("--only", choices=["defaults", "samples"], help="one half")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for problem, most in problems(options):
        judged = "" if options.fresh == N_FRESH else f"-{options.fresh}"
        folder = options.out / f"{problem.name}-{options.rows}-{options.seed}{judged}"
        if options.only != "samples":
            for way in options.ways:
                if way == "122 rows" and problem.output == "margin":
                    continue
                tell_default(kept(folder / f"{way}.json", partial(default, problem, way)))
        if options.only == "defaults":
            continue
        others = problem.others
        for size in [size for size in (*options.sizes, len(others) // 2) if size <= most]:
            found = []
            for number in range(min(options.samples, len(others) // size)):
                part = others[number * size : (number + 1) * size]
                found.append(kept(folder / f"{size}-{number}.json", partial(sample, problem, part)))
            tell_samples(problem.name, size, found)


if __name__ == "__main__":
    main()
