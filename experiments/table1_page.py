"""Table 1 as markdown and CSV: means with standard errors, ranks, wins, what went wrong, seconds an image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from experiments.table1_blocks import CONSTANT, GOOD, USELESS, Method
from experiments.table1_measures import COLUMNS, CRITERIA, Column

PAPER = {
    "mnist": {
        "Saliency": (3.8e4, 64.3, 0.658, 0.623), "IG": (1.7e3, 73.3, 0.918, 0.683),
        "DeepLift": (2.2e3, 73.3, 0.918, 0.679), "IDGI": (2.0e3, 64.7, 0.837, 0.578),
        "GradSHAP": (2.2e3, 73.3, 0.918, 0.673), "LIME": (6.6e5, 67.9, 0.808, 0.899),
        "Occlusion": (5.7e5, 69.2, 0.802, 0.538), "FeatAblation": (1.7e3, 72.8, 0.917, 0.669),
        "MP": (8.5e5, 70.3, 0.421, 0.904), "CIMI": (1.7e4, 12.9, 0.901, 0.548),
        "FANS, paper": (9.0e2, 74.5, 0.924, 0.463),
    },
    "fashion": {
        "Saliency": (1.8e6, 25.5, 0.558, 0.753), "IG": (1.7e4, 60.8, 0.612, 0.806),
        "DeepLift": (8.2e4, 59.8, 0.610, 0.797), "IDGI": (2.6e4, 58.2, 0.593, 0.781),
        "GradSHAP": (2.5e4, 59.2, 0.614, 0.874), "LIME": (2.5e8, 28.6, 0.533, 0.884),
        "Occlusion": (2.8e7, 58.4, 0.505, 0.660), "FeatAblation": (5.5e4, 45.4, 0.572, 0.791),
        "MP": (2.9e7, 20.1, 0.227, 0.453), "CIMI": (2.6e4, 54.8, 0.589, 0.827),
        "FANS, paper": (1.2e4, 63.1, 0.630, 0.586),
    },
    "cifar10": {
        "Saliency": (1.2e8, 54.1, 0.492, 0.736), "IG": (1.5e5, 63.5, 0.631, 0.966),
        "DeepLift": (1.9e5, 62.7, 0.631, 0.959), "IDGI": (2.3e4, 19.5, 0.632, 0.854),
        "GradSHAP": (2.3e5, 56.5, 0.630, 1.000), "LIME": (1.1e9, 2.1, 0.512, 1.032),
        "Occlusion": (2.1e8, 51.4, 0.507, 0.857), "FeatAblation": (1.1e6, 36.8, 0.619, 0.983),
        "MP": (5.1e8, 16.3, 0.476, 0.887), "CIMI": (6.0e6, 21.1, 0.589, 0.615),
        "FANS, paper": (1.7e4, 63.6, 0.634, 0.578),
    },
}  # fmt: skip
MOST_CONSTANT = 0.2
PRINTED = ("INF, product", "IROF, batch fill", "SPA", "MS")


@dataclass(frozen=True, eq=False)
class Row:
    """All values of one method, NaN for images that it was not asked about or failed on.

    Args:
        method: The method.
        values: By measure, one an image.
        states: What is wrong with the map of each image that it was asked about.
        message: The first error, in its own words.
        seconds: Of each image's map.
        rows: Model rows of each image's map.
    """

    method: Method
    values: dict[str, np.ndarray]
    states: np.ndarray
    message: str
    seconds: np.ndarray
    rows: np.ndarray

    @property
    def faults(self) -> str:
        """What is wrong with its maps, with counts."""
        counts = {state: int((self.states == state).sum()) for state in (*USELESS, CONSTANT)}
        parts = [f"{count} of {len(self.states)} {state}" for state, count in counts.items() if count]
        return "; ".join(parts) + (f" ({self.message})" if self.message else "")

    @property
    def ranked(self) -> bool:
        """Whether it takes part in ranks: maps of all images, at most a fifth of them constant."""
        answered = (
            not np.isin(self.states, USELESS).any() and (self.states == CONSTANT).mean() <= MOST_CONSTANT
        )
        return self.method.group != "trivial" and bool(answered)


def row_of(method: Method, blocks: dict[int, dict[str, np.ndarray]], counts: list[int]) -> Row:
    """The blocks of a method, put together.

    Args:
        method: The method.
        blocks: By number.
        counts: Images of each block of the run.
    """
    values = {
        column.name: np.concatenate(
            [blocks.get(k, {}).get(column.name, np.full(n, np.nan)) for k, n in enumerate(counts)]
        )
        for column in COLUMNS
    }
    own = [blocks[k] for k in sorted(blocks)]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([one[name] for one in own])

    told = [*joined("message"), *(str(one["fault"][0]) for one in own if "fault" in one)]
    message = next((text for text in told if text), "")
    return Row(method, values, joined("state"), str(message), joined("seconds"), joined("rows"))


def mean_error(values: np.ndarray) -> tuple[int, float, float]:
    """How many, their mean and its standard error."""
    there = values[~np.isnan(values)]
    n = len(there)
    if n == 0:
        return 0, np.nan, np.nan
    return n, float(there.mean()), float(there.std(ddof=1) / n**0.5) if n > 1 else np.nan


def common(rows: list[Row], column: str) -> np.ndarray:
    """The images on which all ranked rows that have this measure at all have it."""
    there = [~np.isnan(row.values[column]) for row in rows if row.ranked]
    there = [one for one in there if one.any()]
    return np.logical_and.reduce(there) if there else np.zeros(len(rows[0].values[column]), dtype=bool)


def compared(rows: list[Row], column: Column) -> dict[str, np.ndarray]:
    """The values of all ranked rows on the images that all of them have, less being better."""
    images, sign = common(rows, column.name), -1.0 if column.higher else 1.0
    held = {row.method.name: sign * row.values[column.name][images] for row in rows if row.ranked}
    return {name: values for name, values in held.items() if len(values) and not np.isnan(values).any()}


def ranks(rows: list[Row], column: Column) -> dict[str, tuple[int, bool]]:
    """The rank of every ranked row, and whether it is first or within one paired standard error of it."""
    held = compared(rows, column)
    if not held:
        return {}
    order = sorted(held, key=lambda name: held[name].mean())
    best = held[order[0]]
    found = {}
    for name in order:
        _, behind, error = mean_error(held[name] - best)
        place = 1 + sum(held[other].mean() < held[name].mean() for other in held)
        found[name] = (place, bool(behind <= (0.0 if np.isnan(error) else error)))
    return found


def better_trivial(rows: list[Row], column: Column) -> list[str]:
    """The trivial rows that are better than the first explanation, on the images that all have."""
    images, sign = common(rows, column.name), -1.0 if column.higher else 1.0
    means = {row.method.name: mean_error(sign * row.values[column.name][images])[1] for row in rows}
    explained = [means[row.method.name] for row in rows if row.ranked]
    best = min((mean for mean in explained if not np.isnan(mean)), default=-np.inf)
    return [
        row.method.name for row in rows if row.method.group == "trivial" and means[row.method.name] < best
    ]


def long_rows(rows: list[Row]) -> list[dict[str, Any]]:
    """One line a method and measure."""
    lines = []
    for column in COLUMNS:
        places = ranks(rows, column)
        for row in rows:
            n, mean, error = mean_error(row.values[column.name])
            place, near = places.get(row.method.name, ("", ""))
            lines.append(
                {
                    "measure": column.name, "method": row.method.name, "group": row.method.group, "n": n,
                    "mean": f"{mean:.6g}", "stderr": f"{error:.3g}", "rank": place, "near_first": near,
                    "seconds": f"{row.seconds.mean():.4g}", "model_rows": f"{row.rows.mean():.6g}",
                    "faults": row.faults, "settings": row.method.settings,
                }
            )  # fmt: skip
    return lines


def page(rows: list[Row], dataset: str, head: str) -> str:
    """The tables in markdown."""
    criteria = [column for column in COLUMNS if column.name in CRITERIA]
    others = [column for column in COLUMNS if column.name not in CRITERIA]
    parts = [
        f"# Table 1, measured: {dataset}", head, "## The five that count", _counted(rows, criteria),
        *_footnotes(rows, criteria), "## Ours beside the best published method", _differences(rows, criteria),
        "## Beside the paper", _beside(rows, dataset),
        "The paper's numbers are of other weights and images, and of Quantus' formulas: compare orders.",
        "## Further measures", _table(rows, others), "## What the columns are", *_legend(), "## Settings",
        _markdown(
            ["method", "settings", "faults"],
            [[row.method.name, row.method.settings, row.faults] for row in rows],
        ),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _counted(rows: list[Row], columns: list[Column]) -> str:
    """The criteria with ranks, wins, seconds and model rows."""
    places = {column.name: ranks(rows, column) for column in columns}
    lines = []
    for row in rows:
        name = row.method.name
        near = [places[column.name].get(name, (0, False))[1] for column in columns]
        own = [places[column.name][name][0] for column in columns if name in places[column.name]]
        lines.append(
            [
                name,
                *(_cell(row, column, places[column.name].get(name)) for column in columns),
                f"{sum(near)}" if row.ranked else "",
                f"{np.mean(own):.1f}" if own else "",
                f"{row.seconds.mean():.2g}",
                f"{row.rows.mean():,.0f}",
                str(int((row.states == GOOD).sum())),
            ]
        )
    heads = [f"{column.name} {'↑' if column.higher else '↓'}" for column in columns]
    return _markdown(["method", *heads, "wins", "mean rank", "s", "model rows", "good maps"], lines)


def _footnotes(rows: list[Row], columns: list[Column]) -> list[str]:
    counts = ", ".join(f"{column.name} {int(common(rows, column.name).sum())}" for column in columns)
    beaten = [
        f"{column.name}: {', '.join(names)}" for column in columns if (names := better_trivial(rows, column))
    ]
    trivial = f"Trivial rows that beat every explanation: {'; '.join(beaten) or 'none'}."
    return [
        "± is the standard error over images. In brackets the rank among explanations that answered for "
        "every image, and for four of five with no constant map; * is the first, or behind it by at most one "
        f"standard error of the paired difference; wins count these. Ranks are on the images that all of "
        f"them have: {counts}.",
        trivial,
    ]


def _cell(row: Row, column: Column, place: tuple[int, bool] | None) -> str:
    n, mean, error = mean_error(row.values[column.name])
    if n == 0:
        return "–"
    text = f"{mean * column.scale:.3g}"
    if not np.isnan(error):
        text += f" ± {error * column.scale:.1g}"
    return text if place is None else f"{text} ({place[0]}{'*' if place[1] else ''})"


def _differences(rows: list[Row], columns: list[Column]) -> str:
    """By how much each of our rows is better than the best published one, image by image."""
    lines, ours = [], [row for row in rows if row.ranked and row.method.group == "ours"]
    for column in columns:
        held = compared(rows, column)
        published = [row.method.name for row in rows if row.method.group == "published"]
        published = [name for name in published if name in held]
        if not published:
            continue
        best = min(published, key=lambda name: held[name].mean())
        line = [column.name, best]
        for row in ours:
            own = held.get(row.method.name)
            _, ahead, error = (0, np.nan, np.nan) if own is None else mean_error(held[best] - own)
            cell = f"{ahead * column.scale:+.3g} ± {error * column.scale:.1g}"
            line.append("–" if np.isnan(ahead) else cell)
        lines.append([*line, str(len(held[best]))])
    heads = ["measure", "best published", *(row.method.name for row in ours), "images"]
    return "Above 0 ours is better; ± is the standard error of the difference.\n\n" + _markdown(heads, lines)


def _table(rows: list[Row], columns: list[Column]) -> str:
    places = {column.name: ranks(rows, column) for column in columns}
    lines = [
        [
            row.method.name,
            *(_cell(row, column, places[column.name].get(row.method.name)) for column in columns),
        ]
        for row in rows
    ]
    heads = [f"{column.name} {'↑' if column.higher else '↓'}" for column in columns]
    return _markdown(["method", *heads], lines)


def _beside(rows: list[Row], dataset: str) -> str:
    """The printed numbers and ours, in the version that the printed ones came from."""
    by_name, columns = {row.method.name: row for row in rows}, {column.name: column for column in COLUMNS}
    lines = []
    for name, printed in PAPER[dataset].items():
        line = [name]
        for measure, number in zip(PRINTED, printed, strict=True):
            ours = _cell(by_name[name], columns[measure], None) if name in by_name else "not run"
            line += [f"{number:.3g}", ours]
        lines.append(line)
    heads = [text for measure in PRINTED for text in (f"{measure}, paper", "here")]
    return _markdown(["method", *heads], lines)


def _legend() -> list[str]:
    return ["\n".join(f"- **{column.name}**: {column.sentence}" for column in COLUMNS)]


def _markdown(heads: list[str], lines: list[list[str]]) -> str:
    shown = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in shown)
