"""The continuum's picture shows exactly the pieces, breakpoints and gaps of the explanation."""

import pytest

from onlyif.plots.continuum import odd_corners, plot_continuum
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
    ticks = [label.get_text() for label in ax.child_axes[1].get_xticklabels()]
    assert ticks == ["0", "0.25", "0.5", "0.667", "0.75", "1"]
    assert any("dashed: it changes at α = 0.6667." in text.get_text().replace("\n", " ") for text in ax.texts)


def test_labels_of_close_breakpoints_are_left_out():
    from onlyif.plots.continuum import _ticks

    assert _ticks((0.0, 0.03, 0.3, 0.33, 0.98, 1.0)) == [0.0, 0.3, 0.5, 0.75, 1.0]


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
