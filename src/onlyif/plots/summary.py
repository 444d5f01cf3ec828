"""Many rows in one picture: how often each player is in which set."""

from matplotlib.axes import Axes

from onlyif.core.errors import SettingError
from onlyif.core.nouns import counted
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import counts_text, sentence
from onlyif.explanation.summaries import Share, Summary
from onlyif.explanation.summary import summary
from onlyif.plots import style

KINDS = {
    "sufficient": ("smallest ε-sufficient set: kept", style.SUFFICIENT),
    "necessary": ("smallest ε-necessary set: hidden", style.NECESSARY),
    "unified": ("unified: both", style.UNIFIED),
    "cause": ("most probable cause", style.UNIFIED),
}


def plot_summary(
    held: Summary | Explanation | Explanations, ax: Axes | None = None, *, max_players: int = 20
) -> Axes:
    """Shares of rows whose sets hold each player: sufficient, necessary and unified, or causes.

    Players that are in most sets come first; the lines are 95 % intervals.

    Args:
        held: What `summary` returned, or the explanations themselves.
        ax: Where to draw; None makes a figure of fitting size.
        max_players: Most players shown.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if there is no explanation, or the players are pixels.
    """
    told = held if isinstance(held, Summary) else summary(held)
    if not told.players or not told.sets:
        raise SettingError("plot_summary draws sets of named players, got a summary of pixels or of scores")
    order = sorted(told.players, key=lambda p: -sum(share.value for share in p.shares.values()))
    shown, kinds = order[:max_players], [one.selection for one in told.sets]
    rows = f"{counted(told.n_rows, 'row')}: {counts_text(told.statuses)}"
    if not any(share.count for player in told.players for share in player.shares.values()):
        ax = style.axes_or_new(ax, 8.0, 3.0)
        style.blank(ax, "The sets of all these rows are empty.")
        style.words(ax, "No feature is in any set", rows, _hiding(told))
        return ax
    ax = style.axes_or_new(ax, 8.0, 0.5 * len(shown) + 2.4)
    style.plain(ax)
    height = 0.81 / max(len(kinds), 1)
    for nth, kind in enumerate(kinds):
        word, colour = KINDS.get(kind, (kind, style.LINES[nth % len(style.LINES)]))
        shift = (nth - (len(kinds) - 1) / 2) * height
        _draw_shares(ax, (shift, height), [player.shares[kind] for player in shown], colour, word)
        against = [player.against.get(kind, 0) / player.shares[kind].total for player in shown]
        _draw_against(ax, (shift, height), against, colour)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_yticks(range(len(shown)), [style.shortened(player.name, style.LONGEST_NAME) for player in shown])
    ax.set_xlabel("share of rows", fontsize=style.LABEL, color=style.INK)
    style.legend_above(ax, 3)
    rest = len(order) - len(shown)
    left_out = f" {counted(rest, f'rarer {told.noun}')} left out." if rest else ""
    style.words(
        ax, f"How often each {told.noun} is in the set", rows, f"{_reading(told)}{left_out} {_hiding(told)}"
    )
    return ax


def _reading(told: Summary) -> str:
    """What the marks are, and how many sets hold."""
    opposed = any(count for player in told.players for count in player.against.values())
    against = " Hatched: it speaks against what is explained there." if opposed else ""
    verdicts = [f"{one.selection} sets: {counts_text(one.verdicts)}" for one in told.sets if one.verdicts]
    hold = f" {sentence('; '.join(verdicts))}" if verdicts else ""
    return f"Lines: 95 % intervals.{against}{hold}"


def _hiding(told: Summary) -> str:
    return " ".join(sentence(said) for said in told.sentences)


def _draw_against(ax: Axes, at: tuple[float, float], shares: list[float], colour: str) -> None:
    """The part of the bars in which the feature speaks against what is explained."""
    shift, height = at
    drawn = [(i + shift, share) for i, share in enumerate(shares) if share]
    if drawn:
        places, widths = zip(*drawn, strict=True)
        ax.barh(places, widths, 0.93 * height, color="white", edgecolor=colour, hatch="////", linewidth=1.0)


def _draw_shares(ax: Axes, at: tuple[float, float], shares: list[Share], colour: str, word: str) -> None:
    shift, height = at
    places = [i + shift for i in range(len(shares))]
    ax.barh(places, [share.value for share in shares], 0.93 * height, color=colour, label=word)
    for place, share in zip(places, shares, strict=True):
        ax.plot(share.interval(), (place, place), color=style.INK, linewidth=1.0, clip_on=False)
