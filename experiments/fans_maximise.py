"""Does maximising PNS work? Measured PNS of subsets of equal size, by how they were found.

MNIST test digits with 784 pixels and with 49 patches of 4 x 4 pixels as players, and Adult people with
14 columns, where the exact optimum over all subsets is known. PNS of digits is measured with fresh random
numbers; that of Adult is exact given E. Rows are the model rows a search asked for, for one instance.

    python experiments/fans_maximise.py --data DIR --models DIR [--images 8] [--people 8]

A size of 0 leaves a part out. Writes one CSV and picture a table, digits.md and adult.md.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from fans_common import Subjects, arguments, digits, set_pns, table_pns, write_page
from fans_methods import (
    GREEDY,
    LONG,
    OURS,
    Found,
    Method,
    ascended,
    attributions,
    greedy_rows,
    picture,
    ranked,
    rows_of,
    run,
    searched,
    singles,
    summary,
    threshold_of,
    verdict,
)
from fans_people import in_blocks, people, read_adult
from outputs import save_rows
from torch import Tensor

from onlyif.causation.thresholds import noise_threshold
from onlyif.searches.ascent_settings import paper_settings, recommended_settings
from onlyif.searches.beam import BeamSearch
from onlyif.searches.greedy import ForwardGreedySearch

PATCHES = (3, 5, 10, 20)
PIXELS = tuple(16 * size for size in PATCHES)
COLUMNS = (1, 2, 3, 4, 6)
PAPER = {"ascent, paper (50 x .001)": paper_settings()}
# All inputs of E are near copies of a digit, so that one of them a step is enough.
ON_PATCHES = {
    OURS: recommended_settings(49, n_inputs=1),
    "ascent, recommended (all 4 inputs a step)": recommended_settings(49),
    **PAPER,
}
ON_PIXELS = {
    OURS: recommended_settings(n_inputs=1),
    "ascent, recommended (200 steps)": recommended_settings(steps=200, n_inputs=1),
    **PAPER,
    LONG: paper_settings(steps=500, rate=0.1),
}
ON_COLUMNS = {
    OURS: recommended_settings(steps=60),
    "ascent, recommended (200 steps, 5 inputs a step)": recommended_settings(14, n_inputs=5),
    **PAPER,
    LONG: paper_settings(steps=500, rate=0.1),
}


def patch_methods(subjects: Subjects, budget: int) -> dict[str, Method]:
    """Everything on 49 patches; the searches compare with 16 perturbations."""
    beam = BeamSearch(width=4, swaps=4, budget=budget)
    ascents = {
        name: lambda settings=settings: ascended(subjects, settings, PATCHES)
        for name, settings in ON_PATCHES.items()
    }

    def alone() -> tuple[Tensor, float]:
        scores, rows = singles(subjects)
        return ranked(scores, PATCHES), rows

    return {
        **ascents,
        GREEDY: lambda: searched(subjects, ForwardGreedySearch(budget), PATCHES, 16),
        "beam": lambda: searched(subjects, beam, PATCHES, 16),
        "top single players": alone,
        **attributions(subjects, PATCHES),
    }


def pixel_methods(subjects: Subjects, on_patches: dict[str, Found], patches: Tensor) -> dict[str, Method]:
    """Everything on pixels; what was found on patches is spread over their pixels."""
    spread = {
        f"{name}, of patches": lambda found=found: (found.subsets[:, :, patches], found.model_rows)
        for name, found in on_patches.items()
        if name in (GREEDY, "beam", "top single players")
    }
    ascents = {
        name: lambda settings=settings: ascended(subjects, settings, PIXELS)
        for name, settings in ON_PIXELS.items()
    }
    return {**ascents, **spread, **attributions(subjects, PIXELS)}


def measured(subjects: Subjects, found: dict[str, Found], n: int) -> dict[str, Tensor]:
    """PNS of all subsets with fresh random numbers, `(b, sizes)` for each method."""
    test = subjects.fresh(n)
    values = {}
    for name, one in found.items():
        values[name] = set_pns(test, subjects.x, one.subsets, subjects.change)
    return values


def on_digits(given: argparse.Namespace, n: int, c: float | None) -> tuple[list[dict], list[dict]]:
    """Rows of the patch table and of the pixel table; c by the rule where none is given."""
    patches, pixels = digits(given, n, side=4), digits(given, n)
    c = threshold_of(pixels) if c is None else c
    patches, pixels = patches.with_c(c), pixels.with_c(c)
    found = dict(run(patch_methods(patches, given.budget)))
    values = measured(patches, found, given.perturbations)
    first = rows_of(values, found, PATCHES, c)
    save_rows(given.out / f"patches_greedy_c{c:.3g}.csv", greedy_rows(values, PATCHES))
    save_rows(given.out / f"patches_c{c:.3g}.csv", first)
    patch_of_pixel = torch.from_numpy(patches.test.players.index).flatten()
    found = dict(run(pixel_methods(pixels, found, patch_of_pixel)))
    second = rows_of(measured(pixels, found, given.perturbations), found, PIXELS, c)
    save_rows(given.out / f"pixels_c{c:.3g}.csv", second)
    return first, second


def table_methods(subjects: Subjects, blocks: Subjects, pns: Tensor) -> dict[str, Method]:
    """Everything on columns; `pns` is the exact PNS of all subsets by code."""
    ascents = {
        name: lambda settings=settings: ascended(blocks, settings, COLUMNS)
        for name, settings in ON_COLUMNS.items()
    }
    d = subjects.test.players.count
    codes = torch.arange(2**d)
    members = (codes.unsqueeze(1) >> torch.arange(d)) & 1 == 1

    def exhaustive() -> tuple[Tensor, float]:
        best = [torch.where(members.sum(1) == size, pns, -1.0).argmax(1) for size in COLUMNS]
        return members[torch.stack(best, dim=1)], 2.0**d * subjects.test.sample.rows(subjects.x[:1], 0).count

    def alone() -> tuple[Tensor, float]:
        return ranked(pns[:, 1 << torch.arange(d)].float(), COLUMNS), singles(subjects)[1]

    return {
        "all subsets compared": exhaustive,
        **ascents,
        GREEDY: lambda: searched(subjects, ForwardGreedySearch(), COLUMNS, 32),
        "top single players": alone,
        **attributions(blocks, COLUMNS),
    }


def on_adult(given: argparse.Namespace, c: float | None) -> tuple[list[dict], float]:
    """Rows of the table of Adult, looked up in the exact table; and the network's accuracy."""
    adult = read_adult(given)
    subjects = people(adult, given.people, given.background, given.seed)
    if c is None:
        rows = subjects.test.sample.background
        change = replace(subjects.change, target=np.ones(1, dtype=np.int64))
        c = noise_threshold(subjects.predictor, rows, change, noisy=adult.ordered.numpy())
    subjects = subjects.with_c(c)
    pns = table_pns(subjects.test, subjects.x, subjects.change)
    found = dict(run(table_methods(subjects, in_blocks(adult, subjects), pns)))
    weights = 2 ** torch.arange(len(adult.names))
    values = {name: pns.gather(1, (one.subsets * weights).sum(2)) for name, one in found.items()}
    rows = rows_of(values, found, COLUMNS, c)
    save_rows(given.out / f"adult_c{c:.3g}.csv", rows)
    return rows, adult.accuracy


def main() -> None:
    """Digits at c = .1 and at the rule's c, then Adult likewise."""
    sizes = {"images": 8, "rule_images": 0, "people": 8, "background": 40}
    given = arguments(__doc__.splitlines()[0], "fans_maximise", **sizes, budget=100_000, perturbations=64)
    torch.set_num_threads(1)
    parts = ["# Does maximising PNS work?"]
    for asked, n in ((0.1, given.images), (None, given.rule_images)):
        if not n:
            continue
        patches, pixels = on_digits(given, n, asked)
        c = patches[0]["c"]
        picture(given.out / f"patches_c{c}.png", patches, f"{n} digits, 49 patches, c = {c}")
        picture(given.out / f"pixels_c{c}.png", pixels, f"{n} digits, 784 pixels, c = {c}")
        parts += [f"## {n} MNIST test digits, 49 patches, c = {c}", summary(patches, PATCHES)]
        parts += [verdict(patches, PATCHES)]
        parts += [f"## The same digits, 784 pixels, c = {c}", summary(pixels, PIXELS)]
        parts += [verdict(pixels, PIXELS, f"{GREEDY}, of patches")]
        write_page(given.out, "digits", parts)
    parts = ["# Does maximising PNS work? Adult"]
    for asked in (0.1, None) if given.people else ():
        rows, accuracy = on_adult(given, asked)
        c = rows[0]["c"]
        picture(given.out / f"adult_c{c}.png", rows, f"{given.people} people, 14 columns, c = {c}")
        title = f"## {given.people} people, |E| = {given.background + 1}, accuracy {accuracy:.3f}, c = {c}"
        parts += [title, summary(rows, COLUMNS), verdict(rows, COLUMNS)]
        write_page(given.out, "adult", parts)


if __name__ == "__main__":
    main()
