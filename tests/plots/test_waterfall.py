"""Steps of the waterfall are differences of f_S along the smallest sufficient set."""

import pytest
from matplotlib.colors import to_rgba

from onlyif.core.errors import SettingError
from onlyif.plots import style
from onlyif.plots.waterfall import plot_waterfall
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import chain_subsets, game_of_table

NAMES = ("age", "income", "work")


def told(ax):
    return " ".join(" ".join(text.get_text() for text in ax.texts).split())


def test_bars_lead_from_the_average_to_the_prediction_along_the_set():
    # {income, work} is enough; income alone is nearer to f(x) = 1 than work alone, which lowers f beside it.
    table = [0.25, 0.25, 1.5, 1.5, 0.125, 0.125, 0.96875, 1.0]
    item = explanation_of_game(game_of_table(table), GameCase(NAMES, ("39", "5", "x"), epsilon=0.0625))
    assert item.sufficient.names == ("income", "work")
    ax = plot_waterfall(item)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["income = 5", "work = x", "1 other feature"]
    bars = [patch for patch in ax.patches if patch.get_height() == pytest.approx(0.62)]
    assert [patch.get_x() for patch in bars] == [0.25, 1.5, 0.96875]
    assert [patch.get_width() for patch in bars] == [1.25, -0.53125, 0.03125]
    colours = [style.SUFFICIENT, style.NECESSARY, style.NEUTRAL]
    assert [patch.get_facecolor() for patch in bars] == [to_rgba(colour) for colour in colours]
    said = told(ax)
    assert "+1.25" in said and "-0.531" in said and "f(x) = 1" in said and "f_0 = 0.25" in said
    assert "within ε = 0.0625" in said


def test_without_a_table_it_says_how_to_get_one_and_of_nothing_its_status():
    beam = explanation_of_game(lambda kept: float(len(kept)), GameCase(NAMES), chain_subsets(3))
    with pytest.raises(SettingError, match="keep_table=True"):
        plot_waterfall(beam)
    ax = plot_waterfall(example_explanations()[2])
    assert not ax.patches and "Nothing to explain" in told(ax)


def test_where_all_are_needed_no_other_is_drawn_and_advice_is_given_once():
    item = explanation_of_game(game_of_table([0.0, 0.5, 0.5, 1.0]), GameCase(NAMES[:2], epsilon=0.125))
    assert len(item.statuses) == 2 and len({status.advice for status in item.statuses}) == 1
    ax = plot_waterfall(item)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["age = 1", "income = 1"]
    assert [patch.get_facecolor() for patch in ax.patches if patch.get_height() == pytest.approx(0.62)] == [
        to_rgba(style.SUFFICIENT)
    ] * 2
    said = told(ax)
    assert "The last" not in said and said.count(item.statuses[0].advice) == 1
