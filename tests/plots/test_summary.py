"""The summary's bars and interval lines against the summary itself."""

import pytest

import onlyif
from onlyif.explanation.summary import summary
from onlyif.plots.summary import plot_summary
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import game_of_table


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


def test_what_speaks_against_the_prediction_is_hatched_and_verdicts_are_counted():
    item = explanation_of_game(game_of_table([0.0, 0.8, -0.3, 0.5]), GameCase(("a", "b"), epsilon=0.1))
    assert item.speaks_against(item.sufficient.directions[1])
    ax = plot_summary(onlyif.Explanations((item, *[example_explanations()[2]] * 3)))
    hatched = [patch for patch in ax.patches if patch.get_hatch()]
    assert [patch.get_width() for patch in hatched] == [1.0] * 3
    said = " ".join(" ".join(text.get_text().split()) for text in ax.texts)
    assert "4 rows: nothing to explain 3, all features 1" in said
    assert "Sufficient sets: holds 4; necessary sets: holds 4." in said


def test_legend_names_the_three_sets():
    texts = [
        text.get_text() for text in plot_summary(summary(example_explanations())).get_legend().get_texts()
    ]
    assert texts == ["smallest ε-sufficient set: kept", "smallest ε-necessary set: hidden", "unified: both"]
    assert pytest.approx(1.0) == plot_summary(summary(example_explanations())).get_xlim()[1]
