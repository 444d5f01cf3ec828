"""Many rows in one picture: how often each player is in which set."""

from matplotlib.axes import Axes

from onlyif.core.errors import SettingError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import counted, sentence
from onlyif.explanation.summary import Share, Summary, summary
from onlyif.plots import style


def plot_summary(held: Summary | Explanations, ax: Axes | None = None, *, max_players: int = 20) -> Axes:
    """Shares of rows whose sufficient, necessary and unified set hold each player.

    Players that are in most sets come first; the lines are 95 % intervals.

    Args:
        held: What `summary` returned, or the explanations themselves.
        ax: Where to draw; None makes a figure of fitting size.
        max_players: Most players shown.

    Returns:
        The axes given, or the new ones.

    Raises:
        SettingError: if there is no explanation, or they are not explanations by sets.
    """
    held = _summary(held)
    order = sorted(held.players, key=lambda p: -(p.sufficient.value + p.necessary.value + p.unified.value))
    shown = order[:max_players]
    ax = style.axes_or_new(ax, 8.0, 0.5 * len(shown) + 2.4)
    style.plain(ax)
    for nth, (word, colour, shares) in enumerate(
        (
            ("smallest ε-sufficient set: kept", style.SUFFICIENT, [p.sufficient for p in shown]),
            ("smallest ε-necessary set: hidden", style.NECESSARY, [p.necessary for p in shown]),
            ("unified: both", style.UNIFIED, [p.unified for p in shown]),
        )
    ):
        _draw_shares(ax, (nth - 1) * 0.27, shares, colour, word)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_yticks(range(len(shown)), [style.shortened(player.name, style.LONGEST_NAME) for player in shown])
    ax.set_xlabel("share of rows", fontsize=style.LABEL, color=style.INK)
    rows = f"{counted(held.n_rows, 'row')}, {held.n_informative} of them informative"
    style.legend_above(ax, 3)
    rest = len(order) - len(shown)
    left_out = f" {counted(rest, 'rarer feature')} left out." if rest else ""
    hiding = " ".join(sentence(said) for said in held.references)
    style.words(
        ax, "How often each feature is in the set", rows, f"Lines: 95 % intervals.{left_out} {hiding}"
    )
    return ax


def _summary(held: Summary | Explanations) -> Summary:
    if isinstance(held, Summary):
        return held
    if isinstance(held, Explanation | Explanations):
        return summary(held)
    raise SettingError(
        f"plot_summary draws explanations by sets or their summary, got {type(held).__name__}"
        + ("; draw causes row by row with plot_causes" if "Causal" in type(held).__name__ else "")
    )


def _draw_shares(ax: Axes, shift: float, shares: list[Share], colour: str, word: str) -> None:
    places = [i + shift for i in range(len(shares))]
    ax.barh(places, [share.value for share in shares], 0.25, color=colour, label=word)
    for place, share in zip(places, shares, strict=True):
        ax.plot(share.interval(), (place, place), color=style.INK, linewidth=1.0, clip_on=False)
