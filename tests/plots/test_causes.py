"""Pictures of causes: bars are as long as PNS, members are marked, the path is the path."""

from dataclasses import replace

import pytest

from onlyif.plots.causes import plot_causes, plot_path
from onlyif.testing.causes import example_causes


def test_bars_add_up_to_the_two_parts_and_stand_by_their_label():
    item = example_causes()[0]
    ax = plot_causes(item)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["age = 39", "income = 51000", "work class = Private"]
    lengths = [patch.get_width() for patch in ax.patches if patch.get_height() < 0.8]
    # Each part of the example is half its PNS.
    assert lengths == pytest.approx([0.125, 0.0625, 0.0] * 2)


def test_members_are_bold():
    weights = [label.get_fontweight() for label in plot_causes(example_causes()[0]).get_yticklabels()]
    assert weights == ["bold", "bold", "normal"]


@pytest.mark.parametrize("plot", [plot_causes, plot_path])
def test_where_nothing_is_a_cause_the_picture_says_so_and_what_to_do(plot):
    item = example_causes()[1]
    ax = plot(item)
    assert not (ax.patches or ax.lines or ax.get_yticks().size)
    said = " ".join(" ".join(text.get_text().split()) for text in ax.texts)
    assert item.status.kind.value.capitalize() in said and item.status.advice in said


def test_the_path_shows_every_size_and_the_mean():
    item = example_causes()[0]
    ax = plot_path(item)
    held = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert held["mean of all its sets"] == [[1, 0.125], [2, 0.25]]
    assert held["the cause shown"] == [[2, 0.5]]
    assert "mean of all its sets" not in {
        line.get_label() for line in plot_path(example_causes(0.0625)[0]).lines
    }


def test_members_are_shown_however_few_are_wanted():
    item = example_causes()[0]
    singles = (item.singles[2], item.singles[0], item.singles[1])
    moved = tuple(replace(s, players=(i,)) for i, s in enumerate(singles))
    moved = replace(item, details=replace(item.details, singles=moved))
    labels = [label.get_text() for label in plot_causes(moved, max_players=1).get_yticklabels()]
    assert labels == ["income = 51000", "age = 39"]
