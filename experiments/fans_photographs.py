"""Does maximising PNS work on photographs? CIFAR-10 test images and a ResNet-18, at equal subset size.

Players are the 1,024 pixels, all channels of a pixel together. PNS of the top pixels of every ranking
is measured with fresh random numbers; differences are paired over images. Only images that the network
gets right are taken.

    python experiments/fans_photographs.py --data DIR --models DIR [--images 8]

Writes photographs.csv, photographs.png and photographs.md.
"""

import argparse

import torch
from fans_common import (
    C,
    Subjects,
    arguments,
    by_player,
    integrated_gradients,
    mean_error,
    random_scores,
    set_pns,
    table,
    write_page,
)
from images import read_images
from matplotlib.figure import Figure
from networks import load_network, network_record
from outputs import save_figure, save_rows
from torch import Tensor, nn

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import TargetChange, predicted_targets
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.modalities.grids import image_players
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import paper_settings, recommended_settings
from onlyif.searches.mask_shapes import top_players

NAME, SIDE = "cifar10_resnet18", 32
SIZES = (51, 102, 205, 410)
OURS = "ascent, recommended"


def photographs(given: argparse.Namespace) -> Subjects:
    """Test images that the network gets right, E of four noisy copies, Scott's b, c = .1."""
    predictor = differentiable_module(load_network(given.models, NAME), nn.Softmax(dim=1), "probability")
    test = read_images(given.data, "cifar10", "test").sample(4 * given.images, given.seed)
    target = torch.from_numpy(predicted_targets(predictor, test.x))
    right = (target == test.labels).nonzero().flatten()[: given.images]
    players = image_players(torch.arange(SIDE * SIDE).view(SIDE, SIDE), (3, SIDE, SIDE))
    question = DualStageTest(
        predictor,
        players,
        NoisySample(4, 0.01),
        torch.from_numpy(uniform_baseline((3, SIDE, SIDE), seed=given.seed)),
        Neighbourhood(SoftEvents(scott_boundary(4, 3 * SIDE * SIDE), C)),
        Perturbations(n_perturbations=32),
        max_rows=512,
        seed=given.seed,
    )
    return Subjects(predictor, test.x[right], question, TargetChange(target[right].numpy()))


def rankings(subjects: Subjects, seed: int) -> dict[str, tuple[Tensor, float]]:
    """Scores of all pixels by every method, and the model rows that they took."""
    found = {}
    for name, settings in {
        OURS: recommended_settings(n_inputs=1),
        "ascent, paper (50 x .001)": paper_settings(),
    }.items():
        risen = ascend(
            subjects.predictor, subjects.test, subjects.x, subjects.change, settings=settings, max_rows=512
        )
        found[name] = risen.scores, risen.model_rows
    black, noise = torch.zeros(1, 3, SIDE, SIDE), subjects.test.baseline
    for name, baseline in {"IG from 0": black, "IG from x'": noise}.items():
        signed = by_player(integrated_gradients(subjects, baseline), subjects.test.players)
        found[f"|{name}|"], found[name] = (signed.abs(), 32.0), (signed, 32.0)
    found["random"] = random_scores(len(subjects.x), subjects.test.players.count, seed), 0.0
    return found


def rows_of(values: dict[str, Tensor], asked: dict[str, float]) -> list[dict]:
    """One row a method and size, with the paired difference to ours."""
    rows = []
    for name, each in values.items():
        for number, size in enumerate(SIZES):
            mean, error = mean_error(each[:, number])
            less, paired = mean_error(values[OURS][:, number] - each[:, number])
            rows.append(
                {
                    "method": name,
                    "model rows": round(asked[name]),
                    "size": size,
                    "PNS": round(mean, 4),
                    "stderr": round(error, 4),
                    "ours minus this": round(less, 4),
                    "paired stderr": round(paired, 4),
                }
            )
    return rows


def page(rows: list[dict]) -> list[dict]:
    """One row a method."""
    lines: dict[str, dict] = {}
    for row in rows:
        line = lines.setdefault(
            row["method"], {"method": row["method"], "model rows": f"{row['model rows']:,}"}
        )
        text = f"{row['PNS']:.3f} ± {row['stderr']:.3f}"
        behind = f" ({row['ours minus this']:+.3f} ± {row['paired stderr']:.3f})"
        line[str(row["size"])] = text if row["method"] == OURS else text + behind
    return list(lines.values())


def picture(subjects: Subjects, found: dict[str, tuple[Tensor, float]]) -> Figure:
    """Images and the maps of some methods."""
    shown = (OURS, "ascent, paper (50 x .001)", "|IG from 0|", "IG from x'")
    n = min(6, len(subjects.x))
    figure = Figure(figsize=(1.3 * n, 1.4 * (1 + len(shown))), layout="constrained")
    axes = figure.subplots(1 + len(shown), n, squeeze=False)
    for column in range(n):
        axes[0][column].imshow(subjects.x[column].permute(1, 2, 0))
        for row, name in enumerate(shown, 1):
            axes[row][column].imshow(found[name][0][column].view(SIDE, SIDE), cmap="viridis")
    for row, name in enumerate(("image", *shown)):
        axes[row][0].set_title(name, fontsize=8, loc="left")
    for ax in axes.flat:
        ax.set_axis_off()
    return figure


def main() -> None:
    """Find, measure, write."""
    given = arguments(__doc__.splitlines()[0], "fans_photographs", images=8)
    torch.set_num_threads(1)
    subjects = photographs(given)
    found = rankings(subjects, given.seed)
    test = subjects.fresh(32)
    values = {}
    for name, (scores, _) in found.items():
        subsets = torch.cat([top_players(scores, size) for size in SIZES], dim=1)
        values[name] = set_pns(test, subjects.x, subsets, subjects.change)
        print(name, values[name].mean(0).tolist(), flush=True)
    rows = rows_of(values, {name: asked for name, (_, asked) in found.items()})
    save_rows(given.out / "photographs.csv", rows)
    save_figure(given.out / "photographs.png", picture(subjects, found), dpi=120)
    accuracy = network_record(given.models, NAME)["accuracy"]
    head = (
        f"{len(subjects.x)} CIFAR-10 test images that a ResNet-18 of width 16 (accuracy {accuracy:.3f}) gets "
        f"right, 1,024 pixels, E of 4 noisy copies, c = {C}, seed {given.seed}. PNS ± its standard error "
        "over images; in brackets ours minus this, paired."
    )
    write_page(given.out, "photographs", ["# Does maximising PNS work? Photographs", head, table(page(rows))])


if __name__ == "__main__":
    main()
