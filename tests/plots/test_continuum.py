"""The continuum's picture shows exactly the pieces, breakpoints and gaps of the explanation."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot

from onlyif.plots.continuum import odd_corners, plot_continuum
from onlyif.plots.tabular import plot_explanation
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import game_of_table

NAMES = ("age", "income", "work class")
COUNTER = [0.0, 0.95, 0.1, 1.0, 0.1, 0.95, 0.0, 1.0]


def bent():
    """Two pieces, {age} and {age, income}, that meet at α = 2/3."""
    return explanation_of_game(game_of_table(COUNTER), GameCase(NAMES, ("39", "5", "x"), size=2, epsilon=0.1))


def bars(ax):
    """The bars of the upper panel: label of the row, and α from and to."""
    upper = ax.child_axes[0]
    labels = [label.get_text() for label in upper.get_yticklabels()]
    found = []
    for collection in upper.collections:
        for path in collection.get_paths():
            box = path.get_extents()
            if box.width > 0:
                found.append((labels[round((box.y0 + box.y1) / 2)], box.x0, box.x1))
    return sorted(found)


def test_bars_say_over_which_alpha_each_player_is_in_the_solution():
    assert bars(plot_continuum(bent())) == [
        ("age = 39 (for)", 0.0, pytest.approx(2 / 3)),
        ("age = 39 (for)", pytest.approx(2 / 3), 1.0),
        ("income = 5", pytest.approx(2 / 3), 1.0),
    ]


def test_lines_are_the_gaps_of_the_pieces():
    lower = plot_continuum(bent()).child_axes[1]
    suf, nec = lower.lines[:2]
    assert list(suf.get_xdata()) == pytest.approx([0, 2 / 3, 2 / 3, 1])
    assert list(suf.get_ydata()) == pytest.approx([0.05, 0.05, 0, 0])
    assert list(nec.get_ydata()) == pytest.approx([0, 0, 0.1, 0.1])
    assert suf.get_label().startswith("Δsuf")


def test_breakpoints_are_marked_in_both_panels_and_named():
    ax = plot_continuum(bent())
    for panel in ax.child_axes:
        marks = [
            line for line in panel.lines if list(line.get_ydata()) == [0, 1] and len(line.get_xdata()) == 2
        ]
        assert [mark.get_xdata()[0] for mark in marks if mark.get_linestyle() != "-"] == pytest.approx(
            [2 / 3]
        )
    upper, lower = ax.child_axes
    assert [label.get_text() for label in upper.get_xticklabels()] == ["0.667"]
    assert upper.get_xlabel() == "α at which the best set changes"
    assert [label.get_text() for label in lower.get_xticklabels()] == ["0", "0.25", "0.5", "0.75", "1"]
    assert any("dashed: it changes at α = 0.6667." in text.get_text().replace("\n", " ") for text in ax.texts)


def test_no_breakpoint_is_dropped_and_no_two_labels_touch():
    table = np.random.default_rng(12).random(64)
    table[0], table[-1] = 0.0, 1.0
    item = explanation_of_game(game_of_table(table.tolist()), GameCase(tuple("abcdef"), size=3))
    for width in (16.0, 3.0):
        figure = pyplot.figure(figsize=(width, 6.0))
        ax = plot_continuum(item, figure.add_subplot())
        upper = ax.child_axes[0]
        inside = item.continuum.breakpoints[1:-1]
        assert len(inside) > 1 and list(upper.get_xticks()) == pytest.approx([*inside])
        figure.canvas.draw()
        boxes = [label.get_window_extent() for label in upper.get_xticklabels() if label.get_text()]
        assert boxes and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        legend = ax.child_axes[1].get_legend().get_window_extent()
        assert not legend.overlaps(upper.get_window_extent())
        said = " ".join(" ".join(text.get_text() for text in ax.texts).split())
        assert all(f"{round(alpha, 4):g}" in said for alpha in inside)


def test_players_stand_in_the_same_order_in_every_picture_of_a_row():
    item = replace(bent(), scores={"shapley": np.array([0.1, -0.9, 0.2])})
    ordered = [
        [label.get_text().split(" = ")[0] for label in plot(item).child_axes[0].get_yticklabels()]
        for plot in (plot_explanation, plot_continuum)
    ]
    assert ordered == [["income", "work class", "age"], ["income", "age"]]


def test_bands_are_95_percent_intervals():
    item = example_explanations(stderr=0.01)[0]
    band = plot_continuum(item).child_axes[1].collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == pytest.approx(item.continuum.pieces[0].sufficiency.interval())


def test_a_solution_that_holds_at_one_alpha_alone_is_a_dot():
    item = explanation_of_game(game_of_table([0.0, 1.0, 0.5, 1.0]), GameCase(("a", "b")))
    ((alpha, corner),) = odd_corners(item.continuum)
    assert (alpha, corner.players) == (1.0, (0,))
    dots = plot_continuum(item).child_axes[0].collections[-1]
    assert dots.get_offsets().tolist() == [[1.0, 0.0]]
    assert not odd_corners(bent().continuum)


def test_where_every_solution_is_empty_the_reason_stands_in_the_picture():
    item = example_explanations()[2]
    (text,) = plot_continuum(item).child_axes[0].texts
    told = " ".join(text.get_text().split())
    assert told.startswith("Nothing to explain: ") and item.status.advice in told
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(NAMES, size=0))
    (text,) = plot_continuum(item).child_axes[0].texts
    assert text.get_text() == "The empty set is the best at every α."


def test_what_rests_on_exact_numbers_says_whether_the_sets_hold():
    ax = plot_continuum(example_explanations()[0])
    said = " ".join(" ".join(text.get_text() for text in ax.texts).split())
    exact = said.index("each exactly for these rows")
    assert (
        said.index("Whether a set holds was tried on these rows.")
        < said.index("Sufficient: holds; necessary: ")
        < exact
    )
