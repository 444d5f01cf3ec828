"""The learned explainer by size: its ranking, the short repair, and the search from nothing, at equal size.

A ResNet-18 of width 16 on 64 x 64 grey faces, or a LeNet on digits (`train_networks.py`); the mean training
image hides. Networks for α = 0, for α = 1 and one conditioned on α and size are trained for a while on
training images; then the sets of 1, 2, 5, 10 and 20 % of the pixels of test images are compared: as a network
ranks pixels, after its repair, and by the search on each image alone. Gaps are measured here, on hard sets.

    python experiments/learned_sets.py --data DIR --models DIR --out DIR [--name faces_smile|mnist]
        [--images N] [--seconds S] [--only train|report] [--kind both|regions]

Training states are in MODELS and are gone on with; each image's results are one CSV in OUT/learned_sets/NAME.
Writes learned_sets_NAME.md.
"""

import argparse
import time
from pathlib import Path

import pandas as pd
import torch
from images import Images, add_data_argument, read_images
from networks import load_network
from outputs import save_text
from resumed import of_each
from torch import Tensor, nn

import onlyif
from onlyif.amortised.sized_lessons import sized_masks_of
from onlyif.amortised.training_storage import SUFFIX
from onlyif.criteria.blended import BlendedGaps, blended_gaps
from onlyif.metrics.leak import LeakSettings, label_leak
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.searches.sized import SizedSearch, SizedSettings, highest, pixel_settings, region_settings

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
ALPHAS = {"sufficient": 1.0, "necessary": 0.0, "every": None}
SETTINGS = {"regions": region_settings, "pixels": pixel_settings}
CLASSIFIERS = {"faces_smile": "faces_smile_resnet18", "mnist": "mnist_lenet5"}
N_TRAIN, LEAK_IMAGES, LEAK_SHARE, SEED = 4160, 600, 0.05, 0


def train(given: argparse.Namespace, network: nn.Module, images: Images, mean: Tensor) -> None:
    """The three networks, each for some seconds; a state that is there is gone on with."""
    some = images.sample(N_TRAIN, SEED).x
    for name, alpha in ALPHAS.items():
        onlyif.train_explainer(
            network, some, reference=BaselineReference(mean, "the mean training image"), alpha=alpha,
            size=list(SHARES), steps=100_000, path=state(given, name), max_rows=256, progress=True,
            time_limit=given.seconds,
        )  # fmt: skip


def state(given: argparse.Namespace, name: str) -> Path:
    """Where the state of a network is."""
    return given.models / f"{given.name}_sized_{name}{SUFFIX}"


def loaded(given: argparse.Namespace) -> dict[str, onlyif.LearnedExplainer]:
    """The networks for one α each together, and the conditioned one."""
    load = onlyif.LearnedExplainer.load
    return {
        "one network per α": load(state(given, "sufficient"), state(given, "necessary")),
        "one network for all α": load(state(given, "every")),
    }


def gaps_of(network: nn.Module, x: Tensor, mean: Tensor) -> BlendedGaps:
    """The gaps of the probability of the predicted class."""
    with torch.no_grad():
        target = network(x).argmax(1)
    predictor = differentiable_module(network, nn.Softmax(dim=1), "probability")
    return blended_gaps(predictor, x, mean[None, None], target, 256)


def measured(network: nn.Module, x: Tensor, mean: Tensor, alpha: float, sets: Tensor) -> list[float]:
    """α Δsuf + (1 - α) Δnec of hard sets (z, h, w) of one image, in plain lines."""
    keep = sets.bool()[:, None]
    with torch.no_grad():
        full, base = (network(one[None]).softmax(1)[0] for one in (x, mean))
        target = int(full.argmax())
        kept = network(torch.where(keep, x, mean)).softmax(1)[:, target]
        hidden = network(torch.where(keep, mean, x)).softmax(1)[:, target]
    gaps = alpha * (kept - full[target]).abs() + (1 - alpha) * (hidden - base[target]).abs()
    return gaps.tolist()


def of_one(
    given: argparse.Namespace, network: nn.Module, x: Tensor, mean: Tensor, found: dict[str, object]
) -> pd.DataFrame:
    """All ways to the sets of one image."""
    gaps, rows = gaps_of(network, x[None], mean), []
    sizes = tuple(round(share * x[0].numel()) for share in SHARES)

    def told(method: str, alpha: float, sets: Tensor, cost: tuple[int, float]) -> None:
        values = measured(network, x, mean, alpha, sets.view(len(SHARES), *x.shape[-2:]))
        rows.extend(
            {"method": method, "α": alpha, "share": share, "gap": gap, "rows": cost[0], "seconds": cost[1]}
            for share, gap in zip(SHARES, values, strict=True)
        )

    def searched(method: str, alpha: float, how: SizedSettings, begins: object) -> None:
        start = time.perf_counter()
        search = SizedSearch(gaps, sizes, how, SEED, begins=begins)
        one = search.run(torch.arange(1), torch.tensor([alpha]))
        told(method, alpha, one.sets[0], (int(one.model_rows[0]), time.perf_counter() - start))

    for alpha in (0.0, 1.0):
        for name, learned in found.items():
            start = time.perf_counter()
            ranking = learned.start(x[None], torch.tensor([alpha]), SHARES)
            told(f"{name}, as ranked", alpha, highest(ranking, sizes)[0], (0, time.perf_counter() - start))
        for kind, settings in SETTINGS.items():
            if kind == "pixels" and given.kind == "regions":
                continue
            for name, learned in found.items():
                searched(f"{name}, repaired ({kind})", alpha, settings().repair, learned)
            searched(f"repair from nothing ({kind})", alpha, settings().repair, None)
            searched(f"each image alone ({kind})", alpha, settings(), None)
    return pd.DataFrame(rows)


def leak_lines(network: nn.Module, images: Images, mean: Tensor, found: dict[str, object]) -> list[str]:
    """The predicted class read off sets of equal size: masks cannot tell it by their size."""
    labels = images.labels.unique().tolist()
    n = LEAK_IMAGES // len(labels)
    x = torch.cat([images.of_class(label).sample(n, SEED + 2).x for label in labels])
    with torch.no_grad():
        labels = torch.cat([network(part).argmax(1) for part in x.split(256)])
    lines = [
        "| masks | α | masks alone | labels permuted within size | masked images |",
        "|---|---|---|---|---|",
    ]
    for name, learned in found.items():
        for alpha in (0.0, 1.0):
            networks = {one.selector.alpha: one.network() for one in learned.checkpoints}
            selector = networks.get(alpha, networks.get(None))
            masks = sized_masks_of(selector, x, torch.full((len(x),), alpha), (LEAK_SHARE,))[:, 0]
            sets = highest(masks.flatten(1), (round(LEAK_SHARE * x[0].numel()),))[:, 0].view_as(masks)
            leak = label_leak(
                sets.float(), x, mean.expand_as(x), labels, LeakSettings(folds=4, epochs=12, strata=10)
            )
            cells = [
                f"{one.accuracy:.3f} ± {one.stderr:.3f}" for one in (leak.masks, leak.sizes, leak.masked)
            ]
            lines.append(f"| {name} | {alpha:g} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return lines


def report(name: str, rows: pd.DataFrame, trained: list[str], leaks: list[str]) -> str:
    """The tables as markdown."""
    n = rows.image.nunique()
    lines = [
        f"# The learned explainer by size: {name}", "",
        f"{n} test images that no network was trained on; mean gaps of hard sets.", "",
        *trained, "",
        f"| α | method | {' | '.join(f'{share:.0%}' for share in SHARES)} | mean | rows | s |",
        "|---|---|" + "---|" * (len(SHARES) + 3),
    ]  # fmt: skip
    for (alpha, method), some in rows.groupby(["α", "method"], sort=False):
        means = some.groupby("share").gap.mean()
        cells = [f"{means[share]:.3f}" for share in SHARES]
        of_face = some.groupby("image").gap.mean()
        cells += [f"{of_face.mean():.3f} ± {of_face.std() / n**0.5:.3f}", f"{some['rows'].mean():,.0f}"]
        lines.append(f"| {alpha:g} | {method} | {' | '.join(cells)} | {some.seconds.mean():.2g} |")
    return "\n".join([*lines, "", *leaks]) + "\n"


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", choices=list(CLASSIFIERS), default="faces_smile")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1200, help="of the training of each network")
    parser.add_argument("--kind", choices=["both", "regions"], default="both")
    parser.add_argument("--only", choices=["train", "report"], help="train, or no leak check and no training")
    given = parser.parse_args()
    torch.set_num_threads(1)
    network = load_network(given.models, CLASSIFIERS[given.name])
    training = read_images(given.data, given.name, "train")
    mean = training.x.mean(0)
    if given.only != "report":
        train(given, network, training, mean)
    del training
    if given.only == "train":
        return
    images, found = read_images(given.data, given.name, "test"), loaded(given)
    x = images.sample(given.images, SEED + 1).x

    def made(i: int) -> pd.DataFrame:
        return of_one(given, network, x[i], mean, found).assign(image=i)

    rows = of_each(given.out / "learned_sets" / given.name, map(str, range(len(x))), made)
    trained = [
        f"- {name}: " + "; ".join(
            f"{one.step:,} steps, {len(one.trained_on):,} images, validation "
            f"{one.rounds[-1].objective:.3f} ± {one.rounds[-1].stderr:.3f}" for one in learned.checkpoints
        )
        for name, learned in found.items()
    ]  # fmt: skip
    leaks = [] if given.only == "report" else leak_lines(network, images, mean, found)
    save_text(given.out / f"learned_sets_{given.name}.md", report(given.name, rows, trained, leaks))


if __name__ == "__main__":
    main()
