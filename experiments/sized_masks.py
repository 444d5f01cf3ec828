"""Sets of pixels by size against what attribution methods rank highest, at equal size and α.

Sufficient (α = 1), necessary (α = 0) and unified (α = 1/2) sets of 1, 2, 5, 10 and 20 % of the pixels,
hidden pixels being those of the mean training image. The best other method of each size and α is chosen on
development images (of the training part); it is then compared on test images that played no part in choosing
anything. All gaps are measured here, on hard sets, by code that shares nothing with the search.

    python experiments/sized_masks.py --data DIR --models DIR --out DIR [--name mnist|cifar10|faces_smile]
        [--network NETWORK] [--images N] [--development N] [--overlaps N]

An image's results are one CSV in OUT/sized_masks/NAME, so that a run that was ended goes on where it was;
another network than the usual one has a folder of its own. Writes sized_masks_NAME.md.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import torch
from curve_methods import Scene, scores_of
from images import add_data_argument, read_images
from networks import load_network
from outputs import save_text
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

import onlyif
from onlyif.core.torch_seeds import torch_generator
from onlyif.references.baseline import BaselineReference
from onlyif.references.blur import BlurReference

ALPHAS = (0.0, 0.5, 1.0)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
NETWORKS = {"mnist": "mnist_lenet5", "cifar10": "cifar10_resnet18", "faces_smile": "faces_smile_resnet18"}
OURS = {"ours, regions": "regions", "ours, pixels": "pixels"}
GRADIENTS = ("Integrated Gradients", "Integrated Gradients, absolute", "GradientSHAP", "Occlusion")
# The set of each size and α.
Sets: TypeAlias = dict[tuple[float, float], Tensor]
# Gaps of probabilities that differ by less are the same for a reader.
EQUAL = 1e-3
SEED, RANDOM_MASKS, LIME_ROWS, PATCHES_A_SIDE = 0, 1000, 500, 8


class Judge:
    """Both gaps of hard sets of one image, in plain lines.

    Args:
        network: From images to logits.
        image: The image.
        target: Its class.
        baseline: What hides.
    """

    def __init__(self, network: nn.Module, image: Tensor, target: int, baseline: Tensor) -> None:
        self.network, self.image, self.target, self.baseline = network, image, target, baseline
        self.rows = 0
        self.full, self.base = self.asked(image[None]).item(), self.asked(baseline[None]).item()

    def asked(self, rows: Tensor) -> Tensor:
        """The probability of the class."""
        self.rows += len(rows)
        with torch.no_grad():
            return torch.cat([self.network(part).softmax(1)[:, self.target] for part in rows.split(256)])

    def gaps(self, sets: Tensor) -> tuple[Tensor, Tensor]:
        """Δsuf and Δnec of sets (m, h, w)."""
        keep = sets.bool()[:, None]
        kept = self.asked(torch.where(keep, self.image, self.baseline))
        hidden = self.asked(torch.where(keep, self.baseline, self.image))
        return (kept - self.full).abs(), (hidden - self.base).abs()

    def unified(self, sets: Tensor, alpha: float) -> Tensor:
        """α Δsuf + (1 - α) Δnec; at an end the other side is not asked for."""
        keep = sets.bool()[:, None]
        total = torch.zeros(len(sets))
        if alpha > 0:
            kept = self.asked(torch.where(keep, self.image, self.baseline))
            total += alpha * (kept - self.full).abs()
        if alpha < 1:
            hidden = self.asked(torch.where(keep, self.baseline, self.image))
            total += (1 - alpha) * (hidden - self.base).abs()
        return total


def highest(scores: Tensor, size: int) -> Tensor:
    """The set of the highest scores."""
    order = scores.flatten().argsort(descending=True, stable=True)[:size]
    return torch.zeros(scores.numel(), dtype=torch.bool).index_fill(0, order, True).view(scores.shape)


def patches(side: int) -> Tensor:
    """The number of the patch of each pixel."""
    row = torch.arange(side) * PATCHES_A_SIDE // side
    return row[:, None] * PATCHES_A_SIDE + row


def mixed(gaps: tuple[Tensor, Tensor], alpha: float) -> Tensor:
    """α Δsuf + (1 - α) Δnec."""
    return alpha * gaps[0] + (1 - alpha) * gaps[1]


def random_masks(judge: Judge) -> dict[float, Tensor]:
    """RISE-like: the mean of smooth random masks, weighted by how small their gap is."""
    draws = torch.rand(RANDOM_MASKS, 1, 7, 7, generator=torch_generator(SEED, "random masks"))
    smooth = functional.interpolate(draws, judge.image.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    sets = smooth > smooth.flatten(1).quantile(0.8, dim=1)[:, None, None]
    gaps, mean = judge.gaps(sets), sets.float().mean(0)
    weights = {alpha: 1 - mixed(gaps, alpha) for alpha in ALPHAS}
    return {
        alpha: (weight[:, None, None] * sets).mean(0) - weight.mean() * mean
        for alpha, weight in weights.items()
    }


def lime(judge: Judge) -> dict[float, Tensor]:
    """Ridge regression of the gap on random sets of patches."""
    index, n = patches(judge.image.shape[-1]), PATCHES_A_SIDE**2
    inside = torch.rand(LIME_ROWS, n, generator=torch_generator(SEED, "lime")) < 0.3
    gaps = judge.gaps(inside[:, index])
    design = inside.double() - inside.double().mean(0)
    found = {}
    for alpha in ALPHAS:
        gap = mixed(gaps, alpha)
        slope = torch.linalg.solve(
            design.T @ design + torch.eye(n).double(), design.T @ (gap - gap.mean()).double()
        )
        found[alpha] = -slope[index].float()
    return found


def greedy(judge: Judge) -> dict[float, Tensor]:
    """Patches in the order in which they make the gap smallest."""
    return {alpha: greedy_order(judge, alpha) for alpha in ALPHAS}


def greedy_order(judge: Judge, alpha: float) -> Tensor:
    """The patches of one α: the first has the highest score."""
    index, n = patches(judge.image.shape[-1]), PATCHES_A_SIDE**2
    inside, scores = torch.zeros(n, dtype=torch.bool), torch.zeros(index.shape)
    steps = min(n, int(np.ceil(1.3 * max(SHARES) * n)))
    for step in range(steps):
        left = (~inside).nonzero().flatten()
        tried = inside.repeat(len(left), 1)
        tried[torch.arange(len(left)), left] = True
        best = int(left[judge.unified(tried[:, index], alpha).argmin()])
        inside[best] = True
        scores[index == best] = steps - step
    return scores


OTHERS: dict[str, Callable[[Judge], dict[float, Tensor]]] = {
    "random masks": random_masks,
    "LIME on patches": lime,
    "greedy on patches": greedy,
}


def ours(judge: Judge, network: nn.Module, regions: str, seed: int, reference: object) -> onlyif.Explanation:
    """The explanation of the image by sets of the sizes."""
    return onlyif.explain(
        network, judge.image[None], reference=reference, size=list(SHARES), target=judge.target, seed=seed,
        modality=onlyif.Images(regions), progress=False, max_rows=256,
    )[0]  # fmt: skip


def sets_of(item: onlyif.Explanation) -> Sets:
    """The sets of an explanation, by size and α."""
    shape = item.names.shape
    return {
        (share, alpha): torch.from_numpy(item.at_size(share, alpha).keep.reshape(shape))
        for share in SHARES
        for alpha in ALPHAS
    }


def records(method: str, sets: Sets, judge: Judge, cost: tuple[int, float]) -> list[dict]:
    """One row a size and α."""
    found = []
    for (share, alpha), members in sets.items():
        suf, nec = judge.gaps(members[None])
        found.append({
            "method": method, "share": share, "α": alpha, "gap": float(alpha * suf + (1 - alpha) * nec),
            "size": int(members.sum()), "regions": ndimage.label(members.numpy())[1], "rows": cost[0],
            "seconds": cost[1],
        })  # fmt: skip
    return found


def other_sets(scene: Scene, judge: Judge) -> Iterator[tuple[str, Sets, tuple[int, float]]]:
    """The sets of every method but ours on one image, with the model rows and seconds that they took."""
    counts = {share: round(share * scene.x[0, 0].numel()) for share in SHARES}
    for method in GRADIENTS:
        start = time.perf_counter()
        scores = scores_of(method, scene)[0]
        taken = time.perf_counter() - start
        yield (
            method,
            {(share, a): highest(scores, counts[share]) for share in SHARES for a in ALPHAS},
            (0, taken),
        )
    for method, scored in OTHERS.items():
        start, before = time.perf_counter(), judge.rows
        by_alpha = scored(judge)
        cost = judge.rows - before, time.perf_counter() - start
        yield (
            method,
            {(share, a): highest(by_alpha[a], counts[share]) for share in SHARES for a in ALPHAS},
            cost,
        )


def of_one(scene: Scene, baseline: Tensor, *, with_ours: bool, with_overlaps: bool) -> pd.DataFrame:
    """All methods on one image; ours, and how alike two of ours are, where wanted."""
    judge, rows = Judge(scene.network, scene.x[0], int(scene.target[0]), baseline), []
    for method, sets, cost in other_sets(scene, judge):
        rows += records(method, sets, judge, cost)
    mean = BaselineReference(baseline, "the mean training image")
    for method, regions in OURS.items() if with_ours else ():
        item = ours(judge, scene.network, regions, SEED, mean)
        sets = sets_of(item)
        own = records(method, sets, judge, (item.model_rows, item.seconds))
        others = {}
        if with_overlaps:
            blur = BlurReference(scene.x.shape[-1] / 8)
            others["seed"] = sets_of(ours(judge, scene.network, regions, SEED + 1, mean))
            others["blur"] = sets_of(ours(judge, scene.network, regions, SEED, blur))
        for row in own:
            mine = sets[row["share"], row["α"]]
            for name, other in others.items():
                one = other[row["share"], row["α"]]
                row[f"overlap_{name}"] = float((mine & one).sum() / (mine | one).sum())
        rows += own
    return pd.DataFrame(rows)


def all_images(
    given: argparse.Namespace, part: str, n: int, baseline: Tensor, training: Tensor
) -> pd.DataFrame:
    """The results of n correctly classified images of a part; those that are on disk are read."""
    network = load_network(given.models, given.network or NETWORKS[given.name])
    images = read_images(given.data, given.name, part)
    if given.name == "faces_smile":
        images = images.of_class(1)
    some = images.sample(min(3 * n, len(images.x)), SEED + 1)
    with torch.no_grad():
        some = some.take((network(some.x).argmax(1) == some.labels).nonzero().flatten()[:n])
    folder, tables = given.out / "sized_masks" / (given.network or given.name), []
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(len(some.x)):
        path = folder / f"{part}_{i}.csv"
        if not path.is_file():
            scene = Scene(network, some.x[i : i + 1], some.labels[i : i + 1], baseline, training, SEED)
            # Development images choose among the other methods alone.
            wanted, like = part == "test", i < given.overlaps
            found = of_one(scene, baseline, with_ours=wanted, with_overlaps=like)
            found.assign(image=i).to_csv(path.with_suffix(".part"), index=False)
            path.with_suffix(".part").rename(path)
            print(path.name, flush=True)
        tables.append(pd.read_csv(path))
    return pd.concat(tables, ignore_index=True)


def report(name: str, development: pd.DataFrame, reported: pd.DataFrame) -> str:
    """The tables as markdown."""
    others = development[~development.method.isin(OURS)]
    best = (
        others.groupby(["α", "share", "method"])
        .gap.mean()
        .groupby(["α", "share"])
        .idxmin()
        .map(lambda key: key[2])
    )
    lines = [
        f"# Sets by size: {name}", "",
        f"{reported.image.nunique()} test images; the best other method of each size and α was chosen on "
        f"{development.image.nunique()} images of the training part. Mean gaps; in brackets the share of "
        f"images on which ours is not larger (by more than {EQUAL:g}).", "",
        f"| α | size | best other | its gap | {' | '.join(OURS)} |", "|---|---|---|---|" + "---|" * len(OURS),
    ]  # fmt: skip
    for (alpha, share), method in best.items():
        here = reported[(reported["α"] == alpha) & (reported.share == share)].set_index("image")
        other = here[here.method == method].gap
        cells = []
        for mine in OURS:
            gap = here[here.method == mine].gap
            cells.append(f"{gap.mean():.3f} ({(gap <= other + EQUAL).mean():.0%})")
        cells = [f"{alpha:g}", f"{share:.0%}", method, f"{other.mean():.3f}", *cells]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| method | regions, median | 90 % | overlap, two seeds | overlap, mean and blur | model rows | s |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for method, here in reported.groupby("method"):
        overlaps = [
            f"{here[f'overlap_{kind}'].mean():.2f}" if method in OURS else "" for kind in ("seed", "blur")
        ]
        spread = f"{here.regions.median():g} | {here.regions.quantile(0.9):g}"
        cost = f"{here['rows'].mean():,.0f} | {here.seconds.mean():.2g}"
        lines.append(f"| {method} | {spread} | {' | '.join(overlaps)} | {cost} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", choices=list(NETWORKS), default="mnist")
    parser.add_argument("--network", help="a file of the folder of models, without its ending")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--development", type=int, default=20)
    parser.add_argument("--overlaps", type=int, default=20, help="so many images with two seeds and a blur")
    given = parser.parse_args()
    torch.set_num_threads(1)
    train = read_images(given.data, given.name, "train")
    baseline, training = train.x.mean(0), train.sample(50, SEED).x
    del train
    development = all_images(given, "train", given.development, baseline, training)
    reported = all_images(given, "test", given.images, baseline, training)
    name = given.network or given.name
    save_text(given.out / f"sized_masks_{name}.md", report(name, development, reported))


if __name__ == "__main__":
    main()
