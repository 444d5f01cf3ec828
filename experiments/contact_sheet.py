"""Every picture with many kinds of data on one page, to be looked at before a release.

    python experiments/contact_sheet.py --out FOLDER

writes one PNG a picture and `index.html`, which shows them all. It takes about two minutes.
"""

import argparse
import html
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif import plots

sys.path.insert(0, str(Path(__file__).parents[1] / "docs" / "tutorials"))
from lending import applications

Drawn = tuple[str, Callable[[], Axes]]


@cache
def lending() -> dict[str, onlyif.Explanations]:
    """A forest on loans: rows as they are, against granted ones, their causes, and a year of them."""
    table = applications(1500)
    columns = table.drop(columns=["granted", "housing", "purpose", "earlier default"])
    columns["earlier default"] = (table["earlier default"] == "yes").astype(int)
    forest = RandomForestClassifier(60, min_samples_leaf=5, random_state=0).fit(columns, table["granted"])
    declined = columns[forest.predict(columns) == "no"]
    ask = {"model": forest, "background": columns[:300], "progress": False}
    return {
        "plain": onlyif.explain(X=declined[:2], keep_table=True, **ask),
        "against": onlyif.explain(X=declined[:2], against="other decisions", keep_table=True, **ask),
        "causes": onlyif.explain(X=declined[:1], criterion="pns", size=3, **ask),
        "year": onlyif.explain(X=columns[:120], **ask),
        "limited": onlyif.explain(X=declined[:1], never=["loan", "months"], size=2, **ask),
    }


@cache
def cells(n_columns: int = 30, *, long: bool = False) -> onlyif.Explanations:
    """Two rows of breast cancer data under a linear model, also with names that do not end."""
    rows, label = load_breast_cancer(return_X_y=True, as_frame=True)
    rows = rows[rows.columns[:n_columns]]
    if long:
        rows.columns = [f"{name}, as a mean over all pictures of the first visit" for name in rows.columns]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[:400], label[:400])
    return onlyif.explain(model, rows[444:446], background=rows[:100], progress=False, budget=300_000)


@cache
def odd() -> dict[str, onlyif.Explanation]:
    """One player, ties, an empty answer, a row that is as all others, decisions among three classes."""
    flat = np.linspace(0.0, 1.0, 40)[:, None] * np.ones((1, 4))
    wine, kind = load_wine(return_X_y=True, as_frame=True)
    wine = wine[wine.columns[:7]]
    forest = RandomForestClassifier(40, random_state=0).fit(wine, kind)

    def explained(model: object, row: object, **more: object) -> onlyif.Explanation:
        return onlyif.explain(model, row, progress=False, keep_table=True, **more)[0]

    return {
        "one player": explained(lambda x: x[:, 0], flat[-1:, :1], background=flat[:, :1]),
        "ties": explained(lambda x: x.sum(1), flat[-1:], background=flat),
        "nothing": explained(lambda x: 0 * x[:, 0] + 0.5, flat[-1:], background=flat),
        "many corners": explained(
            lambda x: x @ np.array([1.0, 0.6, 0.36, 0.2]) + x[:, 0] * x[:, 3], flat[-1:], background=flat
        ),
        "three classes": explained(forest, wine[100:101], background=wine, distance="discrete"),
        "no set": explained(lambda x: x.sum(1), flat[-1:], background=flat, never=[0, 1, 2]),
    }


@cache
def digits() -> tuple[object, object, object]:
    """A small network on scikit-learn's digits, images of it, and their mean."""
    import torch

    images, label = load_digits(return_X_y=True)
    x = torch.tensor(images / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(1024, 10),
    )
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x[:1200]), torch.tensor(label[:1200])).backward()
        optimiser.step()
    return network.eval(), x[1200:1203], x[:200]


def tables() -> Iterator[Drawn]:
    """Pictures of rows."""
    items = {f"loan, {name}": found[0] for name, found in lending().items() if name not in ("causes", "year")}
    items |= {"30 columns": cells()[0], "long names": cells(8, long=True)[1]} | odd()
    for name, item in items.items():
        drawn = [plots.plot_explanation, plots.plot_continuum, plots.plot_plane]
        drawn += [plots.plot_waterfall] if item.table is not None and not item.of_decisions else []
        for plot in drawn:
            yield f"{name}: {plot.__name__}", lambda plot=plot, item=item: plot(item)
    (cause,) = lending()["causes"]
    yield "causes: plot_causes", lambda: plots.plot_causes(cause)
    yield "causes: plot_path", lambda: plots.plot_path(cause)
    many = {"year of loans": lending()["year"], "against": lending()["against"], "30 columns": cells()}
    for name, found in many.items():
        for plot in (plots.plot_summary, plots.plot_beeswarm):
            yield f"{name}: {plot.__name__}", lambda plot=plot, found=found: plot(found)


def images() -> Iterator[Drawn]:
    """Pictures of digits."""
    from onlyif.criteria.soft_weights import variation_at
    from onlyif.searches.relaxed_masks import MaskQuestion
    from onlyif.searches.relaxed_module import module_masks

    network, shown, others = digits()
    sized = onlyif.explain(
        network,
        shown[:1],
        background=others,
        size=[0.05, 0.2],
        budget=1500,
        output="probability",
        progress=False,
    )
    yield "digit: plot_image_sets", lambda: plots.plot_image_sets(shown[0], sized[0])
    question = MaskQuestion(alphas=(0.0, 0.25, 0.5, 0.75, 1.0), size=0.5, variation=variation_at(8))
    masks = module_masks(network, shown, others.mean(0), None, question)
    one = masks.of_row(0)
    by_alpha = {item.alpha: item for item in one}
    trio = by_alpha[1.0], by_alpha[0.0], by_alpha[0.5]
    yield "digit: plot_masks", lambda: plots.plot_masks(shown[0], *trio)
    yield "digit: plot_mask_montage", lambda: plots.plot_mask_montage(shown[0], one)
    mean = others.mean(0)
    yield (
        "digit: plot_kept_and_hidden",
        lambda: plots.plot_kept_and_hidden(shown[0], mean, trio[2], (0.9, 0.2)),
    )


def foreign() -> Iterator[Drawn]:
    """All pictures of a row in the axes of somebody's own figure."""
    item = lending()["against"][0]

    def grid(layout: str | None) -> Axes:
        _, axes = pyplot.subplots(2, 3, figsize=(21, 12), layout=layout)
        drawn = [plots.plot_explanation, plots.plot_continuum, plots.plot_plane, plots.plot_waterfall]
        for ax, plot in zip(axes.flat, drawn, strict=False):
            plot(item, ax)
        plots.plot_summary(lending()["year"], axes[1, 1])
        plots.plot_causes(lending()["causes"], axes[1, 2])
        return axes[0, 0]

    for layout in ("constrained", "tight", None):
        yield f"foreign axes, layout {layout}", lambda layout=layout: grid(layout)


def main() -> None:
    """Draw all of them."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--only", default="", help="those whose name holds this")
    asked.add_argument("--parts", nargs="+", default=["tables", "images", "foreign"])
    given = asked.parse_args()
    mpl.use("Agg")
    given.out.mkdir(parents=True, exist_ok=True)
    shown = []
    parts = {"tables": tables, "images": images, "foreign": foreign}
    for part in [parts[name] for name in given.parts]:
        for name, draw in part():
            if given.only in name:
                file = re.sub(r"\W+", "-", name) + ".png"
                draw().figure.figure.savefig(given.out / file, dpi=70)
                pyplot.close("all")
                shown.append(
                    f'<figure><img src="{file}"><figcaption>{html.escape(name)}</figcaption></figure>'
                )
                print(name, flush=True)
    page = "<meta charset=utf-8><style>figure{display:inline-block}</style>" + "\n".join(shown)
    (given.out / "index.html").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
