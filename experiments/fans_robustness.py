"""Max-Sensitivity against the strength of noise, for ascent of PNS and captum's methods (Fig. 3 of FANS).

    python experiments/fans_robustness.py --data DIR --models DIR

For every method the largest change of its map over a few neighbours x + r u, u uniform in [-1, 1]^784: as
it is (which compares maps in [0, 1] alone), divided by the norm of the map, and the same for maps less
their own mean. The last does not reward a map for a constant that is added to it. Writes
fans_robustness.csv, .png and .md.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import torch
from fans_baselines import (
    GRADIENT_STEPS,
    LIME_SAMPLES,
    Explainer,
    PNSExplainer,
    captum_explainers,
    pns_explainers,
)
from fans_common import Subjects, arguments, digits, mean_error, table, write_page
from networks import load_network
from outputs import save_figure, save_rows
from torch import Tensor

from onlyif.core.torch_seeds import torch_generator
from onlyif.metrics.max_sensitivity import MaxSensitivity
from onlyif.metrics.perturbations import MaxNormBall
from onlyif.searches.ascent_settings import recommended_settings

RADII = (0.03, 0.1, 0.3)
STRONG = {"FANS, recommended": "black", "FANS, paper, flat start": "0.55", "FANS, paper, IG start": "peru"}
IN_UNIT = ("FANS", "that start", "x itself", "ones", "zeros", "fixed noise")


@dataclass(frozen=True, eq=False)
class Remembered:
    """An explainer that is asked once for each image and target.

    Args:
        explainer: The explainer.
        known: What it answered.
    """

    explainer: Explainer
    known: dict[tuple[bytes, int], Tensor] = field(default_factory=dict)

    def __call__(self, rows: Tensor, target: Tensor) -> Tensor:
        """The maps."""
        keys = [(row.numpy().tobytes(), int(one)) for row, one in zip(rows, target, strict=True)]
        new = [number for number, key in enumerate(keys) if key not in self.known]
        if new:
            maps = self.explainer(rows[new], target[new])
            self.known.update({keys[number]: one for number, one in zip(new, maps, strict=True)})
        return torch.stack([self.known[key] for key in keys])


def centred(explainer: Explainer) -> Explainer:
    """Maps less their own mean."""

    def explain(rows: Tensor, target: Tensor) -> Tensor:
        maps = explainer(rows, target)
        return maps - maps.mean((1, 2, 3), keepdim=True)

    return explain


def controls(seed: int) -> dict[str, Explainer]:
    """Maps that explain nothing."""
    noise = torch.rand(1, 1, 28, 28, generator=torch_generator(seed, "fixed noise"))
    return {
        "x itself": lambda rows, _: rows,
        "ones": lambda rows, _: torch.ones_like(rows),
        "zeros": lambda rows, _: torch.zeros_like(rows),
        "fixed noise": lambda rows, _: noise.expand_as(rows),
    }


def measured(name: str, explainer: Explainer, subjects: Subjects, n_draws: int, seed: int) -> list[dict]:
    """One row a radius."""
    known, rows = Remembered(explainer), []
    versions: dict[str, tuple[Callable, bool]] = {
        "absolute": (known, False),
        "relative": (known, True),
        "relative, centred": (centred(known), True),
    }
    for radius in RADII:
        row = {"method": name, "r": radius, "images": len(subjects.x), "neighbours": n_draws}
        for version, (maps, relative) in versions.items():
            metric = MaxSensitivity(MaxNormBall(radius), n_draws, seed, relative=relative)
            values = metric.measure(maps, subjects.x, subjects.target).values
            row[version], row[f"{version}, error"] = (float(f"{one:.5g}") for one in mean_error(values))
        rows.append(row)
    print(name, [row["relative, centred"] for row in rows], flush=True)
    return rows


def other_seed(subjects: Subjects, seed: int) -> str:
    """How far the recommended map moves by other random numbers alone."""
    x, target = subjects.x, subjects.target
    one, two = (
        centred(PNSExplainer(digits_with(subjects, number), recommended_settings(n_inputs=1)))(
            x, target
        ).flatten(1)
        for number in (seed, seed + 1)
    )
    mean, error = mean_error((one - two).norm(dim=1) / one.norm(dim=1))
    return (
        f"Other random numbers alone (r = 0) move the centred recommended map by {mean:.3f} ± {error:.3f} of "
        "its norm; all random numbers are the same for an image and its neighbours in the table."
    )


def digits_with(subjects: Subjects, seed: int) -> Subjects:
    """The same instances, model and baseline with other random choices of the ascent."""
    fresh = subjects.fresh(subjects.test.perturbations.n_perturbations, seed)
    return Subjects(subjects.predictor, subjects.x, fresh, subjects.change)


def start_share(subjects: Subjects, explainers: dict[str, Explainer]) -> str:
    """How much of the paper's map is its start."""
    x, target = subjects.x, subjects.target
    map_, start = (
        explainers[name](x, target).flatten(1) for name in ("FANS, paper, IG start", "that start alone")
    )
    pairs = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(map_, start, strict=True)]
    mean, error = mean_error(torch.stack(pairs))
    moved = float((map_ - start).abs().max())
    return (
        f"The paper's setting from Integrated Gradients ends with a correlation of {mean:.4f} ± {error:.4f} "
        f"with its start; no pixel moves by more than {moved:.3f}. Compare its sensitivity with "
        "that of the start alone."
    )


def draw(rows: list[dict], path) -> None:
    """Both versions against r."""
    figure, panels = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    names = list(dict.fromkeys(row["method"] for row in rows))
    for panel, version in zip(panels, ("absolute", "relative, centred"), strict=True):
        for number, name in enumerate(names):
            if version == "absolute" and not name.startswith(IN_UNIT):
                continue
            mine = [row for row in rows if row["method"] == name]
            if max(row[version] for row in mine) == 0:
                continue
            panel.errorbar(
                [row["r"] for row in mine],
                [row[version] for row in mine],
                [row[f"{version}, error"] for row in mine],
                label=name,
                color=STRONG.get(name, plt.get_cmap("tab20")(number % 20)),
                marker="o" if name.startswith("FANS") else ".",
                linewidth=2.2 if name.startswith("FANS") else 1,
                linestyle="--" if name in ("x itself", "that start alone") else "-",
            )
        panel.set(xscale="log", yscale="log", xlabel="noise strength r")
        panel.set_xticks(RADII, [f"{radius:g}" for radius in RADII])
        panel.set_xticks([], minor=True)
    panels[0].set_ylabel("Max-Sensitivity")
    panels[0].set_title("maps in [0, 1], as they are")
    panels[1].set_title("divided by the norm of the map, both less its mean")
    panels[0].legend(fontsize=8)
    panels[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    save_figure(path, figure, dpi=110)


def main() -> None:
    """All methods, the table, the figure and the page."""
    given = arguments(__doc__, "fans_robustness", images=20, neighbours=2)
    torch.set_num_threads(1)
    subjects = digits(given, given.images)
    network = load_network(given.models, "mnist_lenet5").requires_grad_(False)
    captum = captum_explainers(network, given.seed)
    ours = {
        name: Remembered(one) for name, one in pns_explainers(subjects, captum["IntegratedGradients"]).items()
    }
    rows = []
    for name, explainer in {**controls(given.seed), **captum, **ours}.items():
        rows += measured(name, explainer, subjects, given.neighbours, given.seed)
        save_rows(given.out / "fans_robustness.csv", rows)
    draw(rows, given.out / "fans_robustness.png")
    shown = [
        {
            "method": name,
            **{
                f"{version}, r = {row['r']}": f"{row[version]:.3g} ± {row[f'{version}, error']:.1g}"
                for version in ("absolute", "relative", "relative, centred")
                for row in rows
                if row["method"] == name and row["r"] in (0.03, 0.3)
            },
        }
        for name in dict.fromkeys(row["method"] for row in rows)
    ]
    write_page(
        given.out,
        "fans_robustness",
        [
            "# Max-Sensitivity against noise",
            f"{given.images} MNIST test images, LeNet-5, the largest change over {given.neighbours} "
            "neighbours x + r u, u uniform in [-1, 1]^784 (the same for all methods and radii, not clipped); "
            "± is the standard error over images. Captum's methods explain the probability of the predicted "
            f"class from zero; Integrated Gradients and GradientShap with {GRADIENT_STEPS} steps or samples, "
            f"Lime with {LIME_SAMPLES} samples on patches of 4 x 4. So few neighbours are a low bound of the "
            "maximum: compare rows with each other, not with other tables. Absolute values compare maps in "
            "[0, 1] alone.",
            table(shown),
            start_share(subjects, ours),
            other_seed(subjects, given.seed),
            "Maps that do not look at x win (ones, zeros, fixed noise: 0), and absolute and relative values "
            "are small for a map that stays near a flat start, as the paper's setting does from there. Less "
            "its mean, a map is judged by what it says.",
        ],
    )


if __name__ == "__main__":
    main()
