"""What must hold in a LightGBM text model before its trees may be walked."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.recipes.tree_arrays import check_children, check_length, check_range

MAX_WIDTH = 10**7
_HEADER = frozenset(
    {
        *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective"),
        *("average_output", "feature_names", "monotone_constraints", "feature_infos", "tree_sizes"),
    }
)
_OF_NODES = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_NODE_NOTES = ("internal_value", "internal_weight", "internal_count")
_LEAF_NOTES = ("leaf_weight", "leaf_count")
_LINEAR = ("leaf_const", "num_features", "leaf_features", "leaf_coeff")
_TREE = frozenset(
    (
        *(*_OF_NODES, *_NODE_NOTES, *_LEAF_NOTES, *_LINEAR),
        *("num_leaves", "num_cat", "leaf_value", "cat_boundaries", "cat_threshold", "is_linear", "shrinkage"),
    )
)
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf|nan)"
_OBJECTIVE = re.compile(rf"[a-z_0-9]+(?: sqrt| [a-z_]+:{_NUMBER})*")

Fields = Mapping[str, str]


def checked_text(text: str) -> str:
    """The model's text, after all numbers that are used as positions proved in range.

    Args:
        text: What `Booster.save_model` or `model_to_string` wrote.

    Raises:
        StorageError: if it is cut short, damaged or no such text.
    """
    if not text.startswith("tree\n"):
        raise StorageError("this is no LightGBM model as save_model writes it: its first line is not 'tree'")
    if "\x00" in text or "\r" in text:
        raise StorageError("the LightGBM model holds control characters; the file is damaged")
    head, mark, rest = text.partition("\nend of trees\n")
    if not mark:
        raise StorageError("the LightGBM model is cut short: the line 'end of trees' is missing")
    if re.search(r"^parameters:", rest, re.MULTILINE) and "\nend of parameters\n" not in rest:
        raise StorageError("the LightGBM model is cut short: the line 'end of parameters' is missing")
    if re.search(r"^(?:Tree=|end of trees)", rest, re.MULTILINE):
        raise StorageError("the LightGBM model has trees after their end; the file is damaged")
    header, *trees = re.split(r"^Tree=", head, flags=re.MULTILINE)
    fields = _fields(header.splitlines()[1:], _HEADER, "the header")
    n_features = _check_header(fields, len(trees))
    for i, tree in enumerate(trees):
        number, *lines = tree.splitlines()
        if number != str(i):
            raise StorageError(
                f"tree {i} of the LightGBM model is numbered {number[:20]!r}; the file is damaged"
            )
        _check_tree(_fields(lines, _TREE, f"tree {i}"), f"tree {i}", n_features)
    return re.sub(r"^tree_sizes=.*\n", "", head, flags=re.MULTILINE) + mark + rest


def _fields(lines: Iterable[str], known: frozenset[str], where: str) -> Fields:
    found: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition("=")
        if name not in known or name in found:
            raise StorageError(f"unknown or repeated line {line[:40]!r} in {where} of the LightGBM model")
        found[name] = value
    return found


def _check_header(fields: Fields, n_trees: int) -> int:
    n_features = _count(fields, "max_feature_idx", "the header") + 1
    n_classes = _count(fields, "num_class", "the header")
    per_round = _count(fields, "num_tree_per_iteration", "the header")
    for name in ("feature_names", "feature_infos"):
        check_length(len(_needed(fields, name, "the header").split(" ")), n_features, f"{name!r}")
    if n_classes < 1 or per_round != n_classes or n_trees % per_round:
        raise StorageError(
            f"LightGBM model with {n_classes} classes, {per_round} trees a round, {n_trees} trees: damaged"
        )
    objective = fields.get("objective", "regression")
    if not _OBJECTIVE.fullmatch(objective):
        raise StorageError(f"unknown objective {objective[:60]!r} of a LightGBM model")
    named = re.findall(r" num_class:(\S+)", objective)
    if set(named) - {str(n_classes)} or (objective.startswith("multiclass") and not named):
        raise StorageError(f"objective {objective!r} does not fit a LightGBM model of {n_classes} classes")
    return n_features


def _check_tree(fields: Fields, where: str, n_features: int) -> None:
    n_leaves = _count(fields, "num_leaves", where)
    if n_leaves < 1:
        raise StorageError(f"{where} of the LightGBM model has no leaves; the file is damaged")
    check_length(len(_decimals(fields, "leaf_value", where)), n_leaves, f"'leaf_value' of {where}")
    _check_notes(fields, where, n_leaves)
    n_cat = _count(fields, "num_cat", where)
    if n_leaves > 1:
        _check_splits(fields, where, n_leaves, n_features, n_cat)
    if _count(fields, "is_linear", where, "0") == 1:
        _check_linear(fields, where, n_leaves, n_features)


def _check_splits(fields: Fields, where: str, n_leaves: int, n_features: int, n_cat: int) -> None:
    n_inner = n_leaves - 1
    for name in ("split_gain", "threshold"):
        check_length(len(_decimals(fields, name, where)), n_inner, f"{name!r} of {where}")
    columns, kinds = _integers(fields, "split_feature", where), _integers(fields, "decision_type", where)
    left, right = _integers(fields, "left_child", where), _integers(fields, "right_child", where)
    for name, values in (("left", left), ("right", right), ("column", columns), ("decision", kinds)):
        check_length(len(values), n_inner, f"{name} of {where}")
    check_range(columns, 0, n_features, f"column in {where}")
    check_range(kinds, 0, 16, f"decision type in {where}")
    check_range(np.concatenate([left, right]), -n_leaves, n_inner, f"child in {where}")
    # Leaf number l is written as -1 - l; here it becomes node n_inner + l.
    left, right = (np.where(side < 0, n_inner - 1 - side, side) for side in (left, right))
    check_children(left, right, np.ones(n_inner, dtype=bool), n_inner + n_leaves, where)
    _check_category_sets(fields, where, (kinds & 1).astype(bool), n_cat)


def _check_category_sets(fields: Fields, where: str, splits: np.ndarray, n_cat: int) -> None:
    if not n_cat:
        check_length(int(splits.sum()), 0, f"category splits of {where}")
        return
    ends, words = _integers(fields, "cat_boundaries", where), _integers(fields, "cat_threshold", where)
    check_length(len(ends), n_cat + 1, f"'cat_boundaries' of {where}")
    check_range(words, 0, 2**32, f"category set in {where}")
    if ends[0] != 0 or ends[-1] != len(words) or (np.diff(ends) < 0).any():
        raise StorageError(
            f"'cat_boundaries' of {where} must rise from 0 to {len(words)}; the file is damaged"
        )
    numbers = np.array(_decimals(fields, "threshold", where))[splits]
    if not np.array_equal(numbers, np.floor(numbers)):
        raise StorageError(f"category split without a category set in {where}; the file is damaged")
    check_range(numbers, 0, n_cat, f"category set of a split in {where}")


def _check_notes(fields: Fields, where: str, n_leaves: int) -> None:
    """Counts and weights that prediction does not use, but the reader reads."""
    for names, count in ((_NODE_NOTES, n_leaves - 1), (_LEAF_NOTES, n_leaves)):
        for name in names:
            if fields.get(name):
                check_length(len(_decimals(fields, name, where)), count, f"{name!r} of {where}")


def _check_linear(fields: Fields, where: str, n_leaves: int, n_features: int) -> None:
    sizes, columns = _integers(fields, "num_features", where), _integers(fields, "leaf_features", where)
    check_length(len(_decimals(fields, "leaf_const", where)), n_leaves, f"'leaf_const' of {where}")
    check_length(len(sizes), n_leaves, f"'num_features' of {where}")
    check_range(sizes, 0, n_features + 1, f"columns of a leaf in {where}")
    check_length(len(columns), int(sizes.sum()), f"'leaf_features' of {where}")
    check_length(len(_decimals(fields, "leaf_coeff", where)), len(columns), f"'leaf_coeff' of {where}")
    check_range(columns, 0, n_features, f"column of a leaf in {where}")


def _needed(fields: Fields, name: str, where: str) -> str:
    if name not in fields:
        raise StorageError(f"{where} of the LightGBM model lacks {name!r}; the file is cut short or damaged")
    return fields[name]


def _count(fields: Fields, name: str, where: str, default: str | None = None) -> int:
    text = _needed(fields, name, where) if default is None else fields.get(name, default)
    if not re.fullmatch(r"\d{1,8}", text) or int(text) > MAX_WIDTH:
        raise StorageError(f"{name!r} in {where} must be a number up to {MAX_WIDTH}, got {text[:40]!r}")
    return int(text)


def _integers(fields: Fields, name: str, where: str) -> np.ndarray:
    parts = _needed(fields, name, where).split()
    if not all(re.fullmatch(r"-?\d{1,10}", part) for part in parts):
        raise StorageError(f"{name!r} in {where} must hold whole numbers; the file is damaged")
    return np.array([int(part) for part in parts], dtype=np.int64)


def _decimals(fields: Fields, name: str, where: str) -> list[float]:
    parts = _needed(fields, name, where).split()
    if not all(re.fullmatch(_NUMBER, part) for part in parts):
        raise StorageError(f"{name!r} in {where} must hold numbers; the file is damaged")
    return [float(part) for part in parts]
