"""Sets of pixels by size against what other methods have, at equal size: by gaps, and by measured PNS.

`sne`: sufficient (α = 1), necessary (α = 0) and unified (α = 1/2) sets of 1, 2, 5, 10 and 20 % of the pixels,
hidden pixels being those of the mean training image; all gaps are measured here, on hard sets, by code that
shares nothing with the search. `pns`: sets of these sizes that are most probably the cause, found with
100 uniform x'; the PNS of all sets is measured on an E, another uniform x' and masks that no method saw (or
several of each, whose mean is taken), with the same b and c. The best other method of each size (and α) is
chosen on development images (of the training part); it is then compared on test images that played no part
in choosing anything.

    python experiments/sized_masks.py --data DIR --models DIR --out DIR [--name mnist|cifar10|faces_smile]
        [--network NETWORK] [--criteria sne pns] [--images N] [--development N] [--overlaps N] [--measured N]

An image's results are one CSV a criterion, in OUT/sized_masks/NAME and OUT/sized_causes/NAME, so that a run
that was ended goes on where it was; another network than the usual one, and PNS under N x', have folders of
their own. Both criteria in one run share the sets of other methods. Writes sized_masks_NAME.md and
sized_causes_NAME.md.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pandas as pd
import torch
from curve_methods import Scene
from images import add_data_argument, read_images
from measured_causes import Closeness, probabilities_of
from networks import load_network
from outputs import save_text
from resumed import kept
from scipy import ndimage
from sized_methods import ALPHAS, GRADIENTS, SEED, SHARES, Found, Judge, Sets, other_sets
from torch import Tensor, nn

import onlyif
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import BaselineReference, uniform_baseline
from onlyif.references.blur import BlurReference
from onlyif.references.marginal import fit_marginal

NETWORKS = {"mnist": "mnist_lenet5", "cifar10": "cifar10_resnet18", "faces_smile": "faces_smile_resnet18"}
OURS = {"ours, regions": "regions", "ours, pixels": "pixels"}
# Gaps of probabilities, and PNS, that differ by less are the same for a reader.
EQUAL = 1e-3
# Images x' of uniform numbers that causes are looked for with.
N_UNIFORM = 100


@dataclass(frozen=True)
class Criterion:
    """What sets are compared by.

    Args:
        folder: Of its results.
        value: The column that is compared.
        higher: Whether more is better.
        keys: What the best other method is chosen for.
        title: Of its page.
        words: What its table shows.
    """

    folder: str
    value: str
    higher: bool
    keys: tuple[str, ...]
    title: str
    words: str

    def no_worse(self, mine: pd.Series, other: pd.Series) -> float:
        """The share of images on which ours is not worse."""
        ahead = mine - other if self.higher else other - mine
        return float((ahead >= -EQUAL).mean())


CRITERIA = {
    "sne": Criterion(
        "sized_masks", "gap", False, ("α", "share"), "Sets by size",
        "Mean gaps; in brackets the share of images on which ours is not larger",
    ),
    "pns": Criterion(
        "sized_causes", "PNS", True, ("share",), "Causes by size",
        "Mean PNS, measured on an E, x' and masks that no method saw; in brackets the share of images on "
        "which ours is not smaller",
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class OneImage:
    """An image with what all methods are asked, and what other methods have of it.

    Args:
        scene: The image.
        judge: The judge of its gaps.
    """

    scene: Scene
    judge: Judge

    @cached_property
    def others(self) -> list[Found]:
        """The sets of the other methods, which are looked for once."""
        return list(other_sets(self.scene, self.judge))


def ours(
    judge: Judge, network: nn.Module, regions: str, seed: int, reference: object, *, criterion: object = "sne"
) -> onlyif.Explanation:
    """The explanation of the image by sets of the sizes."""
    return onlyif.explain(
        network, judge.image[None], reference=reference, size=list(SHARES), target=judge.target, seed=seed,
        modality=onlyif.Images(regions), criterion=criterion, progress=False, max_rows=256,
    )[0]  # fmt: skip


def sets_of(item: onlyif.Explanation) -> Sets:
    """The sets of an explanation, by size and α; a cause has the same at every α."""
    shape = item.names.shape
    return {
        (share, alpha): torch.from_numpy(item.at_size(share, alpha).keep.reshape(shape))
        for share in SHARES
        for alpha in ALPHAS
    }


def records(found: Found, judge: Judge) -> list[dict]:
    """One row a size and α, with the gap."""
    rows = []
    for (share, alpha), members in found.sets.items():
        suf, nec = judge.gaps(members[None])
        rows.append({
            "method": found.method, "share": share, "α": alpha,
            "gap": float(alpha * suf + (1 - alpha) * nec), **spread(members, found),
        })  # fmt: skip
    return rows


def spread(members: Tensor, found: Found) -> dict:
    """What is said of a set whatever it is compared by."""
    return {
        "size": int(members.sum()), "regions": ndimage.label(members.numpy())[1], "rows": found.rows,
        "seconds": found.seconds,
    }  # fmt: skip


def cause_records(found: Found, image: OneImage, n_measured: int = 1) -> list[dict]:
    """One row a size, and an α where sets depend on it, with the measured PNS, a mean over so many x'."""
    scene, alone = image.scene, found.method in OURS or found.method in GRADIENTS
    keys = [(share, alpha) for share in SHARES for alpha in (ALPHAS[:1] if alone else ALPHAS)]
    sets = torch.stack([found.sets[key] for key in keys])
    predictor = differentiable_module(scene.network, nn.Softmax(1), "probability")
    told = [
        probabilities_of(sets[None], predictor, scene.x, scene.target, Closeness(number=number))
        for number in range(n_measured)
    ]
    pns, pn, ps = (
        sum(each) / n_measured for each in zip(*((one.pns, one.pn, one.ps) for one in told), strict=True)
    )
    rows = []
    for m, (share, alpha) in enumerate(keys):
        method = found.method if alone else f"{found.method}, α = {alpha:g}"
        parts = {"PNS": pns[0, m], "PN": pn[0, m], "PS": ps[0, m]}
        rows.append({"method": method, "share": share, **parts, **spread(sets[m], found)})
    return rows


def of_one(image: OneImage, baseline: Tensor, *, with_ours: bool, with_overlaps: bool) -> pd.DataFrame:
    """The gaps of all methods on one image; of ours, and how alike two of ours are, where wanted."""
    judge, network, rows = image.judge, image.scene.network, []
    for found in image.others:
        rows += records(found, judge)
    mean = BaselineReference(baseline, "the mean training image")
    for method, regions in OURS.items() if with_ours else ():
        item = ours(judge, network, regions, SEED, mean)
        sets = sets_of(item)
        own = records(Found(method, sets, item.model_rows, item.seconds), judge)
        others = {}
        if with_overlaps:
            blur = BlurReference(judge.image.shape[-1] / 8)
            others["seed"] = sets_of(ours(judge, network, regions, SEED + 1, mean))
            others["blur"] = sets_of(ours(judge, network, regions, SEED, blur))
        for row in own:
            mine = sets[row["share"], row["α"]]
            for name, other in others.items():
                one = other[row["share"], row["α"]]
                row[f"overlap_{name}"] = float((mine & one).sum() / (mine | one).sum())
        rows += own
    return pd.DataFrame(rows)


def causes_of_one(image: OneImage, *, with_ours: bool, n_measured: int = 1) -> pd.DataFrame:
    """The measured PNS of all methods on one image."""
    rows = [row for found in image.others for row in cause_records(found, image, n_measured)]
    shape = tuple(image.judge.image.shape)
    noise = [torch.from_numpy(uniform_baseline(shape, seed=SEED + i)) for i in range(N_UNIFORM)]
    uniform = fit_marginal(torch.cat(noise).to(image.judge.image))
    # What the search says of its own sets is not looked at here.
    causes = onlyif.PNS(n_perturbations=1)
    for method, regions in OURS.items() if with_ours else ():
        item = ours(image.judge, image.scene.network, regions, SEED, uniform, criterion=causes)
        ours_found = Found(method, sets_of(item), item.model_rows, item.seconds)
        rows += cause_records(ours_found, image, n_measured)
    return pd.DataFrame(rows)


def all_images(
    given: argparse.Namespace, part: str, n: int, baseline: Tensor, training: Tensor
) -> dict[str, pd.DataFrame]:
    """The results of n correctly classified images of a part by each criterion; what is on disk is read."""
    network = load_network(given.models, given.network or NETWORKS[given.name])
    images = read_images(given.data, given.name, part)
    if given.name == "faces_smile":
        images = images.of_class(1)
    some = images.sample(min(3 * n, len(images.x)), SEED + 1)
    with torch.no_grad():
        some = some.take((network(some.x).argmax(1) == some.labels).nonzero().flatten()[:n])
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in given.criteria}
    for i in range(len(some.x)):
        scene = Scene(network, some.x[i : i + 1], some.labels[i : i + 1], baseline, training, SEED)
        image = OneImage(scene, Judge(network, scene.x[0], int(scene.target[0]), baseline))
        # Development images choose among the other methods alone.
        wanted, like = part == "test", i < given.overlaps
        makers: dict[str, Callable[[], pd.DataFrame]] = {
            "sne": partial(of_one, image, baseline, with_ours=wanted, with_overlaps=like),
            "pns": partial(causes_of_one, image, with_ours=wanted, n_measured=given.measured),
        }
        for name, found in tables.items():
            folder = given.out / CRITERIA[name].folder / result_name(given, name)
            made = makers[name]
            found.append(kept(folder / f"{part}_{i}.csv", lambda made=made, i=i: made().assign(image=i)))
    return {name: pd.concat(found, ignore_index=True) for name, found in tables.items()}


def result_name(given: argparse.Namespace, criterion: str) -> str:
    """What the folder and the page of some results are called."""
    under = f"_under_{given.measured}" if criterion == "pns" and given.measured > 1 else ""
    return (given.network or given.name) + under


def report(
    name: str, development: pd.DataFrame, reported: pd.DataFrame, criterion: Criterion = CRITERIA["sne"]
) -> str:
    """The tables as markdown."""
    keys, value = list(criterion.keys), criterion.value
    means = development[~development.method.isin(OURS)].groupby([*keys, "method"])[value].mean()
    of_keys = means.groupby(keys)
    best = of_keys.idxmax() if criterion.higher else of_keys.idxmin()
    heads = ["size" if key == "share" else key for key in keys]
    lines = [
        f"# {criterion.title}: {name}", "",
        f"{reported.image.nunique()} test images; the best other method of each {' and '.join(heads[::-1])} "
        f"was chosen on {development.image.nunique()} images of the training part. {criterion.words} (by "
        f"more than {EQUAL:g}).", "",
        f"| {' | '.join(heads)} | best other | its {value} | {' | '.join(OURS)} |",
        "|---" * (len(heads) + 2 + len(OURS)) + "|",
    ]  # fmt: skip
    for chosen in best:
        *at, method = chosen
        here = reported[(reported[keys] == at).all(axis=1)].set_index("image")
        other = here[here.method == method][value]
        cells = []
        for mine in OURS:
            own = here[here.method == mine][value]
            cells.append(f"{own.mean():.3f} ({criterion.no_worse(own, other):.0%})")
        told = [f"{one:.0%}" if key == "share" else f"{one:g}" for key, one in zip(keys, at, strict=True)]
        lines.append(f"| {' | '.join([*told, method, f'{other.mean():.3f}', *cells])} |")
    return "\n".join([*lines, "", *spread_lines(reported)]) + "\n"


def spread_lines(reported: pd.DataFrame) -> list[str]:
    """Regions, overlaps where they were looked at, and cost of each method."""
    overlaps = {"overlap_seed": "overlap, two seeds", "overlap_blur": "overlap, mean and blur"}
    there = {column: words for column, words in overlaps.items() if column in reported}
    heads = ["method", "regions, median", "90 %", *there.values(), "model rows", "s"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for method, here in reported.groupby("method"):
        cells = [method, f"{here.regions.median():g}", f"{here.regions.quantile(0.9):g}"]
        cells += [f"{here[column].mean():.2f}" if method in OURS else "" for column in there]
        cells += [f"{here['rows'].mean():,.0f}", f"{here.seconds.mean():.2g}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", choices=list(NETWORKS), default="mnist")
    parser.add_argument("--network", help="a file of the folder of models, without its ending")
    parser.add_argument("--criteria", nargs="+", choices=list(CRITERIA), default=["sne"])
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--development", type=int, default=20)
    parser.add_argument("--overlaps", type=int, default=20, help="so many images with two seeds and a blur")
    parser.add_argument("--measured", type=int, default=1, help="E, x' and masks that PNS is measured on")
    given = parser.parse_args()
    torch.set_num_threads(1)
    train = read_images(given.data, given.name, "train")
    baseline, training = train.x.mean(0), train.sample(50, SEED).x
    del train
    development = all_images(given, "train", given.development, baseline, training)
    reported = all_images(given, "test", given.images, baseline, training)
    for each in given.criteria:
        criterion, name = CRITERIA[each], result_name(given, each)
        page = report(name, development[each], reported[each], criterion)
        save_text(given.out / f"{criterion.folder}_{name}.md", page)


if __name__ == "__main__":
    main()
