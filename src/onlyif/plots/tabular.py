"""One explanation of a table's row as bars."""

import math

import numpy as np
from matplotlib.axes import Axes

from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import clipped, counted, number
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.text import size_rule
from onlyif.plots import style

SCORES = {"shapley": "Shapley value: share in f(x) - f_0", "pns": "PNS of the feature alone"}


def plot_explanation(
    item: Explanation | Explanations, ax: Axes | None = None, *, max_players: int = 20
) -> Axes:
    """Which players are in which set, with their scores beside where there are any, as Shapley values.

    Players stand in the order of their scores (largest effect first), else of
    the table. The axes given are divided; the panels are its `child_axes`.

    Args:
        item: The explanation of one row.
        ax: Where to draw; None makes a figure of fitting size.
        max_players: Most players shown; all that are in a set are shown in any case.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if it is not the explanation of one row.
    """
    one = style.one_row(item, "plot_explanation")
    shown = _shown(one, max_players)
    ax = style.axes_or_new(ax, 8.0, 0.3 * max(len(shown), 2) + 2.6)
    if one.scores:
        sets, bars = style.columns(ax, (1.0, 1.15), 0.04)
        _draw_scores(bars, one, shown)
    else:
        (sets,) = style.columns(ax, (1.0,), 0.0)
    _draw_sets(sets, one, shown)
    style.words(ax, _title(one), style.heading(one), f"{_reading(one, len(shown))} {style.credit(one)}")
    return ax


def _shown(item: Explanation, max_players: int) -> list[int]:
    order = [*range(len(item.names))]
    for scores in [*item.scores.values()][:1]:
        order = np.argsort(-np.abs(scores), kind="stable").tolist()
    inside = {i for chosen in item.sets.values() for i in chosen.players}
    outside = [i for i in order if i not in inside][: max(0, max_players - len(inside))]
    return [i for i in order if i in inside or i in outside]


def _head(item: Explanation, name: str, chosen: Selection) -> tuple[str, str, float, str]:
    """What stands above the column of a set: its name, a symbol with its value, a colour."""
    match name:
        case "sufficient":
            return "KEEP", "Δsuf", chosen.sufficiency.value, style.SUFFICIENT
        case "necessary":
            return "HIDE", "Δnec", chosen.necessity.value, style.NECESSARY
        case "unified":
            return "BOTH", "Δuni", chosen.unified(item.alpha), style.UNIFIED
        case "cause":
            return "CAUSE", "PNS", chosen.pns.value, style.UNIFIED
        case _:
            key, measure = next(iter(chosen.measures.items()), ("", Measure(math.nan)))
            colour = style.LINES[[*item.sets].index(name) % len(style.LINES)]
            return clipped(name.upper(), 12), clipped(key, 12), measure.value, colour


def _draw_sets(ax: Axes, item: Explanation, shown: list[int]) -> None:
    style.plain(ax)
    ticks = []
    for x, (name, chosen) in enumerate(item.sets.items()):
        title, symbol, value, colour = _head(item, name, chosen)
        _draw_set(ax, x, chosen, shown, colour)
        ticks.append(f"{title}: {chosen.size or 'none'}\n{symbol} {value:.2g}")
    ax.set_xlim(-0.5, max(len(ticks), 1) - 0.5)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(ticks)), ticks)
    ax.set_yticks(range(len(shown)), style.named_values(item, shown))
    ax.tick_params(length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def _draw_set(ax: Axes, x: int, held: Selection, shown: list[int], colour: str) -> None:
    for y, player in enumerate(shown):
        inside = player in held.players
        ax.barh(y, 0.86, 0.76, x - 0.43, color=colour if inside else style.FAINT)


def _draw_scores(ax: Axes, item: Explanation, shown: list[int]) -> None:
    name, scores = next(iter(item.scores.items()))
    style.plain(ax)
    ax.barh(range(len(shown)), scores[shown], 0.76, color=style.NEUTRAL)
    ax.axvline(0.0, color=style.INK, linewidth=0.8)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(SCORES.get(name, name), fontsize=style.LABEL, color=style.INK)


def _title(item: Explanation) -> str:
    if item.details.certificate is None:
        return f"Sets by the criterion {item.criterion}"
    sufficient, necessary = item.sufficient.size, item.necessary.size
    if not (sufficient or necessary):
        return "Nothing needs to be kept or hidden"
    return f"Keeping {counted(sufficient, 'feature')} is enough; hiding {necessary} undoes it"


def _reading(item: Explanation, n_shown: int) -> str:
    rest = len(item.names) - n_shown
    left_out = f" {counted(rest, 'feature')} in none of the sets left out." if rest else ""
    meaning = ""
    if item.details.certificate is not None:
        meaning = (
            "KEEP: keep only these and the prediction stays within ε. HIDE: hide only these and it is back "
            f"at the average within ε = {number(item.epsilon)}. BOTH: the best "
            f"of both at α = {number(item.alpha)} with {size_rule(item)}."
        )
    return f"{item.reason or meaning}{left_out}"
