"""Which bleeds on head CT slices sets of equal size touch, ours and other methods'.

The slices and the network of ct_lesions.py; sets of 1, 2, 5, 10 and 20 % of the pixels by the rules of
sized_masks.py, hidden pixels being those of the mean training slice. Nothing was chosen on these slices.

    python experiments/ct_sized.py --models DIR --out DIR [--data DIR] [--per-count N] [--real-per-count N]

A slice's results are one CSV in OUT/ct_sized, so that a run that was ended goes on where it was. Writes
ct_sized.md.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from ct_lesions import (
    BLEEDING,
    N_TEST,
    N_TRAIN,
    NAME,
    SEED,
    SETS,
    SIDE,
    TOUCHED,
    Cases,
    cases_of,
    classifier,
    slices_of,
)
from curve_methods import Scene
from images import add_data_argument, read_slices
from lesions import partly_mean, real_heads, simulated_heads
from outputs import save_text
from resumed import of_each
from sized_masks import OURS, ours, records, sets_of
from sized_methods import Found, Judge, Sets, other_sets
from torch import Tensor, nn

from onlyif.references.baseline import BaselineReference

SHOWN = (0.01, 0.02, 0.05)


def with_lesions(rows: list[dict], sets: Sets, pixels: Tensor) -> list[dict]:
    """The same with how many lesions each set touches, and how much of it lies in them."""
    for row in rows:
        keep = sets[row["share"], row["α"]].bool()
        covered = torch.stack([keep[lesion].double().mean() for lesion in pixels])
        row |= {
            "lesions": len(pixels),
            "touched": int((covered >= TOUCHED).sum()),
            "in lesions": float(pixels.any(0)[keep].double().mean()),
        }
    return rows


def of_slice(network: nn.Module, cases: Cases, i: int, mean: Tensor, training: Tensor) -> pd.DataFrame:
    """All methods on one slice."""
    x, count = cases.slices.x[i : i + 1], int(cases.slices.counts[i])
    pixels = cases.slices.pixels[i, :count]
    judge = Judge(network, x[0], BLEEDING, mean)
    scene = Scene(network, x, torch.tensor([BLEEDING]), mean, training, SEED)
    rows = []
    for found in other_sets(scene, judge):
        rows += with_lesions(records(found, judge), found.sets, pixels)
    for method, regions in OURS.items():
        item = ours(judge, network, regions, SEED, BaselineReference(mean, "the mean training slice"))
        found = Found(method, sets_of(item), item.model_rows, item.seconds)
        rows += with_lesions(records(found, judge), found.sets, pixels)
    return pd.DataFrame(rows).assign(slice=i)


def report(found: pd.DataFrame) -> str:
    """The tables as markdown."""
    several = found[found.lesions > 1].slice.nunique()
    n_lesions = int(found.groupby("slice").lesions.first().sum())
    columns = ("set", "size", "method", "gap", "touched", "slices with several, all touched", "in lesions")
    lines = [
        "# Bleeds on CT slices: which lesions sets of equal size touch", "",
        f"{found.slice.nunique()} slices with {n_lesions} lesions, {several} of them with several. A set "
        f"touches a lesion if it holds at least {TOUCHED:.0%} of its pixels. Gaps are means of that of the "
        "set's kind.",
        "", f"| {' | '.join(columns)} | regions, median |", "|---" * (len(columns) + 1) + "|",
    ]  # fmt: skip
    for alpha, kind in SETS.items():
        for share in SHOWN:
            here = found[(found["α"] == alpha) & (found.share == share)]
            for method, some in here.groupby("method"):
                more = some[some.lesions > 1]
                cells = (
                    kind,
                    f"{share:.0%}",
                    method,
                    f"{some.gap.mean():.3f}",
                    f"{some.touched.sum()} of {n_lesions}",
                    f"{(more.touched == more.lesions).sum()} of {len(more)}",
                    f"{some['in lesions'].mean():.2f}",
                    f"{some.regions.median():g}",
                )
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True, help="folder of trained networks")
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--per-count", type=int, default=3, help="simulated slices a number of lesions")
    parser.add_argument("--real-per-count", type=int, default=1, help="real slices a number of lesions")
    given = parser.parse_args()
    torch.set_num_threads(1)
    real = read_slices(given.data, SIDE)
    train_slices = slices_of(partly_mean(simulated_heads(N_TRAIN, SEED), SEED), "training")
    tests = {
        "simulated": slices_of(simulated_heads(N_TEST, SEED + 1), "simulated test"),
        "real": slices_of(real_heads(real, N_TEST, SEED + 1), "real test"),
    }
    network = classifier(given.models, NAME, train_slices, tests)
    cases, mean = cases_of(network, real, given), train_slices.x.mean(0)

    def made(i: int) -> pd.DataFrame:
        return of_slice(network, cases, i, mean, train_slices.x[:50])

    found = of_each(given.out / "ct_sized", map(str, range(len(cases.slices.x))), made)
    save_text(given.out / "ct_sized.md", report(found))


if __name__ == "__main__":
    main()
