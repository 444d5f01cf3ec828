"""A picture a row, saved beside the explanations."""

import re
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from onlyif.explanation.causal import CausalExplanation
from onlyif.explanation.explained import Explained, OneExplained
from onlyif.explanation.explanation import Explanation
from onlyif.plots.causes import plot_causes, plot_path
from onlyif.plots.continuum import plot_continuum
from onlyif.plots.tabular import plot_explanation

DPI = 110


def save_pictures(found: Explained, folder: Path, first: int) -> list[Path]:
    """The sets of every explanation and its continuum, or the features' PNS, as PNG files.

    Args:
        found: The explanations.
        folder: Where they go.
        first: Number of the first of them in the run; files are numbered.
    """
    return [_save(found[i], folder, first + i) for i in range(len(found))]


def _save(item: OneExplained, folder: Path, count: int) -> Path:
    n_shown = min(len(item.names), 20)
    figure = Figure(figsize=(18, 4.5 + 0.35 * n_shown))
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.4})
    match item:
        case CausalExplanation():
            plot_causes(item, left)
            plot_path(item, right)
        case Explanation():
            plot_explanation(item, left)
            plot_continuum(item, right)
    label = re.sub(r"[^\w.-]+", "_", item.row)[:40]
    path = folder / f"row-{count:06d}-{label}.png"
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    return path
