"""How many explanations of images say nothing, and whether each of them says so.

Digits, photographs and faces at defaults, by three ways in: `onlyif.explain`, `FANS` and
`SufficientNecessaryMask` in Captum's convention. Counted are maps of one number, sets that are empty or
everything, and of these the ones whose result gives no reason.

    python experiments/image_statuses.py --data DIR --models DIR --out DIR [--digits N]
        [--photographs N] [--faces N]

An image's results are one CSV in OUT/image_statuses, so that a run that was ended goes on where it was.
Writes image_statuses.md.
"""

import argparse
import warnings
from pathlib import Path

import pandas as pd
import torch
from images import add_data_argument, read_images
from networks import load_network
from outputs import save_text
from resumed import of_each
from torch import Tensor, nn

import onlyif
from onlyif.core.errors import OnlyIfWarning
from onlyif.explanation.status import EXPLAINED
from onlyif.interop.captum import FANS, SufficientNecessaryMask
from onlyif.references.baseline import BaselineReference

NETWORKS = {"mnist": "mnist_lenet5", "cifar10": "cifar10_resnet18", "faces_smile": "faces_smile_lenet5"}
SEED = 0


def constant(scores: Tensor) -> bool:
    """Whether all numbers are one."""
    return bool(scores.max() == scores.min())


def by_explain(network: nn.Module, x: Tensor, mean: Tensor) -> dict:
    """What the front door says of one image."""
    reference = BaselineReference(mean, "the mean training image")
    item = onlyif.explain(network, x, reference=reference, size=0.05, seed=SEED, progress=False)[0]
    sets = [one for one in (item.sufficient, item.necessary, item.unified) if one is not None]
    said = item.status is not EXPLAINED
    return {
        "constant": any(constant(torch.as_tensor(scores)) for scores in item.scores.values()),
        "empty": any(one.size == 0 for one in sets),
        "everything": any(one.size == len(item.names) for one in sets),
        "missing": len(sets) < 3,
        "said": said,
        "status": item.status.kind.value,
    }


def by_captum(attribute: nn.Module, x: Tensor, target: int, **settings: object) -> dict:
    """What a class in Captum's convention says of one image."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OnlyIfWarning)
        found = attribute.attribute(x, target=target, **settings)
    own = [str(one.message) for one in caught if issubclass(one.category, OnlyIfWarning)]
    return {
        "constant": constant(found),
        "empty": bool((found == 0).all()),
        "everything": False,
        "missing": False,
        "said": bool(own),
        "status": own[0][:60] if own else "",
    }


def of_one(network: nn.Module, x: Tensor, mean: Tensor) -> pd.DataFrame:
    """All ways in, for one image."""
    classifier = nn.Sequential(network, nn.Softmax(dim=1)).eval()
    with torch.no_grad():
        target = int(classifier(x).argmax())
    ways = {
        "explain": by_explain(network, x, mean),
        "FANS": by_captum(FANS(classifier), x, target),
        "SufficientNecessaryMask, sizes": by_captum(
            SufficientNecessaryMask(classifier), x, target, baselines=mean[None], sizes=[0.01, 0.05, 0.2]
        ),
    }
    return pd.DataFrame([{"way": name, **way} for name, way in ways.items()])


def all_images(given: argparse.Namespace, name: str, n: int) -> pd.DataFrame:
    """The results of n test images, right or wrong; those that are on disk are read."""
    network = load_network(given.models, NETWORKS[name])
    mean = read_images(given.data, name, "train").x.mean(0)
    images = read_images(given.data, name, "test").sample(n, SEED + 2).x

    def made(i: int) -> pd.DataFrame:
        return of_one(network, images[i : i + 1], mean)

    return of_each(given.out / "image_statuses" / name, map(str, range(n)), made).assign(data=name)


def report(found: pd.DataFrame) -> str:
    """The table as markdown."""
    lines = [
        "# Explanations of images that say nothing", "",
        "| data | way | images | constant maps | empty sets | sets of everything | without a reason |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for (data, way), some in found.groupby(["data", "way"], sort=False):
        nothing = some.constant | some["empty"] | some.everything | some.missing
        cells = data, way, len(some), some.constant.sum(), some["empty"].sum(), some.everything.sum()
        silent = int((nothing & ~some.said).sum())
        lines.append(f"| {' | '.join(str(cell) for cell in (*cells, silent))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--digits", type=int, default=200)
    parser.add_argument("--photographs", type=int, default=100)
    parser.add_argument("--faces", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    numbers = {"mnist": given.digits, "cifar10": given.photographs, "faces_smile": given.faces}
    tables = [all_images(given, name, n) for name, n in numbers.items() if n]
    save_text(given.out / "image_statuses.md", report(pd.concat(tables, ignore_index=True)))


if __name__ == "__main__":
    main()
