"""Causes of one prediction: each feature's PNS alone, and the best set of each size."""

from matplotlib.axes import Axes

from onlyif.core.nouns import counted
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import number
from onlyif.explanation.selection import Selection
from onlyif.plots import captions, style


def plot_causes(item: Explanation | Explanations, ax: Axes | None = None, *, max_players: int = 20) -> Axes:
    """The PNS of each player alone, as bars in two parts, with the members of the cause marked.

    The line at the end of a bar is one standard error over E to either side.

    Args:
        item: The explanation of one row.
        ax: Where to draw; None makes a figure of fitting size.
        max_players: Most players shown, the highest first; members of the cause are shown in any case.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if it is not the explanation of one row.
    """
    one = captions.one_row(item, "plot_causes", "singles")
    if one.reason:
        return _no_cause(one, style.axes_or_new(ax, 8.0, 3.0))
    shown = _shown(one, max_players)
    ax = style.axes_or_new(ax, 8.0, 0.3 * max(len(shown), 2) + 2.4)
    style.plain(ax)
    singles = [one.singles[i] for i in shown]
    _bars(ax, singles)
    inside = set(one.cause.players)
    for y, player in enumerate(shown):
        if player in inside:
            ax.axhspan(y - 0.46, y + 0.46, color=style.FAINT, zorder=0)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_yticks(range(len(shown)), captions.named_values(one, shown))
    for tick, player in zip(ax.get_yticklabels(), shown, strict=True):
        tick.set_fontweight("bold" if player in inside else "normal")
    ax.set_xlabel(f"PNS of the {one.noun} alone", fontsize=style.LABEL, color=style.INK)
    style.legend_above(ax, 2)
    left_out = len(one.names) - len(shown)
    rest = f" {counted(left_out, one.noun)} with a lower PNS left out." if left_out else ""
    title = f"Most probable cause of {counted(one.size, one.noun)}: PNS {number(one.cause.pns.value)}"
    caption = f"{_reading(one)}{rest} {captions.credit(one)}"
    style.words(ax, title, captions.heading(one), caption, captions.warning(one))
    return ax


def plot_path(item: Explanation | Explanations, ax: Axes | None = None) -> Axes:
    """The highest PNS of each size, the mean of all sets of that size, and the cause.

    Args:
        item: The explanation of one row.
        ax: Where to draw; None makes a figure of its own.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if it is not the explanation of one row.
    """
    one = captions.one_row(item, "plot_path", "singles")
    if one.reason:
        return _no_cause(one, style.axes_or_new(ax, 7.0, 3.0))
    ax = style.axes_or_new(ax, 7.0, 4.4)
    style.plain(ax)
    sizes = [cause.size for cause in one.path]
    values, errors = (
        [cause.pns.value for cause in one.path],
        [cause.pns.sample_stderr for cause in one.path],
    )
    ax.errorbar(
        sizes, values, errors, color=style.LINES[0], marker="o", capsize=2.5, label="best set of the size"
    )
    known = [(cause.size, cause.typical) for cause in one.path if cause.typical is not None]
    if known:
        ax.plot(*zip(*known, strict=True), color=style.NEUTRAL, linestyle="--", label="mean of all its sets")
    ax.plot(
        [one.size],
        [one.cause.pns.value],
        "o",
        color=style.LINES[1],
        markersize=9,
        zorder=5,
        label="the cause shown",
    )
    ax.set_xticks([size for size in style.whole_ticks(max(sizes)) if size])
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(f"{one.nouns} in the set", fontsize=style.LABEL, color=style.INK)
    ax.set_ylabel("PNS", fontsize=style.LABEL, color=style.INK)
    style.legend_above(ax, 3)
    caption = (
        "Larger sets usually have the higher PNS: compare sets of one size. Bars: one standard error over E."
    )
    told = f"{caption} {captions.credit(one)}"
    style.words(ax, "The best set of each size", captions.heading(one), told, captions.warning(one))
    return ax


def _no_cause(item: Explanation, ax: Axes) -> Axes:
    """Axes that say why nothing is a cause, and what to do."""
    style.blank(ax, captions.no_answer(item))
    style.words(ax, f"No set of {item.nouns} is a cause", captions.heading(item), captions.credit(item))
    return ax


def _bars(ax: Axes, singles: list[Selection]) -> None:
    places = range(len(singles))
    necessity = [one.pn.value * one.p_changed.value for one in singles]
    sufficiency = [one.ps.value * one.p_unchanged.value for one in singles]
    ax.barh(places, necessity, 0.66, color=style.NECESSARY, label="necessity part PN·P(A,B)", zorder=2)
    ax.barh(
        places,
        sufficiency,
        0.66,
        necessity,
        color=style.SUFFICIENT,
        label="sufficiency part PS·P(Ā,B̄)",
        zorder=2,
    )
    ends, errors = [one.pns.value for one in singles], [one.pns.sample_stderr for one in singles]
    ax.errorbar(
        ends, places, xerr=errors, fmt="none", ecolor=style.INK, elinewidth=1.0, capsize=2.0, zorder=3
    )
    ax.set_xlim(left=0.0)


def _shown(item: Explanation, max_players: int) -> list[int]:
    order = sorted(range(len(item.names)), key=lambda i: (-item.singles[i].pns.value, i))
    inside = set(item.cause.players)
    outside = [i for i in order if i not in inside][: max(0, max_players - len(inside))]
    return [i for i in order if i in inside or i in outside]


def _reading(item: Explanation) -> str:
    c = number(float(item.provenance.values["c"]))
    return (
        f"Shaded: members of the most probable cause, which counts what {item.nouns} do together. "
        f"PNS lies in [0, 2]; a change of at most c = {c} counts as none."
    )
