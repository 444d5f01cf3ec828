"""What must hold in a loaded scikit-learn model before its compiled code runs.

Trees, histogram trees and support vectors are walked by code that asks no
questions. In a file made by scikit-learn all of this holds.
"""

import os
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn import ensemble, svm
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree
from sklearn.utils.validation import check_array

from onlyif.core.errors import StorageError
from onlyif.files.tree_arrays import check_children, check_length, check_range

_FORESTS = (
    ensemble.RandomForestClassifier,
    ensemble.RandomForestRegressor,
    ensemble.ExtraTreesClassifier,
    ensemble.ExtraTreesRegressor,
)
_BAGS = (ensemble.BaggingClassifier, ensemble.BaggingRegressor)
_BOOSTED = (ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor)
_HISTOGRAM = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)
_MACHINES = (svm.SVC, svm.NuSVC, svm.SVR, svm.NuSVR)


def check_sklearn_model(model: Any) -> None:
    """Every part of a model that compiled code would walk unchecked.

    Args:
        model: What was loaded: an estimator, or anything that holds some.

    Raises:
        StorageError: if a position is out of range or parts do not fit.
    """
    for part in _parts(model):
        _limit_jobs(part)
        if isinstance(part, BaseDecisionTree):
            _check_width(part, vars(part).get("n_features_in_", -1))
        elif isinstance(part, _FORESTS):
            for tree in vars(part).get("estimators_", ()):
                _check_width(tree, part.n_features_in_)
        elif isinstance(part, _BAGS):
            _check_bag(part)
        elif isinstance(part, _BOOSTED):
            _check_boosted(part)
        elif isinstance(part, _HISTOGRAM):
            _check_histogram(part)
        elif isinstance(part, _MACHINES):
            _check_machine(part)
        elif isinstance(part, OneHotEncoder):
            _check_encoder(part)


def _parts(model: Any) -> Iterator[Any]:
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple, set)):
            waiting.extend(part)
        elif isinstance(part, np.ndarray):
            waiting.extend(part.ravel().tolist() if part.dtype == object else ())
        elif getattr(type(part), "__module__", "").split(".")[0] != "builtins":
            yield part
            waiting.extend(getattr(part, "__dict__", {}).values())


def _limit_jobs(part: Any) -> None:
    """No file starts more processes than there are processors, whatever the machine it was made on had."""
    jobs, most = getattr(part, "__dict__", {}).get("n_jobs"), os.cpu_count() or 1
    if isinstance(jobs, int) and jobs > most:
        part.n_jobs = most


def _check_width(tree: Any, n_features: int) -> None:
    if "tree_" not in vars(tree):
        # An unfitted template, as the attribute `estimator` of a forest: it cannot predict.
        return
    if not isinstance(tree.tree_, Tree):
        raise StorageError(f"a tree is a {type(tree.tree_).__name__}; the file is damaged")
    check_length(tree.tree_.n_features, n_features, "columns of a tree")


def _check_bag(bag: Any) -> None:
    members = vars(bag).get("estimators_", ())
    for member, columns in zip(members, vars(bag).get("estimators_features_", ()), strict=True):
        check_range(np.asarray(columns), 0, bag.n_features_in_, "column of a bag")
        if isinstance(member, BaseDecisionTree):
            _check_width(member, len(columns))


def _check_boosted(model: Any) -> None:
    if "estimators_" not in vars(model):
        return
    trees = model.estimators_
    if not isinstance(trees, np.ndarray) or trees.ndim != 2:
        raise StorageError("a boosted model has no table of trees; the file is damaged")
    check_length(trees.shape[1], model.n_trees_per_iteration_, "trees of a round")
    for tree in trees.flat:
        _check_width(tree, model.n_features_in_)
        check_length(tree.tree_.n_outputs * tree.tree_.max_n_classes, 1, "values of a leaf")
    # Compiled code adds to this table without asking how wide it is.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    check_length(int(np.prod(np.shape(start))), trees.shape[1], "margins before the first tree")


def _check_histogram(model: Any) -> None:
    if "_predictors" not in vars(model):
        return
    mapper, width = model._bin_mapper, model._n_features
    _check_preprocessor(model)
    categorical = np.asarray(mapper.is_categorical_)
    check_length(width, model.n_features_in_, "columns of a boosted model")
    check_length(len(categorical), width, "'is_categorical_'")
    for column in np.flatnonzero(categorical):
        check_range(np.asarray(mapper.bin_thresholds_[column]), 0, 256, "category of a column")
    check_length(
        np.size(model._baseline_prediction), model.n_trees_per_iteration_, "margins before the first tree"
    )
    for trees in model._predictors:
        check_length(len(trees), model.n_trees_per_iteration_, "trees of a round")
        for tree in trees:
            _check_histogram_tree(tree, categorical)


def _check_histogram_tree(tree: Any, categorical: np.ndarray) -> None:
    nodes, sets = tree.nodes, tree.raw_left_cat_bitsets
    if not len(nodes) or sets.ndim != 2 or sets.shape[1] != 8 or sets.dtype != np.uint32:
        raise StorageError("a histogram tree has no nodes or no category sets; the file is damaged")
    inner = nodes["is_leaf"] == 0
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    check_children(left, right, inner, len(nodes), "a histogram tree")
    check_range(nodes["feature_idx"][inner], 0, len(categorical), "column in a histogram tree")
    by_category = inner & (nodes["is_categorical"] != 0)
    check_range(nodes["bitset_idx"][by_category], 0, len(sets), "category set in a histogram tree")
    if not categorical[nodes["feature_idx"][by_category]].all():
        raise StorageError("a histogram tree splits numbers by category; the file is damaged")


def _check_preprocessor(model: Any) -> None:
    """What comes before the trees must leave as many columns as it got."""
    before = model._preprocessor
    if before is None:
        return
    if type(before) is not ColumnTransformer or before.remainder != "drop":
        raise StorageError("a boosted model has a preprocessor of another kind; the file is damaged")
    (_, encoder, encoded), (_, passing, passed) = [t for t in before.transformers_ if t[0] != "remainder"]
    function = passing.func
    usual = (
        type(encoder) is OrdinalEncoder
        and type(passing) is FunctionTransformer
        and isinstance(function, partial)
        and function.func is check_array
        and np.array_equal(np.asarray(encoded, dtype=bool), ~np.asarray(passed, dtype=bool))
    )
    if not usual:
        raise StorageError("a boosted model has a preprocessor of another kind; the file is damaged")
    check_length(len(encoded), model.n_features_in_, "columns of a preprocessor")


def _check_machine(model: Any) -> None:
    if "support_vectors_" not in vars(model):
        return
    vectors, weights = model.support_vectors_, model._dual_coef_
    classes = len(model.classes_) if isinstance(model, (svm.SVC, svm.NuSVC)) else 2
    pairs = classes * (classes - 1) // 2
    if model._sparse or vectors.ndim != 2:
        raise StorageError("support vectors must be a dense table; refit the model on a dense table")
    if weights.shape != (max(1, classes - 1), len(vectors)):
        raise StorageError(f"support vectors {vectors.shape} and weights {weights.shape} do not fit")
    check_length(len(model.support_), len(vectors), "'support_'")
    check_length(len(model._intercept_), pairs, "'_intercept_'")
    for name in ("_probA", "_probB"):
        if len(getattr(model, name)):
            check_length(len(getattr(model, name)), pairs, f"{name!r}")
    if isinstance(model, (svm.SVC, svm.NuSVC)):
        check_length(len(model._n_support), classes, "'_n_support'")
        check_range(np.asarray(model._n_support), 0, len(vectors) + 1, "support vectors of a class")
        check_length(int(np.sum(model._n_support)), len(vectors), "support vectors of all classes")
    if model.kernel == "precomputed":
        check_range(np.asarray(model.support_), 0, model.n_features_in_, "support vector")
    else:
        check_length(vectors.shape[1], model.n_features_in_, "columns of the support vectors")


def _check_encoder(encoder: Any) -> None:
    """Codes become columns of a sparse table, whose width compiled code believes."""
    if "categories_" not in vars(encoder):
        return
    widths = encoder._compute_n_features_outs()
    if list(encoder._n_features_outs) != list(widths):
        raise StorageError("an encoder makes other columns than it has categories; the file is damaged")
    dropped = [None] * len(widths) if encoder.drop_idx_ is None else list(encoder.drop_idx_)
    mappings = getattr(encoder, "_default_to_infrequent_mappings", None) or [None] * len(widths)
    for width, drop, mapping in zip(widths, dropped, mappings, strict=True):
        if mapping is not None:
            check_range(np.asarray(mapping), 0, width + (drop is not None), "rare category")
