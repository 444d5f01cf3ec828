"""What is around a node: its edges, as wide as they count, and sets of them kept and removed."""

import re
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path

from onlyif.core.arrays import Array, doubled, on_host
from onlyif.core.errors import SettingError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import number
from onlyif.plots import captions, style

# With more nodes their numbers would cover one another, and only the explained one has its own.
MOST_NUMBERED = 35
_EDGE = re.compile(r"(\d+) ->? (\d+)")
STEPS = 200
THINNEST, WIDEST = 0.5, 3.0


@final
@dataclass(frozen=True, eq=False)
class _Edges:
    """Some edges and where their nodes lie.

    Args:
        labels: The numbers of the nodes.
        ends: The places among them that each edge goes from and to.
        directed: Whether each goes one way.
        centre: The place of the explained node.
        points: Where the nodes lie, from -1 to 1.
    """

    labels: Int64[np.ndarray, "n"]
    ends: Int64[np.ndarray, "e 2"]
    directed: bool
    centre: int
    points: Float64[np.ndarray, "n 2"]


def plot_edge_sets(item: Explanation | Explanations, ax: Axes | None = None) -> Axes:
    """The neighbourhood of a node: all edges, the sufficient ones, and without the necessary ones.

    Edges are as wide as their scores, where there are any.

    Args:
        item: The explanation of one node by `onlyif.explain`.
        ax: Where to draw; None makes a figure of fitting size.

    Returns:
        The axes given, or the new ones; the panels are its `child_axes`.

    Raises:
        SettingError: if it is not the explanation of one node by its edges.
    """
    one = captions.one_row(item, "plot_edge_sets")
    members = [_members(name, value) for name, value in zip(one.names, one.values, strict=True)]
    names = [name for each in members for name in each]
    owner = np.repeat(np.arange(len(members)), [len(each) for each in members])
    edges = _laid_out(np.array([_ends_of(name) for name in names]), "->" in names[0], int(str(one.row)))
    scores = next((doubled(one.scores[name]) for name in ("shapley", "pns") if name in one.scores), None)
    ax = style.axes_or_new(ax, 10.5, 4.4)
    whole, *rest = style.columns(ax, (1.0,) * (1 + len(one.sets)), 6.0)
    _draw(whole, edges, np.ones(len(names)) if scores is None else abs(scores)[owner], style.INK)
    _label(whole, "all edges", f"f(x) = {number(one.prediction)}")
    colours = {"sufficient": style.SUFFICIENT, "necessary": style.NECESSARY}
    for panel, (name, chosen) in zip(rest, one.sets.items(), strict=True):
        kept = name != "necessary"
        _draw_set(panel, edges, chosen.keep[owner], colours.get(name, style.UNIFIED), kept=kept)
        size = int(chosen.keep[owner].sum())
        _label(panel, f"{name}: {'kept' if kept else 'removed'}", f"{size} of {len(names)} edges")
    style.words(ax, f"Node {one.row} by its edges", captions.heading(one), captions.credit(one))
    return ax


def plot_edge_mask(edge_index: Array, edge_mask: Array, node: int, size: int, ax: Axes | None = None) -> Axes:
    """A mask over the edges around a node, with its highest entries kept and removed.

    Edges with a mask of 0 are left out, as those that are not around the node.

    Args:
        edge_index: The edges of the graph, (2, e).
        edge_mask: One number an edge, at least 0, (e,): the `edge_mask` of a torch_geometric `Explanation`.
        node: The explained node.
        size: How many of the highest entries are kept and removed.
        ax: Where to draw; None makes a figure of fitting size.

    Returns:
        The axes given, or the new ones; the panels are its `child_axes`.

    Raises:
        SettingError: if there is not one number an edge, none is above 0, or there are fewer than `size`.
    """
    ends, mask = on_host(edge_index).astype(np.int64), doubled(edge_mask)
    if mask.shape != ends.shape[1:] or not (mask >= 0).all():
        raise SettingError(
            f"need one number of at least 0 for each of {ends.shape[1]} edges, got {mask.shape}"
        )
    around = np.flatnonzero(mask > 0)
    if not 1 <= size <= len(around):
        raise SettingError(f"need a size from 1 to the {len(around)} edges whose mask is above 0, got {size}")
    edges, own = _laid_out(ends[:, around].T, directed=True, node=node), mask[around]
    top = np.zeros(len(own), dtype=bool)
    top[np.argsort(-own, kind="stable")[:size]] = True
    ax = style.axes_or_new(ax, 10.5, 4.2)
    whole, kept, removed = style.columns(ax, (1.0, 1.0, 1.0), 6.0)
    _draw(whole, edges, own, style.INK)
    _draw_set(kept, edges, top, style.SUFFICIENT, kept=True)
    _draw_set(removed, edges, top, style.NECESSARY, kept=False)
    for panel, name in ((whole, "mask"), (kept, "highest kept"), (removed, "highest removed")):
        _label(panel, name, f"{len(own)} edges" if panel is whole else f"{size} of {len(own)} edges")
    style.words(
        ax, f"Node {node} by its edges", "", "Edges are as wide as their mask. Faint ones are hidden."
    )
    return ax


def _members(name: str, value: str) -> list[str]:
    """The edges of a player: itself, or those of a group, which its value names."""
    members = value.split(", ")
    return members if all(_EDGE.fullmatch(one) for one in members) else [name]


def _ends_of(name: str) -> tuple[int, int]:
    """The nodes of an edge by its name.

    Raises:
        SettingError: if it is none.
    """
    found = _EDGE.fullmatch(name)
    if found is None:
        raise SettingError(f"need the explanation of a node by its edges, got the player {name!r}")
    return int(found[1]), int(found[2])


def _laid_out(ends: Int64[np.ndarray, "e 2"], directed: bool, node: int) -> _Edges:
    labels, places = np.unique(np.append(ends.ravel(), node), return_inverse=True)
    pairs, centre = places[:-1].reshape(-1, 2), int(places[-1])
    return _Edges(labels, pairs, directed, centre, node_points(pairs, len(labels), centre))


def node_points(ends: Int64[np.ndarray, "e 2"], n_nodes: int, centre: int) -> Float64[np.ndarray, "n 2"]:
    """Where nodes lie, from -1 to 1, so that distances on paper are near numbers of steps along edges.

    Stress majorisation from a start on circles round the explained node; it draws no random numbers.

    Args:
        ends: The nodes of each edge.
        n_nodes: The number of nodes.
        centre: The node in the middle.

    References:
        [gansner2004] equation 4.
    """
    links = csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n_nodes, n_nodes))
    steps = shortest_path(links, directed=False, unweighted=True)
    farthest = steps[np.isfinite(steps)].max()
    steps = np.where(np.isfinite(steps), steps, farthest + 1.0)
    angles = np.zeros(n_nodes)
    # Neighbours on a circle begin next to the one they hang on.
    for place, one in enumerate(np.lexsort((np.argmin(steps + np.eye(n_nodes) * n_nodes, 0), steps[centre]))):
        angles[one] = 2.4 * place
    points = (steps[centre] * np.stack([np.cos(angles), np.sin(angles)])).T
    weights = (steps + np.eye(n_nodes)) ** -2.0
    np.fill_diagonal(weights, 0.0)
    inverse = np.linalg.pinv(np.diag(weights.sum(1)) - weights)
    for _ in range(STEPS):
        apart = np.linalg.norm(points[:, None] - points, axis=2)
        pull = -weights * steps / np.where(apart > 0, apart, 1.0)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(1))
        points = inverse @ (pull @ points)
    low, high = points.min(0), points.max(0)
    placed: np.ndarray = (points - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-9)
    return placed


def _draw(panel: Axes, edges: _Edges, scores: Float64[np.ndarray, "e"], colour: str) -> None:
    largest = float(scores.max()) or 1.0
    for number_, score in enumerate(scores.tolist()):
        width = THINNEST + (WIDEST - THINNEST) * score / largest
        _edge(panel, edges, number_, colour if score else style.NEUTRAL, (width, "-"))
    _nodes(panel, edges)


def _draw_set(panel: Axes, edges: _Edges, subset: Bool[np.ndarray, "e"], colour: str, *, kept: bool) -> None:
    """What is hidden is faint; the set itself bears its colour, also where it is removed."""
    for number_, inside in enumerate(subset.tolist()):
        if inside:
            _edge(panel, edges, number_, colour, (2.2, "-") if kept else (1.2, (0, (2, 2))))
        else:
            _edge(panel, edges, number_, style.FAINT if kept else style.INK, (1.2, "-"))
    _nodes(panel, edges)


def _edge(panel: Axes, edges: _Edges, number_: int, colour: str, look: tuple[float, Any]) -> None:
    """One edge, of a width and a line style."""
    (one, other), (width, line) = edges.points[edges.ends[number_]], look
    if edges.ends[number_, 0] == edges.ends[number_, 1]:
        ring = Circle(tuple(one + 0.05), 0.06, fill=False, edgecolor=colour, linewidth=width, linestyle=line)
        panel.add_patch(ring)
        return
    arrow = FancyArrowPatch(
        tuple(one),
        tuple(other),
        arrowstyle="-|>" if edges.directed else "-",
        # Edges both ways lie side by side.
        connectionstyle="arc3,rad=0.15" if edges.directed else "arc3",
        shrinkA=6.0,
        shrinkB=6.0,
        mutation_scale=5.0 + width,
        color=colour,
        linewidth=width,
        linestyle=line,
    )
    panel.add_patch(arrow)


def _nodes(panel: Axes, edges: _Edges) -> None:
    few = len(edges.labels) <= MOST_NUMBERED
    for place, (label, (x, y)) in enumerate(zip(edges.labels.tolist(), edges.points.tolist(), strict=True)):
        own = place == edges.centre
        panel.plot(
            x,
            y,
            "o",
            markersize=11.5 if few or own else 4.0,
            color=style.INK if own else "white" if few else style.NEUTRAL,
            markeredgecolor=style.INK if few or own else "none",
            zorder=3,
        )
        if few or own:
            colour = "white" if own else style.INK
            panel.text(
                x,
                y,
                str(label),
                ha="center",
                va="center",
                fontsize=6.0 if label < 100 else 5.0,
                color=colour,
                zorder=4,
            )
    panel.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal", xticks=[], yticks=[])
    for spine in panel.spines.values():
        spine.set_color(style.FAINT)


def _label(panel: Axes, title: str, below: str) -> None:
    panel.set_title(title, fontsize=style.LABEL, color=style.INK)
    panel.set_xlabel(below, fontsize=style.SMALL, color=style.INK)
