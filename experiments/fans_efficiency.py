"""Inputs explained against CPU seconds, for ascent of PNS and captum's methods (Fig. 7 of FANS).

    python experiments/fans_efficiency.py --data DIR --models DIR

Every method explains MNIST test images in batches, until the images or its seconds are used up, on one
thread. Seconds are CPU seconds of this process. Writes fans_efficiency.csv, .png and .md.
"""

import time
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import torch
from fans_baselines import (
    Explainer,
    PNSExplainer,
    captum_explainers,
    pns_explainers,
)
from fans_common import Subjects, arguments, digits, table, write_page
from networks import load_network
from outputs import save_figure, save_rows
from torch import Tensor, nn

from onlyif.models.differentiable import differentiable_module
from onlyif.searches.ascent_settings import recommended_settings

COMPARED = (
    "DeepLift",
    "IntegratedGradients",
    "FeatureAblation, patches",
    "Occlusion",
    "Lime, patches",
    "FeatureAblation, pixels",
)


@dataclass
class Counter:
    """The rows that a network was asked for.

    Args:
        rows: So far.
    """

    rows: int = 0

    def __call__(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Called before each forward."""
        self.rows += len(given[0])


@dataclass(frozen=True)
class Budget:
    """How long a method is run.

    Args:
        batch: Images given to it at once.
        seconds: CPU seconds after which no batch is begun.
        alone: Images that it is given one at a time, first.
    """

    batch: int
    seconds: float
    alone: int


def timed(
    name: str, explainer: Explainer, subjects: Subjects, budget: Budget, counter: Counter
) -> list[dict]:
    """One row a batch: images explained so far, and the seconds; first a few images one at a time."""
    x, target, rows = subjects.x, subjects.target, []
    before = counter.rows
    explainer(x[:1], target[:1])
    asked = counter.rows - before
    begun = time.process_time()
    for number in range(budget.alone):
        explainer(x[number : number + 1], target[number : number + 1])
    single = (time.process_time() - begun) / budget.alone
    spent, done, best = 0.0, 0, float("inf")
    while done < len(x) and spent < budget.seconds:
        begun = time.process_time()
        explainer(x[done : done + budget.batch], target[done : done + budget.batch])
        took = time.process_time() - begun
        n = len(x[done : done + budget.batch])
        spent, done, best = spent + took, done + n, min(best, took / n)
        rows.append(
            {
                "method": name,
                "rows an image": asked,
                "images": done,
                "seconds": round(spent, 4),
                "best ms an image": round(1000 * best, 2),
                "ms an image, one at a time": round(1000 * single, 2),
            }
        )
    print(rows[-1], flush=True)
    return rows


def draw(rows: list[dict], path) -> None:
    """Images against seconds, these on a logarithmic axis."""
    figure, panel = plt.subplots(figsize=(8.5, 5), layout="constrained")
    for number, name in enumerate(dict.fromkeys(row["method"] for row in rows)):
        mine = [row for row in rows if row["method"] == name]
        panel.plot(
            [row["seconds"] for row in mine],
            [row["images"] for row in mine],
            label=f"{name} ({mine[-1]['best ms an image']:.3g} ms)",
            color=plt.get_cmap("tab10")(number % 10),
            marker="o" if name.startswith("FANS") else ".",
            linewidth=2.2 if name.startswith("FANS") else 1,
        )
    panel.set(xscale="log", ylim=(0, None), xlabel="CPU seconds, one thread", ylabel="images explained")
    panel.set_title("MNIST, LeNet-5")
    panel.legend(
        title="method (best batch, an image)", fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    save_figure(path, figure, dpi=110)


def main() -> None:
    """All methods, the table, the figure and the page."""
    given = arguments(__doc__, "fans_efficiency", images=64, batch=16, seconds=30, alone=3)
    torch.set_num_threads(1)
    subjects = digits(given, given.images)
    network = load_network(given.models, "mnist_lenet5").requires_grad_(False)
    counter, budget = Counter(), Budget(given.batch, given.seconds, given.alone)
    network.register_forward_pre_hook(counter)
    subjects = replace(subjects, predictor=differentiable_module(network, nn.Softmax(dim=1), "probability"))
    captum = captum_explainers(network, given.seed)
    ours = pns_explainers(subjects, captum["IntegratedGradients"])
    methods = {name: captum[name] for name in COMPARED}
    methods["FANS, recommended, 16 steps"] = PNSExplainer(
        subjects, recommended_settings(steps=16, n_inputs=1)
    )
    methods |= {name: ours[name] for name in ("FANS, recommended", "FANS, paper, flat start")}
    rows, shown = [], []
    for name, explainer in methods.items():
        rows += timed(name, explainer, subjects, budget, counter)
        last = rows[-1]
        shown.append(
            {
                "method": name,
                "rows an image": last["rows an image"],
                "images explained": last["images"],
                "CPU seconds": f"{last['seconds']:.2f}",
                "images/s, best batch": f"{1000 / last['best ms an image']:.3g}",
                "images/s, one at a time": f"{1000 / last['ms an image, one at a time']:.3g}",
            }
        )
        save_rows(given.out / "fans_efficiency.csv", rows)
    draw(rows, given.out / "fans_efficiency.png")
    write_page(
        given.out,
        "fans_efficiency",
        [
            "# Inputs explained against seconds",
            f"MNIST test images, LeNet-5, batches of {given.batch}, one thread, until {given.images} images "
            f"or {given.seconds} CPU seconds. Occlusion hides windows of 5 x 5 every 2 pixels; Lime and one "
            "of the ablations explain 49 patches, all others 784 pixels; perturbed images are given to the "
            "network 64, or for Lime 100, at a time. Rows were counted before the network.",
            table(shown),
            "An ascent asks for as many rows as its steps need, and differentiates each one; methods that "
            "ask once for each pixel, or a few times in all, are faster. The time of an ascent is given by "
            "its number of steps.",
        ],
    )


if __name__ == "__main__":
    main()
