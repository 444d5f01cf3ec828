"""Threshold curves of masks and of attribution methods: SNE's figures 2a and 3.

Correctly classified test images and a ResNet-18 of width 16 (`train_networks.py`); masks by descent on each
image (the recommended setting) for α = 0, 1/2 and 1, nested sets by size, whose scores are the share of the
sizes that a pixel is in, and masks by a learned selector where one is in `--models`.

    python experiments/mask_curves.py --models DIR --out DIR [--data DIR] [--name cifar10|faces_smile]
        [--images N] [--size WEIGHT] [--variation WEIGHT]

Writes mask_curves_NAME.md and .png, and as CSV every curve, the areas and both answers. "Necessary" is
Δnec <= ε with a stated ε; at equal gap every method may choose the size of its set itself.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import torch

mpl.use("Agg")
from curve_methods import METHODS, Scene, scores_of
from curve_tables import (
    BEYOND,
    EPSILON,
    FLOOR,
    SEED,
    against,
    answers,
    area_table,
    curve_rows,
    found_beyond,
    markdown,
    ranked,
    smallest_table,
    with_error,
)
from images import CLASSES, Images, add_data_argument, read_images
from matplotlib.figure import Figure
from networks import load_network, network_record
from outputs import save_figure, save_frame, save_text
from torch import Tensor, nn

import onlyif
from onlyif.amortised.relaxed_lessons import masks_of
from onlyif.amortised.search import AmortisedSearch
from onlyif.amortised.training_storage import SUFFIX, load_checkpoint
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import SoftWeights, variation_at
from onlyif.metrics.curves import ThresholdCurves, threshold_curves
from onlyif.metrics.gaps import Hiding, SetGaps, set_gaps
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.plots.threshold_curves import plot_threshold_curves
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_settings import recommended_settings

ALPHAS = (0.0, 0.5, 1.0)
OURS = {0.0: "ours, necessary (α = 0)", 0.5: "ours, unified (α = 1/2)", 1.0: "ours, sufficient (α = 1)"}
PAPERS = {alpha: f"the paper's λ, α = {alpha:g}" for alpha in ALPHAS}
PAPER_SIZE = 2.0
BY_SIZE = (0.01, 0.02, 0.05, 0.1, 0.2)
# as shares of all pixels
SIZES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3)
SIZES += (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class Setting:
    """What all parts share.

    Args:
        name: The data set.
        network: The classifier.
        scene: The images, their classes and the reference.
        models: Folder of networks and checkpoints.
        size: λ_1 of our masks.
        variation: Their λ_TV at 512 pixels a side.
    """

    name: str
    network: nn.Module
    scene: Scene
    models: Path
    size: float
    variation: float

    @property
    def side(self) -> int:
        """Pixels a side."""
        return self.scene.x.shape[-1]

    @property
    def predictor(self) -> DifferentiablePredictor:
        """Probabilities of the classes."""
        return differentiable_module(self.network, nn.Softmax(dim=1), "probability")

    @property
    def reference(self) -> BaselineReference:
        """The mean training image."""
        return BaselineReference(self.scene.baseline, "the mean training image")

    @property
    def hiding(self) -> Hiding:
        """How gaps are measured: exactly."""
        return Hiding(self.reference, max_rows=256)

    @property
    def objective(self) -> SoftObjective:
        """What our masks make small."""
        return SoftObjective(SoftRestriction(self.predictor, self.reference, max_rows=256, seed=SEED))


def setting_of(given: argparse.Namespace) -> Setting:
    """The classifier and images that it gets right; of faces, smiling ones."""
    train, test = (read_images(given.data, given.name, part) for part in ("train", "test"))
    network = load_network(given.models, f"{given.name}_resnet18")
    chosen = right(network, test.of_class(1) if given.name == "faces_smile" else test, given.images)
    training = train.sample(50, SEED).x
    scene = Scene(network, chosen.x, chosen.labels, train.x.mean(0), training, SEED)
    return Setting(given.name, network, scene, given.models, given.size, given.variation)


def right(network: nn.Module, images: Images, n: int) -> Images:
    """The first n of a sample that are correctly classified."""
    some = images.sample(min(4 * n, len(images.x)), SEED)
    with torch.no_grad():
        hits = network(some.x).argmax(1) == some.labels
    return some.take(hits.nonzero().flatten()[:n])


def all_scores(setting: Setting) -> Iterator[tuple[str, Tensor, float]]:
    """Name, scores and seconds of every method."""
    for name in METHODS:
        start = time.perf_counter()
        yield name, scores_of(name, setting.scene), time.perf_counter() - start
    yield from descended(setting, OURS, setting.size, setting.variation)
    yield from descended(setting, PAPERS, PAPER_SIZE, 20.0)
    yield from by_size(setting)
    yield from learned(setting)


def descended(
    setting: Setting, names: dict[float, str], size: float, variation: float
) -> Iterator[tuple[str, Tensor, float]]:
    """The masks of the recommended search for every α; the seconds are shared equally."""
    start = time.perf_counter()
    question = MaskQuestion(ALPHAS, size, variation_at(setting.side, variation), n_fresh=2)
    search = RelaxedSearch(setting.objective, recommended_settings(), seed=SEED)
    masks = find_masks(search, setting.scene.x, setting.scene.target, question)
    taken = (time.perf_counter() - start) / len(ALPHAS)
    for alpha in ALPHAS:
        yield names[alpha], torch.from_numpy(masks.at_alpha(alpha).soft()), taken


def by_size(setting: Setting) -> Iterator[tuple[str, Tensor, float]]:
    """The scores of nested sets of a few regions and of single pixels, for the decided class.

    The seconds are shared equally.
    """
    for kind in ("regions", "pixels"):
        start = time.perf_counter()
        found = onlyif.explain(
            setting.network, setting.scene.x, reference=setting.reference, size=list(BY_SIZE), seed=SEED,
            modality=onlyif.Images(kind), progress=False, max_rows=256,
        )  # fmt: skip
        taken = (time.perf_counter() - start) / len(ALPHAS)
        for alpha, name in zip(ALPHAS, ("necessary", "unified", "sufficient"), strict=True):
            scores = torch.stack([torch.from_numpy(item.scores[name]) for item in found])
            yield f"by size, {kind}, α = {alpha:g}", scores, taken


def learned(setting: Setting) -> Iterator[tuple[str, Tensor, float]]:
    """The masks of a selector for all α, as they are and repaired; nothing where there is none."""
    path = setting.models / f"{setting.name}_continuum{SUFFIX}"
    if not path.is_file():
        return
    selector, x = load_checkpoint(path).network(), setting.scene.x
    for alpha in (0.0, 1.0):
        start, alphas = time.perf_counter(), torch.full((len(x),), alpha)
        yield f"amortised, α = {alpha:g}", masks_of(selector, x, alphas), time.perf_counter() - start
        start, sizes = time.perf_counter(), torch.full_like(alphas, setting.size)
        smooth = torch.full_like(alphas, variation_at(setting.side, setting.variation))
        weights = SoftWeights(alphas, sizes, smooth)
        problem = setting.objective.pose(x, setting.scene.target, weights)
        parts = list(AmortisedSearch(selector, setting.objective, n_fresh=2).run(problem))
        masks = torch.cat([part.masks for part in parts])
        yield f"amortised, repaired, α = {alpha:g}", masks, time.perf_counter() - start


def asked(setting: Setting, sets: Tensor) -> SetGaps:
    """The gaps of some sets."""
    return set_gaps(sets, setting.predictor, setting.scene.x, setting.scene.target, setting.hiding)


def unified(gaps: SetGaps, alpha: float) -> Tensor:
    """Δuni."""
    return alpha * gaps.sufficiency + (1 - alpha) * gaps.necessity


def smallest_rows(setting: Setting, scores: dict[str, Tensor]) -> pd.DataFrame:
    """One row an image, α and method: our set {S >= 1/2} against what the method ranks highest."""
    b, tables = len(setting.scene.x), []
    sizes = torch.tensor(SIZES).mul(setting.side**2).round().long().expand(b, -1)
    sets = torch.stack([scores[name] >= 0.5 for name in OURS.values()], 1)
    mine, own = sets.sum((2, 3)), asked(setting, sets)
    for name, each in scores.items():
        # Our own sizes are among the sizes that others may take.
        counts = torch.cat([sizes, mine], 1)
        gaps = asked(setting, ranked(each, counts))
        for i, alpha in enumerate(ALPHAS):
            kept = [*range(counts.shape[1] - len(ALPHAS)), len(SIZES) + i]
            other = (counts[:, kept], unified(gaps, alpha)[:, kept])
            row = against((mine[:, i], unified(own, alpha)[:, i]), other)
            tables.append(pd.DataFrame({"α": alpha, "method": name, "image": range(b), **row}))
    return pd.concat(tables, ignore_index=True)


def head(setting: Setting) -> str:
    """What was measured on what."""
    record, scene = network_record(setting.models, f"{setting.name}_resnet18"), setting.scene
    full, base = scene.probability(scene.x), scene.probability(scene.baseline.unsqueeze(0))
    rows = scene.target.unsqueeze(1)
    f, f_0 = (each.detach().expand_as(full).gather(1, rows).squeeze(1) for each in (full, base))
    side = setting.side
    which = "smiling test faces" if setting.name == "faces_smile" else "test images"
    variation = variation_at(side, setting.variation)
    return (
        f"# Threshold curves: {setting.name}\n\n"
        f"Classifier: ResNet-18 of width {record['width']}, test accuracy {record['accuracy']:.3f} ± "
        f"{record['stderr']:.3f}. Size of this run: {len(rows)} {which} that it gets right × {len(ALPHAS)} α "
        f"= {len(rows) * len(ALPHAS)} pairs, {side} × {side} pixels, seed {SEED}. Reference: the mean "
        f"training image; f(x) = {with_error(f)}, f_0 = {with_error(f_0)}, |f(x) - f_0| = "
        f"{with_error((f - f_0).abs())}. Ours: recommended setting, λ_1 = {setting.size:g}, λ_TV = "
        f"{variation:g}; the paper's λ are {PAPER_SIZE:g} and {variation_at(side):g} (20 at 512 pixels a "
        f"side). Gaps of sets are exact; one below {FLOOR:g} counts as {FLOOR:g} (-log at most "
        f"{-torch.tensor(FLOOR).log():.2f}), an empty set as one pixel. Means ± standard errors "
        "over images.\n"
    )


NOTES = {
    "Area under each curve": (
        "Over t in [0, 1], in steps of .05. -log Δ: larger is better; -log size: larger is smaller. At t = 0 "
        "every pixel is in. Read gaps beside sizes: the full set has both gaps 0."
    ),
    f"Who has necessary and sufficient sets at t > {BEYOND:g}?": (
        f"A set is necessary if Δnec <= {EPSILON:g}, sufficient if Δsuf <= {EPSILON:g}. Shares of images "
        "with such a set at some t beyond, with one of at most half the pixels, the share of such t, and the "
        "size of the smallest, where there is one."
    ),
    "Are ours the smallest at equal gap?": (
        "Our set is {S >= 1/2}, judged by Δuni at its α; images where it is empty or everything are left "
        "out. Each other method may keep as many of its highest pixels as it likes, of 29 sizes and ours: "
        f"the least at which its gap is no larger than ours (or {FLOOR:g}). That it may choose among 30 "
        "sets, and we have one, is in its favour."
    ),
}


def write(setting: Setting, out: Path, summary: str, tables: list[pd.DataFrame]) -> None:
    """The page."""
    text = [head(setting), f"## Answers\n\n{summary}\n"]
    for (title, note), table in zip(NOTES.items(), tables, strict=True):
        text.append(f"## {title}\n\n{note}\n\n{markdown(table)}\n")
    save_text(out / f"mask_curves_{setting.name}.md", "\n".join(text))


def draw(setting: Setting, found: dict[str, ThresholdCurves], out: Path) -> None:
    """The picture."""
    figure = Figure(figsize=(13.5, 5.2), layout="constrained")
    left_out = (*PAPERS.values(), *(f"by size, pixels, α = {alpha:g}" for alpha in ALPHAS))
    found = {name: each for name, each in found.items() if name not in left_out}
    bold = [name for name in found if name not in METHODS]
    words = f"{setting.name}, ResNet-18 of width 16, {len(setting.scene.x)} test images that it gets right"
    sentence = setting.reference.law.sentence
    plot_threshold_curves(found, figure.add_subplot(), bold=bold, reference=sentence, subtitle=words)
    save_figure(out / f"mask_curves_{setting.name}.png", figure, dpi=130)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True, help="networks and checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--name", choices=sorted(set(CLASSES) - {"mnist"}), default="cifar10")
    parser.add_argument("--images", type=int, default=20, help="test images; each at three α")
    parser.add_argument("--size", type=float, default=0.5, help="λ_1 of our masks")
    parser.add_argument("--variation", type=float, default=5.0, help="their λ_TV at 512 pixels a side")
    return parser.parse_args()


def main() -> None:
    """All parts in turn."""
    torch.set_num_threads(1)
    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    setting = setting_of(given)
    scene, scores, seconds, found = setting.scene, {}, {}, {}
    for name, each, taken in all_scores(setting):
        scores[name], seconds[name] = each, taken
        found[name] = threshold_curves(
            each, setting.predictor, scene.x, scene.target, setting.hiding, floor=FLOOR
        )
        print(f"{name}: {taken:.1f} s", flush=True)
    rows, beyond = smallest_rows(setting, scores), found_beyond(found)
    areas, smallest = area_table(found, seconds), smallest_table(rows, setting.side**2)
    kinds = {"curves": curve_rows(found), "areas": areas, "found": beyond, "smallest": rows}
    for kind, table in kinds.items():
        save_frame(given.out / f"mask_curves_{given.name}_{kind}.csv", table)
    write(setting, given.out, answers(beyond, rows, setting.side**2), [areas, beyond, smallest])
    draw(setting, found, given.out)
    print((given.out / f"mask_curves_{given.name}.md").read_text("utf-8"))


if __name__ == "__main__":
    main()
