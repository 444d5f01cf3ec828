"""What a call for one row costs: `onlyif.explain`, and the first and a later call of an `onlyif.Explainer`.

    python benchmarks/explainers.py [--data FOLDER] [--turns 9]

FOLDER holds adult/adult.csv.gz (ONLYIF_DATA by default); without it scikit-learn's breast cancer is taken
alone. The three ways take turns, each with another row; times are processor times, medians with quartiles,
and a ratio is the median of the ratios of turns.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import onlyif

warnings.filterwarnings("ignore")
N_BACKGROUND = 500


def cancer():
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    x = x.iloc[:, :10]
    models = {
        "LightGBM": lightgbm.LGBMClassifier(n_jobs=1, verbose=-1),
        "XGBoost": xgboost.XGBClassifier(n_jobs=1),
        "forest": RandomForestClassifier(100, max_depth=8, random_state=0),
    }
    return "cancer", x, y.to_numpy(), models


def adult(folder):
    table = pd.read_csv(folder / "adult" / "adult.csv.gz").sample(5000, random_state=0)
    x, y = table.iloc[:, :-1], table.iloc[:, -1].astype(str).str.contains(">50").to_numpy()
    named = [name for name in x if x[name].dtype.kind not in "iuf"]
    numbers = [name for name in x if name not in named]
    encoder = OneHotEncoder(handle_unknown="ignore")
    kept = make_column_transformer((encoder, named), remainder="passthrough")
    scaled = make_column_transformer((encoder, named), (StandardScaler(), numbers))
    models = {
        "pipeline with a forest": make_pipeline(
            kept, RandomForestClassifier(50, max_depth=8, random_state=0)
        ),
        "pipeline with a regression": make_pipeline(scaled, LogisticRegression(max_iter=1000)),
    }
    return "Adult", x.reset_index(drop=True), y, models


def compared(model, rows, background, turns):
    """Seconds of each way, turn by turn."""
    later = onlyif.Explainer(model, background)
    later(rows[:1])
    ways = {
        "explain": lambda row: onlyif.explain(model, row, background=background),
        "first call": lambda row: onlyif.Explainer(model, background)(row),  # noqa: PLW0108 - a new one
        "later call": later,
    }
    spent = {name: [] for name in ways}
    for turn in range(turns + 1):
        row = rows[turn : turn + 1]
        for name, way in ways.items():
            started = time.process_time()
            way(row)
            spent[name].append(time.process_time() - started)
    return {name: np.array(times[1:]) for name, times in spent.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=os.environ.get("ONLYIF_DATA"))
    parser.add_argument("--turns", type=int, default=9)
    arguments = parser.parse_args()
    sets = [cancer(), *([adult(Path(arguments.data))] if arguments.data else [])]
    for title, x, y, models in sets:
        background, rows = x[:N_BACKGROUND], x[N_BACKGROUND:]
        for name, model in models.items():
            spent = compared(model.fit(background, y[:N_BACKGROUND]), rows, background, arguments.turns)
            for way, times in spent.items():
                low, middle, high = np.quantile(times, [0.25, 0.5, 0.75]) * 1e3
                ratio = np.median(times / spent["explain"])
                told = f"{middle:.0f} ms ({low:.0f} to {high:.0f}), {ratio:.2f} of explain"
                print(f"{title}, {name}, {way}: {told}")


if __name__ == "__main__":
    main()
