"""The trees of XGBoost, from the document that it saves."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import logit

from onlyif.core.errors import StorageError
from onlyif.files.xgboost_rebuilt import rebuilt_model
from onlyif.models.links import ExpLink, IdentityLink, Link, SigmoidLink, SoftmaxLink, TwoClassLink
from onlyif.models.outputs import DIGITS_SINGLE, HeadKind
from onlyif.trees.frames import coded_columns
from onlyif.trees.grown import CategorySet, Grown, ensemble_of, every_column, one_margin
from onlyif.trees.question import TreesRead, UnreadableTreesError
from onlyif.trees.thresholds import rounded_to_single, strictly_below

_LOGISTIC = frozenset({"binary:logistic", "reg:logistic"})
_RAW = frozenset({"binary:logitraw"})
_EXPONENTIAL = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})
_SOFTMAX = frozenset({"multi:softprob", "multi:softmax"})
_IDENTITY = frozenset(
    {
        *("reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror"),
        *("reg:quantileerror", "rank:ndcg", "rank:map", "rank:pairwise"),
    }
)


def read_xgboost_model(model: Any, kind: HeadKind) -> TreesRead:
    """A model of XGBoost's scikit-learn classes; the trees after its best iteration are left out.

    Args:
        model: A fitted XGBClassifier, XGBRegressor or the like.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if its trees cannot be walked as they are.
    """
    if not (isinstance(model.missing, float) and np.isnan(model.missing)):
        raise UnreadableTreesError(f"it takes {model.missing!r} for a missing value")
    return _read(model.get_booster(), kind, best=True)


def read_xgboost_booster(booster: Any, kind: HeadKind) -> TreesRead:
    """A native booster, which predicts with all its trees, those after its best iteration too.

    Args:
        booster: The booster.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if its trees cannot be walked as they are.
    """
    return _read(booster, kind, best=False)


def _read(booster: Any, kind: HeadKind, *, best: bool) -> TreesRead:
    document = json.loads(bytes(booster.save_raw("json")))
    try:
        learner = rebuilt_model(document)["learner"]
    except StorageError as error:
        raise UnreadableTreesError(
            f"what XGBoost {document.get('version')} saves is not known here: {error}"
        ) from error
    objective, params = learner["objective"]["name"], learner["learner_model_param"]
    model, scales = _boosted(learner["gradient_booster"])
    k = max(1, int(params["num_class"]), int(params["num_target"]))
    used = _used_trees(learner, model, k) if best else len(model["trees"])
    trees = [
        _grown(tree, k, number, scale)
        for tree, number, scale in zip(model["trees"][:used], model["tree_info"], scales, strict=False)
    ]
    n_columns = int(params["num_feature"])
    base = np.broadcast_to(_base_margin(params["base_score"], objective), k)
    ensemble = ensemble_of(trees, n_columns, base, _link(objective, kind))
    # What an unseen category becomes differs between versions: an error, or the first category.
    encode = coded_columns(_categories(model, n_columns), unseen=None)
    return TreesRead(ensemble, every_column(n_columns), encode, DIGITS_SINGLE)


def _boosted(booster: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[float]]:
    """The trees, and what each is multiplied with."""
    if booster["name"] == "gbtree":
        return booster["model"], [1.0] * len(booster["model"]["trees"])
    if booster["name"] == "dart":
        return booster["gbtree"]["model"], booster["weight_drop"]
    raise UnreadableTreesError(f"its booster {booster['name']} has no trees")


def _used_trees(learner: Mapping[str, Any], model: Mapping[str, Any], k: int) -> int:
    best = learner["attributes"].get("best_iteration")
    if best is None:
        return len(model["trees"])
    if "iteration_indptr" in model:
        return int(model["iteration_indptr"][int(best) + 1])
    return (int(best) + 1) * k * int(model["gbtree_model_param"]["num_parallel_tree"])


def _base_margin(text: str, objective: str) -> np.ndarray:
    score = np.array([float(part) for part in re.findall(r"[^\[\],\s]+", text)])
    if objective in _LOGISTIC:
        return np.asarray(logit(score))
    return np.log(score) if objective in _EXPONENTIAL else score


def _link(objective: str, kind: HeadKind) -> Link:
    if objective not in _LOGISTIC | _RAW | _EXPONENTIAL | _SOFTMAX | _IDENTITY:
        raise UnreadableTreesError(f"the objective {objective} is not known here")
    if kind is HeadKind.MARGIN:
        return IdentityLink()
    if kind is HeadKind.PROBABILITY:
        return SoftmaxLink() if objective in _SOFTMAX else TwoClassLink()
    if objective in _SOFTMAX:
        raise UnreadableTreesError(f"it answers a class number ({objective}), which is no sum over trees")
    if objective in _EXPONENTIAL:
        return ExpLink()
    return SigmoidLink() if objective in _LOGISTIC else IdentityLink()


def _grown(tree: Mapping[str, Any], k: int, number: int, scale: float) -> Grown:
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise UnreadableTreesError("each of its leaves has a vector of values")
    left = np.array(tree["left_children"])
    inner = left >= 0
    # Numbers of the document are single ones; rows are rounded to single before x < t is asked.
    condition = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    strict = rounded_to_single(strictly_below(condition))
    sets = np.full(len(left), -1)
    sets[np.array(tree["categories_nodes"], dtype=np.int64)] = np.arange(len(tree["categories_nodes"]))
    return Grown(
        column=np.where(inner, tree["split_indices"], -1),
        threshold=np.where(sets >= 0, 0.0, strict),
        left=np.where(inner, left, 0),
        right=np.where(inner, tree["right_children"], 0),
        missing_left=np.array(tree["default_left"]).astype(bool),
        cover=np.array(tree["sum_hessian"], dtype=np.float64),
        value=one_margin(np.where(inner, 0.0, condition * scale), k, number),
        category_set=sets,
        sets=tuple(_category_sets(tree)),
    )


def _category_sets(tree: Mapping[str, Any]) -> list[CategorySet]:
    codes = np.array(tree["categories"], dtype=np.int64)
    parts = zip(tree["categories_segments"], tree["categories_sizes"], strict=True)
    return [CategorySet(codes[start : start + size], left=False) for start, size in parts]


def _categories(model: Mapping[str, Any], n_columns: int) -> Callable[[int], Sequence[Any] | None]:
    """The levels of each column, in order of code; None where the model has not kept them."""
    encoders = model.get("cats", {}).get("enc", [])
    held = [_levels(encoder) for encoder in encoders] or [None] * n_columns
    return lambda column: held[column]


def _levels(encoder: Mapping[str, Any]) -> Sequence[Any] | None:
    values = encoder["values"]
    if "offsets" not in encoder:
        return values or None
    text, ends = bytes(each & 255 for each in values), encoder["offsets"]
    return [text[first:last].decode() for first, last in pairwise(ends)] or None
