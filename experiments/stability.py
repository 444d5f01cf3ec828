"""Figure 1 of SNE: how far the solutions of (P_uni) move as α goes from 0 to 1.

For each test point, size limit τ and size rule the curve is Hamming(S*_α, S*_0) / d,
read off the exact continuum. Figure 1a: a linear model of Gaussian features under
the exact conditional, for many draws of the covariance factor A. Figure 1b: a
random forest on ten columns of Adult under the empirical conditional and under the
marginal reference.

    python experiments/stability.py --out results/ [--data DIR] [--quick] [--redraw]

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
from outputs import save_figure, save_frame, save_text

from onlyif.answers.solutions import continua_of
from onlyif.core.players import column_players
from onlyif.core.seeds import child_seed
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.models.base import Meaning
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import TargetReadout
from onlyif.plots.curves import plot_stability
from onlyif.references.base import Reference
from onlyif.references.empirical import fit_empirical
from onlyif.references.gaussian import GaussianReference
from onlyif.references.marginal import fit_marginal
from onlyif.restrictions.base import Restriction
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.linear_gaussian import LinearGaussianRestriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.exhaustive import ExhaustiveSearch

SIZES = (3, 6, 9)
ALPHAS = np.linspace(0.0, 1.0, 101)
LINEAR, ADULT_CSV = "stability_linear.csv", "stability_adult.csv"
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
        function = SetFunction(restriction, part, TargetReadout(np.zeros(len(part), dtype=np.int64)), d)
        criterion = Unified(function, AbsoluteDistance())
        clouds = ExhaustiveSearch().compare(criterion, d, 30).clouds
        for continua in continua_of(clouds, tuple(f"x{i}" for i in range(d))):
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
        law = GaussianReference(mean, factor @ factor.T, "the true law of the features")
        players = column_players([f"x{i}" for i in range(d)])
        restriction = LinearGaussianRestriction(fitted[:d, None], fitted[d:], law, players)
        yield curves(restriction, points, step=settings.n_points)


def adult(folder: Path, settings: Settings) -> Iterator[tuple[str, str, np.ndarray]]:
    """The curves of a random forest on Adult under both references."""
    from sklearn.ensemble import RandomForestClassifier

    table = pd.read_csv(folder / "adult" / "adult.csv.gz")
    wealthy = (table.pop("income") == ">50K").to_numpy()
    table = table[list(ADULT)]
    ordered = np.array([table[name].dtype.kind in "if" for name in ADULT])
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
    held_out = f"{len(codes) - n_train} rows"
    print(f"random forest on Adult, {settings.n_trees} trees: accuracy {accuracy:.3f} on {held_out}")

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


def frame(name: str, sentence: str, bands: tuple[np.ndarray, ...]) -> pd.DataFrame:
    """The bands as one tidy table."""
    mean, low, high = bands
    parts = []
    for i, rule in enumerate(RULES):
        for j, size in enumerate(SIZES):
            columns = {"reference": name, "rule": rule, "size": size, "alpha": ALPHAS}
            curve = {"mean": mean[i, j], "low": low[i, j], "high": high[i, j], "sentence": sentence}
            parts.append(pd.DataFrame({**columns, **curve}))
    return pd.concat(parts, ignore_index=True)


def draw(model: str, table: pd.DataFrame, path: Path) -> None:
    """One panel a reference and size rule."""
    names = list(dict.fromkeys(table["reference"]))
    figure = Figure(figsize=(13, 5.2 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), 2, squeeze=False)
    for row, name in zip(axes, names, strict=True):
        for ax, rule in zip(row, RULES, strict=True):
            part = table[(table["reference"] == name) & (table["rule"] == rule)]
            mean, low, high = (
                np.stack([part.loc[part["size"] == size, column] for size in SIZES])
                for column in ("mean", "low", "high")
            )
            plot_stability(
                ALPHAS,
                mean,
                low,
                high,
                labels=tuple(f"τ = {size}" for size in SIZES),
                ax=ax,
                reference=part["sentence"].iloc[0],
                subtitle=f"{model}, {name}, sets of {rule} features",
            )
    save_figure(path, figure, dpi=120)


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


def run_linear(settings: Settings) -> pd.DataFrame:
    """Figure 1a; one mean curve a draw of A: the draws are independent, the points of one are not."""
    means = np.stack([found.mean(2) for found in linear(settings)], axis=2)
    sentence = (
        f"The true law of the features; {settings.n_factors} draws of A, {settings.n_points} points each."
    )
    return frame("Gaussian conditional", sentence, band(means))


def run_adult(folder: Path, settings: Settings) -> pd.DataFrame:
    """Figure 1b, under both references."""
    parts = [frame(name, sentence, band(found)) for name, sentence, found in adult(folder, settings)]
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Run both experiments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=os.environ.get("ONLYIF_DATA"))
    parser.add_argument("--quick", action="store_true", help="5 draws of A, 10 points, 20 trees")
    parser.add_argument("--redraw", action="store_true", help="draw again from the CSV files in --out")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sizes = (10, 5, 100, 20) if given.quick else (100, 50, 200, 100)
    settings = Settings(*sizes, given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    lines = ["# Stability of unified solutions (Figure 1)", "", f"{settings}", ""]

    if not given.redraw:
        started = time.perf_counter()
        save_frame(given.out / LINEAR, run_linear(settings), float_format="%.6g")
        print(f"1a: {time.perf_counter() - started:.0f} s")
        if given.data is not None:
            started = time.perf_counter()
            save_frame(given.out / ADULT_CSV, run_adult(Path(given.data), settings), float_format="%.6g")
            print(f"1b: {time.perf_counter() - started:.0f} s")
    headings = {LINEAR: "1a: linear model", ADULT_CSV: "1b: random forest on Adult"}
    for file, heading in headings.items():
        if (given.out / file).is_file():
            table = pd.read_csv(given.out / file)
            draw(heading[4:], table, (given.out / file).with_suffix(".png"))
            lines += [f"## {heading}", "", *said(table), ""]
        else:
            lines += [f"{heading} was not run: name the folder of data sets with --data.", ""]
    save_text(given.out / "stability.md", "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
