"""Questions to the public API with everything fixed that could be drawn, of which golden answers are kept.

`python tests/oracles/golden.py FOLDER` writes the answers anew, which only a change of a definition should
need; FOLDER is that of the data sets. Models are given by their numbers or files, never trained, and
backgrounds are whole, so that the answers are the same on every machine and after every change of what
stands behind the API.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import onlyif

FILES = Path(__file__).parents[1] / "golden" / "models"
ANSWERS = FILES.parent / "answers.jsonl"
N_BACKGROUND, N_ROWS = 60, 2
DATA = {
    "cancer": (
        load_breast_cancer,
        ["mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry"],
    ),
    "wine": (load_wine, ["alcohol", "malic_acid", "ash", "flavanoids", "hue", "proline"]),
    "diabetes": (load_diabetes, ["age", "sex", "bmi", "bp", "s1", "s5"]),
}
# Adult, where it is at hand: columns, and for each the numbers that the model below counts.
PEOPLE = ["age", "education", "marital-status", "hours-per-week", "sex"]


@dataclass(frozen=True)
class Case:
    """One question: a model, its table, and the arguments of `onlyif.explain`."""

    name: str
    data: str
    model: Callable
    asked: dict = field(default_factory=dict)


@cache
def table(name, folder=None):
    """The rows to explain and the whole background."""
    if name == "adult":
        frame = pd.read_csv(Path(folder) / "adult" / "adult.csv.gz")[PEOPLE]
        return frame[100 : 100 + N_ROWS], frame[:N_BACKGROUND]
    load, columns = DATA[name]
    frame = load(as_frame=True).frame[columns]
    step = len(frame) // (N_BACKGROUND + N_ROWS)
    chosen = frame.iloc[:: max(1, step)][: N_BACKGROUND + N_ROWS]
    return chosen[N_BACKGROUND:], chosen[:N_BACKGROUND]


def weights_of(n_rows, n_columns):
    """Numbers that look drawn and are not."""
    return np.sin(np.arange(1, n_rows * n_columns + 1) ** 2).reshape(n_rows, n_columns)


def standing(name):
    """A scaler of a data set, by its mean and spread."""
    frame = table(name)[1]
    scaler = StandardScaler()
    scaler.mean_, scaler.scale_ = frame.mean().to_numpy(), frame.std(ddof=0).to_numpy()
    scaler.var_, scaler.n_features_in_, scaler.n_samples_seen_ = scaler.scale_**2, frame.shape[1], len(frame)
    scaler.feature_names_in_ = frame.columns.to_numpy(dtype=object)
    return scaler


def classifier(name, n_classes=2):
    """A pipeline of a scaler and a logistic regression with given weights."""
    n_columns = table(name)[1].shape[1]
    last = LogisticRegression()
    rows = 1 if n_classes == 2 else n_classes
    last.coef_, last.intercept_ = weights_of(rows, n_columns), weights_of(1, rows)[0] / 2
    last.classes_, last.n_features_in_ = np.arange(n_classes), n_columns
    return Pipeline([("scaler", standing(name)), ("regression", last)])


def regressor(name):
    """A linear regression with given weights."""
    frame = table(name)[1]
    model = LinearRegression()
    model.coef_, model.intercept_ = weights_of(1, frame.shape[1])[0], 0.5
    model.n_features_in_, model.feature_names_in_ = frame.shape[1], frame.columns.to_numpy(dtype=object)
    return model


def function(name):
    """A smooth function with interactions, of a frame."""
    frame = table(name)[1]
    middle, spread = frame.mean().to_numpy(), frame.std(ddof=0).to_numpy()
    first, second = weights_of(2, frame.shape[1])

    def f(rows):
        z = (rows.to_numpy(dtype=float) - middle) / spread
        return np.tanh(z @ first) + 0.3 * (z @ second) * (z[:, 0] > 0.2)

    return f


def probabilities(name, n_classes):
    """Three probabilities, of a frame, with a jump."""
    frame = table(name)[1]
    middle, spread = frame.mean().to_numpy(), frame.std(ddof=0).to_numpy()
    weights = weights_of(n_classes, frame.shape[1])

    def f(rows):
        z = (rows.to_numpy(dtype=float) - middle) / spread
        scores = z @ weights.T + (z[:, :1] * z[:, 1:2] > 0.1)
        grown = np.exp(scores - scores.max(axis=1, keepdims=True))
        return grown / grown.sum(axis=1, keepdims=True)

    return f


def network(name):
    """A small torch network in double precision with given weights."""
    import torch
    from torch import nn

    frame = table(name)[1]
    d = frame.shape[1]
    net = nn.Sequential(nn.Linear(d, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    scale = torch.tensor(frame.std(ddof=0).to_numpy())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor(weights_of(6, d)) / scale)
        net[0].bias.copy_(-net[0].weight @ torch.tensor(frame.mean().to_numpy()))
        net[2].weight.copy_(torch.tensor(weights_of(3, 6)))
        net[2].bias.zero_()
    return net


def boosted(file):
    """A booster from its file."""
    from onlyif.files.models import read_model

    return read_model(FILES / file)


def people(rows):
    """A probability of two classes, of people."""
    hours = (rows["hours-per-week"].to_numpy(dtype=float) - 40) / 30
    score = (
        (rows["age"].to_numpy(dtype=float) - 40) / 20
        + 1.5 * (rows["marital-status"] == "Married-civ-spouse").to_numpy(dtype=float)
        + rows["education"].isin(["Bachelors", "Masters", "Doctorate"]).to_numpy(dtype=float)
        + hours * (rows["sex"] == "Male").to_numpy(dtype=float)
        - 1
    )
    p = 1 / (1 + np.exp(-score))
    return np.stack([1 - p, p], axis=1)


WHOLE = onlyif.Marginal(n_rows=None)
EMPIRICAL = onlyif.Empirical()
CAUSE = {"sample": onlyif.BackgroundRows(n_rows=None), "b": 0.4, "c": 0.1}


def _on(name, model, **asked):
    return [(f"{name}: {label}", name, model, settings) for label, settings in asked.items()]


def _cases():
    sets = {
        "marginal": {"reference": WHOLE},
        "marginal of exact size": {"reference": WHOLE, "size": 2, "exact_size": True},
        "sufficiency alone": {"reference": WHOLE, "alpha": 1.0, "size": 3},
        "necessity alone": {"reference": WHOLE, "alpha": 0.0, "size": 2},
        "a wide epsilon": {"reference": WHOLE, "epsilon": 0.05},
        "beam": {"reference": WHOLE, "search": "beam", "budget": 2_000, "size": 3},
        "greedy": {"reference": WHOLE, "search": "greedy", "size": 3},
        "baseline": {"reference": "one row"},
        "empirical": {"reference": EMPIRICAL},
    }
    few = {name: sets[name] for name in ("marginal", "baseline")}
    causes = {
        "causes": {"criterion": onlyif.PNS(**CAUSE), "size": 3},
        "hard causes": {"criterion": onlyif.PNS(**CAUSE, events="hard"), "size": 2},
        "plain conditionals": {"criterion": onlyif.PNS(**CAUSE, abduction="plain"), "size": 2},
        "summed distances": {"criterion": onlyif.PNS(**CAUSE, distance="gower", p_replace=0.3), "size": 2},
    }
    decisions = {"decisions": {"reference": WHOLE, "distance": "discrete"}}
    gaussian = {"gaussian": {"reference": "gaussian"}}
    drinks = {"groups": {"reference": WHOLE, "groups": {"drink": ["alcohol", "proline"]}}}
    paths = {"tree paths": {"reference": "tree-path"}}
    margins = {
        "tree paths": {"reference": "tree-path", "output": "margin"},
        "margin": {"reference": WHOLE, "output": "margin"},
    }
    some = {"causes": causes["causes"]}
    yield "function", "diabetes", function, {**sets, **causes}, {}
    yield "linear", "diabetes", regressor, {**few, **gaussian}, {}
    yield "pipeline", "cancer", classifier, {**sets, **causes, **decisions}, {}
    yield "log-odds", "cancer", classifier, few, {"distance": "logit"}
    yield "margin", "cancer", classifier, {**few, **gaussian}, {"output": "margin"}
    yield "three classes", "wine", lambda name: classifier(name, 3), few, {"target": 2}
    yield "probabilities", "wine", lambda name: probabilities(name, 3), {**few, **drinks}, {"target": 1}
    yield "network", "wine", network, {**few, **some}, {"target": 0}
    yield "xgboost", "cancer", lambda _: boosted("cancer.json"), {**few, **margins}, {}
    yield "lightgbm", "cancer", lambda _: boosted("cancer.txt"), {**few, **margins}, {}
    yield "boosted regression", "diabetes", lambda _: boosted("diabetes.txt"), {**few, **paths, **some}, {}
    yield "people", "adult", lambda _: people, {**few, "empirical": sets["empirical"], **some}, {"target": 1}


def cases():
    """All cases, by name."""
    found = {}
    for model, data, build, asked, always in _cases():
        for label, settings in asked.items():
            name = f"{model} on {data}, {label}"
            found[name] = Case(name, data, lambda build=build, data=data: build(data), {**always, **settings})
    return found


def answers(case, folder=None):
    """What `onlyif.explain` says, as plain JSON with numbers to twelve digits.

    Args:
        case: The question.
        folder: The folder of data sets; needed for people.
    """
    rows, background = table(case.data, folder if case.data == "adult" else None)
    asked = dict(case.asked)
    if asked.get("reference") == "one row":
        asked["reference"] = onlyif.Baseline(background.iloc[[7]])
    if "criterion" not in asked and "search" not in asked:
        asked["keep_table"] = True
    found = onlyif.explain(case.model(), rows, background=background, **asked)
    return [record(item) for item in found]


def record(item):
    """All that one explanation says, but for words, versions and times."""
    return _record_of_causes(item) if item.criterion == "pns" else _record_of_sets(item)


def _number(value):
    return float(f"{float(value):.12g}")


def _gap(gap):
    return [_number(gap.value), _number(gap.stderr)]


def _selection(one):
    gaps = {"sufficiency": _gap(one.sufficiency), "necessity": _gap(one.necessity)}
    return {"names": list(one.names), **gaps, "ties": one.n_ties}


def _record_of_sets(item):
    certificate = item.certificate
    continuum = item.continuum
    return {
        "values": list(item.values),
        "target": item.target,
        "prediction": _number(item.prediction),
        "base": _number(item.base),
        "total_gap": _gap(item.total_gap),
        "epsilon": _number(item.epsilon),
        "size": item.size,
        "sufficient": _selection(item.sufficient),
        "necessary": _selection(item.necessary),
        "unified": _selection(item.unified),
        "breakpoints": [_number(value) for value in continuum.breakpoints],
        "pieces": [_selection(one) for one in continuum.pieces],
        "corners": [_selection(one) for one in continuum.corners],
        "certificate": {
            name: value if value is None or isinstance(value, bool | int) else _number(value)
            for name in sorted(vars(certificate))
            if isinstance(value := getattr(certificate, name), bool | int | float | None)
        },
        "basis": certificate.basis.name,
        "shapley": None if item.shapley is None else [_number(value) for value in item.shapley.tolist()],
        "table": None if item.table is None else [_number(value) for value in item.table.tolist()],
    }


def _cause(one):
    names = ("p_changed", "p_unchanged", "pn", "pns", "ps")
    values = {name: _number(one.measure(name).value) for name in names}
    return {"names": list(one.names), **values}


def _record_of_causes(item):
    return {
        "values": list(item.values),
        "baseline": list(item.baseline),
        "target": item.target,
        "prediction": _number(item.prediction),
        "baseline_prediction": _number(item.baseline_prediction),
        "size": item.size,
        "path": [_cause(one) for one in item.path],
        "singles": [_cause(one) for one in item.singles],
    }


def kept():
    """The golden answers, by the name of their case."""
    return dict(json.loads(line) for line in ANSWERS.read_text("utf-8").splitlines())


def write(folder):
    """Write the answers of all cases, a line each."""
    lines = [json.dumps([name, answers(case, folder)]) for name, case in cases().items()]
    ANSWERS.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    write(sys.argv[1])
