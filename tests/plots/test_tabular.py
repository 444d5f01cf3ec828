"""One explanation as bars: the right cells are coloured, the right features shown."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from onlyif.plots import style
from onlyif.plots.tabular import plot_explanation
from onlyif.testing.explanations import Case, example_explanations, explanation_of_game
from onlyif.testing.games import chain_subsets

COLOURS = {0: style.SUFFICIENT, 1: style.NECESSARY, 2: style.UNIFIED}


def cells(ax):
    """For each of the three sets the labels of its coloured cells."""
    sets = ax.child_axes[0]
    labels = [label.get_text() for label in sets.get_yticklabels()]
    found = {0: [], 1: [], 2: []}
    for patch in sets.patches:
        column = round(patch.get_x() + patch.get_width() / 2)
        if to_hex(patch.get_facecolor()).upper() == COLOURS[column].upper():
            found[column].append(labels[round(patch.get_y() + patch.get_height() / 2)])
    return [sorted(found[column]) for column in range(3)]


@pytest.mark.parametrize("row", [0, 1, 2])
def test_coloured_cells_are_the_members_of_the_three_sets(row):
    item = example_explanations()[row]
    expected = [
        sorted(f"{item.names[i]} = {item.values[i]}" for i in chosen.players)
        for chosen in (item.sufficient, item.necessary, item.unified)
    ]
    assert cells(plot_explanation(item)) == expected


def test_shapley_bars_are_sorted_by_size_and_belong_to_their_label():
    item = example_explanations()[1]
    sets, bars = plot_explanation(item).child_axes
    labels = [label.get_text().split(" = ")[0] for label in sets.get_yticklabels()]
    widths = [patch.get_width() for patch in bars.patches]
    assert widths == pytest.approx([item.shapley[item.names.index(name)].item() for name in labels])
    assert [abs(width) for width in widths] == sorted((abs(w) for w in widths), reverse=True)


def test_without_shapley_values_there_is_one_panel_in_the_order_of_the_table():
    item = replace(example_explanations()[1], scores={})
    (sets,) = plot_explanation(item).child_axes
    assert [label.get_text() for label in sets.get_yticklabels()] == [
        "age = 17",
        "income = 0",
        "work class = missing",
    ]


def test_heads_give_size_and_gap_of_each_set():
    item = example_explanations()[1]
    ticks = [label.get_text() for label in plot_explanation(item).child_axes[0].get_xticklabels()]
    assert ticks == ["KEEP: 3\nΔsuf 0", "HIDE: 3\nΔnec 0", "BOTH: 2\nΔuni 0.15"]
    empty = plot_explanation(example_explanations()[2]).child_axes[0].get_xticklabels()
    assert [label.get_text().split("\n")[0] for label in empty] == ["KEEP: none", "HIDE: none", "BOTH: none"]


def test_of_many_features_those_in_a_set_and_the_largest_are_shown():
    names = tuple(f"f{i}" for i in range(30))
    item = explanation_of_game(lambda kept: float(len(kept)), Case(names, size=3), chain_subsets(30))
    item = replace(item, scores={"shapley": np.arange(30.0)})
    members = {*item.sufficient.players, *item.necessary.players, *item.unified.players}
    sets = plot_explanation(item, max_players=1).child_axes[0]
    assert {int(label.get_text()[1:].split()[0]) for label in sets.get_yticklabels()} == members
    small = replace(item, sets=dict.fromkeys(item.sets, item.unified))
    ax = plot_explanation(small, max_players=5)
    shown = [label.get_text().split()[0] for label in ax.child_axes[0].get_yticklabels()]
    assert set(shown) == {"f29", "f28"} | {f"f{i}" for i in item.unified.players}
    assert any("25 features in none of the sets left out" in " ".join(t.get_text().split()) for t in ax.texts)


def test_long_names_keep_their_ends():
    text = style.shortened("mean concave points (worst of three)", 20)
    assert len(text) == 20
    assert text.startswith("mean")
    assert text.endswith("three)")
    assert style.shortened("age", 20) == "age"
