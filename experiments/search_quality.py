"""How often heuristic searches find what exhaustive search finds, and at what price.

    python experiments/search_quality.py --data FOLDER [--out FOLDER] [--rows 200]
    python experiments/search_quality.py --tune

Exact tables of tree ensembles on Adult and breast cancer are made once a row (see
`forest_tables`); the searches then ask the tables and pay as they would pay the model.
A case is one row, one α, one τ and one size rule; it counts as found when the least
Δuni among the visited subsets is within 1e-6 of the true least one. Cases of a row
depend on each other, so the share of rows in which all of them are found stands beside.
`--tune` compares settings on other data (wine, diabetes, random games); the defaults of
`BeamSearch` were chosen there and never on the instances that are reported.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from outputs import save_rows, save_text
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.neural_network import MLPClassifier

from onlyif.core.players import column_players
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import TargetReadout
from onlyif.references.marginal import fit_marginal
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.base import Cloud, Search
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import BackwardGreedySearch, ForwardGreedySearch
from onlyif.testing.searches import metered_game

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
N_BACKGROUND, WITHIN, SEED = 100, 1e-6, 0
Model = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Game:
    """Exact tables (rows, 2^d) under a name."""

    name: str
    tables: np.ndarray


# Exact tables of tree ensembles ---------------------------------------------------------------------


@dataclass(frozen=True)
class Leaves:
    """The leaves of an ensemble as boxes: low < x <= high in every column, and the value added there."""

    low: np.ndarray
    high: np.ndarray
    value: np.ndarray


def leaves_of(trees: list, values: list[np.ndarray], n_columns: int) -> Leaves:
    """Every leaf of fitted scikit-learn trees; thresholds are compared as these compare them, in float32."""
    low, high, value = [], [], []
    for tree, tree_values in zip(trees, values, strict=True):
        open_nodes = [(0, np.full(n_columns, -np.inf), np.full(n_columns, np.inf))]
        while open_nodes:
            node, least, most = open_nodes.pop()
            if tree.children_left[node] < 0:
                low.append(least)
                high.append(most)
                value.append(tree_values[node])
                continue
            column, threshold = tree.feature[node], tree.threshold[node]
            below, above = most.copy(), least.copy()
            below[column], above[column] = min(most[column], threshold), max(least[column], threshold)
            open_nodes += [(tree.children_left[node], least, below), (tree.children_right[node], above, most)]
    return Leaves(np.array(low), np.array(high), np.array(value))


def forest_tables(leaves: Leaves, rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    """f_S(x) for all S under the marginal reference, exactly.

    A blend of x and z ends in a leaf if S holds the players A where only x fits its box and
    none of the players B where only z fits. So all pairs of leaf and z are summed by (A, B),
    a number in base 3, and the players are then summed out one after the other.
    """
    d = rows.shape[1]
    bits = 1 << np.arange(d)
    base3 = ((np.arange(2**d)[:, None] >> np.arange(d) & 1) * 3 ** np.arange(d)).sum(1)
    fits = [((point > leaves.low) & (point <= leaves.high)) @ bits for point in as_float32(background)]
    z_fits, everyone = np.stack(fits, axis=1), 2**d - 1
    tables = []
    for point in as_float32(rows):
        x_fits = (((point > leaves.low) & (point <= leaves.high)) @ bits)[:, None]
        reached = (x_fits | z_fits) == everyone
        code = base3[(x_fits & ~z_fits)[reached]] + 2 * base3[(z_fits & ~x_fits)[reached]]
        value = np.broadcast_to(leaves.value[:, None], reached.shape)[reached] / len(background)
        tables.append(sum_out(np.bincount(code, value, minlength=3**d), d))
    return np.array(tables)


def sum_out(table: np.ndarray, d: int) -> np.ndarray:
    """From sums by (A, B) in base 3 to sums by S in base 2: A within S, B outside S."""
    table = table.reshape((3,) * d)
    for axis in range(d):
        neither, only_x, only_z = np.moveaxis(table, axis, 0)
        table = np.stack([neither + only_z, neither + only_x], axis=axis)
    return table.reshape(-1)


def as_float32(values: np.ndarray) -> np.ndarray:
    """Values as the trees compare them."""
    return values.astype(np.float32).astype(np.float64)


# The instances --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """A table of numbers with a target, shuffled: train on the first rows, explain the last ones."""

    name: str
    x: np.ndarray
    y: np.ndarray
    n_train: int


def shuffled(name: str, x: np.ndarray, y: np.ndarray, n_train: int) -> Data:
    """The rows in a seeded order."""
    order = np.random.default_rng(SEED).permutation(len(x))
    return Data(name, x[order].astype(np.float64), y[order], n_train)


def adult(folder: Path) -> Data:
    """13 columns of Adult, categories as numbers, without the survey weight."""
    frame = pd.read_csv(folder / "adult" / "adult.csv.gz")
    columns = [name for name in frame if name not in ("fnlwgt", "income")]
    codes = [
        frame[name] if frame[name].dtype.kind in "if" else frame[name].astype("category").cat.codes
        for name in columns
    ]
    return shuffled("adult", np.column_stack(codes), (frame["income"] == ">50K").to_numpy(int), 20_000)


def breast_cancer(n_columns: int) -> Data:
    """The first columns of breast cancer."""
    x, y = load_breast_cancer(return_X_y=True)
    return shuffled(f"breast cancer, {n_columns} columns", x[:, :n_columns], y, 300)


def forest_game(data: Data, n_rows: int) -> Game:
    """A random forest's probability of the class it predicts."""
    model = RandomForestClassifier(50, min_samples_leaf=5, random_state=SEED)
    model.fit(data.x[: data.n_train], data.y[: data.n_train])
    trees, rows = [each.tree_ for each in model.estimators_], data.x[data.n_train :][:n_rows]
    classes = model.predict_proba(rows).argmax(1)
    tables = np.empty((len(rows), 2 ** data.x.shape[1]))
    for number in np.unique(classes):
        values = [tree.value[:, 0, number] / len(trees) for tree in trees]
        chosen = classes == number
        leaves = leaves_of(trees, values, data.x.shape[1])
        tables[chosen] = forest_tables(leaves, rows[chosen], background_of(data))
    check(data, rows[0], tables[0], lambda batch: model.predict_proba(batch)[:, [classes[0]]])
    return Game(f"{data.name}, random forest", tables)


def boosted_game(data: Data, n_rows: int) -> Game:
    """The log-odds of gradient boosting."""
    model = GradientBoostingClassifier(n_estimators=60, max_depth=4, random_state=SEED)
    model.fit(data.x[: data.n_train], data.y[: data.n_train])
    trees, rows = [each[0].tree_ for each in model.estimators_], data.x[data.n_train :][:n_rows]
    values = [model.learning_rate * tree.value[:, 0, 0] for tree in trees]
    start = float(model.decision_function(rows[:1])[0]) - sum(
        model.learning_rate * each[0].predict(rows[:1])[0] for each in model.estimators_
    )
    tables = start + forest_tables(leaves_of(trees, values, data.x.shape[1]), rows, background_of(data))
    check(data, rows[0], tables[0], lambda batch: model.decision_function(batch)[:, None])
    return Game(f"{data.name}, gradient boosting", tables)


def regression_game(data: Data, n_rows: int) -> Game:
    """The value of a random forest."""
    model = RandomForestRegressor(50, min_samples_leaf=5, random_state=SEED)
    model.fit(data.x[: data.n_train], data.y[: data.n_train])
    trees, rows = [each.tree_ for each in model.estimators_], data.x[data.n_train :][:n_rows]
    leaves = leaves_of(trees, [tree.value[:, 0, 0] / len(trees) for tree in trees], data.x.shape[1])
    return Game(f"{data.name}, random forest", forest_tables(leaves, rows, background_of(data)))


def background_of(data: Data) -> np.ndarray:
    """The background rows: a seeded sample of the training rows."""
    return fit_marginal(torch.from_numpy(data.x[: data.n_train]), N_BACKGROUND, SEED).rows.numpy()


def set_function(data: Data, rows: np.ndarray, model: Model) -> SetFunction:
    """The library's own restriction: every background row is asked."""
    predictor = FunctionPredictor(lambda batch: torch.from_numpy(np.asarray(model(batch.numpy()))))
    reference = fit_marginal(torch.from_numpy(data.x[: data.n_train]), N_BACKGROUND, SEED)
    players = column_players([f"x{i}" for i in range(data.x.shape[1])])
    restriction = EnumeratedRestriction(predictor, reference, players)
    readout = TargetReadout(np.zeros(len(rows), dtype=np.int64))
    return SetFunction(restriction, torch.from_numpy(rows), readout, players.count)


def check(data: Data, row: np.ndarray, table: np.ndarray, model: Model) -> None:
    """The tables are those that the library itself would compute: compared on 200 subsets of one row."""
    d = data.x.shape[1]
    codes = np.random.default_rng(SEED).integers(0, 2**d, 200)
    keep = keep_of_codes(codes, d)[None]
    found = set_function(data, row[None], model).predict(keep).mean[0]
    if not np.allclose(found, table[codes], atol=1e-9):
        raise SystemExit(f"{data.name}: a table is wrong by {abs(found - table[codes]).max()}")


# Games that are hard on purpose ---------------------------------------------------------------------


def parity_game(n_rows: int, d: int, order: int, n_sets: int) -> Game:
    """Small effects of single players, and parities of `order` players, under uniform bits.

    The mean of a parity is 0 until all its players are kept, so f_S has a term for each
    parity that appears only when its last player joins.
    """
    random = np.random.default_rng(SEED + 10 * order + n_sets)
    members = np.arange(2**d)[:, None] >> np.arange(d) & 1
    tables = []
    for _ in range(n_rows):
        table = members @ random.normal(0, 0.1, d)
        for _ in range(n_sets):
            chosen = random.choice(d, order, replace=False)
            table = table + random.choice([-1.0, 1.0]) * members[:, chosen].all(1)
        tables.append(table)
    return Game(f"parities: {n_sets} of {order} among {d} players", np.array(tables))


def noise_game(n_rows: int, d: int) -> Game:
    """Every f_S at random: nothing can be learnt from neighbours."""
    return Game(f"pure noise, {d} players", np.random.default_rng(SEED).random((n_rows, 2**d)))


def smooth_game(n_rows: int, d: int, seed: int) -> Game:
    """tanh of random effects and random pairs: for choosing settings."""
    random = np.random.default_rng(1000 + seed)
    members = (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(float)
    tables = []
    for _ in range(n_rows):
        pairs = random.normal(0, 0.4, (d, d))
        tables.append(np.tanh(members @ random.normal(0, 0.6, d) + ((members @ pairs) * members).sum(1)))
    return Game(f"tanh of pairs, {d} players", np.array(tables))


# Measuring ------------------------------------------------------------------------------------------


def least_gaps(cloud: Cloud) -> np.ndarray:
    """The least Δuni for every α, both size rules (= τ, ≤ τ) and every τ: (alphas, 2, d + 1)."""
    weights = np.array([[alpha, 1 - alpha] for alpha in ALPHAS])
    gaps = cloud.parts @ weights.T
    exact = np.stack(
        [gaps[held].min(0) if len(held) else np.full(len(ALPHAS), np.inf) for held in cloud.by_size],
        axis=1,
    )
    return np.stack([exact, np.minimum.accumulate(exact, axis=1)], axis=1)


@dataclass(frozen=True)
class Score:
    """What one search did on one game."""

    game: str
    search: str
    n_players: int
    found: np.ndarray
    excess: float
    rows: float
    seconds: float

    def line(self) -> dict[str, str]:
        """One line of the report."""
        cases, whole = self.found.size, self.found.reshape(len(self.found), -1).all(1)
        return {
            "game": self.game,
            "search": self.search,
            "rows": str(len(self.found)),
            "cases": str(cases),
            "found": f"{self.found.mean():.5f}",
            "95 %": wilson(int(self.found.sum()), cases),
            "found, = τ": f"{self.found[:, :, 0].mean():.5f}",
            "found, <= τ": f"{self.found[:, :, 1].mean():.5f}",
            "rows with all found": f"{whole.mean():.3f}",
            "95 % of rows": wilson(int(whole.sum()), len(whole)),
            "largest excess": f"{self.excess:.2g}",
            "model rows": f"{self.rows:.0f}",
            "share of 2^d n": f"{self.rows / (N_BACKGROUND * 2**self.n_players):.3f}",
            "s a row": f"{self.seconds:.3f}",
        }


def wilson(hits: int, count: int) -> str:
    """The 95 % Wilson interval of a share."""
    z, share = 1.959964, hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return f"{centre - half:.5f}-{centre + half:.5f}"


def score(game: Game, searches: dict[str, Search]) -> Iterator[Score]:
    """Every search on every instance alone, against exhaustive search."""
    d = game.tables.shape[1].bit_length() - 1
    found: dict[str, list[np.ndarray]] = {name: [] for name in searches}
    rows, seconds, excess = (dict.fromkeys(searches, 0.0) for _ in range(3))
    for table in game.tables:
        criterion = Unified(metered_game([table.tolist()], N_BACKGROUND), AbsoluteDistance())
        truth = least_gaps(ExhaustiveSearch().compare(criterion, d, 30).clouds[0])
        for name, search in searches.items():
            start = time.perf_counter()
            compared = search.compare(criterion, d, 30)
            seconds[name] += time.perf_counter() - start
            over = least_gaps(compared.clouds[0]) - truth
            found[name].append(over <= WITHIN)
            rows[name] += compared.model_rows
            excess[name] = max(excess[name], float(over.max()))
    for name, hits in found.items():
        n = len(game.tables)
        yield Score(game.name, name, d, np.array(hits), excess[name], rows[name] / n, seconds[name] / n)


def many_columns(n_rows: int) -> list[dict[str, str]]:
    """Breast cancer with all 30 columns: no truth, so every setting against the best of all settings."""
    data = breast_cancer(30)
    scale = data.x[: data.n_train].std(0)
    data = replace(data, x=(data.x - data.x[: data.n_train].mean(0)) / scale)
    network = MLPClassifier((32,), max_iter=2000, random_state=SEED)
    network.fit(data.x[: data.n_train], data.y[: data.n_train])
    rows = data.x[data.n_train :][:n_rows]
    criterion = Unified(
        set_function(data, rows, lambda batch: network.predict_proba(batch)[:, 1:]), AbsoluteDistance()
    )
    settings: dict[str, Search] = {
        f"beam, width {width}, budget {budget:,}": BeamSearch(width=width, budget=budget)
        for width in (1, 8, 16)
        for budget in (50_000, 200_000, 2_000_000)
    }
    settings |= {"greedy forward": ForwardGreedySearch(), "greedy backward": BackwardGreedySearch()}
    gaps, lines = {}, []
    for name, search in settings.items():
        start = time.perf_counter()
        compared = search.compare(criterion, 30, 30)
        spent = time.perf_counter() - start
        gaps[name] = np.array([least_gaps(cloud)[:, 1] for cloud in compared.clouds])
        lines.append({"search": name, "model rows": f"{compared.model_rows:.0f}", "s": f"{spent:.0f}"})
    best = np.minimum.reduce(list(gaps.values()))
    for line in lines:
        over = gaps[line["search"]] - best
        line["best found, all τ"] = f"{(over <= WITHIN).mean():.4f}"
        line["best found, τ <= 5"] = f"{(over[:, :, :6] <= WITHIN).mean():.4f}"
        line["mean excess"], line["largest excess"] = f"{over.mean():.2g}", f"{over.max():.2g}"
    return lines


# Reporting ------------------------------------------------------------------------------------------


def write(folder: Path, name: str, title: str, lines: list[dict[str, str]]) -> None:
    """One table as CSV and Markdown, and on the screen."""
    save_rows(folder / f"{name}.csv", lines)
    rows = [list(lines[0]), ["---"] * len(lines[0]), *(list(line.values()) for line in lines)]
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    save_text(folder / f"{name}.md", f"{title}\n\n{text}\n")
    print(f"\n{title}\n\n{text}", flush=True)


def tuning_games(n_rows: int) -> list[Game]:
    """Other instances than those that are reported."""
    wine, diabetes = load_wine(return_X_y=True), load_diabetes(return_X_y=True)
    return [
        forest_game(shuffled("wine", *wine, 118), n_rows),
        regression_game(shuffled("diabetes", *diabetes, 300), n_rows),
        smooth_game(n_rows, 12, 0),
        smooth_game(n_rows, 14, 1),
    ]


def tune(folder: Path, n_rows: int) -> None:
    """Widths and swaps side by side."""
    searches: dict[str, Search] = {
        f"width {width}, swaps {swaps}": BeamSearch(width=width, swaps=swaps)
        for width in (2, 4, 8, 16)
        for swaps in (0, 1, 2, 4, 8)
    }
    lines = [one.line() for game in tuning_games(n_rows) for one in score(game, searches)]
    write(folder, "tuning", f"Settings of beam search on other instances, {n_rows} rows a game", lines)


def report(folder: Path, data: Path, n_rows: int) -> None:
    """The three tables."""
    searches: dict[str, Search] = {
        "beam": BeamSearch(),
        "beam, 200,000 model rows": BeamSearch(budget=200_000),
        "greedy forward": ForwardGreedySearch(),
        "greedy backward": BackwardGreedySearch(),
    }
    income, cancer = adult(data), breast_cancer(14)
    makers = (forest_game, boosted_game)
    games = [make(each, n_rows) for each in (income, cancer) for make in makers]
    lines = [one.line() for game in games for one in score(game, searches)]
    title = f"Searches against exhaustive search: {n_rows} rows, {N_BACKGROUND} background rows, seed {SEED}"
    write(folder, "search_quality", title, lines)
    few = max(2, n_rows // 10)
    hard = [parity_game(few, 12, order, n_sets) for order in (3, 4) for n_sets in (1, 2, 4)]
    lines = [one.line() for game in [*hard, noise_game(few, 12)] for one in score(game, searches)]
    write(folder, "search_hard", f"Games that are hard on purpose, {few} of each", lines)
    title = (
        f"30 columns (breast cancer, a network), {max(2, n_rows // 20)} rows: each against the best of all"
    )
    write(folder, "search_many_columns", title, many_columns(max(2, n_rows // 20)))


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of data sets; needs adult/adult.csv.gz")
    parser.add_argument("--out", type=Path, default=Path("build/search_quality"))
    parser.add_argument("--rows", type=int, default=200, help="rows of each data set")
    parser.add_argument("--tune", action="store_true", help="compare settings on other data instead")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    if chosen.tune:
        tune(chosen.out, chosen.rows)
    elif chosen.data is None:
        parser.error("--data is needed: the folder that holds adult/adult.csv.gz")
    else:
        report(chosen.out, chosen.data, chosen.rows)


if __name__ == "__main__":
    main()
