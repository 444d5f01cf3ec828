"""One explanation as bars: the right cells are coloured, the right features shown."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from onlyif.explanation.selection import Measure
from onlyif.plots import style
from onlyif.plots.tabular import plot_explanation
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import chain_subsets, game_of_table

COLOURS = {0: style.SUFFICIENT, 1: style.NECESSARY, 2: style.UNIFIED}


def cells(ax):
    """For each of the three sets the labels of its coloured cells."""
    sets = ax.child_axes[0]
    labels = [label.get_text() for label in sets.get_yticklabels()]
    found = {0: [], 1: [], 2: []}
    for patch in sets.patches:
        column = round(patch.get_x() + patch.get_width() / 2)
        if to_hex(patch.get_edgecolor()).upper() == COLOURS[column].upper():
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
    assert ticks == ["KEEP: 3\nΔsuf 0\nholds", "HIDE: 3\nΔnec 0\nholds", "BOTH: 2\nΔuni 0.15\n"]


def test_cells_say_what_their_member_speaks_for_and_only_that_is_in_full_colour():
    # b speaks against what a says alone, and c for it only beside others.
    table = [0.0, 0.8, -0.2, 0.6, 0.0, 0.9, -0.1, 1.0]
    item = explanation_of_game(game_of_table(table), GameCase(("a", "b", "c"), epsilon=0.0))
    sets = plot_explanation(item).child_axes[0]
    said = {(t.get_position()[0], t.get_position()[1]): t.get_text() for t in sets.texts}
    labels = [label.get_text().split(" = ")[0] for label in sets.get_yticklabels()]
    for x, chosen in enumerate(item.sets.values()):
        ways = dict(zip(chosen.names, chosen.directions, strict=True))
        words = {name: said[x, labels.index(name)] for name in labels}
        want = {
            name: {"raises": "for", "lowers": "against", "none": "nothing"}.get(way.value, way.value)
            for name, way in ways.items()
        }
        assert words == {name: want.get(name, "") for name in labels}
    assert {"for", "depends"} <= set(said.values())
    full = [patch for patch in sets.patches if to_hex(patch.get_facecolor()).upper() in COLOURS.values()]
    assert len(full) == sum(word == "for" for word in said.values())


def test_where_a_set_does_not_hold_no_title_says_that_it_does():
    item = example_explanations()[0]
    fresh = {"fresh_sufficiency": Measure(1.0, 0.01), "fresh_necessity": Measure(0.0, 0.0)}
    chosen = replace(item.sufficient, measures={**item.sufficient.measures, **fresh})
    moved = replace(item, sets={**item.sets, "sufficient": chosen})
    ax = plot_explanation(moved)
    assert "does not hold" in ax.child_axes[0].get_xticklabels()[0].get_text()
    titles = {text.get_text().strip() for text in ax.texts if text.get_fontweight() == "bold"}
    assert titles - {""} == {"The smallest sets: keep 2 features, hide 2"}


def test_of_many_features_those_in_a_set_and_the_largest_are_shown():
    names = tuple(f"f{i}" for i in range(30))
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(names, size=3), chain_subsets(30))
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
