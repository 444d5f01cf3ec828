"""The choices of FANS on digits: E, b, c and the distance; and ascents with a part left out."""

import argparse
from dataclasses import replace

import torch
from fans_common import Subjects, by_player, integrated_gradients, mean_error, random_scores, said, set_pns
from fans_methods import threshold_of
from images import read_images
from torch import Tensor

from onlyif.causation.abduction import PlainConditional, Unweighted
from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.dissimilarity import (
    Dissimilarity,
    MeanSquare,
    ScaledDifference,
    SumOfSquares,
    Total,
    entry_scale,
)
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.probabilities import Probabilities
from onlyif.samples.background import BackgroundSample
from onlyif.samples.base import Sample
from onlyif.samples.nearest import NearestSample
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.searches.mask_shapes import top_players


def near(test: DualStageTest, b: float, c: float, apart: Dissimilarity, total: Total) -> DualStageTest:
    """The same test with other events and distances."""
    return replace(test, neighbourhood=Neighbourhood(SoftEvents(b, c), apart, total))


def effective(found: Probabilities, codes: Tensor | None = None) -> dict[str, float]:
    """Mean effective sample sizes of PN and PS, of some sets where all were measured."""
    wanted = slice(None) if codes is None else codes.numpy()
    for_pn, for_ps = (float(sizes[:, wanted].mean()) for sizes in (found.effective_pn, found.effective_ps))
    return {"n": found.n_sample, "effective PN": round(for_pn, 1), "effective PS": round(for_ps, 1)}


def digit_choices(given: argparse.Namespace, subjects: Subjects) -> list[dict]:
    """Ten patches by ascent, by Integrated Gradients and at random, under several E, b, c and distances."""
    x, d = subjects.x, subjects.test.players.count
    train = read_images(given.data, "mnist", "train").sample(2000, 1).x
    settings = recommended_settings(d, n_inputs=1)
    scores = (
        ascend(subjects.predictor, subjects.test, x, subjects.change, settings=settings).scores,
        by_player(integrated_gradients(subjects, subjects.test.baseline), subjects.test.players),
    )
    subset = torch.cat([top_players(s, 10) for s in (*scores, random_scores(len(x), d, 3))], dim=1)
    scaled, raw = ScaledDifference(entry_scale(train)), ScaledDifference(None)
    rule, scott = threshold_of(subjects), scott_boundary
    samples: dict[str, Sample] = {
        f"{n} background rows": BackgroundSample(train[:n]) for n in (20, 200, 2000)
    }
    samples |= {"nearest 19 of 2,000": NearestSample(train, 20)}
    samples |= {f"noisy copies, n = 4, σ = {s}": NoisySample(4, s) for s in (0.01, 0.1)}
    samples |= {"noisy copies, n = 20, σ = 0.1": NoisySample(20, 0.1)}
    rows = []
    for name, sample in samples.items():
        n = sample.rows(x[:1], 0).count
        kinds = {"sum": (raw, SumOfSquares(), 0.1), "mean": (raw, MeanSquare(), 0.1)}
        if n <= 20 + 1:
            kinds |= {
                "sum, scaled": (scaled, SumOfSquares(), 0.1),
                "sum, rule's c": (raw, SumOfSquares(), rule),
            }
        for kind, (apart, total, c) in kinds.items():
            test = near(replace(subjects.test, sample=sample), scott(n, 784), c, apart, total)
            t = 16 if n <= 201 else 2
            test = replace(test, perturbations=Perturbations(n_perturbations=t, most_masks=0), seed=99)
            found = test.measure(x, subset.numpy(), subjects.change)
            values = {"E": name, "distance and c": kind, "b": f"{scott(n, 784):.3f}", "c": f"{c:.2g}"}
            names = ("ascent", "IG from x'", "random")
            pns = {key: said(torch.from_numpy(found.pns[:, i]), 4) for i, key in enumerate(names)}
            rows.append(values | pns | effective(found))
    return rows


def digit_ablations(subjects: Subjects, n: int) -> list[dict]:
    """Ascent with a part left out; full PNS of its top pixels, paired with the full one.

    A step looks at all inputs of E: with one of them there would be nothing to weigh.
    """
    base = recommended_settings()
    settings = {
        "full PNS": base,
        "without sufficiency": replace(base, weights=(1.0, 0.0)),
        "without necessity": replace(base, weights=(0.0, 1.0)),
        "without the weights (w/o SR)": replace(base, abduction=Unweighted()),
        "plain conditional, no abduction": replace(base, abduction=PlainConditional()),
    }
    test, rows, first, values = subjects.fresh(n), [], None, {}
    for name, one in settings.items():
        scores = ascend(subjects.predictor, subjects.test, subjects.x, subjects.change, settings=one).scores
        subset = torch.cat([top_players(scores, size) for size in (40, 80, 160)], dim=1)
        pns = values[name] = set_pns(test, subjects.x, subset, subjects.change)
        first = subset if first is None else first
        shared = ((subset & first).sum(2) / subset.sum(2)).mean(1)
        row = {"ascent of": name, "pixels shared with full": said(shared)}
        for i, size in enumerate((40, 80, 160)):
            gap, error = mean_error(pns[:, i] - values["full PNS"][:, i])
            row[f"PNS at {size} (minus full)"] = f"{said(pns[:, i])} ({gap:+.3f} ± {error:.3f})"
        rows.append(row)
    return rows
