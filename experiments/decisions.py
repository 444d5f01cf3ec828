"""How far answers of declined applicants can be trusted: Adult with LightGBM, XGBoost and a pipeline.

    python experiments/decisions.py --data FOLDER                  200 declined rows, all models
    python experiments/decisions.py --data FOLDER --rows 20 --models lightgbm-margin

FOLDER holds adult/adult.csv.gz. Printed are, over 100 background rows (the former default), at the default
and against the rows that are decided otherwise: the share of sets with members that speak against the
prediction (all of them are marked); the verdicts on 10,000 fresh rows; the time a row. Then, for backgrounds
drawn from disjoint parts of the table, how often two of them give the same set, and how often a set whose
stated stability is at least .9 recurs in the others. Errors are standard errors over rows.
"""

import argparse
import json
import time
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations
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
from onlyif.explanation.verdicts import verdict_of
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare

N_TRAINED, N_FRESH, N_RESAMPLES = 20_000, 10_000, 50
SURE = 0.9
KINDS = ("sufficient", "necessary")


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
    """What 10,000 rows that nothing has seen say of each sufficient and necessary set."""
    fresh, background = problem.others[:N_FRESH], problem.others[N_FRESH:]
    work = prepare(problem.model, problem.rows, background, Options(**settings))
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


def defaults(problem):
    """One line for the former default, the default and the rows that are decided otherwise."""
    lines, rows, others = [], problem.rows, problem.others[N_FRESH:]
    ways = {
        "100 rows": {"reference": onlyif.Marginal(100)},
        "default": {},
        "against": {"against": "other decisions"},
    }
    for way, extra in ways.items():
        settings = {"output": "probability" if way == "against" else problem.output, **extra}
        begun = time.process_time()
        found = onlyif.explain(problem.model, rows[:1], background=others, **settings)
        first = time.process_time() - begun
        found = onlyif.explain(problem.model, rows, background=others, **settings)
        spent = time.process_time() - begun - 2 * first
        line = {
            "model": problem.name,
            "way": way,
            "reference": found[0].provenance.reference.rpartition("(")[2].rstrip(").").partition(": ")[2],
            "with a member against it": against_the_prediction(found),
            "ms a row": 1e3 * spent / max(1, len(rows) - 1),
            "s for one row": first,
        }
        if way != "against":
            line |= {"verdicts": verdicts(problem, found, settings)}
        else:
            told = Counter(item.verdicts[kind].finding.value for item in found for kind in KINDS)
            line |= {
                "verdicts": {"both, the library's own": {k: v / 2 / len(found) for k, v in told.items()}}
            }
        lines.append(line)
    return lines


def samples(problem, n_rows, n_samples):
    """Backgrounds from disjoint parts of the table: equal sets, and whether stated stability recurs."""
    rows, others = problem.rows, problem.others
    parts = [others[i * n_rows : (i + 1) * n_rows] for i in range(min(n_samples, len(others) // n_rows))]
    settings = {"reference": onlyif.Marginal(None), "output": problem.output, "stability": N_RESAMPLES}
    found = [onlyif.explain(problem.model, rows, background=part, **settings) for part in parts]
    line = {"model": problem.name, "rows of a background": n_rows, "backgrounds": len(parts)}
    for kind in KINDS:
        sets = [[item.sets[kind].players for item in one] for one in found]
        stated = np.array([[item.stability[kind].share.value for item in one] for one in found])
        same = np.array([[a[i] == b[i] for i in range(len(rows))] for a, b in combinations(sets, 2)])
        recurs = np.array(
            [
                [np.mean([o[i] == one[i] for o in sets if o is not one]) for i in range(len(rows))]
                for one in sets
            ]
        )
        sure = stated >= SURE
        line[kind] = {
            "equal": share(same.mean(0)),
            "stated": share(stated.mean(0)),
            "stated sure": float(sure.mean()),
            "recurs where sure": share(
                [recurs[sure[:, i], i].mean() if sure[:, i].any() else np.nan for i in range(len(rows))]
            ),
        }
    return line


def main():
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--rows", type=int, default=200, help="declined rows that are explained")
    parser.add_argument("--samples", type=int, default=20, help="disjoint backgrounds of each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 4_000], help="rows of these")
    parser.add_argument("--models", nargs="+", help="some of the models")
    parser.add_argument("--skip-defaults", action="store_true", help="only the disjoint backgrounds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table, label, words = adult(options.data)
    order = np.random.default_rng(options.seed).permutation(len(table))
    told = []
    for name, (model, output, most) in models(words).items():
        if options.models and name not in options.models:
            continue
        trained, rest = order[:N_TRAINED], order[N_TRAINED:]
        model.fit(table.iloc[trained], label[trained])
        declined = rest[model.predict(table.iloc[rest]) == 0][: options.rows]
        rows, others = table.iloc[declined], table.iloc[np.setdiff1d(order, declined, assume_unique=True)]
        others = others.sample(frac=1, random_state=options.seed)
        problem = Problem(name, model, output, rows, others)
        if not options.skip_defaults:
            for line in defaults(problem):
                told.append(line)
                print(
                    f"{name}, {line['way']} ({line['reference']}): member against the prediction in "
                    f"{shown(line['with a member against it'])} of sets; {line['ms a row']:.1f} ms a row, "
                    f"one row {line['s for one row']:.2f} s",
                    flush=True,
                )
                for kind, counts in line["verdicts"].items():
                    print(f"    {kind}: " + ", ".join(f"{said} {part:.3f}" for said, part in counts.items()))
        for size in [size for size in (*options.sizes, len(others) // 2) if size <= most]:
            line = samples(problem, size, options.samples)
            told.append(line)
            print(f"{name}, {line['backgrounds']} disjoint backgrounds of {size:,} rows", flush=True)
            for kind in KINDS:
                one = line[kind]
                print(
                    f"    {kind}: equal {shown(one['equal'])}, stated stability {shown(one['stated'])}; "
                    f"at least {SURE} in {one['stated sure']:.3f}, of which "
                    f"{shown(one['recurs where sure'])} recur",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(told, indent=1), "utf-8")


if __name__ == "__main__":
    main()
