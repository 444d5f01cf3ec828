"""One explanation of a table's row as bars."""

import math

from matplotlib.axes import Axes

from onlyif.core.nouns import counted
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import clipped, number, permitted_text
from onlyif.explanation.passages import size_rule
from onlyif.explanation.selection import Measure, Selection
from onlyif.plots import captions, style

# Inches below which the columns of sets have room for their names and verdicts alone.
TIGHT = 2.6
SCORES = {"shapley": "Shapley value: share in f(x) - f_0", "pns": "PNS of the {noun} alone"}


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
    one = captions.one_row(item, "plot_explanation")
    if _is_empty(one):
        ax = style.axes_or_new(ax, 8.0, 3.0)
        (panel,) = style.panels(ax, (1.0,), 0.0)
        style.blank(panel, captions.no_answer(one))
        style.words(ax, captions.status_title(one), captions.heading(one), captions.credit(one))
        return ax
    shown = _shown(one, max_players)
    ax = style.axes_or_new(ax, 8.0, 0.3 * max(len(shown), 2) + 2.9)
    if _has_scores(one):
        sets, bars = style.columns(ax, (2.2 if style.narrow(ax) else 1.25, 1.0), 14.0)
        _draw_scores(bars, one, shown)
    else:
        (sets,) = style.columns(ax, (1.0,), 0.0)
    _draw_sets(sets, one, shown)
    caption = f"{_reading(one, len(shown))} {captions.credit(one)}"
    style.words(ax, _title(one), captions.heading(one), caption, captions.warning(one))
    return ax


def _has_scores(item: Explanation) -> bool:
    """Whether there are scores to draw: shares in numbers of classes tell nothing."""
    return bool(item.scores) and not item.of_decisions


def _is_empty(item: Explanation) -> bool:
    """Whether there is nothing to draw, and something to say instead."""
    return bool(item.reason) and not any(chosen.size for chosen in item.sets.values())


def _shown(item: Explanation, max_players: int) -> list[int]:
    order = captions.player_order(item)
    inside = {i for chosen in item.sets.values() for i in chosen.players}
    outside = [i for i in order if i not in inside][: max(0, max_players - len(inside))]
    return [i for i in order if i in inside or i in outside]


def _head(item: Explanation, name: str, chosen: Selection) -> tuple[str, str, str]:
    """What stands above the column of a set, its name and what was measured of it, and a colour."""
    match name:
        case "sufficient":
            return "KEEP", captions.gap_text(item, name), style.SUFFICIENT
        case "necessary":
            return "HIDE", captions.gap_text(item, name), style.NECESSARY
        case "unified":
            return "BOTH", f"Δuni {chosen.unified(item.alpha):.2g}", style.UNIFIED
        case "cause":
            return "CAUSE", f"PNS {chosen.pns.value:.2g}", style.UNIFIED
        case _:
            key, measure = next(iter(chosen.measures.items()), ("", Measure(math.nan)))
            colour = style.LINES[[*item.sets].index(name) % len(style.LINES)]
            return clipped(name.upper(), 12), f"{clipped(key, 12)} {measure.value:.2g}", colour


def _draw_sets(ax: Axes, item: Explanation, shown: list[int]) -> None:
    style.plain(ax)
    ticks = []
    for x, (name, chosen) in enumerate(item.sets.items()):
        title, measured, colour = _head(item, name, chosen)
        _draw_set(ax, x, item, chosen, (shown, colour))
        told = (
            f"\n{item.verdicts[name].finding.value}" if name in item.verdicts else "\n" * bool(item.verdicts)
        )
        between = "" if style.room(ax) / ax.figure.figure.dpi < TIGHT else f"\n{measured}"
        ticks.append(f"{title}: {chosen.size or 'none'}{between}{told}")
    ax.set_xlim(-0.5, max(len(ticks), 1) - 0.5)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(ticks)), ticks)
    ax.set_yticks(range(len(shown)), captions.named_values(item, shown))
    ax.tick_params(length=0)
    if style.narrow(ax):
        ax.tick_params(axis="x", labelsize=style.CAPTION[-1])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def _draw_set(ax: Axes, x: int, item: Explanation, chosen: Selection, look: tuple[list[int], str]) -> None:
    """One column: members in the set's colour, each with what it says to the prediction."""
    shown, colour = look
    ways = dict(zip(chosen.players, chosen.directions, strict=False))
    for y, player in enumerate(shown):
        said = captions.stance(item, ways[player]) if player in ways else ""
        face = colour if player in chosen.players else style.FAINT
        # Only what speaks for it is in full colour.
        filled = said in {"", "for"}
        edge = colour if player in chosen.players else "none"
        ax.barh(y, 0.86, 0.76, x - 0.43, color=face if filled else "white", edgecolor=edge, linewidth=1.5)
        text = ax.text(x, y, said, fontsize=style.SMALL, ha="center", va="center", fontweight="bold")
        text.set_color("white" if filled else colour)


def _draw_scores(ax: Axes, item: Explanation, shown: list[int]) -> None:
    name, scores = next(iter(item.scores.items()))
    style.plain(ax)
    ax.barh(range(len(shown)), scores[shown], 0.76, color=style.NEUTRAL)
    ax.axvline(0.0, color=style.INK, linewidth=0.8)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(SCORES.get(name, name).format(noun=item.noun), fontsize=style.LABEL, color=style.INK)


def _title(item: Explanation) -> str:
    if item.details.certificate is None:
        return f"Sets by the criterion {item.criterion}"
    if item.missing:
        return f"No permitted set is {' or '.join(item.missing)}"
    sufficient, necessary = item.sufficient.size, item.necessary.size
    if not (sufficient or necessary):
        return item.status.title.capitalize()
    if not captions.is_sure(item):
        return f"The smallest sets: keep {counted(sufficient, item.noun)}, hide {necessary}"
    if item.compares_decisions:
        kept = f"With {counted(sufficient, item.noun)} kept the decision stays"
        return f"{kept}; with {necessary} hidden it is gone"
    back = "the baseline" if item.against_baseline else "the average"
    return f"Keeping {counted(sufficient, item.noun)} is enough; hiding {necessary} leads back to {back}"


def _reading(item: Explanation, n_shown: int) -> str:
    rest = len(item.names) - n_shown
    left_out = f" {counted(rest, item.noun)} in none of the sets left out." if rest else ""
    meaning = _meaning(item) if item.details.certificate is not None else ""
    limits = f"Permitted: {permitted_text(item.settings)}." if item.constrained else ""
    told = meaning, limits, captions.ways_meaning(item), captions.verdict_meaning(item)
    return " ".join(filter(None, told)) + left_out


def _meaning(item: Explanation) -> str:
    """What the columns are."""
    both = f"BOTH: the best of both at α = {number(item.alpha)} with {size_rule(item)}."
    if item.compares_decisions:
        rest = "hidden" if "against" not in item.provenance.sentences else "as in the rows compared with"
        return (
            f"KEEP: with these {item.nouns} of the row alone, all others {rest}, the decision stays. HIDE: "
            f"with these alone {rest} it is gone. {both}"
        )
    return (
        "KEEP: keep only these and the prediction stays within ε. HIDE: hide only these and it is back at "
        f"the average within ε = {number(item.epsilon)}. {both}"
    )
