"""An XGBoost model written anew while it is read: each field is checked where it is taken over.

The library is given this document and never the one that was read: numbers of trees, parents and split
types are made here, nodes that no path reaches become plain leaves, and what is not known is left out.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.files.tree_arrays import Marks, Vector, check, check_children, check_length, check_range
from onlyif.files.xgboost_fields import Fields, fields_of, numbers_in

Document: TypeAlias = dict[str, Any]

# Most columns, classes and categories: far above any table, and low enough that nothing
# sized by them exhausts the memory.
MAX_WIDTH = 10**7
# Outputs without a tree of their own, whose number nothing in the file bears out.
MAX_OUTPUTS = 1000
NO_PARENT = 2**31 - 1

# Objectives whose base score must be a probability, or above 0.
_PROBABILITY = frozenset({"binary:logistic", "binary:logitraw", "reg:logistic"})
_POSITIVE = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})
_SOFTMAX = frozenset({"multi:softmax", "multi:softprob"})
_OTHERS = frozenset(
    {
        *("reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror"),
        *("reg:absoluteerror", "reg:quantileerror", "reg:expectileerror", "binary:hinge"),
        *("rank:ndcg", "rank:map", "rank:pairwise", "survival:cox", "survival:aft"),
    }
)
# Settings of an objective that hold one number a target.
_A_TARGET = {"reg:quantileerror": "quantile_alpha", "reg:expectileerror": "expectile_alpha"}
_SCORES = "a number or a list of them"
_COLUMN_KINDS = frozenset({"int", "i", "float", "q", "c", "indicator"})
_NODE_NUMBERS = ("right_children", "parents", "split_indices", "default_left", "split_type")


def rebuilt_model(document: Any) -> Document:
    """A document with the meaning of the one that was read, whose positions are all in range.

    Raises:
        StorageError: if a field is damaged or of no known kind.
    """
    learner = fields_of(document, "the file").part("learner")
    params = learner.part("learner_model_param")
    sizes = {name: params.count(name, MAX_WIDTH) for name in ("num_feature", "num_class")}
    sizes["num_target"] = params.count("num_target", MAX_WIDTH, "1")
    n_features, n_groups = sizes["num_feature"], max(1, sizes["num_class"], sizes["num_target"])
    objective = _objective(learner.part("objective"), sizes)
    booster = _booster(learner.part("gradient_booster"), n_features, n_groups)
    written = {name: str(size) for name, size in sizes.items()}
    if "base_score" in params.values:
        written["base_score"] = _base_score(
            params.setting("base_score", _SCORES), objective["name"], n_groups
        )
    if "boost_from_average" in params.values:
        written["boost_from_average"] = params.setting("boost_from_average")
    made: Document = {
        "attributes": _attributes(learner.values.get("attributes", {}), _rounds(booster, n_groups)),
        "gradient_booster": booster,
        "learner_model_param": written,
        "objective": objective,
    }
    for name in ("feature_names", "feature_types"):
        if name in learner.values:
            made[name] = _words(learner, name, n_features)
    return {"learner": made, "version": _version(document.get("version"))}


def _version(version: Any) -> list[int]:
    whole = isinstance(version, list) and len(version) == 3 and all(type(part) is int for part in version)
    if not whole or not all(0 <= part < 1000 for part in version):
        raise StorageError(f"'version' of an XGBoost model must be three numbers, got {str(version)[:40]}")
    return list(version)


def _base_score(text: str, objective: str, n_groups: int) -> str:
    scores = np.array(numbers_in(text))
    n_scores, where = len(scores), "'base_score' of an XGBoost model must be"
    check(n_scores > 0, f"{where} {_SCORES}, got {text[:60]!r}")
    check(n_scores in {1, n_groups}, f"'base_score' has {n_scores} entries, need 1 or {n_groups}")
    low = 0.0 if objective in _PROBABILITY | _POSITIVE else -np.inf
    high = 1.0 if objective in _PROBABILITY else np.inf
    if not (np.isfinite(scores) & (scores > low) & (scores < high)).all():
        raise StorageError(
            f"{where} a number{'' if low else ' above 0'}"
            f"{' and below 1' if high == 1 else ''} for {objective}, got {text[:60]!r}"
        )
    return text


def _attributes(attributes: Any, rounds: int | None) -> dict[str, str]:
    if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
        raise StorageError("'attributes' of an XGBoost model must be texts; the file is damaged")
    best = attributes.get("best_iteration")
    if best is not None:
        earlier = re.fullmatch(r"[0-9]{1,9}", best) is not None and (rounds is None or int(best) < rounds)
        check(earlier, f"'best_iteration' of an XGBoost model of {rounds} rounds is {best[:40]!r}; damaged")
    return dict(attributes)


def _words(learner: Fields, name: str, n_features: int) -> list[str]:
    words, where = learner.items(name), f"{name!r} of an XGBoost model"
    check(all(isinstance(word, str) for word in words), f"{where} must be texts; the file is damaged")
    check_length(len(words), n_features if words else 0, f"{name!r}")
    unknown = set(words) - _COLUMN_KINDS if name == "feature_types" else set()
    check(not unknown, f"{where}: unknown {sorted(unknown)}")
    return list(words)


def _objective(objective: Fields, sizes: Mapping[str, int]) -> Document:
    name = objective.values.get("name")
    if not isinstance(name, str) or name not in _PROBABILITY | _POSITIVE | _SOFTMAX | _OTHERS:
        raise StorageError(f"unknown objective {str(name)[:60]!r} of an XGBoost model")
    made: Document = {"name": name}
    for block, settings in objective.values.items():
        if isinstance(settings, dict):
            made[_setting_name(block)] = _settings(Fields(settings), sizes["num_class"])
        elif block in {"ti+", "tj-"}:
            made[block] = objective.decimals(block)
        else:
            check(block == "name", f"unknown setting {block[:40]!r} of the objective of an XGBoost model")
    if name in _SOFTMAX:
        n_classes = made.get("softmax_multiclass_param", {}).get("num_class", "0")
        check_length(int(n_classes), max(1, sizes["num_class"]), "classes of the objective")
    if name in _A_TARGET:
        texts = [block[_A_TARGET[name]] for block in made.values() if _A_TARGET[name] in block]
        n_numbers = len(numbers_in(texts[0])) if texts else 0
        check_length(n_numbers, sizes["num_target"], f"{_A_TARGET[name]!r}")
    return made


def _settings(settings: Fields, n_classes: int) -> dict[str, str]:
    if "num_class" in settings.values:
        # A custom or single-class objective stores 0 or 1 here.
        allowed = {n_classes, 0} if n_classes else {0, 1}
        if settings.count("num_class", MAX_WIDTH) not in allowed:
            told = json.dumps(settings.values)
            raise StorageError(f"objective and model disagree on the number of classes: {told}")
    return {_setting_name(name): settings.setting(name) for name in settings.values}


def _setting_name(name: str) -> str:
    known = re.fullmatch(r"[a-z_]{1,60}", name)
    check(known is not None, f"unknown setting {name[:40]!r} of an XGBoost model")
    return name


def _booster(booster: Fields, n_features: int, n_groups: int) -> Document:
    name = booster.values.get("name")
    if name == "gblinear":
        linear = booster.part("model")
        model: Document = {"weights": linear.decimals("weights")}
        check_length(len(model["weights"]), (n_features + 1) * n_groups, "'weights'")
        if "boosted_rounds" in linear.values:
            model["boosted_rounds"] = linear.whole("boosted_rounds")
        return {"name": name, "model": model}
    if name == "dart":
        forest = _forest(booster.part("gbtree").part("model"), n_features, n_groups)
        drop = booster.decimals("weight_drop")
        check_length(len(drop), len(forest["trees"]), "'weight_drop'")
        return {"name": name, "gbtree": {"name": "gbtree", "model": forest}, "weight_drop": drop}
    check(name == "gbtree", f"unknown booster {name!r:.60}; known are gbtree, dart and gblinear")
    return {"name": name, "model": _forest(booster.part("model"), n_features, n_groups)}


def _rounds(booster: Document, n_groups: int) -> int | None:
    """The number of rounds of a booster that was written here; None where it has no trees."""
    forest = booster.get("gbtree", booster)["model"]
    if "iteration_indptr" in forest:
        return len(forest["iteration_indptr"]) - 1
    if "trees" in forest:
        return len(forest["trees"]) // (n_groups * int(forest["gbtree_model_param"]["num_parallel_tree"]))
    return None


def _forest(forest: Fields, n_features: int, n_groups: int) -> Document:
    groups, params = forest.integers("tree_info"), forest.part("gbtree_model_param")
    n_trees, n_parallel = len(forest.items("trees")), max(1, params.count("num_parallel_tree", default="1"))
    check_length(n_trees, params.count("num_trees"), "'trees'")
    check_length(len(groups), n_trees, "'tree_info'")
    check_range(groups, 0, n_groups, "number of a tree's class")
    parallel = "'num_parallel_tree' exceeds the number of trees; the file is damaged"
    check(n_parallel <= max(1, n_trees), parallel)
    trees = [
        _tree(fields_of(tree, f"tree {number}"), number, n_features, n_groups)
        for number, tree in enumerate(forest.items("trees"))
    ]
    n_nodes = sum(len(tree["parents"]) for tree in trees)
    check_range(np.array([n_groups]), 1, max(MAX_OUTPUTS, n_nodes) + 1, "outputs of the model")
    made: Document = {
        "gbtree_model_param": {"num_trees": str(n_trees), "num_parallel_tree": str(n_parallel)},
        "tree_info": groups.tolist(),
        "trees": trees,
    }
    if "iteration_indptr" in forest.values:
        made["iteration_indptr"] = _pointers(forest, "iteration_indptr", n_trees, "'iteration_indptr'")
    if "cats" in forest.values:
        made["cats"] = _categories(forest.part("cats"), n_features)
    return made


@final
@dataclass(frozen=True, eq=False)
class _Nodes:
    """The nodes of a tree: their children, which have any, and which of these the root leads to."""

    where: str
    left: Vector
    right: Vector
    inner: Marks
    splits: Marks
    width: int


def _tree(tree: Fields, number: int, n_features: int, n_groups: int) -> Document:
    where = f"tree {number}"
    params, left = tree.part("tree_param", f" of {where}"), tree.integers("left_children")
    n_nodes, inner = len(left), left != -1
    check(n_nodes > 0, f"{where} has no nodes; the file is damaged")
    check_length(params.count("num_nodes"), n_nodes, f"'num_nodes' of {where}")
    check_length(params.count("num_feature", default=str(n_features)), n_features, f"columns of {where}")
    for name in _NODE_NUMBERS:
        check_length(len(tree.items(name)), n_nodes, f"{name!r} of {where}")
    right, parents, columns, default_left, kinds = (tree.integers(name) for name in _NODE_NUMBERS)
    splits = inner & check_children(left, right, inner, n_nodes, where)
    check_range(columns[inner], 0, n_features, f"column in {where}")
    check_range(default_left, 0, 2, f"default in {where}")
    check_range(kinds, 0, 2, f"split type in {where}")
    width = params.count("size_leaf_vector", MAX_WIDTH, "1")
    check_length(width, n_groups if width > 1 else width, f"outputs of {where}")
    nodes = _Nodes(where, left, right, inner, splits, width)
    return {
        "id": number,
        "tree_param": {
            **{"num_nodes": str(n_nodes), "num_feature": str(n_features), "num_deleted": "0"},
            "size_leaf_vector": str(width),
        },
        "left_children": np.where(splits, left, -1).tolist(),
        "parents": _parents(parents, nodes),
        "split_indices": np.where(splits, columns, 0).tolist(),
        "default_left": default_left.tolist(),
        "split_type": (splits & (kinds == 1)).astype(np.int64).tolist(),
        **_category_sets(tree, inner & (kinds == 1), nodes),
        **_weights(tree, nodes),
    }


def _parents(parents: Vector, nodes: _Nodes) -> list[int]:
    inner = np.flatnonzero(nodes.inner)
    linked = (parents[nodes.left[inner]] == inner) & (parents[nodes.right[inner]] == inner)
    agree = bool(linked.all()) and parents[0] in {-1, NO_PARENT}
    check(agree, f"parents and children of {nodes.where} do not agree; the file is damaged")
    check_range(parents[parents != NO_PARENT], -1, len(parents), f"parent in {nodes.where}")
    # The library looks up the parent of every node but the root, also of those that nothing reaches.
    made = np.zeros_like(parents)
    made[0] = NO_PARENT if nodes.width <= 1 else -1
    for side in (nodes.left, nodes.right):
        made[side[nodes.splits]] = np.flatnonzero(nodes.splits)
    return list(made.tolist())


def _category_sets(tree: Fields, by_set: Marks, nodes: _Nodes) -> Document:
    """The sets of the nodes that are reached, one after the other."""
    codes, numbers = tree.integers("categories"), tree.integers("categories_nodes")
    starts, sizes = tree.integers("categories_segments"), tree.integers("categories_sizes")
    where, most = nodes.where, len(codes) + 1
    check_length(len(starts), len(numbers), f"'categories_segments' of {where}")
    check_length(len(sizes), len(numbers), f"'categories_sizes' of {where}")
    check_range(codes, 0, MAX_WIDTH, f"category in {where}")
    check_range(numbers, 0, len(by_set), f"node with categories in {where}")
    check_range(starts, 0, most, f"start of categories in {where}")
    check_range(sizes, 1, most, f"number of categories in {where}")
    check_range(starts + sizes, 0, most, f"end of categories in {where}")
    # Sets that overlap would be written out to many times the size of the file.
    check_range(sizes.sum(keepdims=True), 0, most, f"number of all categories in {where}")
    known = np.array_equal(numbers, np.flatnonzero(by_set))
    check(known, f"{where} has category splits without categories; the file is damaged")
    alive = nodes.splits[numbers]
    starts, sizes = starts[alive], sizes[alive]
    ends = np.cumsum(sizes)
    places = np.arange(sizes.sum()) + np.repeat(starts - ends + sizes, sizes)
    return {
        "categories": codes[places].tolist(),
        "categories_nodes": numbers[alive].tolist(),
        "categories_segments": (ends - sizes).tolist(),
        "categories_sizes": sizes.tolist(),
    }


def _weights(tree: Fields, nodes: _Nodes) -> Document:
    n_nodes, width = len(nodes.left), nodes.width
    made: Document = {name: tree.decimals(name) for name in ("split_conditions", "base_weights")}
    for name in ("sum_hessian", "loss_changes"):
        # Older versions did not keep these of trees of vectors; the library reads them without asking.
        lacking = width > 1 and name not in tree.values
        made[name] = [0.0] * n_nodes if lacking else tree.decimals(name)
    for name, numbers in made.items():
        needed = n_nodes * max(1, width) if name == "base_weights" else n_nodes
        check_length(len(numbers), needed, f"{name!r} of {nodes.where}")
    return made | _leaves(tree, nodes, made["base_weights"])


def _leaves(tree: Fields, nodes: _Nodes, weights: list[float]) -> Document:
    """The right children, in whose place a leaf of vectors has its number, and what such leaves say.

    Version 2 keeps neither: there each leaf's base weight is what it says, and the leaves are numbered here.
    """
    said: Document = {}
    numbers, of_leaves = np.full_like(nodes.right, -1), nodes.right[~nodes.inner]
    if nodes.width > 1 and "leaf_weights" in tree.values:
        said["leaf_weights"] = tree.decimals("leaf_weights")
        n_leaves, rest = divmod(len(said["leaf_weights"]), nodes.width)
        check_length(rest, 0, f"remainder of 'leaf_weights' of {nodes.where}")
        check_range(of_leaves, 0, n_leaves, f"leaf in {nodes.where}")
        numbers = np.where(nodes.inner, 0, nodes.right)
    else:
        check_range(of_leaves, -1, 0, f"child of a leaf in {nodes.where}")
        if nodes.width > 1:
            said["leaf_weights"] = np.reshape(weights, (-1, nodes.width))[~nodes.splits].ravel().tolist()
            numbers = np.cumsum(~nodes.splits) - 1
    return {"right_children": np.where(nodes.splits, nodes.right, numbers).tolist(), **said}


def _categories(cats: Fields, n_features: int) -> Document:
    encoders = [_levels(fields_of(encoder, "levels")) for encoder in cats.items("enc")]
    segments, order = cats.integers("feature_segments"), cats.integers("sorted_idx")
    if encoders:
        check_length(len(encoders), n_features, "'cats'")
        sizes = [max(1, len(each.get("offsets", [0, *each["values"]]))) - 1 for each in encoders]
        ends = np.cumsum([0, *sizes])
        fits = np.array_equal(segments, ends)
        check(fits, "'feature_segments' does not fit the levels; the file is damaged")
        check_length(len(order), int(ends[-1]), "'sorted_idx'")
        for start, size in zip(ends, sizes, strict=False):
            check_range(order[start : start + size], 0, size, "sorted level")
    else:
        check_length(len(segments) + len(order), 0, "'cats' without levels")
    return {"enc": encoders, "feature_segments": segments.tolist(), "sorted_idx": order.tolist()}


def _levels(encoder: Fields) -> Document:
    if "offsets" in encoder.values:
        letters, texts = encoder.integers("values"), bool(encoder.items("offsets"))
        check_range(letters, -128, 256, "letter of a level")
        ends = _pointers(encoder, "offsets", len(letters), "'offsets' of levels") if texts else []
        return {"offsets": ends, "values": letters.tolist()}
    # Levels that are numbers: their kind is the column's, so they stay as they are.
    levels = encoder.items("values")
    kinds = {*map(type, levels)}
    alike = (kinds <= {int} or kinds <= {float}) and not any(
        abs(level) > (2**63 - 1 if int in kinds else 2**53) for level in levels
    )
    check(
        alike, "the levels of a column of an XGBoost model must be numbers of one kind; the file is damaged"
    )
    return {"values": list(levels), "type": encoder.whole("type")}


def _pointers(fields: Fields, name: str, end: int, what: str) -> list[int]:
    pointers = fields.integers(name)
    ordered = len(pointers) > 0 and pointers[0] == 0 and pointers[-1] == end
    rising = bool(ordered and (np.diff(pointers) >= 0).all())
    check(rising, f"{what} must rise from 0 to {end}; the file is damaged")
    return list(pointers.tolist())
