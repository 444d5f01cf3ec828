"""What a row must satisfy to reach each leaf: one condition a leaf and column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from onlyif.trees.ensemble import TreeEnsemble
from onlyif.trees.memory import check_held

Numbers: TypeAlias = Int64[np.ndarray, "n"]
Short: TypeAlias = Int32[np.ndarray, "n"]
Flags: TypeAlias = Bool[np.ndarray, "n"]
# Paths are climbed for so many leaves at once: what is held meanwhile is some hundred bytes a step.
_BLOCK_LEAVES = 2**13
# A condition as it is made here and as it is held leaf by leaf in the end.
_BYTES_A_CONDITION = 60


@final
@dataclass(frozen=True, eq=False)
class Cells:
    """The cells into which the thresholds of the trees cut every column.

    A number's cell is the count of thresholds below it; a category's cell is its code.

    Args:
        thresholds: The distinct thresholds, sorted, of each column that is compared with some.
        categorical: Which columns hold categories.
    """

    thresholds: Mapping[int, Float64[np.ndarray, "_"]]
    categorical: Bool[np.ndarray, "c"]


@final
@dataclass(frozen=True, eq=False)
class Conditions:
    """One condition for each column on the path to a leaf, sorted by leaf, then column.

    Args:
        leaf: Number of the leaf, among leaves.
        column: The column.
        first: The lowest allowed cell.
        last: The highest allowed cell.
        missing: Whether a missing value is allowed.
        allowed: Row of `category_cells` that says which codes are allowed; -1 for a number.
        category_cells: For each distinct condition on categories, the allowed codes.
        share: Product of the shares of training weight that took the path at this column's nodes.
    """

    leaf: Short
    column: Short
    first: Short
    last: Short
    missing: Flags
    allowed: Short
    category_cells: Bool[np.ndarray, "conditions codes"]
    share: Float64[np.ndarray, "n"]


@final
@dataclass(frozen=True, eq=False)
class _Steps:
    """All steps of all paths: the leaf, the node that is left, and whether to its left."""

    leaf: Numbers
    node: Numbers
    left: Flags


def leaf_nodes(ensemble: TreeEnsemble) -> Numbers:
    """The numbers of the nodes that are leaves."""
    return np.flatnonzero(ensemble.nodes.column < 0)


def cells_of(ensemble: TreeEnsemble) -> Cells:
    """The cells of every column."""
    column, threshold = ensemble.nodes.column, ensemble.nodes.threshold
    category = ensemble.nodes.category_set >= 0
    compared = np.flatnonzero((column >= 0) & ~category)
    compared = compared[np.argsort(column[compared], kind="stable")]
    # np.split of nothing has one part: no column then, so that it is left out.
    columns, starts = np.unique(column[compared], return_index=True)
    parts = np.split(threshold[compared], starts[1:])
    categorical = np.zeros(ensemble.n_columns, dtype=bool)
    categorical[column[category & (column >= 0)]] = True
    return Cells({c: np.unique(part) for c, part in zip(columns.tolist(), parts, strict=False)}, categorical)


def conditions_of(ensemble: TreeEnsemble, cells: Cells) -> Conditions:
    """The conditions of all leaves, made block by block: memory beyond the result does not grow with them.

    Raises:
        LimitError: if they would take too much memory.
    """
    tree = _Upwards(ensemble, _parents(ensemble), _places(ensemble, cells))
    leaves = leaf_nodes(ensemble)
    parts, n_held = [], 0
    for start in range(0, len(leaves), _BLOCK_LEAVES):
        parts.append(_some_conditions(tree, leaves[start : start + _BLOCK_LEAVES], start))
        n_held += len(parts[-1].leaf)
        check_held(_BYTES_A_CONDITION * n_held, f"the paths to {len(leaves):,} leaves")
    allowed, category_cells = _distinct(parts)
    return Conditions(
        leaf=np.concatenate([part.leaf for part in parts]),
        column=np.concatenate([part.column for part in parts]),
        first=np.concatenate([part.first for part in parts]),
        last=np.concatenate([part.last for part in parts]),
        missing=np.concatenate([part.missing for part in parts]),
        allowed=allowed,
        category_cells=category_cells,
        share=np.concatenate([part.share for part in parts]),
    )


@final
@dataclass(frozen=True, eq=False)
class _Upwards:
    """An ensemble, the parent of every node (-1 of a root), and the cell of every node's threshold."""

    ensemble: TreeEnsemble
    parent: Numbers
    place: Numbers


def _some_conditions(tree: _Upwards, leaves: Numbers, number: int) -> Conditions:
    """The conditions of some leaves, the first of which has a number among all leaves."""
    ensemble, steps = tree.ensemble, _climb(tree, leaves)
    column = ensemble.nodes.column[steps.node]
    order = np.lexsort((column, steps.leaf))
    steps = _Steps(steps.leaf[order], steps.node[order], steps.left[order])
    column = column[order]
    fresh = np.ones(len(column), dtype=bool)
    fresh[1:] = (np.diff(column) != 0) | (np.diff(steps.leaf) != 0)
    starts = np.flatnonzero(fresh)
    first, last = _bounds(tree, steps)
    missing = ensemble.nodes.missing_left[steps.node] == steps.left
    allowed, category_cells = _categories(ensemble, steps, starts)
    return Conditions(
        leaf=(steps.leaf[starts] + number).astype(np.int32),
        column=column[starts].astype(np.int32),
        first=_reduced(np.maximum, first, starts).astype(np.int32),
        last=_reduced(np.minimum, last, starts).astype(np.int32),
        missing=_reduced(np.logical_and, missing, starts),
        allowed=allowed.astype(np.int32),
        category_cells=category_cells,
        share=_reduced(np.multiply, _shares(ensemble, steps), starts),
    )


def _reduced(how: np.ufunc, values: np.ndarray, starts: Numbers) -> np.ndarray:
    return how.reduceat(values, starts) if len(starts) else values


def _parents(ensemble: TreeEnsemble) -> Numbers:
    left, right = ensemble.nodes.left, ensemble.nodes.right
    inner = np.flatnonzero(ensemble.nodes.column >= 0)
    parent = np.full(len(left), -1)
    parent[left[inner]] = inner
    parent[right[inner]] = inner
    return parent


def _climb(tree: _Upwards, leaves: Numbers) -> _Steps:
    left, at, leaf = tree.ensemble.nodes.left, leaves, np.arange(len(leaves))
    steps = []
    while len(at):
        up = tree.parent[at]
        rising = up >= 0
        leaf, at, up = leaf[rising], at[rising], up[rising]
        steps.append((leaf, up, left[up] == at))
        at = up
    return _Steps(*(np.concatenate(part) for part in zip(*steps, strict=True)))


def _places(ensemble: TreeEnsemble, cells: Cells) -> Numbers:
    column, threshold = ensemble.nodes.column, ensemble.nodes.threshold
    place = np.zeros(len(column), dtype=np.int64)
    for c, known in cells.thresholds.items():
        at = np.flatnonzero(column == c)
        place[at] = np.searchsorted(known, threshold[at])
    return place


def _bounds(tree: _Upwards, steps: _Steps) -> tuple[Numbers, Numbers]:
    """The cells that each step allows; all of them at category nodes."""
    highest = np.iinfo(np.int32).max - 1
    compared = tree.ensemble.nodes.category_set[steps.node] < 0
    first = np.where(compared & ~steps.left, tree.place[steps.node] + 1, 0)
    last = np.where(compared & steps.left, tree.place[steps.node], highest)
    return first, last


def _distinct(parts: list[Conditions]) -> tuple[Short, Bool[np.ndarray, "conditions codes"]]:
    """The sets of allowed codes of all blocks, each once, and the one of each condition."""
    firsts = np.cumsum([0, *(len(part.category_cells) for part in parts)])
    moved = [
        np.where(part.allowed >= 0, part.allowed + first, -1)
        for part, first in zip(parts, firsts, strict=False)
    ]
    allowed, held = np.concatenate(moved), np.concatenate([part.category_cells for part in parts])
    if len(held):
        held, number = np.unique(held, axis=0, return_inverse=True)
        allowed = np.where(allowed >= 0, number.reshape(-1)[allowed], -1)
    return allowed.astype(np.int32), held


def _categories(
    ensemble: TreeEnsemble, steps: _Steps, starts: Numbers
) -> tuple[Numbers, Bool[np.ndarray, "conditions codes"]]:
    """The distinct sets of allowed codes, and the one of each condition."""
    chosen = ensemble.nodes.category_set[steps.node]
    allowed = np.full(len(starts), -1)
    at = np.flatnonzero(chosen[starts] >= 0)
    goes_left = ensemble.goes_left
    if not len(at):
        return allowed, goes_left[:0]
    ends = np.append(starts, len(chosen))
    held = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in at])
    begins = np.cumsum(np.append(0, ends[at + 1] - ends[at]))[:-1]
    each = goes_left[chosen[held]] == steps.left[held, None]
    distinct, number = np.unique(np.logical_and.reduceat(each, begins, axis=0), axis=0, return_inverse=True)
    allowed[at] = number.reshape(-1)
    return allowed, distinct


def _shares(ensemble: TreeEnsemble, steps: _Steps) -> Float64[np.ndarray, "n"]:
    cover = ensemble.nodes.cover
    left, right = ensemble.nodes.left, ensemble.nodes.right
    child = np.where(steps.left, left[steps.node], right[steps.node])
    # The children's sum, so that the shares of both sides sum to 1 also where covers were rounded.
    whole = cover[left[steps.node]] + cover[right[steps.node]]
    return np.where(whole > 0, cover[child] / np.where(whole > 0, whole, 1), 0.5)
