"""The plane's points are those of a plain loop over all subsets."""

import numpy as np
import pytest

from onlyif.core.errors import SettingError
from onlyif.criteria.distances import LogitDistance
from onlyif.plots import plane
from onlyif.plots.plane import plot_plane
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import all_subsets, chain_subsets, game_of_table


def cloud(ax):
    (points,) = ax.collections
    return points


def test_every_set_is_a_point_with_its_size_as_colour():
    item = example_explanations()[1]
    table = item.table.tolist()
    game = game_of_table(table)
    expected = []
    for chosen in all_subsets(3):
        rest = frozenset(range(3)) - frozenset(chosen)
        expected.append((abs(table[-1] - game(frozenset(chosen))), abs(game(rest) - table[0]), len(chosen)))
    points = cloud(plot_plane(item))
    drawn = [(*map(float, p), int(s)) for p, s in zip(points.get_offsets(), points.get_array(), strict=True)]
    for a, b in zip(sorted(drawn), sorted(expected), strict=True):
        assert a == pytest.approx(b)


def test_the_hull_and_the_three_sets_are_at_their_gaps():
    item = example_explanations()[1]
    lines = {line.get_label(): line for line in plot_plane(item).lines}
    hull = lines["best sets over α, at most 2 features"]
    pieces = item.continuum.pieces
    assert list(hull.get_xdata()) == [piece.sufficiency.value for piece in pieces]
    assert list(hull.get_ydata()) == [piece.necessity.value for piece in pieces]
    for label, chosen in [
        ("smallest ε-sufficient set", item.sufficient),
        ("smallest ε-necessary set", item.necessary),
        ("best at α = 0.5", item.unified),
    ]:
        (x,), (y,) = lines[label].get_xdata(), lines[label].get_ydata()
        assert (x, y) == (chosen.sufficiency.value, chosen.necessity.value)


def test_sizes_have_whole_colours_and_marks_on_one_point_have_several_sizes():
    item = explanation_of_game(lambda kept: float(0 in kept), GameCase(("a", "b")))
    ax = plot_plane(item)
    points = cloud(ax)
    assert list(points.norm.boundaries) == [-0.5, 0.5, 1.5, 2.5] and points.cmap.N == 3
    marks = ax.lines[1:]
    assert len({(*mark.get_xdata(), *mark.get_ydata()) for mark in marks}) == 1
    assert len({mark.get_markersize() for mark in marks}) == 3


def test_an_explanation_of_nothing_is_drawn_as_its_status():
    ax = plot_plane(example_explanations()[2])
    assert not (ax.lines or ax.collections)
    assert {text.get_text().strip() for text in ax.texts if text.get_fontweight() == "bold"} - {""} == {
        "Nothing to explain"
    }


def test_without_a_table_only_the_solutions_are_drawn_and_that_is_said():
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(("a", "b", "c")), chain_subsets(3))
    ax = plot_plane(item)
    assert not ax.collections
    assert any("their predictions were not kept" in " ".join(t.get_text().split()) for t in ax.texts)


def test_another_distance_than_the_explanations_is_refused():
    with pytest.raises(SettingError, match=r"need the distance of the explanation \(\|a - b\|.*got \|logit"):
        plot_plane(example_explanations()[1], distance=LogitDistance())


def test_too_many_sets_are_thinned_out_and_that_is_said(monkeypatch):
    monkeypatch.setattr(plane, "MOST_POINTS", 5)
    ax = plot_plane(example_explanations()[1])
    assert len(cloud(ax).get_offsets()) == 5
    assert any("5 of 8 sets are drawn" in " ".join(t.get_text().split()) for t in ax.texts)


def test_the_thinning_is_the_same_each_time_and_leaves_the_global_generator_alone(monkeypatch):
    monkeypatch.setattr(plane, "MOST_POINTS", 5)
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    first, second = (cloud(plot_plane(example_explanations()[1])).get_offsets().tolist() for _ in range(2))
    assert first == second
    assert np.random.get_state()[1].tolist() == before
