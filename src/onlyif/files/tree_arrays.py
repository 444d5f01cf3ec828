"""Checks of the arrays of stored trees, before compiled code walks them.

Libraries follow child numbers and column numbers without asking whether they
exist: a damaged or crafted file makes the process crash, or worse.
"""

from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Int, Shaped

from onlyif.core.errors import StorageError

Vector: TypeAlias = Int[np.ndarray, "n"]
Marks: TypeAlias = Bool[np.ndarray, "n"]

# Deeper than any tree that is grown from a table; libraries go down a tree by recursion.
MAX_DEPTH = 4096
# Of a model that is taken apart as text: its values take many times the bytes.
MAX_TEXT = 2**28


def read_text(path: Path) -> bytes:
    """The bytes of a model of trees.

    Raises:
        StorageError: if it is too large to be taken apart.
    """
    if path.stat().st_size > MAX_TEXT:
        raise StorageError(f"{path.name} has {path.stat().st_size} bytes; need {MAX_TEXT} or fewer")
    return path.read_bytes()


def check(holds: bool, message: str) -> None:
    """What the message denies holds of the file.

    Raises:
        StorageError: otherwise, with the message.
    """
    if not holds:
        raise StorageError(message)


def check_children(left: Vector, right: Vector, inner: Marks, count: int, where: str) -> Marks:
    """Each inner node's children exist, and no node is anybody's child twice, nor the root.

    Then whatever is reached from the root is a tree, and walking it ends.

    Args:
        left: Number of the left child, for each node; the root is node 0.
        right: Number of the right child.
        inner: Which nodes have children.
        count: Number of nodes (and leaves, where these are numbered too).
        where: The tree's name, for the error.

    Returns:
        Which nodes a path from the root leads to.

    Raises:
        StorageError: otherwise.

    Example:
        >>> check_children(*np.array([[1, -1, -1], [2, -1, -1]]), np.array([True, False, False]), 3, "tree 0")
        array([ True,  True,  True])
    """
    children = np.concatenate([left[inner], right[inner]])
    check_range(children, 1, count, f"child in {where}")
    if len(np.unique(children)) != len(children):
        raise StorageError(f"{where} is no tree: a node is the child of two nodes; the file is damaged")
    return reached(left, right, inner, where)


def reached(left: Vector, right: Vector, inner: Marks, where: str) -> Marks:
    """Which nodes a path from the root leads to.

    Args:
        left: Number of the left child, for each node with children; numbers past the last node are leaves.
        right: Number of the right child.
        inner: Which nodes have children.
        where: The tree's name, for the error.

    Raises:
        StorageError: if the tree is deeper than any that is grown.
    """
    alive = np.zeros(len(left), dtype=bool)
    level, depth = np.zeros(min(1, len(left)), dtype=np.int64), 0
    while len(level):
        alive[level] = True
        splits = level[inner[level]]
        level = np.concatenate([left[splits], right[splits]])
        level = level[level < len(left)]
        depth += 1
        if depth > MAX_DEPTH:
            raise StorageError(f"{where} is deeper than {MAX_DEPTH} levels; the file is damaged")
    return alive


def check_range(values: Shaped[np.ndarray, "..."], low: int, high: int, what: str) -> None:
    """All values lie in [low, high).

    Args:
        values: Whole numbers.
        low: Smallest allowed value.
        high: One past the largest.
        what: What one value is, for the error.

    Raises:
        StorageError: otherwise.
    """
    bad = values[(values < low) | (values >= high)]
    if len(bad):
        raise StorageError(f"{what}: got {bad[0]}, need {low} to {high - 1}; the file is damaged")


def check_length(got: int, needed: int, what: str) -> None:
    """A list has the length that the others imply.

    Raises:
        StorageError: otherwise.
    """
    if got != needed:
        raise StorageError(f"{what}: got {got} entries, need {needed}; the file is damaged")
