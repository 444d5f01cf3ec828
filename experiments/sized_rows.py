"""Model rows of sets by size and of masks by weight, at equal size.

Every image and α has a mask by weight of the recommended search, cut at 1/2. Sets by size are then asked for
that one size, with their usual number of model rows and with a half, a quarter and an eighth of it. Gaps are
measured by the judge of `sized_masks.py`; rows are those that the network was given, counted at its door.
Images on which the mask is empty or everything are left out and counted.

    python experiments/sized_rows.py --data DIR --models DIR --out DIR [--name mnist|cifar10] [--images N]
        [--weight WEIGHT]

Writes sized_rows_NAME.md.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from images import add_data_argument, read_images
from networks import load_network
from outputs import save_text
from sized_methods import ALPHAS, SEED, Judge
from torch import Tensor, nn

from onlyif.criteria.blended import blended_gaps
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import variation_at
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_settings import recommended_settings
from onlyif.searches.sized import SizedSearch, pixel_settings, region_settings

NETWORKS = {"mnist": "mnist_lenet5", "cifar10": "cifar10_resnet18"}
KINDS = {"regions": region_settings, "pixels": pixel_settings}
PARTS = (1.0, 0.5, 0.25, 0.125)
# What gaps of probabilities may differ by and be the same for a reader.
EQUAL, MAX_ROWS, VARIATION = 1e-3, 256, 5.0


class Counted(nn.Module):
    """A network that counts the rows that it is given.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.rows = network, 0

    def forward(self, x: Tensor) -> Tensor:
        """Its answers."""
        self.rows += len(x)
        return self.network(x)

    def since(self, before: int) -> int:
        """The rows since then."""
        return self.rows - before


def by_weight(counted: Counted, judge: Judge, alpha: float, weight: float) -> tuple[Tensor, int]:
    """The set of a mask by weight, and the rows that it took."""
    predictor = differentiable_module(counted, nn.Softmax(1), "probability")
    reference = BaselineReference(judge.baseline, "the mean training image")
    objective = SoftObjective(SoftRestriction(predictor, reference, max_rows=MAX_ROWS, seed=SEED))
    side = judge.image.shape[-1]
    question = MaskQuestion((alpha,), weight, variation_at(side, VARIATION), n_fresh=2)
    before = counted.rows
    search = RelaxedSearch(objective, recommended_settings(), seed=SEED)
    masks = find_masks(search, judge.image[None], torch.tensor([judge.target]), question)
    return torch.from_numpy(masks.at_alpha(alpha).soft())[0] >= 0.5, counted.since(before)


def by_size(  # noqa: PLR0917  # of one use
    counted: Counted, judge: Judge, alpha: float, size: int, kind: str, part: float
) -> tuple[Tensor, int]:
    """The set of that size, by a part of the usual rows, and the rows that it took."""
    predictor, x = differentiable_module(counted, nn.Softmax(1), "probability"), judge.image[None]
    before = counted.rows
    gaps = blended_gaps(predictor, x, judge.baseline[None, None], torch.tensor([judge.target]), MAX_ROWS)
    settings, sides = KINDS[kind](), 1 if alpha in {0.0, 1.0} else 2
    settings = settings.within(int(part * settings.rows(1, sides)), 1, sides)
    found = SizedSearch(gaps, (size,), settings, SEED).run(torch.tensor([0]), torch.tensor([alpha]))
    return found.sets[0, 0].view(x.shape[-2:]), counted.since(before)


def of_one(counted: Counted, judge: Judge, weight: float) -> list[dict]:
    """One row an α and way of finding a set."""
    rows = []
    for alpha in ALPHAS:
        mask, asked = by_weight(counted, judge, alpha, weight)
        size = int(mask.sum())
        meant = {"α": alpha, "size": size, "gap": float(judge.unified(mask[None], alpha))}
        rows.append({"way": "by weight", "rows": asked, **meant})
        if 0 < size < mask.numel():
            for kind in KINDS:
                for part in PARTS:
                    keep, asked = by_size(counted, judge, alpha, size, kind, part)
                    gap = float(judge.unified(keep[None], alpha))
                    rows.append(
                        {"way": f"{kind}, {part:g}", "rows": asked, "α": alpha, "size": size, "gap": gap}
                    )
    return rows


def report(name: str, weight: float, found: pd.DataFrame) -> str:
    """The table as markdown."""
    lines = [
        f"# Model rows by size and by weight: {name}", "",
        f"{found.image.nunique()} test images, λ_1 = {weight:g}. Sets by size are as large as the mask by "
        "weight of the same image and α.", "",
        "| α | way | images | mean size | model rows | mean gap | not larger than by weight |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for alpha, here in found.groupby("α"):
        mine = here[here.way == "by weight"].set_index("image")
        compared = here[here.way != "by weight"].image.unique()
        for way, some in here.groupby("way", sort=False):
            each = some.set_index("image").loc[compared]
            share = (each.gap <= mine.gap.loc[compared] + EQUAL).mean()
            cells = [f"{alpha:g}", way, f"{len(each)} of {len(mine)}", f"{each['size'].mean():.0f}"]
            cells += [f"{each['rows'].mean():,.0f}", f"{each.gap.mean():.3f}", f"{share:.0%}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", choices=list(NETWORKS), default="mnist")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--weight", type=float, default=0.5, help="λ_1 of the masks by weight")
    given = parser.parse_args()
    torch.set_num_threads(1)
    network = load_network(given.models, NETWORKS[given.name]).eval().requires_grad_(False)
    baseline = read_images(given.data, given.name, "train").x.mean(0)
    some = read_images(given.data, given.name, "test").sample(3 * given.images, SEED + 3)
    with torch.no_grad():
        right = (network(some.x).argmax(1) == some.labels).nonzero().flatten()[: given.images]
    counted, rows = Counted(network).eval(), []
    for i in right.tolist():
        judge = Judge(network, some.x[i], int(some.labels[i]), baseline)
        rows += [{**row, "image": i} for row in of_one(counted, judge, given.weight)]
        print(i, flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    save_text(given.out / f"sized_rows_{given.name}.md", report(given.name, given.weight, pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
