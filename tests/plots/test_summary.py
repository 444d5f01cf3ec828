"""The summary's bars and interval lines against the summary itself."""

import pytest

from onlyif.explanation.summary import summary
from onlyif.plots.summary import plot_summary
from onlyif.testing.explanations import example_explanations


def test_bars_are_shares_and_lines_their_intervals():
    held = summary(example_explanations())
    ax = plot_summary(held)
    names = [label.get_text() for label in ax.get_yticklabels()]
    players = {player.name: player for player in held.players}
    ordered = [players[name] for name in names]
    shares = [p.shares[kind] for kind in ("sufficient", "necessary", "unified") for p in ordered]
    assert [patch.get_width() for patch in ax.patches] == [share.value for share in shares]
    assert [tuple(line.get_xdata()) for line in ax.lines] == [share.interval() for share in shares]
    assert names == ["age", "income", "work class"]


def test_only_the_most_frequent_are_shown_and_that_is_said():
    ax = plot_summary(summary(example_explanations()), max_players=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["age", "income"]
    assert any("1 rarer feature left out." in " ".join(t.get_text().split()) for t in ax.texts)


def test_legend_names_the_three_sets():
    texts = [
        text.get_text() for text in plot_summary(summary(example_explanations())).get_legend().get_texts()
    ]
    assert texts == ["smallest ε-sufficient set: kept", "smallest ε-necessary set: hidden", "unified: both"]
    assert pytest.approx(1.0) == plot_summary(summary(example_explanations())).get_xlim()[1]
