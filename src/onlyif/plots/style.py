"""One look for all pictures: colours that colour-blind readers can tell apart, sizes, captions.

Nothing global is changed: every size and colour is given to the artist that bears it.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from onlyif.core.visible import on_one_line, visible

# Okabe and Ito's colours.
SUFFICIENT, NECESSARY, UNIFIED = "#0072B2", "#D55E00", "#009E73"
NEUTRAL, FAINT, INK, WARNING = "#8C8C8C", "#E6E6E6", "#222222", "#A33B00"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 3)))
TITLE, LABEL, SMALL = 11.0, 9.5, 8.5
LONGEST_NAME = 34
WIDE = 6.8


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """The given axes, or new ones in a figure of their own, in inches."""
    if ax is not None:
        return ax
    made: Axes = pyplot.figure(figsize=(width, height), layout="constrained").add_subplot()
    return made


def inches(ax: Axes, length: float) -> float:
    """A length as a share of the axes' height, at most .4."""
    return float(min(0.4, length * ax.figure.figure.dpi / ax.get_window_extent().height))


def panels(ax: Axes, shares: tuple[float, ...], gap: float) -> list[Axes]:
    """Axes that divide the given ones from top to bottom; these are emptied.

    Args:
        ax: The axes to divide.
        shares: Heights in relation to each other.
        gap: Distance between two panels, as a share of the height.
    """
    ax.set_axis_off()
    free = 1.0 - gap * (len(shares) - 1)
    heights = [share / sum(shares) * free for share in shares]
    bottoms = [1.0 - sum(heights[: i + 1]) - gap * i for i in range(len(heights))]
    return [ax.inset_axes((0.0, low, 1.0, high)) for low, high in zip(bottoms, heights, strict=True)]


def columns(ax: Axes, shares: tuple[float, ...], gap: float) -> list[Axes]:
    """As `panels`, from left to right."""
    ax.set_axis_off()
    free = 1.0 - gap * (len(shares) - 1)
    widths = [share / sum(shares) * free for share in shares]
    lefts = [sum(widths[:i]) + gap * i for i in range(len(widths))]
    return [ax.inset_axes((left, 0.0, width, 1.0)) for left, width in zip(lefts, widths, strict=True)]


def plain(ax: Axes) -> None:
    """Small ticks, no box: only the lines that are read."""
    ax.tick_params(labelsize=SMALL, colors=INK, length=3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def legend_above(ax: Axes, n_columns: int = 1) -> None:
    """A legend between the axes and their title, where it covers nothing; one column if that is narrow."""
    wide = room(ax) / ax.figure.figure.dpi > WIDE
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=n_columns if wide else 1,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0.3,
        borderpad=0.0,
    )


def whole_ticks(last: int) -> list[int]:
    """Whole numbers from 0 to `last`, about ten of them."""
    return list(range(0, last + 1, 1 + last // 10))


def blank(ax: Axes, text: str) -> None:
    """A sentence in axes that have nothing else to show, and so no scales."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color(FAINT)
    message(ax, text)


def message(ax: Axes, text: str) -> None:
    """A sentence in the middle of axes."""
    lines = _wrapped(text, ax.get_window_extent().width * 0.9, ax, LABEL)
    ax.text(0.5, 0.5, lines, transform=ax.transAxes, ha="center", va="center", fontsize=LABEL, color=INK)


def words(ax: Axes, title: str, subtitle: str, caption: str, warning: str = "") -> None:
    """A title above and a caption below all that the axes show, wrapped to its width.

    Call it last: it measures what has been drawn. From here on no text of the axes is a formula.

    Args:
        ax: The axes.
        title: In bold, on top.
        subtitle: Below it.
        caption: Below all that is drawn, in small letters.
        warning: What a reader should know before anything else, between subtitle and axes.
    """
    plain_text(ax)
    ax.figure.figure.draw_without_rendering()
    frame = ax.get_window_extent()
    box = ax.get_tightbbox() or frame
    pixels, width = ax.figure.figure.dpi / 72.0, min(box.width, room(ax))
    left = (box.x0 - frame.x0) / pixels
    above, below = (box.y1 - frame.y1) / pixels + 6.0, (box.y0 - frame.y0) / pixels - 8.0
    under = {"va": "top", "fontsize": SMALL, "color": "#555555"}
    _write(ax, 0.0, (left, below), _wrapped(caption, width, ax, SMALL), under)
    for text, colour in ((warning, WARNING), (subtitle, INK)):
        if text:
            lines = _wrapped(text, width, ax, LABEL)
            _write(ax, 1.0, (left, above), lines, {"va": "bottom", "fontsize": LABEL, "color": colour})
            above += (lines.count("\n") + 1) * LABEL * 1.25 + 3.0
    bold = {"va": "bottom", "fontsize": TITLE, "color": INK, "fontweight": "bold"}
    _write(ax, 1.0, (left, above), _wrapped(title, width, ax, TITLE * 1.08), bold)
    plain_text(ax)


def plain_text(ax: Axes) -> None:
    """Draw all texts of the axes and their panels as they are: a dollar sign in a name starts no formula, and
    a control character is shown.

    Labels that matplotlib itself makes for numbers stay as they are.
    """
    axes = [axis for panel in ax.findobj(Axes) for axis in (panel.xaxis, panel.yaxis)]
    numbers = {id(t) for axis in axes if not _is_given(axis) for t in axis.get_ticklabels(which="both")}
    for text in ax.findobj(Text):
        if id(text) not in numbers:
            text.set_parse_math(False)
            text.set_text(visible(text.get_text()))


def _is_given(axis: Axis) -> bool:
    return isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter)


def _write(ax: Axes, edge: float, offset: tuple[float, float], text: str, look: Mapping[str, Any]) -> None:
    note = ax.annotate(text, (0.0, edge), offset, "axes fraction", "offset points", annotation_clip=False)
    note.set(**look, in_layout=False)
    # Layouts make room for the text's height alone: its width must not push neighbours aside.
    blank = "\n".join(" " * len(text.splitlines()))
    spacer = ax.annotate(blank, (0.0, edge), offset, "axes fraction", "offset points", annotation_clip=False)
    spacer.set(**look)


def room(ax: Axes) -> float:
    """Width in pixels that belongs to the axes: their share of the figure's columns."""
    spec = ax.get_subplotspec()
    if spec is None:
        return float(ax.get_window_extent().width)
    share = len(spec.colspan) / spec.get_gridspec().ncols
    return float(ax.figure.bbox.width * share * (1.0 if share == 1.0 else 0.92))


def label_alpha(ax: Axes, whole: Axes, zero: str, one: str) -> None:
    """The axis of α, with what its ends mean."""
    text = _wrapped(f"α   (0: {zero};  1: {one})", 0.8 * room(whole), ax, LABEL)
    ax.set_xlabel(text, fontsize=LABEL, color=INK)


def _wrapped(text: str, width: float, ax: Axes, size: float) -> str:
    points = width / ax.figure.figure.dpi * 72.0
    return textwrap.fill(visible(text), max(24, int(points / (size * 0.54))))


def shortened(name: str, width: int) -> str:
    """The name, its middle left out where it is too long: names often differ at their ends."""
    shown = on_one_line(name)
    if len(shown) <= width:
        return shown
    return f"{shown[: (width - 1) // 2]}…{shown[-(width // 2) :]}"
