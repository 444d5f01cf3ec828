"""Figure 1 of SNE: how far the solutions of (P_uni) move as α goes from 0 to 1.

For each test point, size limit τ and size rule the curve is Hamming(S*_α, S*_0) / d,
read off the exact continuum. Figure 1a: a linear model of Gaussian features under
the exact conditional, for many draws of the covariance factor A. Figure 1b: a
random forest on ten columns of Adult under the empirical conditional and under the
marginal reference.

    python experiments/stability.py --out results/ [--data DIR] [--quick]

Writes stability_linear.csv/.png, stability_adult.csv/.png and stability.md.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch

mpl.use("Agg")
from matplotlib.figure import Figure

from onlyif.core.players import column_players
from onlyif.core.seeds import child_seed
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.plots.curves import plot_stability
from onlyif.predictors.base import Meaning
from onlyif.predictors.function import FunctionPredictor
from onlyif.predictors.readouts import TargetReadout
from onlyif.references.base import Reference
from onlyif.references.empirical import fit_empirical
from onlyif.references.gaussian import GaussianReference
from onlyif.references.marginal import fit_marginal
from onlyif.restrictions.base import Restriction
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.linear_gaussian import LinearGaussianRestriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.solutions import continua_of

SIZES = (3, 6, 9)
ALPHAS = np.linspace(0.0, 1.0, 101)
RULES = {"at most τ": False, "exactly τ": True}
ADULT = (
    "age",
    "workclass",
    "education-num",
    "marital-status",
    "occupation",
    "native-country",
    "relationship",
    "hours-per-week",
    "sex",
    "race",
)


@dataclass(frozen=True)
class Settings:
    """Sizes of both experiments."""

    n_points: int
    n_factors: int
    n_rows: int
    n_trees: int
    seed: int


def curves(restriction: Restriction, x: torch.Tensor, step: int = 10) -> np.ndarray:
    """Hamming(S*_α, S*_0) / d of each point, (rules, sizes, points, alphas)."""
    d = x.shape[1]
    found = []
    for part in torch.split(x, step):
        function = SetFunction(restriction, part, TargetReadout(torch.zeros(len(part), dtype=torch.long)), d)
        criterion = Unified(function, AbsoluteDistance())
        clouds = ExhaustiveSearch().compare(criterion, d, 30).clouds
        for cloud in clouds:
            continua = continua_of(cloud, tuple(f"x{i}" for i in range(d)))
            rules = [
                [_curve(continua.of(size, exact_size=exact), d) for size in SIZES] for exact in RULES.values()
            ]
            found.append(rules)
    return np.asarray(found).transpose(1, 2, 0, 3)


def _curve(continuum, d: int) -> list[float]:  # type: ignore[no-untyped-def]  # a Continuum
    origin = set(continuum.at(0.0).players)
    return [len(origin ^ set(continuum.at(float(alpha)).players)) / d for alpha in ALPHAS]


def linear(settings: Settings) -> Iterator[np.ndarray]:
    """The curves of each draw of A: X ~ N(μ, AAᵀ), least squares, the exact conditional as V."""
    d = 10
    power = 2.0 ** np.arange(1, d + 1)
    mean, truth = power, 32.0 / power
    for draw in range(settings.n_factors):
        random = np.random.default_rng(child_seed(settings.seed, "stability", draw))
        factor = random.uniform(size=(d, d))
        train = mean + random.normal(size=(2000, d)) @ factor.T
        response = train @ truth + random.normal(size=2000)
        design = np.column_stack([train, np.ones(len(train))])
        fitted = np.linalg.lstsq(design, response, rcond=None)[0]
        points = torch.as_tensor(mean + random.normal(size=(settings.n_points, d)) @ factor.T)
        law = GaussianReference(
            torch.as_tensor(mean), torch.as_tensor(factor @ factor.T), "the true law of the features"
        )
        restriction = LinearGaussianRestriction(
            torch.as_tensor(fitted[:d, None]),
            torch.as_tensor(fitted[d:]),
            law,
            column_players([f"x{i}" for i in range(d)]),
        )
        yield curves(restriction, points, step=settings.n_points)


def adult(folder: Path, settings: Settings) -> Iterator[tuple[str, str, np.ndarray]]:
    """The curves of a random forest on Adult under both references."""
    from sklearn.ensemble import RandomForestClassifier

    table = pd.read_csv(folder / "adult" / "adult.csv.gz")
    wealthy = (table.pop("income") == ">50K").to_numpy()
    table = table[list(ADULT)]
    ordered = torch.tensor([table[name].dtype.kind in "if" for name in ADULT])
    codes = np.column_stack(
        [
            table[name] if order else pd.factorize(table[name], sort=True)[0]
            for name, order in zip(ADULT, ordered, strict=True)
        ]
    ).astype(np.float64)
    mixed = np.random.default_rng(child_seed(settings.seed, "adult split")).permutation(len(codes))
    codes, wealthy = codes[mixed], wealthy[mixed]
    n_train = 20_000
    forest = RandomForestClassifier(
        settings.n_trees, min_samples_leaf=10, random_state=settings.seed, n_jobs=1
    )
    forest.fit(codes[:n_train], wealthy[:n_train])
    accuracy = forest.score(codes[n_train:], wealthy[n_train:])
    print(
        f"random forest on Adult, {settings.n_trees} trees: accuracy {accuracy:.3f} on {len(codes) - n_train} rows"
    )

    def probability(batch: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(forest.predict_proba(batch.numpy())[:, 1:])

    predictor = FunctionPredictor(probability, described=Meaning("random forest", "probability"))
    background = torch.as_tensor(codes[:n_train])
    points = torch.as_tensor(codes[n_train : n_train + settings.n_points])
    references: dict[str, Callable[[], Reference]] = {
        "empirical conditional": lambda: fit_empirical(
            background, ordered=ordered, n_rows=settings.n_rows, seed=settings.seed
        ),
        "marginal": lambda: fit_marginal(background, n_rows=100, seed=settings.seed),
    }
    players = column_players(list(ADULT))
    for name, build in references.items():
        reference = build()
        restriction = EnumeratedRestriction(predictor, reference, players, max_rows=32_768)
        yield name, reference.law.sentence, curves(restriction, points)


def band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the last but one axis and its 95 % normal interval."""
    mean = values.mean(-2)
    half = 1.96 * values.std(-2, ddof=1) / np.sqrt(values.shape[-2])
    return mean, mean - half, mean + half


def frame(name: str, mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> pd.DataFrame:
    """The bands as one tidy table."""
    parts = []
    for i, rule in enumerate(RULES):
        for j, size in enumerate(SIZES):
            columns = {"reference": name, "rule": rule, "size": size, "alpha": ALPHAS}
            parts.append(pd.DataFrame({**columns, "mean": mean[i, j], "low": low[i, j], "high": high[i, j]}))
    return pd.concat(parts, ignore_index=True)


def draw(panels: list[tuple[str, str, tuple[np.ndarray, ...]]], path: Path) -> None:
    """One panel a reference and size rule."""
    figure = Figure(figsize=(13, 4.9 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 2, squeeze=False)
    for row, (name, sentence, bands) in zip(axes, panels, strict=True):
        for i, (ax, rule) in enumerate(zip(row, RULES, strict=True)):
            mean, low, high = (part[i] for part in bands)
            labels = tuple(f"τ = {size}" for size in SIZES)
            title = f"{name}, sets of {rule} features"
            plot_stability(ALPHAS, mean, low, high, labels=labels, ax=ax, reference=sentence, subtitle=title)
    figure.savefig(path, dpi=120)


def said(table: pd.DataFrame) -> list[str]:
    """The curves at a few α as a markdown table."""
    shown = [0.05, 0.25, 0.5, 0.8, 0.95, 1.0]
    lines = ["| reference | sets of | τ | " + " | ".join(f"α = {a:g}" for a in shown) + " |"]
    lines.append("|---" * (3 + len(shown)) + "|")
    for (name, rule, size), part in table.groupby(["reference", "rule", "size"], sort=False):
        cells = []
        for alpha in shown:
            at = part.iloc[(part["alpha"] - alpha).abs().argmin()]
            cells.append(f"{at['mean']:.3f} ± {(at['high'] - at['mean']):.3f}")
        lines.append(f"| {name} | {rule} | {size} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Run both experiments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=os.environ.get("ONLYIF_DATA"))
    parser.add_argument("--quick", action="store_true", help="5 draws of A, 10 points, 20 trees")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sizes = (10, 5, 100, 20) if given.quick else (100, 50, 200, 100)
    settings = Settings(*sizes, given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    lines = ["# Stability of unified solutions (Figure 1)", "", f"{settings}", ""]

    started = time.perf_counter()
    # One mean curve a draw of A: the draws are independent, the points of one draw are not.
    means = np.stack([found.mean(2) for found in linear(settings)], axis=2)
    bands = band(means)
    table = frame("Gaussian conditional", *bands)
    table.to_csv(given.out / "stability_linear.csv", index=False, float_format="%.6g")
    sentence = (
        f"the exact Gaussian conditional; {settings.n_factors} draws of A, {settings.n_points} points each"
    )
    draw([("linear model", sentence, bands)], given.out / "stability_linear.png")
    lines += ["## 1a: linear model, Gaussian conditional", "", *said(table), ""]
    print(f"1a: {time.perf_counter() - started:.0f} s")

    if given.data is None:
        lines += ["1b was not run: name the folder of data sets with --data.", ""]
    else:
        started = time.perf_counter()
        panels, tables = [], []
        for name, sentence, found in adult(Path(given.data), settings):
            bands = band(found)
            panels.append((f"random forest on Adult, {name}", sentence, bands))
            tables.append(frame(name, *bands))
        table = pd.concat(tables, ignore_index=True)
        table.to_csv(given.out / "stability_adult.csv", index=False, float_format="%.6g")
        draw(panels, given.out / "stability_adult.png")
        lines += ["## 1b: random forest on Adult", "", *said(table), ""]
        print(f"1b: {time.perf_counter() - started:.0f} s")
    (given.out / "stability.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
