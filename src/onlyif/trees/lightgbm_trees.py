"""The trees of LightGBM, from the text that it saves."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.files.lightgbm_checks import Fields, model_text
from onlyif.models.links import ExpLink, IdentityLink, Link, SigmoidLink, SoftmaxLink, TwoClassLink
from onlyif.models.outputs import HeadKind
from onlyif.trees.ensemble import ZERO
from onlyif.trees.frames import coded_in_order
from onlyif.trees.grown import CategorySet, Grown, ensemble_of, every_column, one_margin, plain_numbers
from onlyif.trees.question import TreesRead, UnreadableTreesError

_IDENTITY = frozenset(
    {
        *("regression", "regression_l1", "huber", "fair", "quantile", "mape"),
        *("lambdarank", "rank_xendcg", "custom"),
    }
)
_EXPONENTIAL = frozenset({"poisson", "gamma", "tweedie"})
_CATEGORY, _LEFT = 1, 2
_NONE, _ZERO, _NAN = 0, 1, 2  # what counts as missing, in bits 2 and 3 of a decision


def read_lightgbm_model(model: Any, kind: HeadKind) -> TreesRead:
    """A model of LightGBM's scikit-learn classes.

    Args:
        model: A fitted LGBMClassifier, LGBMRegressor or the like.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if it stops before its last tree for some rows, or its trees cannot be walked.
    """
    settings = model.get_params()
    if settings.get("pred_early_stop"):
        raise UnreadableTreesError("it stops early when it predicts (pred_early_stop)")
    return read_lightgbm_booster(model.booster_, kind)


def read_lightgbm_booster(booster: Any, kind: HeadKind) -> TreesRead:
    """A native booster; the trees after its best iteration are left out.

    Args:
        booster: The booster.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if its trees cannot be walked as they are.
    """
    try:
        text = model_text(booster.model_to_string())
        fields = [text.fields(i) for i in range(len(text.trees))]
    except StorageError as error:
        raise UnreadableTreesError(
            f"what this version of LightGBM saves is not known here: {error}"
        ) from error
    settings = text.header
    k, n_columns = int(settings["num_tree_per_iteration"]), int(settings["max_feature_idx"]) + 1
    # A forest averages its iterations, but not for the margin; all other boosters add them.
    averaged = "average_output" in settings and kind is not HeadKind.MARGIN
    scale = k / len(fields) if averaged and fields else 1.0
    trees = [_grown(each, k, number % k, scale) for number, each in enumerate(fields)]
    ensemble = ensemble_of(
        trees, n_columns, np.zeros(k), _link(settings.get("objective", "custom"), kind), _zero_columns(fields)
    )
    levels = booster.pandas_categorical
    return TreesRead(ensemble, every_column(n_columns), coded_in_order(levels) if levels else plain_numbers)


def _link(objective: str, kind: HeadKind) -> Link:
    name, *options = objective.split(" ")
    slope = next(
        (float(each.removeprefix("sigmoid:")) for each in options if each.startswith("sigmoid:")), 1.0
    )
    if kind is HeadKind.MARGIN:
        return IdentityLink()
    if "sqrt" in options:
        raise UnreadableTreesError(f"the link of its objective {objective} is not known here")
    if name == "binary":
        return TwoClassLink(slope)
    if name == "multiclass":
        return SoftmaxLink()
    if name in {"multiclassova", "cross_entropy"}:
        return SigmoidLink(slope)
    if name in _EXPONENTIAL | _IDENTITY:
        return ExpLink() if name in _EXPONENTIAL else IdentityLink()
    raise UnreadableTreesError(f"the link of its objective {objective} is not known here")


def _grown(fields: Fields, k: int, number: int, scale: float) -> Grown:
    if fields.get("is_linear", "0") != "0":
        raise UnreadableTreesError("its leaves hold linear models")
    column = _integers(fields, "split_feature")
    n_inner, leaf_value = len(column), _numbers(fields, "leaf_value") * scale
    decision, threshold = _integers(fields, "decision_type"), _numbers(fields, "threshold")
    categorical, missing = (decision & _CATEGORY) > 0, decision >> 2 & 3
    sets, after = _category_sets(fields, threshold[categorical]), np.full(len(leaf_value), -1)
    # Where nothing counts as missing, a missing value is a 0; a missing category goes right.
    missing_left = np.where(missing == _NONE, threshold >= 0, (decision & _LEFT) > 0) & ~categorical
    chosen = np.where(categorical, np.cumsum(categorical) - 1, -1)
    no_child = np.zeros(len(leaf_value), dtype=np.int64)
    return Grown(
        column=np.concatenate([column, after]),
        threshold=np.concatenate([np.where(categorical, 0.0, _around_zero(threshold)), no_child]),
        left=np.concatenate([_children(fields, "left_child", n_inner), no_child]),
        right=np.concatenate([_children(fields, "right_child", n_inner), no_child]),
        missing_left=np.concatenate([missing_left, no_child > 0]),
        cover=np.concatenate(
            [_covers(fields, "internal_count", n_inner), _covers(fields, "leaf_count", len(after))]
        ),
        value=one_margin(np.concatenate([np.zeros(n_inner), leaf_value]), k, number),
        category_set=np.concatenate([chosen, after]),
        sets=sets,
    )


def _around_zero(threshold: np.ndarray) -> np.ndarray:
    """Thresholds for rows whose tiniest values were not set to 0 first, as LightGBM does."""
    below = np.where((threshold >= -ZERO) & (threshold < 0), np.nextafter(-ZERO, -np.inf), threshold)
    return np.where((threshold >= 0) & (threshold < ZERO), ZERO, below)


def _children(fields: Fields, name: str, n_inner: int) -> np.ndarray:
    """Leaves are numbered -1, -2, ... there, and after all inner nodes here."""
    child = _integers(fields, name)
    return np.where(child >= 0, child, n_inner + ~child)


def _covers(fields: Fields, name: str, count: int) -> np.ndarray:
    held = _numbers(fields, name)
    return held if len(held) == count else np.zeros(count)


def _category_sets(fields: Fields, which: np.ndarray) -> tuple[CategorySet, ...]:
    ends, words = _integers(fields, "cat_boundaries"), _integers(fields, "cat_threshold")
    found = []
    for number in which.astype(np.int64):
        held = words[ends[number] : ends[number + 1]]
        bits = held[:, None] >> np.arange(32) & 1
        found.append(CategorySet(np.flatnonzero(bits.ravel()), left=True))
    return tuple(found)


def _zero_columns(trees: Sequence[Fields]) -> list[int]:
    """The columns in which 0 counts as missing: that is a setting of the training table."""
    column, decision = (
        np.concatenate([_integers(fields, name) for fields in trees] or [np.zeros(0, dtype=np.int64)])
        for name in ("split_feature", "decision_type")
    )
    numeric, zero = (decision & _CATEGORY) == 0, (decision >> 2 & 3) == _ZERO
    columns = set(column[numeric & zero].tolist())
    if columns & set(column[numeric & ~zero].tolist()):
        raise UnreadableTreesError("0 counts as missing in some of its trees and not in others")
    return sorted(columns)


def _integers(fields: Fields, name: str) -> np.ndarray:
    return np.array(fields.get(name, "").split(), dtype=np.int64)


def _numbers(fields: Fields, name: str) -> np.ndarray:
    return np.array(fields.get(name, "").split(), dtype=np.float64)
