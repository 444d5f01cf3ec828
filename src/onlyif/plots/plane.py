"""All sets in the plane of the two gaps, with the hull that the continuum walks along."""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.ticker import MaxNLocator

from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator
from onlyif.core.subsets import code_of, subset_sizes
from onlyif.criteria.distances import (
    AbsoluteDistance,
    DiscreteDistance,
    Distance,
    LogitDistance,
    SideDistance,
)
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import number, permitted_text
from onlyif.explanation.passages import size_rule
from onlyif.explanation.status import StatusKind
from onlyif.explanation.verdicts import SAME_DECISION
from onlyif.plots import captions, style

MOST_POINTS = 50_000
AGREEMENT = 1e-6


def plot_plane(
    item: Explanation | Explanations, ax: Axes | None = None, *, distance: Distance | None = None
) -> Axes:
    """Every set as a point in the plane of the two gaps.

    Perfect sets lie at the origin. The line is the hull of the sets that the size
    rule allows: its points are the solutions of the continuum. Without a kept table
    only those are drawn.

    Args:
        item: The explanation of one row.
        ax: Where to draw; None makes a figure.
        distance: ρ of the explanation; None means the one that its name says, which one of your own must be
            given as.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if it is not the explanation of one row, or the gaps under this distance are
            not those of the explanation.
    """
    one = captions.one_row(item, "plot_plane", "continua")
    if one.status.kind is StatusKind.NOTHING:
        ax = style.axes_or_new(ax, 7.0, 3.0)
        style.blank(ax, captions.no_answer(one))
        style.words(ax, captions.status_title(one), captions.heading(one), captions.credit(one))
        return ax
    ax, title = style.axes_or_new(ax, 7.0, 6.2), "Sets by their two gaps: the nearer to 0, 0 the better"
    style.plain(ax)
    if one.table is not None:
        _draw_sets(ax, one, one.table, distance or _distance(one))
    _draw_hull(ax, one)
    _draw_epsilon(ax, one)
    x, y = "Δsuf: moved when only these are kept", "Δnec: off the average when only these are hidden"
    if one.compares_decisions:
        x = "Δsuf: up to ½ the decision stays with only these kept"
        y = "Δnec: up to ½ the decision is gone with only these hidden"
    ax.set_xlabel(x, fontsize=style.LABEL, color=style.INK)
    style.label_upright(ax, y)
    style.legend_above(ax, 2)
    legend: Any = ax.get_legend()
    for handle in legend.legend_handles:
        handle.set_markersize(8)
    caption = f"{_reading(one)} {captions.credit(one)}"
    style.words(ax, title, captions.heading(one), caption, captions.warning(one))
    return ax


def _distance(item: Explanation) -> Distance:
    """ρ by its name in the explanation; |a - b| where it is none of these, and then it is found out."""
    known = [AbsoluteDistance(), DiscreteDistance(), LogitDistance()]
    threshold = item.settings.get("threshold")
    known += [SideDistance(float(threshold))] if isinstance(threshold, int | float) else []
    named = [one for one in known if one.kind.name == item.provenance.sentences["distance"]]
    return named[0] if named else AbsoluteDistance()


def _draw_sets(
    ax: Axes, item: Explanation, table: Float64[np.ndarray, "two_to_d"], distance: Distance
) -> None:
    suf = distance.between(table[-1:], table)
    nec = distance.between(table[::-1], table[:1])
    _check(item, suf, nec, distance)
    sizes, n_sizes = subset_sizes(len(item.names)), len(item.names) + 1
    drawn = _some(len(table))
    cloud = ax.scatter(
        *(suf[drawn], nec[drawn], 16),
        c=sizes[drawn],
        cmap=colormaps["viridis_r"].resampled(n_sizes),
        norm=BoundaryNorm(np.arange(n_sizes + 1) - 0.5, n_sizes),
        alpha=0.7,
        linewidths=0,
        rasterized=True,
        clip_on=False,
    )
    bar = ax.figure.colorbar(cloud, cax=ax.inset_axes((1.02, 0.15, 0.025, 0.7)))
    bar.set_label("size of the set", fontsize=style.LABEL, color=style.INK)
    bar.ax.tick_params(labelsize=style.SMALL)
    bar.set_ticks(MaxNLocator("auto", integer=True))
    bar.minorticks_off()


def _check(
    item: Explanation, suf: Float64[np.ndarray, "n"], nec: Float64[np.ndarray, "n"], distance: Distance
) -> None:
    for chosen in item.sets.values():
        code = code_of(chosen.players)
        apart = max(abs(suf[code] - chosen.sufficiency.value), abs(nec[code] - chosen.necessity.value))
        if not apart <= AGREEMENT * max(1.0, item.total_gap.value):
            raise SettingError(
                f"need the distance of the explanation ({item.provenance.sentences['distance']}), "
                f"got {distance.kind.name}, under which the gaps of {chosen} differ by {number(apart)}"
            )


def _some(count: int) -> Int64[np.ndarray, "n"]:
    if count <= MOST_POINTS:
        return np.arange(count)
    return np.sort(generator(0, "points of a picture").choice(count, MOST_POINTS, replace=False))


def _draw_hull(ax: Axes, item: Explanation) -> None:
    pieces = item.continuum.pieces
    suf = [piece.sufficiency.value for piece in pieces]
    nec = [piece.necessity.value for piece in pieces]
    word = f"best sets over α, {size_rule(item)}"
    ax.plot(suf, nec, color=style.INK, linewidth=1.3, marker="o", markersize=5, label=word, clip_on=False)
    stacked: dict[tuple[float, float], int] = {}
    least = "cheapest" if "costs" in item.settings else "smallest"
    for name, colour, marker, word in (
        ("sufficient", style.SUFFICIENT, "s", f"{least} ε-sufficient set"),
        ("necessary", style.NECESSARY, "D", f"{least} ε-necessary set"),
        ("unified", style.UNIFIED, "*", f"best at α = {number(item.alpha)}"),
    ):
        if name in item.missing:
            continue
        chosen = item.sets[name]
        x, y = chosen.sufficiency.value, chosen.necessity.value
        # What lies on one point stands around what was drawn there before.
        stacked[x, y] = stacked.get((x, y), 0) + 1
        size = (15 if marker == "*" else 9) + 8 * (stacked[x, y] - 1)
        (mark,) = ax.plot([x], [y], marker, markersize=size, color=colour, label=word, clip_on=False)
        mark.set(markerfacecolor="none", markeredgewidth=2.0, zorder=5)
    ax.set_xlim(left=0.0)
    ax.set_ylim(bottom=0.0)


def _draw_epsilon(ax: Axes, item: Explanation) -> None:
    ax.axvspan(0.0, item.epsilon, color=style.SUFFICIENT, alpha=0.08, linewidth=0, zorder=0)
    ax.axhspan(0.0, item.epsilon, color=style.NECESSARY, alpha=0.08, linewidth=0, zorder=0)


def _reading(item: Explanation) -> str:
    count = 2 ** len(item.names)
    drawn = ""
    if item.table is None:
        drawn = " The other sets are not drawn: their predictions were not kept."
    elif count > MOST_POINTS:
        drawn = f" {MOST_POINTS} of {count} sets are drawn."
    if item.constrained:
        drawn = f" The line and the marks are of permitted sets: {permitted_text(item.settings)}.{drawn}"
    if item.compares_decisions and item.epsilon == SAME_DECISION:
        half = f"A gap is half the change of the {item.provenance.output}, and 1 where the decision changes. "
        shaded = (
            "Shaded: with the set alone the decision stays (left), without it the decision is gone (below)."
        )
        shaded = shaded if item.of_decisions else half + shaded
    else:
        shaded = f"Shaded: ε-sufficient (left) and ε-necessary (below) sets, ε = {number(item.epsilon)}."
    return f"{shaded}{drawn} {captions.verdict_meaning(item)} {captions.verdicts(item)}".rstrip()
