"""Curves over α: how stable solutions are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from onlyif.core.errors import SettingError
from onlyif.explanation.layout import sentence
from onlyif.plots import style


def plot_stability(
    alphas: ArrayLike,
    mean: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    labels: Sequence[str],
    ax: Axes | None = None,
    reference: str = "",
    subtitle: str = "",
) -> Axes:
    """How much the best set changes as α grows from 0, with one line per size limit.

    Args:
        alphas: Values of α, a of them.
        mean: Mean normalised Hamming distance to the solution at α = 0, one row of `a` values a line.
        low: Lower ends of the 95 % intervals, of the same shape.
        high: Their upper ends.
        labels: What each line is, as "τ = 3".
        ax: Where to draw; None makes a figure.
        reference: What a hidden feature is replaced by, in one sentence.
        subtitle: Which data, model and size rule, below the title.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if the shapes do not fit each other.

    References:
        [bharti2024] figure 1.
    """
    x = np.asarray(alphas, dtype=np.float64)
    lines = [np.atleast_2d(np.asarray(part, dtype=np.float64)) for part in (mean, low, high)]
    needed = (len(labels), *x.shape)
    if any(part.shape != needed for part in lines):
        raise SettingError(f"need curves of shape {needed}, got {[part.shape for part in lines]}")
    ax = style.axes_or_new(ax, 7.0, 4.6)
    style.plain(ax)
    for i, (middle, bottom, top) in enumerate(zip(*lines, strict=True)):
        colour = style.LINES[i % len(style.LINES)]
        dash = style.DASHES[i % len(style.DASHES)]
        ax.plot(x, middle, color=colour, linestyle=dash, linewidth=2.0, label=labels[i])
        ax.fill_between(x, bottom, top, color=colour, alpha=0.15, linewidth=0)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(bottom=0.0)
    style.label_alpha(ax, ax, "necessary", "sufficient")
    ax.set_ylabel(
        "share of features that differ\nfrom the solution at α = 0", fontsize=style.LABEL, color=style.INK
    )
    style.legend_above(ax, len(labels))
    hiding = f" {sentence(reference)}" if reference else ""
    caption = f"Mean normalised Hamming distance over rows; bands are 95 % intervals.{hiding}"
    style.words(ax, "How far the best set moves away from the necessary one", subtitle, caption)
    return ax
