"""Dots of many rows: where they lie, how they are coloured, and which are hollow."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import onlyif
from onlyif.core.errors import SettingError
from onlyif.plots import style
from onlyif.plots.beeswarm import COLOURS, plot_beeswarm
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import game_of_table
from onlyif.testing.masks import example_masks


def rows(values):
    """Rows whose smallest sufficient set is {a}, where b lowers the prediction."""
    item = explanation_of_game(game_of_table([0.0, 1.0, -0.25, 1.0]), GameCase(("a", "b"), epsilon=0.0))
    return onlyif.Explanations(tuple(replace(item, values=(value, "0")) for value in values))


def dots(ax):
    return [line for line in ax.lines if line.get_marker() == "o"]


def test_a_dot_for_each_row_whose_set_holds_the_feature_coloured_by_rank():
    ax = plot_beeswarm(rows(["30", "10", "1e3", "unknown"]))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a (4)"]
    assert [float(dot.get_xdata()[0]) for dot in dots(ax)] == [1.0] * 4
    heights = [float(dot.get_ydata()[0]) for dot in dots(ax)]
    assert len(set(heights)) == 4 and np.abs(heights).max() < 0.5
    wanted = [COLOURS(0.5), COLOURS(0.0), COLOURS(1.0), to_rgba(style.NEUTRAL)]
    assert [to_rgba(dot.get_color()) for dot in dots(ax)] == wanted


def test_hollow_dots_speak_against():
    item = explanation_of_game(game_of_table([0.0, 0.8, -0.3, 0.5]), GameCase(("a", "b"), epsilon=0.1))
    ax = plot_beeswarm(onlyif.Explanations((item,)))
    faces = {round(float(dot.get_ydata()[0])): dot.get_markerfacecolor() for dot in dots(ax)}
    ways = [item.speaks_against(way) for way in item.sufficient.directions]
    assert [faces[i] == "white" for i in range(2)] == ways == [False, True]


def test_empty_sets_are_told_and_what_cannot_be_drawn_together_is_refused():
    nothing = onlyif.Explanations((example_explanations()[2],))
    assert "The sets of all these rows are empty." in [t.get_text() for t in plot_beeswarm(nothing).texts]
    with pytest.raises(SettingError, match="need a kind of set among"):
        plot_beeswarm(rows(["1"]), kind="tall")
    for held in (onlyif.Explanations(()), example_explanations()[0], example_masks()):
        with pytest.raises(SettingError):
            plot_beeswarm(held, kind="unified")
