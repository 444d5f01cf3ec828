"""What must hold in an XGBoost model before its trees may be walked."""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.files.tree_arrays import check_children, check_length, check_range

MAX_COUNT = 10**9
# Most columns, classes and categories: far above any table, and low enough that nothing
# sized by them exhausts the memory.
MAX_WIDTH = 10**7
# Outputs without a tree of their own, whose number nothing in the file bears out.
MAX_OUTPUTS = 1000
NO_PARENT = 2**31 - 1
_NODE_LISTS = ("right_children", "split_indices", "split_conditions", "default_left", "split_type")


def check_xgboost_model(document: Any) -> None:
    """A saved model: all numbers that the library uses as positions are in range.

    Raises:
        StorageError: otherwise.
    """
    learner = _mapping(_mapping(document, "the file").get("learner"), "'learner'")
    params = _mapping(learner.get("learner_model_param"), "'learner_model_param'")
    n_features = _count(params, "num_feature", MAX_WIDTH)
    n_groups = max(1, _count(params, "num_class", MAX_WIDTH), _count(params, "num_target", MAX_WIDTH, "1"))
    _check_base_score(params, n_groups)
    _check_objective(learner, _count(params, "num_class", MAX_WIDTH))
    for name in ("feature_names", "feature_types"):
        if learner.get(name):
            check_length(len(_list(learner, name)), n_features, f"'{name}'")
    _check_booster(_mapping(learner.get("gradient_booster"), "'gradient_booster'"), n_features, n_groups)


def _check_booster(booster: Mapping[str, Any], n_features: int, n_groups: int) -> None:
    name = booster.get("name")
    if name == "gblinear":
        weights = _list(_mapping(booster.get("model"), "'model'"), "weights")
        check_length(len(weights), (n_features + 1) * n_groups, "'weights'")
    elif name == "dart":
        inner = _mapping(booster.get("gbtree"), "'gbtree'")
        n_trees = _check_trees(_mapping(inner.get("model"), "'model'"), n_features, n_groups)
        check_length(len(_list(booster, "weight_drop")), n_trees, "'weight_drop'")
    elif name == "gbtree":
        _check_trees(_mapping(booster.get("model"), "'model'"), n_features, n_groups)
    else:
        raise StorageError(f"unknown booster {name!r}; known are gbtree, dart and gblinear")


def _check_trees(model: Mapping[str, Any], n_features: int, n_groups: int) -> int:
    trees, groups = _list(model, "trees"), _integers(model, "tree_info")
    params = _mapping(model.get("gbtree_model_param"), "'gbtree_model_param'")
    check_length(len(trees), _count(params, "num_trees"), "'trees'")
    widths = sum(len(_list(_mapping(tree, "a tree"), "left_children")) for tree in trees)
    check_range(np.array([n_groups]), 1, max(MAX_OUTPUTS, widths) + 1, "outputs of the model")
    check_length(len(groups), len(trees), "'tree_info'")
    check_range(groups, 0, n_groups, "number of a tree's class")
    if _count(params, "num_parallel_tree", default="1") > max(1, len(trees)):
        raise StorageError("'num_parallel_tree' exceeds the number of trees; the file is damaged")
    if "iteration_indptr" in model:
        _check_pointers(_integers(model, "iteration_indptr"), len(trees), "'iteration_indptr'")
    for i, tree in enumerate(trees):
        _check_tree(_mapping(tree, f"tree {i}"), f"tree {i}", n_features, n_groups)
    if "cats" in model:
        _check_categories(_mapping(model["cats"], "'cats'"), n_features)
    return len(trees)


def _check_tree(tree: Mapping[str, Any], where: str, n_features: int, n_groups: int) -> None:
    params = _mapping(tree.get("tree_param"), f"'tree_param' of {where}")
    left, right = _integers(tree, "left_children"), _integers(tree, "right_children")
    n_nodes = len(left)
    if n_nodes < 1:
        raise StorageError(f"{where} has no nodes; the file is damaged")
    check_length(_count(params, "num_nodes"), n_nodes, f"'num_nodes' of {where}")
    check_length(_count(params, "num_feature", default=str(n_features)), n_features, f"columns of {where}")
    for name in (*_NODE_LISTS, "parents"):
        check_length(len(_list(tree, name)), n_nodes, f"'{name}' of {where}")
    inner = left != -1
    check_children(left, right, inner, n_nodes, where)
    check_range(_integers(tree, "split_indices")[inner], 0, max(1, n_features), f"column in {where}")
    check_range(_integers(tree, "default_left"), 0, 2, f"default in {where}")
    _check_parents(_integers(tree, "parents"), left, right, where)
    split_type = _integers(tree, "split_type")
    check_range(split_type, 0, 2, f"split type in {where}")
    _check_leaves(tree, where, n_groups)
    _check_category_sets(tree, (split_type == 1) & inner, where)


def _check_parents(parents: np.ndarray, left: np.ndarray, right: np.ndarray, where: str) -> None:
    inner = np.flatnonzero(left != -1)
    linked = (parents[left[inner]] == inner) & (parents[right[inner]] == inner)
    if not linked.all() or parents[0] not in {-1, NO_PARENT}:
        raise StorageError(f"parents and children of {where} do not agree; the file is damaged")
    known = parents[parents != NO_PARENT]
    check_range(known, -1, len(parents), f"parent in {where}")


def _check_leaves(tree: Mapping[str, Any], where: str, n_groups: int) -> None:
    width = _count(_mapping(tree["tree_param"], where), "size_leaf_vector", MAX_WIDTH, "1")
    left, n_nodes = _integers(tree, "left_children"), len(tree["left_children"])
    rights = _integers(tree, "right_children")[left == -1]
    weights = len(_list(tree, "base_weights"))
    if width <= 1:
        check_length(weights, n_nodes, f"'base_weights' of {where}")
        check_range(rights, -1, 0, f"child of a leaf in {where}")
        return
    check_length(width, n_groups, f"outputs of {where}")
    check_length(weights, n_nodes * width, f"'base_weights' of {where}")
    if "leaf_weights" not in tree:
        # Version 2 keeps no list of leaves: what a leaf says is its base weight.
        check_range(rights, -1, 0, f"child of a leaf in {where}")
        return
    leaves = len(_list(tree, "leaf_weights"))
    check_length(leaves % width, 0, f"remainder of 'leaf_weights' of {where}")
    check_range(rights, 0, leaves // width, f"leaf in {where}")


def _check_category_sets(tree: Mapping[str, Any], splits: np.ndarray, where: str) -> None:
    values, nodes = _integers(tree, "categories"), _integers(tree, "categories_nodes")
    starts, sizes = _integers(tree, "categories_segments"), _integers(tree, "categories_sizes")
    check_length(len(starts), len(nodes), f"'categories_segments' of {where}")
    check_length(len(sizes), len(nodes), f"'categories_sizes' of {where}")
    check_range(values, 0, MAX_WIDTH, f"category in {where}")
    check_range(nodes, 0, len(splits), f"node with categories in {where}")
    check_range(starts, 0, len(values) + 1, f"start of categories in {where}")
    check_range(sizes, 1, len(values) + 1, f"number of categories in {where}")
    check_range(starts + sizes, 0, len(values) + 1, f"end of categories in {where}")
    if not np.array_equal(nodes, np.flatnonzero(splits)):
        raise StorageError(f"{where} has category splits without categories; the file is damaged")


def _check_categories(cats: Mapping[str, Any], n_features: int) -> None:
    encoders, segments = _list(cats, "enc"), _integers(cats, "feature_segments")
    order = _integers(cats, "sorted_idx")
    if not encoders:
        check_length(len(segments) + len(order), 0, "'cats' without levels")
        return
    check_length(len(encoders), n_features, "'cats'")
    sizes = [_level_count(_mapping(encoder, "levels")) for encoder in encoders]
    expected = np.concatenate([[0], np.cumsum(sizes)])
    if not np.array_equal(segments, expected):
        raise StorageError("'feature_segments' does not fit the levels; the file is damaged")
    check_length(len(order), int(expected[-1]), "'sorted_idx'")
    for start, size in zip(expected[:-1], sizes, strict=True):
        check_range(order[start : start + size], 0, size, "sorted level")


def _level_count(encoder: Mapping[str, Any]) -> int:
    values = _list(encoder, "values")
    if "offsets" not in encoder:
        return len(values)
    offsets = _integers(encoder, "offsets")
    if len(offsets):
        _check_pointers(offsets, len(values), "'offsets' of levels")
    return max(0, len(offsets) - 1)


def _check_pointers(pointers: np.ndarray, end: int, what: str) -> None:
    ordered = len(pointers) > 0 and pointers[0] == 0 and pointers[-1] == end
    if not ordered or (np.diff(pointers) < 0).any():
        raise StorageError(f"{what} must rise from 0 to {end}; the file is damaged")


def _check_base_score(params: Mapping[str, Any], n_groups: int) -> None:
    text = params.get("base_score", "0.5")
    if not isinstance(text, str) or not re.fullmatch(r"\[?[-+\d.,eE ]+\]?", text):
        raise StorageError(f"'base_score' must be a number or a list of them, got {str(text)[:60]!r}")
    if text.startswith("[") and text.count(",") + 1 not in {1, n_groups}:
        raise StorageError(f"'base_score' has {text.count(',') + 1} entries, need 1 or {n_groups}")


def _check_objective(learner: Mapping[str, Any], n_classes: int) -> None:
    objective = _mapping(learner.get("objective"), "'objective'")
    for part in objective.values():
        if isinstance(part, Mapping) and "num_class" in part:
            # A custom or single-class objective stores 0 or 1 here.
            allowed = {n_classes, 0} if n_classes else {0, 1}
            if _count(part, "num_class", MAX_WIDTH) not in allowed:
                raise StorageError(
                    f"objective and model disagree on the number of classes: {json.dumps(part)}"
                )


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise StorageError(
            f"this is no XGBoost model as save_model writes it: {what} is missing or no object"
        )
    return value


def _list(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    if not isinstance(value, list):
        raise StorageError(f"XGBoost model without the list {name!r}; the file is damaged")
    return value


def _integers(holder: Mapping[str, Any], name: str) -> np.ndarray:
    values = _list(holder, name)
    # The type of a truth value is not int, though it compares as one.
    whole = {*map(type, values)} <= {int}
    if not whole or (values and not -(2**40) < min(values) <= max(values) < 2**40):
        raise StorageError(f"{name!r} of an XGBoost model must hold whole numbers; the file is damaged")
    return np.array(values, dtype=np.int64)


def _count(holder: Mapping[str, Any], name: str, most: int = MAX_COUNT, default: str = "0") -> int:
    text = holder.get(name, default)
    if not isinstance(text, str) or not re.fullmatch(r"\d{1,10}", text) or int(text) > most:
        raise StorageError(
            f"{name!r} of an XGBoost model must be a number up to {most}, got {str(text)[:40]!r}"
        )
    return int(text)
