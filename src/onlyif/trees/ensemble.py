"""Forests and boosted trees as plain arrays, whatever library grew them."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from onlyif.core.errors import InputError, SettingError
from onlyif.models.links import IdentityLink, Link

ZERO = 1.0000000180025095e-35  # what LightGBM takes for zero: 1e-35 in single precision
_BLOCK_ENTRIES = 2**22  # rows times trees walked at once


@final
@dataclass(frozen=True, eq=False)
class TreeNodes:
    """The nodes of all trees, one after another.

    A row goes left at a node if its value is at most the threshold; where the node
    has a category set, if its category is in the set; where the value is missing,
    if `missing_left` says so.

    Args:
        column: The column that is compared; -1 at a leaf.
        threshold: Left is x <= threshold; not read at leaves and category nodes. See `tree_thresholds`.
        left: Number of the left child; not read at leaves.
        right: Number of the right child.
        missing_left: Whether a missing value goes left.
        cover: Weight of the training rows that came here; read by the path-dependent reference only.
        category_set: Row of `TreeEnsemble.goes_left`; -1 where the threshold is compared.
    """

    column: Int64[np.ndarray, "n"]
    threshold: Float64[np.ndarray, "n"]
    left: Int64[np.ndarray, "n"]
    right: Int64[np.ndarray, "n"]
    missing_left: Bool[np.ndarray, "n"]
    cover: Float64[np.ndarray, "n"]
    category_set: Int64[np.ndarray, "n"]


def no_categories() -> Bool[np.ndarray, "0 1"]:
    """The `goes_left` of an ensemble without category nodes."""
    return np.zeros((0, 1), dtype=bool)


@final
@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """A sum of trees, f(x) = link(base + Σ_trees value of the leaf that x reaches).

    The average of a forest is folded into the leaf values.

    Args:
        nodes: All nodes.
        roots: The number of each tree's root.
        value: What each node adds to the k margins; read at leaves only.
        base: What is added to the sum.
        n_columns: Number of columns of a row.
        link: From margins to outputs.
        goes_left: For each category set, which codes go left; its last column is for codes never seen.
        zero_is_missing: The columns in which 0 counts as missing, none by default.

    Raises:
        SettingError: if there is no tree, or the arrays do not describe trees.

    Example:
        >>> nodes = TreeNodes(
        ...     column=np.array([1, -1, -1]),
        ...     threshold=np.array([0.5, 0.0, 0.0]),
        ...     left=np.array([1, 0, 0]),
        ...     right=np.array([2, 0, 0]),
        ...     missing_left=np.array([True, False, False]),
        ...     cover=np.array([4.0, 3.0, 1.0]),
        ...     category_set=np.array([-1, -1, -1]),
        ... )
        >>> value = np.array([[0.0], [-1.0], [2.0]])
        >>> stump = TreeEnsemble(nodes, np.array([0]), value, np.zeros(1), n_columns=2)
        >>> stump.predict(np.array([[9.0, 0.5], [9.0, 0.6]]))
        array([[-1.],
               [ 2.]])
    """

    nodes: TreeNodes
    roots: Int64[np.ndarray, "trees"]
    value: Float64[np.ndarray, "n k"]
    base: Float64[np.ndarray, "k"]
    n_columns: int
    link: Link = field(default_factory=IdentityLink)
    goes_left: Bool[np.ndarray, "sets codes"] = field(default_factory=no_categories)
    zero_is_missing: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_trees(self)

    @property
    def n_leaves(self) -> int:
        """The number of leaves: a binary tree has one more of them than of other nodes."""
        return (len(self.value) + len(self.roots)) // 2

    def predict(self, rows: Float64[np.ndarray, "r c"]) -> Float64[np.ndarray, "r _"]:
        """The outputs of rows, by walking every tree.

        Args:
            rows: Numbers and category codes; NaN is missing.

        Raises:
            InputError: if rows have another number of columns.
        """
        return self.link.outputs(self.margins(rows))

    def margins(self, rows: Float64[np.ndarray, "r c"]) -> Float64[np.ndarray, "r k"]:
        """The sums of leaf values, base included.

        Args:
            rows: Numbers and category codes; NaN is missing.

        Raises:
            InputError: if rows have another number of columns.
        """
        seen = self.seen(rows)
        size = max(1, _BLOCK_ENTRIES // len(self.roots))
        found = np.empty((len(seen), len(self.base)))
        for first in range(0, len(seen), size):
            leaves = self._leaves(seen[first : first + size])
            np.sum(self.value[leaves], axis=1, out=found[first : first + size])
        found += self.base
        return found

    def seen(self, rows: Float64[np.ndarray, "r c"]) -> Float64[np.ndarray, "r c"]:
        """Rows as the trees see them: NaN for all that counts as missing.

        Args:
            rows: Numbers and category codes; NaN is missing.

        Raises:
            InputError: if rows have another number of columns.
        """
        if rows.shape[1] != self.n_columns:
            raise InputError(f"the trees compare {self.n_columns} columns, got rows of {rows.shape[1]}")
        if not self.zero_is_missing:
            return rows
        column = np.zeros(self.n_columns, dtype=bool)
        column[list(self.zero_is_missing)] = True
        return np.where(column & (np.abs(rows) <= ZERO), np.nan, rows)

    def codes(self, values: Float64[np.ndarray, "*r"]) -> Int64[np.ndarray, "*r"]:
        """Columns of `goes_left` for the values of category columns.

        Args:
            values: Category codes, of which the whole part counts; missing ones are codes never seen.
        """
        unseen = self.goes_left.shape[1] - 1
        # A missing value is neither at least 0 nor below anything.
        whole = np.trunc(values)
        codes: np.ndarray = np.where((whole >= 0) & (whole < unseen), whole, unseen).astype(np.int64)
        return codes

    def _leaves(self, rows: Float64[np.ndarray, "r c"]) -> Int64[np.ndarray, "r trees"]:
        at = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        while (inner := self.nodes.column[at] >= 0).any():
            at = np.where(inner, self._child(rows, at), at)
        return at

    def _child(
        self, rows: Float64[np.ndarray, "r c"], at: Int64[np.ndarray, "r trees"]
    ) -> Int64[np.ndarray, "r trees"]:
        value = np.take_along_axis(rows, np.maximum(self.nodes.column[at], 0), axis=1)
        left = value <= self.nodes.threshold[at]
        if len(self.goes_left):
            chosen = self.nodes.category_set[at]
            left = np.where(chosen >= 0, self.goes_left[np.maximum(chosen, 0), self.codes(value)], left)
        left = np.where(np.isnan(value), self.nodes.missing_left[at], left)
        child: np.ndarray = np.where(left, self.nodes.left[at], self.nodes.right[at])
        return child


def _check_numbers(ensemble: TreeEnsemble) -> None:
    nodes, inner = ensemble.nodes, ensemble.nodes.column >= 0
    if not len(ensemble.roots):
        raise SettingError("need at least one tree, got none")
    _check_range("column", nodes.column, -1, ensemble.n_columns)
    _check_range("category_set", nodes.category_set, -1, len(ensemble.goes_left))
    _check_range("root", ensemble.roots, 0, len(nodes.column))
    _check_range("zero_is_missing", np.array(ensemble.zero_is_missing, dtype=np.int64), 0, ensemble.n_columns)
    compared = inner & (nodes.category_set < 0)
    if np.isnan(nodes.threshold[compared]).any() or not np.isfinite(ensemble.value[~inner]).all():
        raise SettingError("thresholds and leaf values must be numbers, got NaN or infinite ones")
    both = set(nodes.column[compared].tolist()) & set(nodes.column[inner & ~compared].tolist())
    if both:
        raise SettingError(f"columns {sorted(both)} are compared with thresholds and with categories")


def _check_range(what: str, values: Shaped[np.ndarray, "n"], low: int, high: int) -> None:
    bad = values[(values < low) | (values >= high)]
    if len(bad):
        raise SettingError(f"{what}: got {int(bad[0])}, need {low} to {high - 1}")


def _check_trees(ensemble: TreeEnsemble) -> None:
    """Each node has one parent, roots none, and all nodes hang from the roots: then every walk ends."""
    nodes, inner = ensemble.nodes, ensemble.nodes.column >= 0
    children = np.concatenate([nodes.left[inner], nodes.right[inner]])
    _check_range("child", children, 0, len(nodes.column))
    met = np.bincount(np.concatenate([children, ensemble.roots]), minlength=len(nodes.column))
    if (met != 1).any():
        bad = int((met != 1).argmax())
        raise SettingError(
            f"node {bad} is {int(met[bad])} times a root or child, need once: these are no trees"
        )
    level, reached = ensemble.roots, 0
    while len(level):
        reached += len(level)
        below = level[inner[level]]
        level = np.concatenate([nodes.left[below], nodes.right[below]])
    if reached < len(nodes.column):
        raise SettingError(f"{len(nodes.column) - reached} nodes cannot be reached from a root")
