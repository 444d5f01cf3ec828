"""Trees walked one row at a time, and small ones for hypothesis to build."""

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from onlyif.models.links import IdentityLink
from onlyif.trees.ensemble import TreeEnsemble, TreeNodes
from onlyif.trees.thresholds import rounded_to_single


@dataclass(frozen=True)
class Leaf:
    value: tuple
    cover: float = 1.0


@dataclass(frozen=True)
class Split:
    """Left where x <= threshold, or where the code is in `codes` if that is a set."""

    column: int
    threshold: float
    left: "Split | Leaf"
    right: "Split | Leaf"
    missing_left: bool = False
    codes: frozenset | None = None
    unseen_left: bool = False


N_CODES = 4
KINDS = (np.int64, np.float64, np.int64, np.int64, np.bool_, np.float64, np.int64)


def cover_of(tree):
    return tree.cover if isinstance(tree, Leaf) else cover_of(tree.left) + cover_of(tree.right)


def goes_left(split, value):
    if math.isnan(value):
        return split.missing_left
    if split.codes is None:
        return value <= split.threshold
    return math.trunc(value) in split.codes if 0 <= math.trunc(value) < N_CODES else split.unseen_left


def walk(tree, row):
    """The value of the leaf that a row reaches."""
    while isinstance(tree, Split):
        tree = tree.left if goes_left(tree, row[tree.column]) else tree.right
    return np.array(tree.value)


def walk_both_ways(tree, row, kept):
    """The mean over the leaves: splits on hidden columns go both ways, by cover."""
    if isinstance(tree, Leaf):
        return np.array(tree.value)
    if tree.column in kept:
        return walk_both_ways(tree.left if goes_left(tree, row[tree.column]) else tree.right, row, kept)
    left, right = cover_of(tree.left), cover_of(tree.right)
    below = left * walk_both_ways(tree.left, row, kept) + right * walk_both_ways(tree.right, row, kept)
    return below / (left + right)


def ensemble_of(trees, n_columns, base=None, link=None):
    """The arrays of plain trees."""
    nodes, sets, roots = [], [], []

    def put(tree):
        number = len(nodes)
        nodes.append(None)
        if isinstance(tree, Leaf):
            nodes[number] = (-1, 0.0, 0, 0, False, tree.cover, -1, tree.value)
            return number
        chosen = -1
        if tree.codes is not None:
            chosen = len(sets)
            sets.append([code in tree.codes for code in range(N_CODES)] + [tree.unseen_left])
        left, right = put(tree.left), put(tree.right)
        value = tuple(0.0 for _ in range(k))
        nodes[number] = (
            tree.column, tree.threshold, left, right, tree.missing_left, cover_of(tree), chosen, value
        )  # fmt: skip
        return number

    k = len(leaf_values(trees[0])[0])
    for tree in trees:
        roots.append(put(tree))
    columns = list(zip(*nodes, strict=True))
    arrays = [np.array(column, dtype=kind) for column, kind in zip(columns, KINDS, strict=False)]
    return TreeEnsemble(
        TreeNodes(*arrays),
        np.array(roots),
        np.array(columns[7], dtype=np.float64),
        np.zeros(k) if base is None else np.array(base, dtype=np.float64),
        n_columns,
        link or IdentityLink(),
        np.array(sets, dtype=bool).reshape(-1, N_CODES + 1),
    )


def leaf_values(tree):
    return [tree.value] if isinstance(tree, Leaf) else leaf_values(tree.left) + leaf_values(tree.right)


# Few thresholds and few values, so that values lie on thresholds and columns come again on a path.
THRESHOLDS = (-1.0, 0.0, 0.5, 2.0)
VALUES = (-2.0, -1.0, -0.0, 0.0, 1e-320, 0.25, 0.5, 2.0, 3.0, math.nan, -math.nan, math.inf, -math.inf)
CODES = (0.0, 1.0, 2.0, 3.0, 4.0, -1.0, math.nan)


def trees(categorical, k=1, depth=4):
    """Trees over columns, of which some hold categories."""
    values = st.tuples(*[st.floats(-4, 4, width=16)] * k)
    leaf = st.builds(Leaf, values, st.integers(1, 9).map(float))
    columns = st.integers(0, len(categorical) - 1)

    @st.composite
    def split(draw, below):
        column = draw(columns)
        codes = draw(st.frozensets(st.integers(0, N_CODES - 1))) if categorical[column] else None
        return Split(
            column, draw(st.sampled_from(THRESHOLDS)), draw(below), draw(below), draw(st.booleans()), codes,
            draw(st.booleans()),
        )  # fmt: skip

    grown = leaf
    for _ in range(depth):
        grown = st.one_of(leaf, split(grown), split(grown), split(grown))
    return grown


def rows_of(categorical, n):
    cell = [st.sampled_from(CODES if each else VALUES) for each in categorical]
    return st.lists(st.tuples(*cell), min_size=1, max_size=n)


def forest_arrays(model):
    """The arrays of a fitted scikit-learn forest or single tree, averages folded into the leaves."""
    grown = [each.tree_ for each in getattr(model, "estimators_", [model])]
    parts, values, roots, start = [], [], [], 0
    for tree in grown:
        inner = tree.children_left >= 0
        value = tree.value[:, 0, :]
        # Shares of the classes, up to rounding; a regressor's only column is left as it is.
        share = value / value.sum(1, keepdims=True) if value.shape[1] > 1 else value
        values.append(share / len(grown))
        parts.append((
            np.where(inner, tree.feature, -1), tree.threshold, np.where(inner, tree.children_left + start, 0),
            np.where(inner, tree.children_right + start, 0), np.zeros(len(inner), bool),
            tree.weighted_n_node_samples, np.full(len(inner), -1),
        ))  # fmt: skip
        roots.append(start)
        start += len(inner)
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    arrays = [part.astype(kind) for part, kind in zip(joined, KINDS, strict=True)]
    arrays[1] = rounded_to_single(arrays[1])
    value = np.concatenate(values)
    base = np.zeros(value.shape[1])
    return TreeEnsemble(TreeNodes(*arrays), np.array(roots), value, base, grown[0].n_features)
