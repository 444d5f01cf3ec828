"""Threshold curves of several methods, as in figures 2a and 3 of the paper."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from onlyif.core.errors import SettingError
from onlyif.explanation.layout import number, sentence
from onlyif.metrics.curves import Curve, ThresholdCurves
from onlyif.plots import style

TITLES = (
    ("how sufficient", "-log Δsuf(S_t), larger is better"),
    ("how necessary", "-log Δnec(S_t), larger is better"),
    ("how small", "-log(|S_t| / d), larger is smaller"),
)


def plot_threshold_curves(
    curves: Mapping[str, ThresholdCurves],
    ax: Axes | None = None,
    *,
    bold: Collection[str] = (),
    reference: str = "",
    subtitle: str = "",
) -> Axes:
    """How sufficient, necessary and small S_t = {score >= t} is at each threshold, one line a method.

    Lines are means over images, bands one standard error to either side.

    Args:
        curves: The curves of each method, by its name in the legend.
        ax: Where to draw; None makes a figure of fitting size.
        bold: Names of methods with thick lines.
        reference: What a hidden pixel is replaced by, in one sentence.
        subtitle: Which data and model, below the title.

    Returns:
        The axes given, or the new ones; its `child_axes` are the three panels and the legend.

    Raises:
        SettingError: if there are no curves, they have different floors, or a bold method has none.

    References:
        [bharti2024] figures 2a and 3.
    """
    _check(curves)
    floors = {each.floor for each in curves.values()}
    if len(floors) != 1:
        raise SettingError(f"need curves with one floor of the gaps, got {sorted(floors)}")
    if not set(bold) <= set(curves):
        raise SettingError(f"bold methods {sorted(set(bold) - set(curves))} have no curves")
    ax = style.axes_or_new(ax, 13.0, 4.4)
    *panels, legend = style.columns(ax, (1.0, 1.0, 1.0, 0.72), 55.0)
    for panel, (title, label) in zip(panels, TITLES, strict=True):
        style.plain(panel)
        panel.set_title(title, fontsize=style.LABEL, color=style.INK, loc="left")
        panel.set_ylabel(label, fontsize=style.SMALL, color=style.INK)
        panel.set_xlabel("threshold t of the normalised scores", fontsize=style.SMALL, color=style.INK)
    for i, (name, each) in enumerate(curves.items()):
        logs = (each.log_sufficiency, each.log_necessity, each.log_size)
        for panel, curve in zip(panels, logs, strict=True):
            _line(panel, curve, name, i, thick=name in bold)
    for panel in panels:
        panel.set_xlim(0.0, 1.0)
        panel.set_ylim(bottom=0.0)
    handles, labels = panels[0].get_legend_handles_labels()
    legend.set_axis_off()
    legend.legend(
        handles, labels, loc="center left", frameon=False, fontsize=style.SMALL, labelcolor=style.INK
    )
    style.words(
        ax,
        "What scores highest: is it enough, is it needed, is it small?",
        subtitle,
        _caption(curves, reference),
    )
    return ax


def _check(curves: Any) -> None:
    if not isinstance(curves, Mapping) or not all(isinstance(c, ThresholdCurves) for c in curves.values()):
        raise SettingError(
            f"need a mapping from names of methods to their threshold curves, got {type(curves).__name__}"
        )


def _line(panel: Axes, curve: Curve, name: str, i: int, *, thick: bool) -> None:
    x, mean = curve.thresholds.cpu().numpy(), curve.mean.cpu().numpy()
    error = np.nan_to_num(curve.stderr.cpu().numpy())
    colour = style.LINES[i % len(style.LINES)]
    dash = style.DASHES[i // len(style.LINES) % len(style.DASHES)]
    panel.plot(x, mean, color=colour, linestyle=dash, linewidth=2.6 if thick else 1.2, label=name)
    panel.fill_between(x, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0)


def _caption(curves: Mapping[str, ThresholdCurves], reference: str) -> str:
    each = next(iter(curves.values()))
    b, floor = len(each.size.values), number(each.floor)
    hiding = f" {sentence(reference)}" if reference else ""
    return (
        f"Means over {b} images, bands are one standard error. A gap below {floor} counts as {floor}, an "
        f"empty set as one pixel; at t = 0 every pixel is in.{hiding}"
    )
