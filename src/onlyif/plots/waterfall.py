"""From the average prediction to that of one row, one member of its sufficient set after the other."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from onlyif.core.errors import SettingError
from onlyif.core.nouns import counted
from onlyif.core.subsets import code_of
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import number
from onlyif.explanation.status import StatusKind
from onlyif.plots import captions, style


def plot_waterfall(item: Explanation | Explanations, ax: Axes | None = None) -> Axes:
    """How the prediction moves from f_0 to f(x) as the members of the smallest sufficient set become known.

    Each step makes known the member that brings f_S nearest to f(x); the last bar is what all other features
    move together, which is within ε. Unlike the bars of Shapley values, a bar is a change of f_S for the
    features known so far, and a set that is enough ends where the prediction is.

    Args:
        item: The explanation of one row, made with `keep_table=True`.
        ax: Where to draw; None makes a figure of fitting size.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if it is not the explanation of one row, predictions of its subsets were not kept, or
            f is the number of a class.
    """
    one = captions.one_row(item, "plot_waterfall", "continua")
    if one.status.kind is StatusKind.NOTHING or "sufficient" in one.missing:
        ax = style.axes_or_new(ax, 8.0, 3.0)
        style.blank(ax, captions.no_answer(one))
        style.words(ax, captions.status_title(one), captions.heading(one), captions.credit(one))
        return ax
    if one.of_decisions:
        raise SettingError("plot_waterfall needs predictions that are amounts, got numbers of classes")
    if one.table is None:
        raise SettingError(
            "plot_waterfall needs the predictions for parts of the set, which were not kept: explain with "
            f"keep_table=True, where all subsets are compared; got {one.provenance.search!r}"
        )
    members = _order(one)
    levels = [float(one.table[code_of(members[:n])]) for n in range(len(members) + 1)]
    ax = style.axes_or_new(ax, 8.0, 0.36 * (len(members) + 1) + 2.9)
    style.plain(ax)
    others = len(one.names) - len(members)
    rest = [counted(others, f"other {one.noun}")] if others else []
    _draw_steps(ax, [*levels, one.prediction] if rest else levels, len(members))
    labels = [*captions.named_values(one, members), *rest]
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.set_xlabel(f"{one.provenance.output} f_S", fontsize=style.LABEL, color=style.INK)
    _mark_ends(ax, one)
    title = f"From {one.base_word} to f(x) with {counted(len(members), one.noun)}"
    near = "" if one.compares_decisions else f"Shaded: within ε = {number(one.epsilon)} of f(x)."
    caption = (
        f"Each bar: how far the mean prediction moves when this {one.noun} becomes known beside those above. "
        f"{'The last: all others together. ' if rest else ''}{near}".strip()
    )
    told = " ".join(filter(None, (caption, captions.verdicts(one), captions.credit(one))))
    style.words(ax, title, captions.heading(one), told, captions.warning(one))
    return ax


def _order(item: Explanation) -> list[int]:
    """The members of the set, each time the one that brings f_S nearest to f(x)."""
    chosen, left = list[int](), [*item.sufficient.players]
    while left and item.table is not None:
        table = item.table
        nearest = min(left, key=lambda i: (abs(table[code_of([*chosen, i])] - item.prediction), i))
        chosen.append(nearest)
        left.remove(nearest)
    return chosen


def _draw_steps(ax: Axes, levels: Sequence[float], n_members: int) -> None:
    """A bar from each level to the next, its amount beside it, thin lines between; grey after the members."""
    last = len(levels) - 2
    span = max(levels) - min(levels) or 1.0
    for y, (start, end) in enumerate(pairwise(levels)):
        colour = style.NEUTRAL if y == n_members else style.SUFFICIENT if end >= start else style.NECESSARY
        ax.barh(y, end - start, 0.62, start, color=colour, zorder=2)
        if y < last:
            ax.plot((end, end), (y, y + 1), color=style.NEUTRAL, linewidth=0.8, zorder=1)
        ax.text(
            max(start, end) + 0.01 * span,
            y,
            f"{end - start:+.3g}",
            va="center",
            fontsize=style.SMALL,
            color=style.INK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )
    ax.set_xlim(min(levels) - 0.04 * span, max(levels) + 0.16 * span)


def _mark_ends(ax: Axes, item: Explanation) -> None:
    """Lines at f_0 and f(x), named on top, and the band within ε."""
    if not item.compares_decisions:
        low, high = item.prediction - item.epsilon, item.prediction + item.epsilon
        ax.axvspan(low, high, color=style.SUFFICIENT, alpha=0.1, linewidth=0, zorder=0)
    for value in (item.base, item.prediction):
        ax.axvline(value, color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    names = ((item.base, item.base_word), (item.prediction, "f(x)"))
    for value, name in names:
        ax.annotate(
            f"{name} = {number(value)}",
            (value, 1.0),
            (0.0, 3.0),
            ("data", "axes fraction"),
            "offset points",
            ha="left" if value == min(item.base, item.prediction) else "right",
            fontsize=style.SMALL,
            color=style.INK,
        )
