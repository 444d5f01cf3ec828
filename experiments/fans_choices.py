"""What the choices of b, c, E and the distance do to PNS, and what each part of the method adds.

Adult: exact tables of all 16,384 sets of columns, so that the best set of each size under one choice can be
valued under another one. Digits: given sets of ten patches, and ascents with a module left out. The effective
sample sizes are those of the weights of PN and of PS: means over instances and sets.

    python experiments/fans_choices.py --data DIR --models DIR [--images 3] [--people 4]

A size of 0 leaves a part out. Writes one CSV a table, adult.md and digits.md.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from fans_choices_digits import digit_ablations, digit_choices, effective, near
from fans_common import Subjects, arguments, digits, said, set_pns, table, table_pns, write_page
from fans_people import Adult, people, read_adult
from outputs import save_rows
from torch import Tensor

from onlyif.causation.abduction import PlainConditional, Resampling, Unweighted, WeightedMean
from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.dissimilarity import MeanSquare, ScaledDifference, SumOfSquares, entry_scale
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.thresholds import noise_threshold
from onlyif.samples.background import BackgroundSample
from onlyif.samples.base import Sample
from onlyif.samples.nearest import NearestSample

SIZES = (1, 2, 3, 4)
COUNTS = ((torch.arange(2**14).unsqueeze(1) >> torch.arange(14)) & 1).sum(1)
ABDUCTIONS = {
    "without the weights (w/o SR)": Unweighted(),
    "plain conditional, no abduction": PlainConditional(),
    "resampling, size 1": Resampling(1),
    "resampling, size 200": Resampling(200),
}


def best_sets(pns: Tensor) -> Tensor:
    """The code of the best set of each size, `(b, sizes)`."""
    return torch.stack([torch.where(size == COUNTS, pns, -1.0).argmax(1) for size in SIZES], dim=1)


def compared(name: str, best: Tensor, full: Tensor) -> dict[str, object]:
    """How often best sets differ from those of full PNS, and how much of the optimum they reach."""
    own = best_sets(full)
    reached, optimum = full.gather(1, best), full.gather(1, own)
    return {
        "choice": name,
        "best set differs": f"{float((best != own).double().mean()):.2f}",
        "PNS of its sets / optimum": said((reached / optimum.clamp(min=1e-12)).mean(1)),
    }


def adult_choices(adult: Adult, subjects: Subjects) -> list[dict]:
    """b, c and the distance, one at a time, from the recommended ones."""
    test, events = subjects.test, subjects.test.neighbourhood.events
    gower = test.neighbourhood.dissimilarity
    # Codes of categories are no numbers: these are the raw Euclidean distances that a paper's formula gives.
    raw, spread = ScaledDifference(None), ScaledDifference(entry_scale(adult.x))
    scott = scott_boundary(len(test.sample.background) + 1, 14)
    target = replace(subjects.change, target=np.ones(1, dtype=np.int64))
    rule = noise_threshold(subjects.predictor, test.sample.background, target, noisy=adult.ordered.numpy())
    b, c = events.b, events.c
    choices = {
        f"recommended: half the median b = {b:.2f}, c = {c}, Gower, mean": (b, c, gower, MeanSquare()),
        "Gower, sum": (b, c, gower, SumOfSquares()),
        f"Scott b = {scott:.2f}, Gower, mean": (scott, c, gower, MeanSquare()),
        f"Scott b = {scott:.2f}, Gower, sum": (scott, c, gower, SumOfSquares()),
        f"Scott b = {scott:.2f}, codes as they are, sum": (scott, c, raw, SumOfSquares()),
        f"Scott b = {scott:.2f}, codes by their spread, sum": (scott, c, spread, SumOfSquares()),
        f"b = {b / 2:.2f}, Gower, mean": (b / 2, c, gower, MeanSquare()),
        "b infinite": (math.inf, c, gower, MeanSquare()),
        f"the rule's c = {rule:.2g}": (b, rule, gower, MeanSquare()),
    }
    rows, full = [], None
    for name, (width, threshold, apart, total) in choices.items():
        found = near(test, width, threshold, apart, total).table(subjects.x, subjects.change)
        pns = torch.from_numpy(found.pns)
        full = pns if full is None else full
        best = best_sets(pns)
        values = {f"PNS, best {k}": said(pns.gather(1, best)[:, k - 1]) for k in (1, 4)}
        rows.append(compared(name, best, full) | values | effective(found, torch.where(COUNTS == 2)[0]))
    return rows


def adult_samples(adult: Adult, subjects: Subjects) -> list[dict]:
    """E: PNS of single columns, whose sum is 1/n of what it was where only the person itself is near."""
    gower, b = subjects.test.neighbourhood.dissimilarity, subjects.test.neighbourhood.events.b
    span = torch.as_tensor(adult.closeness.span)
    span = torch.where(span > 0, span, 1.0)
    samples: dict[str, Sample] = {
        f"{n} background rows and x": BackgroundSample(adult.x[:n]) for n in (20, 200, 2000)
    }
    samples["x and the nearest 19 of 2,000"] = NearestSample(
        adult.x[:2000], 20, ScaledDifference(span.float()).squares
    )
    rows, eye = [], np.eye(14, dtype=bool)[None]
    for total in (MeanSquare(), SumOfSquares()):
        for name, sample in samples.items():
            test = replace(near(subjects.test, b, 0.1, gower, total), sample=sample)
            test = replace(test, perturbations=Perturbations(n_perturbations=16, most_masks=16))
            found = test.measure(subjects.x, eye, subjects.change)
            sums, top = said(torch.from_numpy(found.pns.sum(1))), found.pns.argmax(1)
            rows.append(
                {
                    "E": name,
                    "distance": type(total).__name__,
                    "sum of 14 PNS": sums,
                    "best columns": top.tolist(),
                }
                | effective(found)
            )
    return rows


def ablations(subjects: Subjects) -> list[dict]:
    """Each part left out, on exact tables; resampling draws from the same exact tables."""
    found = subjects.test.table(subjects.x, subjects.change)
    full = torch.from_numpy(found.pns)
    rows = [compared("full PNS", best_sets(full), full)]
    rows.append(compared("without sufficiency", best_sets(torch.from_numpy(found.values.necessity)), full))
    rows.append(compared("without necessity", best_sets(torch.from_numpy(found.values.sufficiency)), full))
    for name, abduction in ABDUCTIONS.items():
        other = table_pns(replace(subjects.test, abduction=abduction), subjects.x, subjects.change)
        both = torch.stack([other, full])[:, :, max(SIZES) >= COUNTS].flatten(1)
        apart = {
            "mean PNS of sets of 1 to 4": f"{float(both[0].mean()):.4f} (full {float(both[1].mean()):.4f})"
        }
        ranks = {
            "rank correlation": f"{float(torch.corrcoef(both.argsort(1).argsort(1).double())[0, 1]):.3f}"
        }
        rows.append(compared(name, best_sets(other), full) | apart | ranks)
    return [{**dict.fromkeys(rows[-1], "-"), **row} for row in rows]


def variance(subjects: Subjects, repeats: int) -> list[dict]:
    """Variance of PNS of single players over seeds at the same model rows, E held fixed."""
    kinds = {"weighted mean": WeightedMean()} | {f"resampling, size {n}": Resampling(n) for n in (1, 10, 100)}
    d, rows = subjects.test.players.count, []
    subset = torch.eye(d, dtype=torch.bool).unsqueeze(0)
    cheap = Perturbations(n_perturbations=16, most_masks=0)
    drawn = {}
    for name, abduction in kinds.items():
        tests = [
            replace(subjects.test, perturbations=cheap, abduction=abduction, seed=s) for s in range(repeats)
        ]
        found = [set_pns(test, subjects.x, subset, subjects.change) for test in tests]
        drawn[name] = torch.stack(found).var(0)
    least = drawn["weighted mean"]
    for name, one in drawn.items():
        # Players without any variance, such as ignored ones, say nothing.
        ratio = (one / least)[least > 1e-12]
        rows.append(
            {"estimator": name, "mean variance": f"{float(one.mean()):.3g}"}
            | {"ratio of means": f"{float(one.mean() / least.mean()):.1f}"}
            | {"median ratio": f"{float(ratio.median()):.1f}", "seeds": repeats}
        )
    return rows


def written(
    given: argparse.Namespace, page: str, work: dict[str, tuple[str, Callable[[], list[dict]]]]
) -> None:
    """One CSV a table, and all of them as a page."""
    parts = [f"# Choices and ablations: {page}"]
    for name, (heading, rows_of) in work.items():
        rows = rows_of()
        save_rows(given.out / f"{name}.csv", rows)
        parts += [f"## {heading}", table(rows)]
        write_page(given.out, page, parts)


def on_adult(given: argparse.Namespace) -> None:
    """The tables of Adult; all are exact."""
    adult = read_adult(given)
    subjects = people(adult, given.people, given.background, given.seed)
    title = f"{given.people} people, |E| = {given.background + 1}, seed {given.seed}"
    work = {
        "adult": (f"b, c, distance ({title})", lambda: adult_choices(adult, subjects)),
        "adult_samples": (f"E ({given.people} people, c = .1)", lambda: adult_samples(adult, subjects)),
        "ablations": (f"Ablations on exact tables ({title})", lambda: ablations(subjects)),
        "variance": (f"Variance over seeds ({title})", lambda: variance(subjects, given.repeats)),
    }
    written(given, "adult", work)


def on_digits(given: argparse.Namespace) -> None:
    """The tables of digits, with the recommended ascent."""
    pixels, patches = digits(given, given.ablation_images), digits(given, given.images, side=4)
    n = given.ablation_images
    work = {
        "digits_ablations": (
            f"Ablations of ascent ({n} images, 784 pixels)",
            lambda: digit_ablations(pixels, 16),
        ),
        "digits": (
            f"E, distance, c (ten of 49 patches, {given.images} images)",
            lambda: digit_choices(given, patches),
        ),
    }
    written(given, "digits", work)


def main() -> None:
    """Adult first, then digits."""
    sizes = {"images": 3, "ablation_images": 16, "people": 4, "background": 20, "repeats": 24}
    given = arguments(__doc__.splitlines()[0], "fans_choices", **sizes)
    torch.set_num_threads(1)
    if given.people:
        on_adult(given)
    if given.images:
        on_digits(given)


if __name__ == "__main__":
    main()
