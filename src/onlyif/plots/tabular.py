"""One explanation of a table's row as bars."""

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes

from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import counted, number
from onlyif.explanation.selection import Selection
from onlyif.explanation.text import empty_reason, size_rule
from onlyif.plots import style


def plot_explanation(
    item: Explanation | Explanations, ax: Axes | None = None, *, max_players: int = 20
) -> Axes:
    """Which players are in the three sets, with Shapley values beside where there are any.

    Players stand in the order of their Shapley values (largest effect first), else of
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
    one = style.one_row(item, Explanation, "plot_explanation", "plot_causes")
    shown = _shown(one, max_players)
    ax = style.axes_or_new(ax, 8.0, 0.3 * max(len(shown), 2) + 2.6)
    if one.shapley is None:
        (sets,) = style.columns(ax, (1.0,), 0.0)
    else:
        sets, bars = style.columns(ax, (1.0, 1.15), 0.04)
        _draw_shapley(bars, one.shapley, shown)
    _draw_sets(sets, one, shown)
    style.words(ax, _title(one), style.heading(one), f"{_reading(one, len(shown))} {style.credit(one)}")
    return ax


def _shown(item: Explanation, max_players: int) -> list[int]:
    order = [*range(len(item.names))]
    if item.shapley is not None:
        order = np.argsort(-np.abs(item.shapley), kind="stable").tolist()
    inside = {i for chosen in (item.sufficient, item.necessary, item.unified) for i in chosen.players}
    outside = [i for i in order if i not in inside][: max(0, max_players - len(inside))]
    return [i for i in order if i in inside or i in outside]


def _draw_sets(ax: Axes, item: Explanation, shown: list[int]) -> None:
    style.plain(ax)
    heads = (
        ("KEEP", "Δsuf", item.sufficient, item.sufficient.sufficiency.value, style.SUFFICIENT),
        ("HIDE", "Δnec", item.necessary, item.necessary.necessity.value, style.NECESSARY),
        ("BOTH", "Δuni", item.unified, item.unified.unified(item.alpha), style.UNIFIED),
    )
    for x, (_, _, held, _, colour) in enumerate(heads):
        _draw_set(ax, x, held, shown, colour)
    counts = [str(held.size or "none") for _, _, held, _, _ in heads]
    ticks = [f"{h[0]}: {count}\n{h[1]} {h[3]:.2g}" for h, count in zip(heads, counts, strict=True)]
    ax.set_xlim(-0.5, 2.5)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.set_xticks(range(3), ticks)
    ax.set_yticks(range(len(shown)), style.named_values(item, shown))
    ax.tick_params(length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def _draw_set(ax: Axes, x: int, held: Selection, shown: list[int], colour: str) -> None:
    for y, player in enumerate(shown):
        inside = player in held.players
        ax.barh(y, 0.86, 0.76, x - 0.43, color=colour if inside else style.FAINT)


def _draw_shapley(ax: Axes, shapley: Float64[np.ndarray, "d"], shown: list[int]) -> None:
    style.plain(ax)
    ax.barh(range(len(shown)), shapley[shown], 0.76, color=style.NEUTRAL)
    ax.axvline(0.0, color=style.INK, linewidth=0.8)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("Shapley value: share in f(x) - f_0", fontsize=style.LABEL, color=style.INK)


def _title(item: Explanation) -> str:
    sufficient, necessary = item.sufficient.size, item.necessary.size
    if not (sufficient or necessary):
        return "Nothing needs to be kept or hidden"
    return f"Keeping {counted(sufficient, 'feature')} is enough; hiding {necessary} undoes it"


def _reading(item: Explanation, n_shown: int) -> str:
    rest = len(item.names) - n_shown
    left_out = f" {counted(rest, 'feature')} in none of the sets left out." if rest else ""
    meaning = (
        "KEEP: keep only these and the prediction stays within ε. HIDE: hide only these and it is back at "
        f"the average within ε = {number(item.epsilon)}. BOTH: the best "
        f"of both at α = {number(item.alpha)} with {size_rule(item)}."
    )
    return f"{empty_reason(item) or meaning}{left_out}"
