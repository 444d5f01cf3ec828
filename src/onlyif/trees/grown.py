"""From single trees, as libraries describe them, to one ensemble of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import narwhals as nw
import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from onlyif.core.arrays import doubled
from onlyif.models.links import IdentityLink, Link
from onlyif.trees.ensemble import TreeEnsemble, TreeNodes, no_categories
from onlyif.trees.question import Rows, UnreadableTreesError

Numbers: TypeAlias = Int[np.ndarray, "n"]
MOST_CODES = 2**16


@final
@dataclass(frozen=True, eq=False)
class CategorySet:
    """The categories of one split.

    Args:
        codes: Some categories.
        left: Whether these go left and all others right, or the other way round.
    """

    codes: Int[np.ndarray, "codes"]
    left: bool


@final
@dataclass(frozen=True, eq=False)
class Grown:
    """One tree; node 0 is its root.

    Args:
        column: The column that is compared; -1 at a leaf.
        threshold: Left is x <= threshold.
        left: Number of the left child; 0 at a leaf.
        right: Number of the right child.
        missing_left: Whether a missing value goes left.
        cover: Weight of the training rows that came here.
        value: What each leaf adds to the margins.
        category_set: Row of `sets`, -1 where the threshold is compared.
        sets: The category splits.
    """

    column: Numbers
    threshold: Float64[np.ndarray, "n"]
    left: Numbers
    right: Numbers
    missing_left: Bool[np.ndarray, "n"]
    cover: Float64[np.ndarray, "n"]
    value: Float64[np.ndarray, "n k"]
    category_set: Numbers
    sets: tuple[CategorySet, ...] = ()


def ensemble_of(
    trees: Sequence[Grown],
    n_columns: int,
    base: Float[np.ndarray, "k"],
    link: Link | None = None,
    zero_is_missing: Sequence[int] = (),
) -> TreeEnsemble:
    """The sum of trees.

    Args:
        trees: The trees.
        n_columns: Number of columns of a row.
        base: What is added to the sum.
        link: From margins to outputs; none by default.
        zero_is_missing: The columns in which 0 counts as missing.

    Raises:
        UnreadableTreesError: if there is no tree.
        SettingError: if the arrays describe no trees.
    """
    if not trees:
        raise UnreadableTreesError("it has no trees")
    starts = np.cumsum([0, *(len(tree.column) for tree in trees)])
    sets = np.cumsum([0, *(len(tree.sets) for tree in trees)])
    columns = np.concatenate([tree.column for tree in trees])
    nodes = TreeNodes(
        column=columns.astype(np.int64),
        threshold=_joined([tree.threshold for tree in trees], np.float64),
        left=_shifted([tree.left for tree in trees], starts, columns >= 0),
        right=_shifted([tree.right for tree in trees], starts, columns >= 0),
        missing_left=_joined([tree.missing_left for tree in trees], np.bool_),
        cover=_joined([tree.cover for tree in trees], np.float64),
        category_set=_moved([tree.category_set for tree in trees], sets),
    )
    return TreeEnsemble(
        nodes=nodes,
        roots=starts[:-1],
        value=_joined([tree.value for tree in trees], np.float64),
        base=np.array(base, dtype=np.float64),
        n_columns=n_columns,
        link=link or IdentityLink(),
        goes_left=_goes_left([each for tree in trees for each in tree.sets]),
        zero_is_missing=tuple(zero_is_missing),
    )


def one_margin(values: Float[np.ndarray, "n"], k: int, number: int) -> Float64[np.ndarray, "n k"]:
    """Leaf values that add to one of k margins."""
    wide = np.zeros((len(values), k))
    wide[:, number] = values
    return wide


def plain_numbers(native: Any) -> Rows:
    """A table of plain numbers as rows; missing values are NaN.

    Args:
        native: A frame, an array, a tensor or a sparse matrix.
    """
    if nw.dependencies.is_into_dataframe(native):
        frame = nw.from_native(native, eager_only=True)
        parts = [frame[:, i].cast(nw.Float64).to_numpy() for i in range(frame.shape[1])]
        return np.stack(parts, 1).astype(np.float64, copy=False)
    return doubled(native.toarray() if hasattr(native, "toarray") else native)


def every_column(n_columns: int) -> tuple[int, ...]:
    """The sources of columns that are compared as they are."""
    return tuple(range(n_columns))


def _goes_left(sets: Sequence[CategorySet]) -> Bool[np.ndarray, "sets codes"]:
    if not sets:
        return no_categories()
    n_codes = 1 + max(int(each.codes.max(initial=0)) for each in sets)
    if n_codes > MOST_CODES:
        raise UnreadableTreesError(
            f"it has category codes up to {n_codes - 1}, at most {MOST_CODES} are read"
        )
    table = np.zeros((len(sets), n_codes + 1), dtype=bool)
    for row, each in zip(table, sets, strict=True):
        row[:] = not each.left
        row[each.codes] = each.left
    return table


def _shifted(parts: Sequence[np.ndarray], starts: np.ndarray, inner: np.ndarray) -> np.ndarray:
    moved = np.concatenate([part + start for part, start in zip(parts, starts, strict=False)])
    return np.where(inner, moved, 0).astype(np.int64)


def _moved(parts: Sequence[np.ndarray], starts: np.ndarray) -> np.ndarray:
    pairs = zip(parts, starts, strict=False)
    return np.concatenate([np.where(part >= 0, part + start, -1) for part, start in pairs]).astype(np.int64)


def _joined(parts: Sequence[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts).astype(dtype, copy=False)
