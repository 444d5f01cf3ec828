"""Ways to find subsets of given sizes, and how what they found is compared: for the FANS experiments."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from fans_common import Subjects, by_player, integrated_gradients, mean_error, random_scores, table
from matplotlib.figure import Figure
from outputs import save_figure
from torch import Tensor

from onlyif.causation.perturbation import Perturbations
from onlyif.causation.thresholds import noise_threshold
from onlyif.core.errors import SettingError
from onlyif.criteria.causation import PNSCriterion
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import AscentSettings
from onlyif.searches.base import Search
from onlyif.searches.mask_shapes import top_players

OURS, GREEDY, LONG = "ascent, recommended", "greedy, forward", "ascent, paper (500 x .1)"
ENDS = {"all subsets compared": {"color": "black"}, "random": {"color": "0.6", "linestyle": ":"}}


@dataclass(frozen=True, eq=False)
class Found:
    """The subsets of one method.

    Args:
        subsets: For each instance and size the subset.
        model_rows: Rows asked for, for one instance.
        seconds: Time of all instances together.
    """

    subsets: Tensor
    model_rows: float
    seconds: float


Method = Callable[[], tuple[Tensor, float]]


def ranked(scores: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """The top players of each size, `(b, sizes, d)`."""
    return torch.cat([top_players(scores, size) for size in sizes], dim=1)


def ascended(subjects: Subjects, settings: AscentSettings, sizes: tuple[int, ...]) -> tuple[Tensor, float]:
    """The top players of an ascent's mask."""
    found = ascend(subjects.predictor, subjects.test, subjects.x, subjects.change, settings=settings)
    return ranked(found.scores, sizes), found.model_rows


def searched(subjects: Subjects, search: Search, sizes: tuple[int, ...], n: int) -> tuple[Tensor, float]:
    """The best subset of each size among those that a search compared with n perturbations."""
    cheap = Perturbations(n_perturbations=n, most_masks=n)
    test = replace(subjects.test, perturbations=cheap)
    compared = search.compare(PNSCriterion(test, subjects.x, subjects.change), test.players.count, 30)
    best = []
    for cloud in compared.clouds:
        missed = [size for size in sizes if not len(cloud.by_size[size])]
        if missed:
            raise SettingError(f"need a budget that reaches sets of {missed} players; {search.plan.sentence}")
        held = [
            numbers[cloud.parts[numbers].sum(1).argmin()] for numbers in (cloud.by_size[k] for k in sizes)
        ]
        best.append(torch.from_numpy(cloud.keep_of(np.array(held))))
    return torch.stack(best), compared.model_rows


def singles(subjects: Subjects) -> tuple[Tensor, float]:
    """PNS of each player alone."""
    found = PNSCriterion(subjects.test, subjects.x, subjects.change).singles()
    return torch.from_numpy(found.pns).float(), found.model_rows


def run(methods: dict[str, Method]) -> Iterator[tuple[str, Found]]:
    """The subsets of every method, timed."""
    for name, method in methods.items():
        started = time.perf_counter()
        subsets, rows = method()
        found = Found(subsets, rows, time.perf_counter() - started)
        print(f"{name}: {found.seconds:.1f} s", flush=True)
        yield name, found


def attributions(subjects: Subjects, sizes: tuple[int, ...]) -> dict[str, Method]:
    """Rankings that do not look at PNS; 32 steps of Integrated Gradients are 32 rows."""
    players, b = subjects.test.players, len(subjects.x)
    zero, ends = torch.zeros_like(subjects.x[:1]), subjects.test.baseline

    def gradients(baseline: Tensor) -> Tensor:
        return integrated_gradients(subjects, baseline)

    return {
        "|IG| from 0": lambda: (ranked(by_player(gradients(zero).abs(), players), sizes), 32.0),
        "IG from x'": lambda: (ranked(by_player(gradients(ends), players), sizes), 32.0),
        "|IG| from x'": lambda: (ranked(by_player(gradients(ends).abs(), players), sizes), 32.0),
        "random": lambda: (ranked(random_scores(b, players.count, 1), sizes), 0.0),
    }


def rows_of(
    values: dict[str, Tensor], found: dict[str, Found], sizes: tuple[int, ...], c: float
) -> list[dict]:
    """One row a method and size: PNS, its error over instances, and ours minus it, paired."""
    rows = []
    for name, pns in values.items():
        for number, size in enumerate(sizes):
            mean, error = mean_error(pns[:, number])
            ahead, paired = mean_error(values[OURS][:, number] - pns[:, number])
            costs = {"model_rows": round(found[name].model_rows), "seconds": round(found[name].seconds, 2)}
            rows.append(
                {"method": name, "c": f"{c:.3g}", "size": size, "instances": len(pns), "pns": round(mean, 5)}
                | {
                    "stderr": round(error, 5),
                    "ours_minus": round(ahead, 5),
                    "paired_stderr": round(paired, 5),
                }
                | costs
            )
    return rows


def greedy_rows(values: dict[str, Tensor], sizes: tuple[int, ...]) -> list[dict]:
    """Greedy minus every other method, paired."""
    return [
        {"greedy minus": name, "size": size, "difference": round(gap, 4), "paired_stderr": round(error, 4)}
        for name, pns in values.items()
        for number, size in enumerate(sizes)
        for gap, error in [mean_error(values[GREEDY][:, number] - pns[:, number])]
        if name != GREEDY
    ]


def summary(rows: list[dict], sizes: tuple[int, ...]) -> str:
    """PNS ± standard error by method and size, and in brackets ours minus it ± the paired error."""
    lines = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = {row["size"]: row for row in rows if row["method"] == name}
        line = {"method": name, "model rows": f"{own[sizes[0]]['model_rows']:,}"}
        for size in sizes:
            row = own[size]
            line[f"{size}"] = f"{row['pns']:.3f} ± {row['stderr']:.3f}"
            if name != OURS:
                line[f"{size}"] += f" ({row['ours_minus']:+.3f} ± {row['paired_stderr']:.3f})"
        lines.append(line)
    return table(lines)


def picture(path: Path, rows: list[dict], title: str) -> None:
    """PNS against size."""
    figure = Figure(figsize=(6.8, 4.2), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        x, y, error = ([row[key] for row in own] for key in ("size", "pns", "stderr"))
        width, ends = (2.4 if name == OURS else 1.0), ENDS.get(name, {})
        axes.errorbar(x, y, error, marker="o", ms=3, lw=width, label=name, **ends)
    axes.set(xlabel="players in the subset", ylabel="measured PNS", title=title)
    axes.legend(fontsize=7, frameon=False)
    save_figure(path, figure, dpi=150)


def verdict(rows: list[dict], sizes: tuple[int, ...], greedy: str = GREEDY) -> str:
    """Whether ours is at the top, or within one paired error of greedy, and at which share of its rows."""
    lines = []
    for size in sizes:
        at = {row["method"]: row for row in rows if row["size"] == size}
        best = max(at, key=lambda name: at[name]["pns"])
        behind = -at[greedy]["ours_minus"] if greedy in at else 0.0
        share = at[OURS]["model_rows"] / at[greedy]["model_rows"]
        lines.append(
            f"- size {size}: highest is {best}; greedy minus ours {behind:+.4f} ± "
            f"{at[greedy]['paired_stderr']:.4f}, ours at {share:.3f} of its rows"
        )
    return "\n".join(lines)


def threshold_of(subjects: Subjects) -> float:
    """The paper's rule for c, on E of these instances."""
    rows = subjects.test.sample.rows(subjects.x, subjects.test.seed).own.flatten(0, 1)
    each = subjects.test.sample.rows(subjects.x[:1], 0).count
    change = replace(subjects.change, target=subjects.change.target.repeat(each))
    return noise_threshold(subjects.predictor, rows, change, max_rows=len(rows))
