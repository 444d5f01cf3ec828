"""Pictures of nodes and their edges: what is drawn, where nodes lie, and what is refused."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

import onlyif
from onlyif.core.errors import SettingError
from onlyif.plots import style
from onlyif.plots.graph import node_points, plot_edge_mask, plot_edge_sets
from onlyif.testing.explanations import example_explanations

PAIRS = np.array([[0, 1], [0, 2], [1, 3], [3, 4]]).T
BOTH = np.concatenate([PAIRS, PAIRS[::-1]], axis=1)


def _arrows(panel):
    return panel.findobj(FancyArrowPatch)


def _explained():
    def network(x, edge_index):
        for _ in range(2):
            received = np.zeros_like(x)
            np.add.at(received, edge_index[1], x[edge_index[0]])
            x = x + received
        return x

    graph = onlyif.Graph(np.array([[0.0], [4.0], [0.1], [-2.0], [3.0]]), BOTH)
    return onlyif.explain(network, graph, index=[0, 4], modality=onlyif.Graphs(hops=2))


def test_nodes_on_a_path_lie_on_a_line_and_distances_are_steps():
    points = node_points(np.array([[0, 1], [1, 2], [2, 3]]), 4, 0)
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    steps = abs(np.subtract.outer(np.arange(4), np.arange(4)))
    assert np.allclose(apart, steps * apart[0, 1], rtol=0.02)
    ring = node_points(np.array([[i, (i + 1) % 6] for i in range(6)]), 6, 2)
    assert np.allclose(np.linalg.norm(ring - ring.mean(0), axis=1).std(), 0, atol=1e-2)
    assert np.abs(ring).max() == pytest.approx(1, abs=1e-6)
    assert np.isfinite(node_points(np.array([[0, 1]]), 3, 2)).all()


def test_sets_of_edges_are_kept_and_removed_side_by_side():
    found = _explained()
    figure, given = pyplot.subplots(figsize=(10, 4))
    ax = plot_edge_sets(found[0], given)
    assert ax is given
    whole, *rest = ax.child_axes
    assert [panel.get_title().partition(":")[0] for panel in rest] == list(found[0].sets)
    assert len(_arrows(whole)) == len(found[0].names)
    for panel, (name, chosen) in zip(rest, found[0].sets.items(), strict=True):
        colour = {"sufficient": style.SUFFICIENT, "necessary": style.NECESSARY}.get(name, style.UNIFIED)
        drawn = [to_hex(arrow.get_edgecolor()).upper() for arrow in _arrows(panel)]
        assert drawn.count(colour) == chosen.size
    pyplot.close(figure)


def test_a_mask_is_drawn_as_wide_as_it_is():
    mask = np.array([0.2, 1.0, 0.0, 0.6, 0.0, 0.4, 0.0, 0.0])
    ax = plot_edge_mask(BOTH, mask, 0, 2)
    whole, kept, removed = ax.child_axes
    widths = [arrow.get_linewidth() for arrow in _arrows(whole)]
    assert np.argsort(widths).tolist() == [0, 3, 2, 1]
    assert widths[1] - widths[0] == pytest.approx(2 * (widths[2] - widths[0]))
    for panel, colour in ((kept, style.SUFFICIENT), (removed, style.NECESSARY)):
        drawn = [to_hex(arrow.get_edgecolor()).upper() for arrow in _arrows(panel)]
        assert [one == colour for one in drawn] == [False, True, True, False]
    pyplot.close(ax.figure)


def test_what_is_no_graph_is_refused():
    with pytest.raises(SettingError, match="by its edges, got the player 'age'"):
        plot_edge_sets(example_explanations()[1])
    with pytest.raises(SettingError, match="one number of at least 0 for each of 8 edges"):
        plot_edge_mask(BOTH, np.ones(7), 0, 1)
    with pytest.raises(SettingError, match="from 1 to the 8 edges"):
        plot_edge_mask(BOTH, np.ones(8), 0, 9)
