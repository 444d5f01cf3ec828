"""One look for all pictures: colours that colour-blind readers can tell apart, sizes, captions.

Nothing global is changed: every size and colour is given to the artist that bears it.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter
from matplotlib.transforms import Bbox

from onlyif.core.visible import on_one_line, visible

# Okabe and Ito's colours.
SUFFICIENT, NECESSARY, UNIFIED = "#0072B2", "#D55E00", "#009E73"
NEUTRAL, FAINT, INK, WARNING = "#8C8C8C", "#E6E6E6", "#222222", "#A33B00"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 3)))
TITLE, LABEL, SMALL = 11.0, 9.5, 8.5
# Sizes of a caption: the first that leaves `ENOUGH` of the height. No less than `LEAST` is left in any case.
CAPTION = (SMALL, 7.0, 6.0)
ENOUGH, LEAST = 0.45, 0.25
# Height of a line and width of a letter, as shares of the letters' size.
LINE, LETTER = 1.36, 0.58
# What a layout leaves of a cell between cells.
OF_CELL = 0.95
LONGEST_NAME = 34
WIDE, NARROW = 6.8, 5.5


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """The given axes, or new ones in a figure of their own, in inches."""
    if ax is not None:
        return ax
    made: Axes = pyplot.figure(figsize=(width, height), layout="constrained").add_subplot()
    return made


def _shares(ax: Axes, points: float) -> tuple[float, float]:
    """A length in points as shares of the figure's width and height, in which places of axes are given."""
    pixels, whole = points * ax.figure.figure.dpi / 72.0, ax.figure.bbox
    return pixels / whole.width, pixels / whole.height


@final
@dataclass(frozen=True, eq=False)
class _Inside:
    """Where axes lie whose labels and words keep within the place that was theirs, whatever its size."""

    whole: Axes
    left: float
    below: float
    right: float
    above: float

    def get_subplotspec(self) -> Any:
        """The cell of a grid, for which tight layouts ask whatever places axes."""
        return self.whole.get_subplotspec()

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        place = ax.get_position(original=True)
        across, up = _shares(ax, 1.0)
        right, top = place.x1 - across * self.right, place.y1 - up * self.above
        # Where there is no room, long labels and the end of the caption reach out.
        left = min(place.x0 + across * self.left, right - LEAST * place.width)
        bottom = min(place.y0 + up * self.below, top - LEAST * place.height)
        return Bbox.from_extents(left, bottom, right, top)


@final
@dataclass(frozen=True, eq=False)
class _Panel:
    """Where one of the panels lies that divide axes, when these are drawn: lengths between are in points."""

    whole: Axes
    nth: int
    shares: tuple[float, ...]
    gap: float
    upright: bool
    above: float = 0.0
    below: float = 0.0

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        place = self.whole.get_position()
        across, up = _shares(self.whole, 1.0)
        low, high = place.y0 + up * self.below, place.y1 - up * self.above
        high = max(high, low + 0.1 * place.height)
        before, own = sum(self.shares[: self.nth]), self.shares[self.nth]
        if self.upright:
            gap = min(up * self.gap, 0.4 * (high - low))
            unit = (high - low - gap * (len(self.shares) - 1)) / sum(self.shares)
            top = high - before * unit - gap * self.nth
            return Bbox.from_extents(place.x0, top - own * unit, place.x1, top)
        gap = min(across * self.gap, 0.4 * place.width)
        unit = (place.width - gap * (len(self.shares) - 1)) / sum(self.shares)
        left = place.x0 + before * unit + gap * self.nth
        return Bbox.from_extents(left, low, left + own * unit, high)


def panels(ax: Axes, shares: tuple[float, ...], gap: float) -> list[Axes]:
    """Axes that divide the given ones from top to bottom; these are emptied.

    Args:
        ax: The axes to divide.
        shares: Heights in relation to each other.
        gap: Distance between two panels, in points.
    """
    return _divided(ax, [_Panel(ax, i, shares, gap, upright=True) for i in range(len(shares))])


def columns(
    ax: Axes, shares: tuple[float, ...], gap: float, *, above: float = 0.0, below: float = 0.0
) -> list[Axes]:
    """As `panels`, from left to right, with `above` and `below` points left free."""
    parts = [_Panel(ax, i, shares, gap, upright=False, above=above, below=below) for i in range(len(shares))]
    return _divided(ax, parts)


def _divided(ax: Axes, parts: list[_Panel]) -> list[Axes]:
    ax.set_axis_off()
    made = [ax.inset_axes((0.0, 0.0, 1.0, 1.0)) for _ in parts]
    for panel, part in zip(made, parts, strict=True):
        panel.set_axes_locator(part)
    return made


def plain(ax: Axes) -> None:
    """Small ticks, no box: only the lines that are read."""
    ax.tick_params(labelsize=SMALL, colors=INK, length=3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def legend_above(ax: Axes, n_columns: int = 1) -> None:
    """A legend between the axes and their title, where it covers nothing; one column if that is narrow."""
    wide = room(ax) / ax.figure.figure.dpi > WIDE
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles,
        labels if wide else [_wrapped(label, 0.7 * room(ax), ax, SMALL) for label in labels],
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
    """A title above and a caption below all that the axes show, wrapped to the width of their place.

    Call it last: it measures what has been drawn, and makes the axes smaller until all of it lies within the
    place that was theirs. From here on no text of the axes is a formula.

    Args:
        ax: The axes.
        title: In bold, on top.
        subtitle: Below it.
        caption: Below all that is drawn, in small letters.
        warning: What a reader should know before anything else, between subtitle and axes.
    """
    plain_text(ax)
    is_free, before = ax.get_axes_locator() is None, ax.get_position(original=True)
    if is_free:
        _move(ax, _place(ax))
    left, below, right, above = _overhang(ax)
    width, above = room(ax), above + 6.0
    for text, colour in ((warning, WARNING), (subtitle, INK)):
        if text:
            lines = _wrapped(text, width, ax, LABEL)
            _write(ax, 1.0, (-left, above), lines, {"va": "bottom", "fontsize": LABEL, "color": colour})
            above += _height(lines, LABEL) + 3.0
    bold = {"va": "bottom", "fontsize": TITLE, "color": INK, "fontweight": "bold"}
    lines = _wrapped(title, width, ax, TITLE * 1.08)
    _write(ax, 1.0, (-left, above), lines, bold)
    above += _height(lines, TITLE)
    size = _caption_size(ax, caption, above + below + 8.0)
    lines = _wrapped(caption, width, ax, size)
    _write(ax, 0.0, (-left, -below - 8.0), lines, {"va": "top", "fontsize": size, "color": "#555555"})
    if is_free:
        below += 8.0 + _height(lines, size)
        _fit(ax, (left, below, right, above))
        _move(ax, before)
    plain_text(ax)


def _move(ax: Axes, place: Bbox) -> None:
    """Put axes where a layout will, which it does when the figure is drawn and not before; or back again."""
    if ax.get_subplotspec() is not None and ax.figure.figure.get_layout_engine() is not None:
        ax.set_position(place)
        # A layout leaves axes alone whose position was set.
        ax.set_in_layout(True)


def _fit(ax: Axes, sides: tuple[float, float, float, float]) -> None:
    """Make axes smaller still where labels reach out further now that these are smaller.

    Each time may move labels a little, so that it is done twice.
    """
    left, below, right, above = sides
    pixels = ax.figure.figure.dpi / 72.0
    for _ in range(2):
        ax.set_axes_locator(_Inside(ax, left, below, right, above))
        place, box = ax.get_position(original=True).transformed(ax.figure.transSubfigure), ax.get_tightbbox()
        if box is None:
            return
        left += max(0.0, float(place.x0 - box.x0)) / pixels
        below += max(0.0, float(place.y0 - box.y0)) / pixels
        right += max(0.0, float(box.x1 - place.x1)) / pixels
        above += max(0.0, float(box.y1 - place.y1)) / pixels
    ax.set_axes_locator(_Inside(ax, left, below, right, above))


def _overhang(ax: Axes) -> tuple[float, float, float, float]:
    """How far labels reach out of the axes, in points: to the left, below, to the right, above."""
    box = ax.get_tightbbox()
    frame, pixels = ax.get_window_extent(), ax.figure.figure.dpi / 72.0
    box = frame if box is None else box
    sides = (frame.x0 - box.x0, frame.y0 - box.y0, box.x1 - frame.x1, box.y1 - frame.y1)
    left, below, right, above = (max(0.0, float(side)) / pixels for side in sides)
    return left, below, right, above


def _height(lines: str, size: float) -> float:
    return (lines.count("\n") + 1) * size * LINE


def _caption_size(ax: Axes, caption: str, others: float) -> float:
    """The size of the caption: smaller where it would leave too little of the axes."""
    whole = _place(ax).height * ax.figure.bbox.height * 72.0 / ax.figure.figure.dpi
    heights = {size: _height(_wrapped(caption, room(ax), ax, size), size) for size in CAPTION}
    return next((size for size in CAPTION if whole - others - heights[size] >= ENOUGH * whole), CAPTION[-1])


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
    """Width in pixels of the place that belongs to the axes."""
    return float(_place(ax).width * ax.figure.bbox.width)


def points(ax: Axes) -> tuple[float, float]:
    """Width and height of the place that belongs to the axes, in points."""
    place, whole, share = _place(ax), ax.figure.bbox, 72.0 / ax.figure.figure.dpi
    return float(place.width * whole.width * share), float(place.height * whole.height * share)


def _place(ax: Axes) -> Bbox:
    """The place that belongs to the axes, as shares of the figure: what a layout will give them."""
    spec = ax.get_subplotspec()
    if spec is None or ax.figure.figure.get_layout_engine() is None:
        return ax.get_position(original=True)
    figure: Any = ax.figure
    place, whole = spec.get_position(figure), figure.subplotpars
    across, up = whole.right - whole.left, whole.top - whole.bottom
    return Bbox.from_bounds(0.0, 0.0, OF_CELL * place.width / across, OF_CELL * place.height / up)


def narrow(ax: Axes) -> bool:
    """Whether axes have less room than most pictures are made for."""
    return room(ax) / ax.figure.figure.dpi < NARROW


def label_upright(ax: Axes, text: str) -> None:
    """The label of the upright axis, in lines that are no longer than it."""
    lines = _wrapped(text, 0.6 * _place(ax).height * ax.figure.bbox.height, ax, LABEL)
    ax.set_ylabel(lines, fontsize=LABEL, color=INK)


def label_alpha(ax: Axes, whole: Axes, zero: str, one: str) -> None:
    """The axis of α, with what its ends mean."""
    # Long names of features move the middle of the axis to the right.
    text = _wrapped(f"α   (0: {zero};  1: {one})", 0.7 * room(whole), ax, LABEL)
    ax.set_xlabel(text, fontsize=LABEL, color=INK)


def _wrapped(text: str, width: float, ax: Axes, size: float) -> str:
    points = width / ax.figure.figure.dpi * 72.0
    return textwrap.fill(visible(text), max(24, int(points / (size * LETTER))))


def shortened(name: str, width: int) -> str:
    """The name, its middle left out where it is too long: names often differ at their ends."""
    shown = on_one_line(name)
    if len(shown) <= width:
        return shown
    return f"{shown[: (width - 1) // 2]}…{shown[-(width // 2) :]}"
