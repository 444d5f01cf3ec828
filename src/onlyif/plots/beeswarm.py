"""Sets over many rows: in which rows a feature is a member, at which predictions and with which values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from onlyif.core.errors import SettingError
from onlyif.core.nouns import counted, plural
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import sentence
from onlyif.explanation.pixels import PixelNames
from onlyif.plots import captions, style
from onlyif.plots.summary import KINDS

# Bins of the prediction in which dots are stacked, and how far dots of a line lie apart at most.
BINS, SPREAD = 40, 0.4
COLOURS = colormaps["cividis"]


def plot_beeswarm(
    held: Any, ax: Axes | None = None, *, kind: str = "sufficient", max_players: int = 20
) -> Axes:
    """Which features are in the sets of many rows: one dot per row, at its prediction.

    Features that are in most sets come first. Hollow dots speak against what is explained. Where Shapley
    values would put a dot for every row, only rows are shown whose set needs the feature.

    Args:
        held: Explanations of rows that have the same features.
        ax: Where to draw; None makes a figure of fitting size.
        kind: The kind of set: "sufficient", "necessary", "unified" or "cause".
        max_players: Most features shown.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if there is no explanation, they are not of the same features, one has no set of
            this kind where others do, or f is the number of a class.
    """
    items = _items(held, kind)
    names = items[0].names
    counts = [sum(player in item.sets[kind].players for item in items) for player in range(len(names))]
    order = sorted(range(len(names)), key=lambda i: (-counts[i], i))
    shown = [i for i in order if counts[i]][:max_players]
    rows = f"{counted(len(held), 'row')}, {items[0].provenance.output} explained"
    word, _, _ = KINDS.get(kind, (kind, ""))[0].partition(":")
    title = f"{plural(items[0].noun).capitalize()} in the {word}, row by row"
    credit = sentence(items[0].provenance.sentences.get("reference", ""))
    ax = style.axes_or_new(ax, 8.0, 0.42 * max(len(shown), 2) + 2.4)
    if not shown:
        style.blank(ax, "The sets of all these rows are empty.")
        style.words(ax, title, rows, credit)
        return ax
    style.plain(ax)
    for y, player in enumerate(shown):
        _draw_player(ax, y, player, [item for item in items if player in item.sets[kind].players])
    predictions = [item.prediction for item in items]
    margin = 0.04 * (max(predictions) - min(predictions) or 1.0)
    ax.set_xlim(min(predictions) - margin, max(predictions) + margin)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    labels = [f"{style.shortened(names[i], style.LONGEST_NAME)} ({counts[i]})" for i in shown]
    ax.set_yticks(range(len(shown)), labels)
    ax.set_xlabel("prediction f(x) of the row", fontsize=style.LABEL, color=style.INK)
    _draw_scale(ax)
    rest = len(names) - len(shown)
    left_out = f" {counted(rest, items[0].noun)} left out." if rest else ""
    reading = "A dot: a row whose set holds the feature; in brackets, how many. Hollow: it speaks against."
    style.words(ax, title, rows, f"{reading} Grey: the value is no number.{left_out} {credit}".strip())
    return ax


def _items(held: Any, kind: str) -> list[Explanation]:
    """The explanations that have such a set.

    Raises:
        SettingError: if they cannot be drawn together.
    """
    if not isinstance(held, Explanations) or not len(held):
        raise SettingError(f"plot_beeswarm needs explanations of many rows, got {held!r}")
    items = [item for item in held if kind in item.sets]
    if not items:
        raise SettingError(f"need a kind of set among {sorted(held[0].sets)}, got {kind!r}")
    if any(
        isinstance(item.names, PixelNames) or tuple(item.names) != tuple(items[0].names) for item in items
    ):
        raise SettingError("need rows that have the same features, got several kinds of rows or pixels")
    if any(item.of_decisions for item in items):
        raise SettingError("plot_beeswarm needs predictions that are amounts, got numbers of classes")
    return items


def _draw_player(ax: Axes, y: int, player: int, items: Sequence[Explanation]) -> None:
    x = np.array([item.prediction for item in items])
    ranks = _ranks([item.values[player] for item in items])
    for item, place, height, rank in zip(items, x, y + _heights(x), ranks, strict=True):
        colour = style.NEUTRAL if np.isnan(rank) else COLOURS(float(rank))
        hollow = captions.stances(item, player) == "against"
        ax.plot(
            [place],
            [height],
            "o",
            markersize=4.5,
            color=colour,
            markerfacecolor="white" if hollow else colour,
        )


def _heights(x: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """How far each dot lies from its line: those of equal predictions above and below it by turns."""
    span = float(np.ptp(x)) or 1.0
    bins = np.floor((x - x.min()) / span * BINS).astype(int)
    nth = np.zeros(len(x))
    for number in np.unique(bins):
        inside = np.flatnonzero(bins == number)
        nth[inside] = [(-1) ** k * ((k + 1) // 2) for k in range(len(inside))]
    return nth * min(0.1, SPREAD / max(1.0, float(np.abs(nth).max())))


def _ranks(values: Sequence[str]) -> Float64[np.ndarray, "n"]:
    """Each value's rank among these, from 0 to 1; NaN where it is no number."""
    numbers = np.array([_number(value) for value in values])
    known = np.unique(numbers[~np.isnan(numbers)])
    ranks = np.searchsorted(known, numbers) / max(len(known) - 1, 1)
    return np.where(np.isnan(numbers), np.nan, ranks)


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _draw_scale(ax: Axes) -> None:
    bar = ax.figure.colorbar(
        ScalarMappable(Normalize(0.0, 1.0), COLOURS), cax=ax.inset_axes((1.02, 0.1, 0.02, 0.8))
    )
    bar.set_ticks([0.0, 1.0], labels=["low", "high"])
    bar.set_label("the feature's value", fontsize=style.LABEL, color=style.INK)
    bar.ax.tick_params(labelsize=style.SMALL, length=0)
