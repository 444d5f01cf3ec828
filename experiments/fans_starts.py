"""The initialisation is never the answer: how far ascent leaves its start, and where it arrives.

MNIST test digits, 784 pixels. From three starts (all pixels alike, random, |Integrated Gradients|) ascent
is run with the recommended scheme at few model rows, and with the paper's setting on some of the
digits. PNS of the start's and of the result's top pixels is measured with fresh random numbers.
All pixels alike have no top pixels: the first in reading order stand for them. As a set of k pixels the
soft-thresholded start *is* the start's top k: a threshold keeps the order.

    python experiments/fans_starts.py --data DIR --models DIR [--images 200] [--paper-images 24]

Writes starts.csv, agreement.csv, starts.png and starts.md.
"""

from dataclasses import replace

import torch
from fans_common import (
    Subjects,
    arguments,
    digits,
    integrated_gradients,
    mean_error,
    random_scores,
    said,
    set_pns,
    table,
    write_page,
)
from matplotlib.figure import Figure
from outputs import save_figure, save_rows
from torch import Tensor

from onlyif.metrics.controls import soft_threshold
from onlyif.references.baseline import uniform_baseline
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import AscentSettings, paper_settings, recommended_settings
from onlyif.searches.mask_shapes import top_players

SIZES = (40, 80, 160)
SHARED = 80
FLAT, RANDOM, GRADIENTS = "flat", "random", "|IG|"


def starts_of(subjects: Subjects) -> dict[str, Tensor]:
    """Three starts in [0, 1]."""
    b, d = len(subjects.x), subjects.test.players.count
    gradients = integrated_gradients(subjects, torch.zeros_like(subjects.x[:1])).abs().flatten(1)
    # The largest percent counts as 1, as a single pixel may tower above all others.
    scale = gradients.quantile(0.99, dim=1, keepdim=True).clamp(min=1e-12)
    return {
        FLAT: torch.full((b, d), 0.5),
        RANDOM: random_scores(b, d, 7),
        GRADIENTS: (gradients / scale).clamp(max=1.0),
    }


def correlation(one: Tensor, two: Tensor) -> Tensor:
    """Pearson's, for each instance; NaN for a constant map."""
    one, two = one - one.mean(1, keepdim=True), two - two.mean(1, keepdim=True)
    norms = one.norm(dim=1), two.norm(dim=1)
    constant = torch.minimum(*norms) < 1e-4
    return torch.where(constant, torch.nan, (one * two).sum(1) / (norms[0] * norms[1]))


def overlap(one: Tensor, two: Tensor, size: int) -> Tensor:
    """The share of the top players that both have."""
    return (top_players(one, size) & top_players(two, size)).sum((1, 2)) / size


def pns_of(subjects: Subjects, maps: dict[str, Tensor], n: int) -> dict[str, Tensor]:
    """PNS of the top players of each map, `(b, sizes)`, by the same fresh random numbers."""
    subsets = [top_players(scores, size) for scores in maps.values() for size in SIZES]
    found = set_pns(subjects.fresh(n), subjects.x, torch.cat(subsets, dim=1), subjects.change)
    return dict(zip(maps, found.split(len(SIZES), dim=1), strict=True))


def ascents(
    subjects: Subjects, starts: dict[str, Tensor], settings: AscentSettings
) -> tuple[dict[str, Tensor], float]:
    """The map from each start, and the model rows of one image."""
    maps, rows = {}, 0.0
    for name, start in starts.items():
        found = ascend(
            subjects.predictor, subjects.test, subjects.x, subjects.change, settings=settings, start=start
        )
        maps[name], rows = found.scores, found.model_rows
        print(f"{settings.name} from {name}: done", flush=True)
    return maps, rows


def gain_rows(name: str, before: dict[str, Tensor], after: dict[str, Tensor], rows: float) -> list[dict]:
    """PNS of start and result, and the paired difference in standard errors."""
    lines = []
    for start, result in after.items():
        for number, size in enumerate(SIZES):
            own, found = before[start][:, number], result[:, number]
            gain, error = mean_error(found - own)
            lines.append(
                {
                    "setting": name,
                    "start": start,
                    "size": size,
                    "images": len(own),
                    "model rows": round(rows),
                    "PNS of start": said(own, 4),
                    "PNS of result": said(found, 4),
                    "gain": f"{gain:+.4f} ± {error:.4f}",
                    "gain in errors": round(gain / error, 1) if error > 0 else 0.0,
                    "images that gain": round(float((found > own).double().mean()), 3),
                }
            )
    return lines


def agreement_rows(name: str, maps: dict[str, Tensor], starts: dict[str, Tensor]) -> list[dict]:
    """How alike maps are to one another and to their starts."""
    pairs = [(f"from {one}", maps[one], f"from {two}", maps[two]) for one, two in _pairs(list(maps))]
    pairs += [(f"from {key}", maps[key], "its start", start) for key, start in starts.items()]
    return [
        {
            "setting": name,
            "map": one,
            "other": two,
            "images": len(first),
            "correlation": said(correlation(first, second)),
            f"top {SHARED} shared": said(overlap(first, second, SHARED)),
        }
        for one, first, two, second in pairs
    ]


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    return [(one, two) for i, one in enumerate(names) for two in names[i + 1 :]]


def picture(path, subjects: Subjects, starts: dict[str, Tensor], maps: dict[str, dict[str, Tensor]]) -> None:
    """For up to four digits the image, and beside every map its start and the soft-thresholded start."""
    columns: list[tuple[str, Tensor]] = [("image", subjects.x.flatten(1))]
    for name, start in starts.items():
        columns.append((f"start: {name}", start))
        if name != FLAT:
            columns.append(("soft threshold", soft_threshold(start, SHARED)))
        columns += [
            (f"{setting}\nfrom {name}", found[name]) for setting, found in maps.items() if name in found
        ]
    n_rows = min(4, *(len(values) for _, values in columns))
    figure = Figure(figsize=(1.15 * len(columns), 1.3 * n_rows), layout="constrained")
    for row, line in enumerate(figure.subplots(n_rows, len(columns), squeeze=False)):
        for axes, (title, values) in zip(line, columns, strict=True):
            axes.imshow(values[row].view(28, 28), cmap="gray_r" if title == "image" else "viridis")
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(title, fontsize=7)
    save_figure(path, figure, dpi=150)


def baseline_rows(subjects: Subjects, own: Tensor, steps: int, seed: int) -> list[dict]:
    """The map of the flat start beside that for another draw of x': how much of it is about x'."""
    other = torch.from_numpy(uniform_baseline((1, 28, 28), seed=seed + 1))
    moved = replace(subjects, test=replace(subjects.test, baseline=other))
    found, _ = ascents(
        moved, {FLAT: torch.full(own.shape, 0.5)}, recommended_settings(steps=steps, n_inputs=1)
    )
    lines = agreement_rows("recommended, another x'", found, {FLAT: own})
    return [{**line, "other": "from flat, first x'"} for line in lines]


def seed_rows(subjects: Subjects, steps: int, n: int) -> tuple[list[dict], str]:
    """Maps of two seeds and what that does to PNS, with one and with all inputs a step."""
    flat = torch.full((len(subjects.x), subjects.test.players.count), 0.5)
    lines, said_of = [], []
    for name, inputs in (("recommended, another seed", 1), ("recommended, all inputs, another seed", None)):
        settings, maps = recommended_settings(steps=steps, n_inputs=inputs), {}
        for seed in (subjects.test.seed, subjects.test.seed + 1):
            moved = replace(subjects, test=replace(subjects.test, seed=seed))
            maps[f"seed {seed}"] = ascents(moved, {FLAT: flat}, settings)[0][FLAT]
        lines += agreement_rows(name, maps, {})
        one, two = pns_of(subjects, maps, n).values()
        gaps = [f"{gap:+.4f} ± {error:.4f} ({size})" for size, gap, error in _gaps(one - two)]
        said_of.append(f"{name}: PNS of one seed's sets minus the other's, by pixels: {', '.join(gaps)}.")
    return lines, " ".join(said_of)


def _gaps(difference: Tensor) -> list[tuple[int, float, float]]:
    return [(size, *mean_error(difference[:, number])) for number, size in enumerate(SIZES)]


def main() -> None:
    """Recommended on all digits, the paper's on some."""
    given = arguments(
        __doc__.splitlines()[0], "fans_starts", images=200, paper_images=24, steps=60, perturbations=16
    )
    torch.set_num_threads(1)
    subjects = digits(given, given.images)
    starts = starts_of(subjects)
    maps, rows = ascents(subjects, starts, recommended_settings(steps=given.steps, n_inputs=1))
    before, after = pns_of(subjects, starts, given.perturbations), pns_of(subjects, maps, given.perturbations)
    lines = gain_rows("recommended", before, after, rows)
    alike = agreement_rows("recommended", maps, starts)
    every = torch.ones(1, 1, 784, dtype=torch.bool)
    whole = set_pns(subjects.fresh(given.perturbations), subjects.x, every, subjects.change)
    some = subjects.take(slice(0, given.paper_images))
    alike += baseline_rows(some, maps[FLAT][: given.paper_images], given.steps, given.seed)
    seeds, gaps = seed_rows(some, given.steps, given.perturbations)
    alike += seeds
    few = {name: start[: given.paper_images] for name, start in starts.items() if name != FLAT}
    paper, rows = ascents(some, few, paper_settings())
    before = {name: values[: given.paper_images] for name, values in before.items()}
    lines += gain_rows("paper (50 x .001)", before, pns_of(some, paper, given.perturbations), rows)
    alike += agreement_rows("paper (50 x .001)", paper, few)
    save_rows(given.out / "starts.csv", lines)
    save_rows(given.out / "agreement.csv", alike)
    picture(given.out / "starts.png", subjects, starts, {"recommended": maps, "paper": paper})
    all_pixels = f"All pixels (a map of ones; not comparable, for it is larger): PNS {said(whole[:, 0])}; "
    parts = [
        "# The initialisation is never the answer",
        f"{given.images} MNIST test digits, E of 4 noisy copies, c = .1, seed {given.seed}; ± over images.",
        table(lines),
        all_pixels + "the empty set (a map of zeros): 0.",
        table(alike),
        gaps,
    ]
    write_page(given.out, "starts", parts)


if __name__ == "__main__":
    main()
