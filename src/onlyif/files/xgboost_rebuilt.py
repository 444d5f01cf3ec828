"""An XGBoost model written anew, from nothing but the fields that were checked.

The library is given this document and never the one that was read: numbers of trees, parents and split
types are made here, nodes that no path reaches become plain leaves, and what is not known is left out.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.files.tree_arrays import check_length, check_range, reached
from onlyif.files.xgboost_checks import NO_PARENT, check_xgboost_model

Document: TypeAlias = dict[str, Any]

# Objectives whose base score must be a probability, or above 0.
_PROBABILITY = frozenset({"binary:logistic", "binary:logitraw", "reg:logistic"})
_POSITIVE = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})
_SOFTMAX = frozenset({"multi:softmax", "multi:softprob"})
_OTHERS = frozenset(
    {
        *(
            "reg:squarederror",
            "reg:linear",
            "reg:squaredlogerror",
            "reg:pseudohubererror",
            "reg:absoluteerror",
        ),
        *(
            "reg:quantileerror",
            "reg:expectileerror",
            "binary:hinge",
            "rank:ndcg",
            "rank:map",
            "rank:pairwise",
        ),
        *("survival:cox", "survival:aft"),
    }
)
# Settings of an objective that hold one number a target.
_A_TARGET = {"reg:quantileerror": "quantile_alpha", "reg:expectileerror": "expectile_alpha"}
_SIZES = ("num_class", "num_feature", "num_target")
_DECIMAL = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_SETTING = re.compile(rf"{_DECIMAL}|\[(?:{_DECIMAL}(?:, ?{_DECIMAL})*)?\]|[a-z]{{1,20}}")
_NAME = re.compile(r"[a-z_]{1,60}")
_COLUMN_KINDS = frozenset({"int", "i", "float", "q", "c", "indicator"})
# Most bits that the category sets of a model take: a set is as wide as its largest category.
_MOST_BITS = 2**31


def rebuilt_model(document: Any) -> Document:
    """A document with the meaning of the one that was read.

    Raises:
        StorageError: if a field is damaged or of no known kind.
    """
    check_xgboost_model(document)
    learner = document["learner"]
    params = _params(learner["learner_model_param"])
    booster, rounds = _booster(learner["gradient_booster"], params)
    made: Document = {
        "attributes": _attributes(learner.get("attributes", {}), rounds),
        "gradient_booster": booster,
        "learner_model_param": params,
        "objective": _objective(learner["objective"], params),
    }
    for name in ("feature_names", "feature_types"):
        if name in learner:
            made[name] = _words(learner[name], name)
    return {"learner": made, "version": _version(document.get("version"))}


def _params(held: Mapping[str, Any]) -> Document:
    params = {name: str(int(held[name])) for name in _SIZES if name in held}
    params.setdefault("num_class", "0")
    for name in ("base_score", "boost_from_average"):
        if name in held:
            params[name] = _setting(held[name], name)
    return params


def _version(held: Any) -> list[int]:
    whole = isinstance(held, list) and len(held) == 3 and all(type(part) is int for part in held)
    if not whole or not all(0 <= part < 1000 for part in held):
        raise StorageError(f"'version' of an XGBoost model must be three numbers, got {str(held)[:40]}")
    return list(held)


def _objective(held: Mapping[str, Any], params: Document) -> Document:
    name = held.get("name")
    if not isinstance(name, str) or name not in _PROBABILITY | _POSITIVE | _SOFTMAX | _OTHERS:
        raise StorageError(f"unknown objective {str(name)[:60]!r} of an XGBoost model")
    made: Document = {"name": name}
    for block, settings in held.items():
        if isinstance(settings, dict):
            made[_setting_name(block)] = {
                _setting_name(key): _setting(value, key) for key, value in settings.items()
            }
        elif block in {"ti+", "tj-"}:
            made[block] = _decimals(settings, block)
        elif block != "name":
            raise StorageError(f"unknown setting {block[:40]!r} of the objective of an XGBoost model")
    _check_base_score(name, params.get("base_score", "0.5"))
    if name in _SOFTMAX:
        n_classes = made.get("softmax_multiclass_param", {}).get("num_class", "0")
        check_length(int(n_classes), max(1, int(params["num_class"])), "classes of the objective")
    if name in _A_TARGET:
        told = [block[_A_TARGET[name]] for block in made.values() if _A_TARGET[name] in block]
        n_told = len(_numbers_in(told[0])) if told else 0
        check_length(n_told, int(params.get("num_target", "1")), f"{_A_TARGET[name]!r}")
    return made


def _check_base_score(objective: str, text: str) -> None:
    scores = np.array(_numbers_in(text))
    low, high = (0.0 if objective in _PROBABILITY | _POSITIVE else -np.inf), np.inf
    high = 1.0 if objective in _PROBABILITY else high
    if not len(scores) or not (np.isfinite(scores) & (scores > low) & (scores < high)).all():
        raise StorageError(
            f"'base_score' of an XGBoost model must be a number{'' if low else ' above 0'}"
            f"{' and below 1' if high == 1 else ''} for {objective}, got {text[:60]!r}"
        )


def _booster(held: Mapping[str, Any], params: Document) -> tuple[Document, int | None]:
    """The boosted part, and its number of rounds; None where it has none."""
    name = held["name"]
    if name == "gblinear":
        model: Document = {"weights": _decimals(held["model"]["weights"], "weights")}
        if "boosted_rounds" in held["model"]:
            model["boosted_rounds"] = _whole(held["model"], "boosted_rounds")
        return {"name": name, "model": model}, None
    if name == "dart":
        forest, rounds = _forest(held["gbtree"]["model"], params)
        drop = _decimals(held["weight_drop"], "weight_drop")
        return {"name": name, "gbtree": {"name": "gbtree", "model": forest}, "weight_drop": drop}, rounds
    forest, rounds = _forest(held["model"], params)
    return {"name": name, "model": forest}, rounds


def _forest(held: Mapping[str, Any], params: Document) -> tuple[Document, int]:
    n_groups = max(1, *(int(params.get(name, "0")) for name in ("num_class", "num_target")))
    n_parallel = max(1, int(held["gbtree_model_param"].get("num_parallel_tree", "1")))
    bits = sum(
        1 + int(max(tree["categories"], default=-1)) * len(tree["categories_nodes"]) for tree in held["trees"]
    )
    if bits > _MOST_BITS:
        raise StorageError(
            "the category sets of the XGBoost model are out of proportion; the file is damaged"
        )
    trees = [_tree(tree, number, params["num_feature"]) for number, tree in enumerate(held["trees"])]
    model: Document = {
        "gbtree_model_param": {"num_trees": str(len(trees)), "num_parallel_tree": str(n_parallel)},
        "tree_info": [int(group) for group in held["tree_info"]],
        "trees": trees,
    }
    rounds = len(trees) // (n_groups * n_parallel)
    if "iteration_indptr" in held:
        model["iteration_indptr"] = [int(end) for end in held["iteration_indptr"]]
        rounds = len(held["iteration_indptr"]) - 1
    if "cats" in held:
        model["cats"] = _categories(held["cats"])
    return model, rounds


def _tree(held: Mapping[str, Any], number: int, n_features: str) -> Document:
    left, right = np.array(held["left_children"]), np.array(held["right_children"])
    n_nodes, width = len(left), int(held["tree_param"].get("size_leaf_vector", "1"))
    alive = reached(left, right, left != -1, f"tree {number}")
    inner = alive & (left != -1)
    # The library looks up the parent of every node but the root, also of those that nothing reaches.
    parents = np.zeros(n_nodes, dtype=np.int64)
    parents[0] = NO_PARENT if width <= 1 else -1
    for side in (left, right):
        parents[side[inner]] = np.flatnonzero(inner)
    by_category = _category_sets(held, inner)
    nodes = by_category["categories_nodes"]
    tree: Document = {
        "id": number,
        "tree_param": {
            **{"num_nodes": str(n_nodes), "num_feature": n_features, "num_deleted": "0"},
            "size_leaf_vector": str(width),
        },
        "left_children": np.where(inner, left, -1).tolist(),
        "right_children": np.where(inner, right, -1).tolist(),
        "parents": parents.tolist(),
        "split_indices": np.where(inner, held["split_indices"], 0).tolist(),
        "default_left": [int(bool(each)) for each in held["default_left"]],
        "split_type": np.isin(np.arange(n_nodes), nodes).astype(int).tolist(),
        **by_category,
    }
    for name in ("split_conditions", "base_weights"):
        tree[name] = _decimals(held[name], name)
    if width > 1:
        tree |= _leaves_of_vectors(held, inner, tree["base_weights"])
    for name in ("sum_hessian", "loss_changes"):
        # Older versions did not keep these of trees of vectors; the library reads them without asking.
        kept = held.get(name, [0.0] * n_nodes if width > 1 else None)
        tree[name] = _decimals(kept, name)
        check_length(len(tree[name]), n_nodes, f"{name!r} of tree {number}")
    return tree


def _leaves_of_vectors(held: Mapping[str, Any], inner: np.ndarray, weights: list[float]) -> Document:
    """What the leaves of a tree of vectors say, and in the place of a right child the number of each leaf.

    Version 2 keeps neither: there each leaf's base weight is what it says, and the leaves are numbered here.
    """
    if "leaf_weights" in held:
        numbers, said = np.array(held["right_children"]), _decimals(held["leaf_weights"], "leaf_weights")
    else:
        numbers = np.cumsum(~inner) - 1
        said = np.array(weights).reshape(len(inner), -1)[~inner].ravel().tolist()
    return {"right_children": np.where(inner, held["right_children"], numbers).tolist(), "leaf_weights": said}


def _category_sets(held: Mapping[str, Any], inner: np.ndarray) -> dict[str, list[int]]:
    """The sets of the nodes that are reached, one after the other."""
    made: dict[str, list[int]] = {
        name: [] for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    }
    parts = zip(held["categories_nodes"], held["categories_segments"], held["categories_sizes"], strict=True)
    for node, start, size in parts:
        if inner[node]:
            made["categories_nodes"].append(node)
            made["categories_segments"].append(len(made["categories"]))
            made["categories_sizes"].append(size)
            made["categories"].extend(held["categories"][start : start + size])
    return made


def _categories(held: Mapping[str, Any]) -> Document:
    encoders = []
    for each in held["enc"]:
        if "offsets" in each:
            made: Document = {name: [int(value) for value in each[name]] for name in ("offsets", "values")}
            check_range(np.array(made["values"], dtype=np.int64), -128, 256, "letter of a level")
        else:
            made = {"values": _alike(each["values"]), "type": _whole(each, "type")}
        encoders.append(made)
    return {
        "enc": encoders,
        **{name: [int(value) for value in held[name]] for name in ("feature_segments", "sorted_idx")},
    }


def _alike(held: Any) -> list[Any]:
    """Levels that are numbers: their kind is the column's, so they stay as they are."""
    numbers = _decimals(held, "levels")
    if len({type(value) for value in held}) > 1 or any(abs(number) > 2**53 for number in numbers):
        raise StorageError("the levels of a column of an XGBoost model are of two kinds; the file is damaged")
    return list(held)


def _attributes(held: Any, rounds: int | None) -> dict[str, str]:
    if not isinstance(held, dict) or not all(isinstance(value, str) for value in held.values()):
        raise StorageError("'attributes' of an XGBoost model must be texts; the file is damaged")
    best = held.get("best_iteration")
    if best is not None and not (re.fullmatch(r"\d{1,9}", best) and (rounds is None or int(best) < rounds)):
        raise StorageError(
            f"'best_iteration' of an XGBoost model of {rounds} rounds is {best[:40]!r}; damaged"
        )
    return dict(held)


def _words(held: Any, name: str) -> list[str]:
    if not isinstance(held, list) or not all(isinstance(word, str) for word in held):
        raise StorageError(f"{name!r} of an XGBoost model must be texts; the file is damaged")
    if name == "feature_types" and set(held) - _COLUMN_KINDS:
        raise StorageError(
            f"'feature_types' of an XGBoost model: unknown {sorted(set(held) - _COLUMN_KINDS)}"
        )
    return list(held)


def _setting_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StorageError(f"unknown setting {name[:40]!r} of an XGBoost model")
    return name


def _setting(value: Any, name: str) -> str:
    if not isinstance(value, str) or not _SETTING.fullmatch(value):
        raise StorageError(
            f"{name!r} of an XGBoost model must be a number or a word, got {str(value)[:60]!r}"
        )
    return value


def _numbers_in(text: str) -> list[float]:
    return [float(part) for part in text.strip("[]").split(",") if re.fullmatch(f" ?{_DECIMAL}", part)]


def _whole(held: Mapping[str, Any], name: str) -> int:
    value = held.get(name)
    if type(value) is not int or not 0 <= value < 2**31:
        raise StorageError(f"{name!r} of an XGBoost model must be a number, got {str(value)[:40]!r}")
    return value


def _decimals(held: Any, name: str) -> list[float]:
    if not isinstance(held, list) or not all(type(value) in {int, float} for value in held):
        raise StorageError(f"{name!r} of an XGBoost model must hold numbers; the file is damaged")
    if any(type(value) is int and abs(value) > 2**53 for value in held):
        raise StorageError(f"{name!r} of an XGBoost model holds a number out of range; the file is damaged")
    return [float(value) for value in held]
