"""How much b and c matter (Figure 8 of the paper): sets found under others, valued under reference ones.

PNS under different b or c are numbers of different things and say nothing about which is better. So each
set is found under its own b and c and then measured twice: under those, and under the reference. Digits:
ascent, the top 80 of 784 pixels. Adult: the exact best set of three columns.

    python experiments/fans_sensitivity.py --data DIR --models DIR [--images 8] [--people 3]

Writes digits.csv, adult.csv, sensitivity.png and sensitivity.md.
"""

from dataclasses import replace

import torch
from fans_choices import best_sets
from fans_common import (
    C,
    Subjects,
    arguments,
    digits,
    mean_error,
    said,
    set_pns,
    table,
    table_pns,
    write_page,
)
from fans_people import people, read_adult
from matplotlib.figure import Figure
from outputs import save_figure, save_rows

from onlyif.causation.neighbourhood import SoftEvents
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.searches.mask_shapes import top_players

TIMES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
THRESHOLDS = (0.001, 0.01, 0.03, 0.1, 0.3)
N_PIXELS = 80


def variants(subjects: Subjects) -> dict[tuple[str, float], Subjects]:
    """One at a time: b in multiples of its reference, c as it is."""
    held, b = {}, subjects.test.neighbourhood.events.b
    for times in TIMES:
        held["b", times] = with_events(subjects, SoftEvents(b * times, C))
    for c in THRESHOLDS:
        held["c", c] = with_events(subjects, SoftEvents(b, c))
    return held


def with_events(subjects: Subjects, events: SoftEvents) -> Subjects:
    """The same with other events."""
    near = replace(subjects.test.neighbourhood, events=events)
    return replace(subjects, test=replace(subjects.test, neighbourhood=near))


def row_of(what: str, value: float, own: torch.Tensor, reference: torch.Tensor, shared: torch.Tensor) -> dict:
    """One line: PNS under the own and under the reference's values, and what the sets share."""
    (mean, error), (under, under_error) = mean_error(own), mean_error(reference)
    line = {"varied": what, "value": value, "instances": len(own)}
    line |= {"PNS, own b and c": said(own), "PNS, reference b and c": said(reference)}
    line |= {"set shared with the reference's": said(shared)}
    return line | {"own": mean, "own_stderr": error, "reference": under, "reference_stderr": under_error}


def on_digits(given) -> list[dict]:
    """Ascent under each b and c, from all pixels alike."""
    subjects = digits(given, given.images, sample=NoisySample(4, 0.1))
    settings, found = recommended_settings(), {}
    for key, one in variants(subjects).items():
        scores = ascend(one.predictor, one.test, one.x, one.change, settings=settings).scores
        found[key] = one, top_players(scores, N_PIXELS)
        print(key, flush=True)
    base, rows = found["b", 1.0][1], []
    for (what, value), (one, subset) in found.items():
        own = set_pns(one.fresh(16), one.x, subset, one.change)[:, 0]
        reference = set_pns(subjects.fresh(16), one.x, subset, one.change)[:, 0]
        rows.append(row_of(what, value, own, reference, (base & subset).sum((1, 2)) / N_PIXELS))
    return rows


def on_adult(given) -> list[dict]:
    """The best three columns under each b and c, from exact tables."""
    subjects = people(read_adult(given), given.people, given.background, given.seed)
    tables = {key: table_pns(one.test, one.x, one.change) for key, one in variants(subjects).items()}
    full, rows = tables["b", 1.0], []
    base = best_sets(full)[:, 2:3]
    for (what, value), pns in tables.items():
        best = best_sets(pns)[:, 2:3]
        common = torch.tensor(
            [(one & two).bit_count() / 3 for one, two in zip(*_lists(best, base), strict=True)]
        )
        rows.append(row_of(what, value, pns.gather(1, best)[:, 0], full.gather(1, best)[:, 0], common))
    return rows


def _lists(one: torch.Tensor, two: torch.Tensor) -> tuple[list[int], list[int]]:
    return one.flatten().tolist(), two.flatten().tolist()


def picture(path, results: dict[str, list[dict]]) -> None:
    """PNS under the reference and under the own values, against b and against c."""
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    for line, (name, rows) in zip(figure.subplots(2, 2), results.items(), strict=True):
        for axes, what in zip(line, ("b", "c"), strict=True):
            own = [row for row in rows if row["varied"] == what]
            x = [row["value"] for row in own]
            for key, colour, label in (
                ("own", "#8C8C8C", "under its own b and c"),
                ("reference", "#009E73", "under the reference"),
            ):
                y, error = [row[key] for row in own], [row[f"{key}_stderr"] for row in own]
                axes.errorbar(x, y, error, marker="o", ms=3, color=colour, label=label)
            xlabel = "b, in multiples of the reference" if what == "b" else "c"
            axes.set(xscale="log", ylim=(0, None), xlabel=xlabel, ylabel="PNS", title=name)
    line[0].legend(fontsize=7, frameon=False)
    save_figure(path, figure, dpi=150)


def main() -> None:
    """Digits, then Adult."""
    given = arguments(__doc__.splitlines()[0], "fans_sensitivity", images=8, people=3, background=20)
    torch.set_num_threads(1)
    names = (f"{given.images} digits, {N_PIXELS} pixels", f"{given.people} people, 3 columns")
    results, parts = {}, ["# Sensitivity to b and c"]
    shown = [
        "varied",
        "value",
        "PNS, own b and c",
        "PNS, reference b and c",
        "set shared with the reference's",
    ]
    for name, file, work in zip(names, ("digits", "adult"), (on_digits, on_adult), strict=True):
        results[name] = work(given)
        save_rows(given.out / f"{file}.csv", results[name])
        parts += [f"## {name}", table(results[name], shown)]
        write_page(given.out, "sensitivity", parts)
    picture(given.out / "sensitivity.png", results)


if __name__ == "__main__":
    main()
