"""The continuum as a picture: who is in the solution at each α, and how good it is."""

from itertools import pairwise

from matplotlib.axes import Axes

from onlyif.core.nouns import counted
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import number
from onlyif.explanation.passages import size_rule
from onlyif.explanation.selection import NORMAL_95, Selection
from onlyif.plots import captions, style

# Width of a breakpoint's label in points, and how many are written out in the caption.
LABEL_WIDTH = 30.0
MOST_LISTED = 20


def plot_continuum(item: Explanation | Explanations, ax: Axes | None = None) -> Axes:
    """The best set for each α, and its two gaps below.

    Bars say over which α a player belongs to the solution; dashed lines are the
    breakpoints at which solutions change. Players that are in no solution are left
    out. The axes given are divided in two panels, which are its `child_axes`.

    Args:
        item: The explanation of one row.
        ax: Where to draw; None makes a figure of fitting size.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if it is not the explanation of one row.
    """
    one = captions.one_row(item, "plot_continuum", "continua")
    held = one.continuum
    inside = {i for chosen in (*held.pieces, *held.corners) for i in chosen.players}
    shown = [player for player in captions.player_order(one) if player in inside]
    if not shown and one.reason:
        ax = style.axes_or_new(ax, 8.0, 3.0)
        (panel,) = style.panels(ax, (1.0,), 0.0)
        style.blank(panel, captions.no_answer(one))
        style.words(ax, captions.status_title(one), captions.heading(one), captions.credit(one))
        return ax
    height = 0.28 * max(len(shown), 3)
    ax = style.axes_or_new(ax, 8.0, height + 3.5)
    upper, lower = style.panels(ax, (height, 1.2), 64.0 if style.narrow(ax) else 40.0)
    _draw_members(upper, one, held, shown)
    _draw_gaps(lower, one)
    back = "at the baseline" if one.against_baseline else "at the average"
    without = (
        "without these the decision is gone" if one.compares_decisions else f"without these it is {back}"
    )
    style.label_alpha(lower, ax, without, "with only these it stays")
    _mark_breakpoints(upper, ax, held.breakpoints[1:-1])
    for panel in (upper, lower):
        panel.set_xlim(0.0, 1.0)
        for alpha in held.breakpoints[1:-1]:
            panel.axvline(alpha, color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=3)
    told = _reading(one, held, len(shown)), captions.verdict_meaning(one), captions.verdicts(one)
    caption = " ".join(filter(None, (*told, captions.credit(one))))
    style.words(ax, _title(one), captions.heading(one), caption, captions.warning(one))
    return ax


def _mark_breakpoints(upper: Axes, whole: Axes, breakpoints: tuple[float, ...]) -> None:
    """Each breakpoint a tick on top, with its label where that touches no other."""
    points = style.room(whole) / whole.figure.figure.dpi * 72.0
    apart, last = LABEL_WIDTH / max(0.6 * points, LABEL_WIDTH), -1.0
    labels = []
    for alpha in breakpoints:
        labels.append(number(round(alpha, 3)) if alpha - last >= apart else "")
        last = alpha if labels[-1] else last
    upper.xaxis.tick_top()
    upper.set_xticks(breakpoints, labels)
    upper.xaxis.set_label_position("top")
    if breakpoints:
        upper.set_xlabel("α at which the best set changes", fontsize=style.SMALL, color=style.INK)


def _title(item: Explanation) -> str:
    return f"Best sets of {size_rule(item)}, from necessary to sufficient"


def _draw_members(ax: Axes, item: Explanation, held: Continuum, shown: list[int]) -> None:
    style.plain(ax)
    place = {player: i for i, player in enumerate(shown)}
    for (low, high), piece in zip(pairwise(held.breakpoints), held.pieces, strict=True):
        for player in piece.players:
            ax.broken_barh([(low, high - low)], (place[player] - 0.36, 0.72), color=style.UNIFIED)
    for alpha, corner in odd_corners(held):
        heights = [place[i] for i in corner.players]
        ax.scatter([alpha] * corner.size, heights, 30, style.INK, zorder=4, clip_on=False)
    ax.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    ways = [captions.stances(item, player) for player in shown]
    labels = zip(captions.named_values(item, shown), ways, strict=True)
    ax.set_yticks(range(len(shown)), [f"{label} ({way})" if way else label for label, way in labels])
    if not shown:
        style.message(ax, "The empty set is the best at every α.")


def _draw_gaps(ax: Axes, item: Explanation) -> None:
    style.plain(ax)
    held = item.continuum
    spans = list(zip(pairwise(held.breakpoints), held.pieces, strict=True))
    words = "Δsuf: moved when only these are kept", "Δnec: off the average when only these are hidden"
    if item.compares_decisions:
        words = (
            "Δsuf: up to ½ the decision stays with only these kept",
            "Δnec: up to ½ the decision is gone with only these hidden",
        )
    if style.narrow(ax):  # where longer ones would take two lines, over the bars above
        words = "Δsuf: these kept", "Δnec: these hidden"
    for name, colour, dash, nth in (
        (words[0], style.SUFFICIENT, "-", 0),
        (words[1], style.NECESSARY, (0, (5, 2)), 1),
    ):
        gaps = [(piece.sufficiency, piece.necessity)[nth] for _, piece in spans]
        alphas = [alpha for span, _ in spans for alpha in span]
        values = [gap.value for gap in gaps for _ in range(2)]
        errors = [NORMAL_95 * gap.stderr for gap in gaps for _ in range(2)]
        low = [max(0.0, value - error) for value, error in zip(values, errors, strict=True)]
        high = [value + error for value, error in zip(values, errors, strict=True)]
        ax.plot(alphas, values, color=colour, linestyle=dash, linewidth=2.0, label=name, clip_on=False)
        ax.fill_between(alphas, low, high, color=colour, alpha=0.15, linewidth=0)
    top = ax.dataLim.y1
    ax.set_ylim(0.0, 1.1 * top if top > item.certificate.tolerance else 1.0)
    ax.set_ylabel("gap", fontsize=style.LABEL, color=style.INK)
    ax.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "0.25", "0.5", "0.75", "1"])
    style.legend_above(ax)


def odd_corners(held: Continuum) -> list[tuple[float, Selection]]:
    """Breakpoints whose canonical solution is none of those beside it, with that solution."""
    beside = [held.pieces[max(i - 1, 0) : i + 1] for i in range(len(held.corners))]
    return [
        (alpha, corner)
        for alpha, corner, pieces in zip(held.breakpoints, held.corners, beside, strict=True)
        if corner.players not in [piece.players for piece in pieces]
    ]


def _reading(item: Explanation, held: Continuum, n_shown: int) -> str:
    inside = held.breakpoints[1:-1]
    listed = ", ".join(number(round(alpha, 4)) for alpha in inside[:MOST_LISTED])
    more = f" and {len(inside) - MOST_LISTED} more" if len(inside) > MOST_LISTED else ""
    inner = f"dashed: it changes at α = {listed}{more}" if inside else "it is the same for every α"
    rest = len(item.names) - n_shown
    left_out = f" {counted(rest, item.noun)} in no solution left out." if rest and n_shown else ""
    dots = [alpha for alpha, _ in odd_corners(held)]
    at = " Dots: more sets tie at that α alone; the dots mark the first of them." if dots else ""
    sampled = any(piece.sufficiency.stderr or piece.necessity.stderr for piece in held.pieces)
    bands = " Bands: 95 % intervals." if sampled else ""
    ways = captions.ways_meaning(item)
    told = f"A bar: the {item.noun} is in the best set over these α; {inner}.{left_out}{at}{bands}"
    return f"{told} {ways}".strip()
