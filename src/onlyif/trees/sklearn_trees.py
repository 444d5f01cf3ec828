"""The trees of scikit-learn's forests, single trees, bagged trees and gradient boosting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.tree import BaseDecisionTree

from onlyif.models.links import IdentityLink, Link, SoftmaxLink, TwoClassLink
from onlyif.models.outputs import HeadKind
from onlyif.trees.grown import Grown, ensemble_of, every_column, one_margin, plain_numbers
from onlyif.trees.question import TreesRead, UnreadableTreesError
from onlyif.trees.thresholds import rounded_to_single


def read_tree(model: Any, kind: HeadKind) -> TreesRead:
    """A single decision tree.

    Args:
        model: A fitted DecisionTreeClassifier, ExtraTreeRegressor or the like.
        kind: The output that is explained.
    """
    return _averaged([model], [np.arange(model.n_features_in_)], model, kind)


def read_forest(model: Any, kind: HeadKind) -> TreesRead:
    """A forest: its output is the average over its trees.

    Args:
        model: A fitted RandomForestClassifier, ExtraTreesRegressor or the like.
        kind: The output that is explained.
    """
    return _averaged(
        model.estimators_, [np.arange(model.n_features_in_)] * len(model.estimators_), model, kind
    )


def read_bagging(model: Any, kind: HeadKind) -> TreesRead:
    """Trees bagged on samples of rows and columns.

    Args:
        model: A fitted BaggingClassifier or BaggingRegressor.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if what is bagged are no trees, or not all of them know all classes.
    """
    if not all(isinstance(each, BaseDecisionTree) for each in model.estimators_):
        raise UnreadableTreesError("what is bagged are no single decision trees")
    n_classes = getattr(model, "n_classes_", None)
    if any(getattr(each, "n_classes_", None) != n_classes for each in model.estimators_):
        raise UnreadableTreesError("some of its trees were trained on fewer classes than others")
    return _averaged(model.estimators_, model.estimators_features_, model, kind)


def read_boosting(model: Any, kind: HeadKind) -> TreesRead:
    """Gradient boosting: a sum of regression trees.

    Args:
        model: A fitted GradientBoostingClassifier or GradientBoostingRegressor.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if it starts from an estimator that looks at the columns.
    """
    columns, k = np.arange(model.n_features_in_), model.estimators_.shape[1]
    if not (isinstance(model.init_, str) or type(model.init_).__name__.startswith("Dummy")):
        raise UnreadableTreesError(f"its trees start from the predictions of a {type(model.init_).__name__}")
    trees = [
        _grown(each, columns, one_margin(each.tree_.value[:, 0, 0] * model.learning_rate, k, number))
        for stage in model.estimators_
        for number, each in enumerate(stage)
    ]
    base = np.asarray(model._raw_predict_init(np.zeros((1, len(columns)))), dtype=np.float64)[0]
    ensemble = ensemble_of(trees, len(columns), base, _boosting_link(model, kind, k))
    return TreesRead(ensemble, every_column(len(columns)), plain_numbers)


def _boosting_link(model: Any, kind: HeadKind, k: int) -> Link:
    if kind is not HeadKind.PROBABILITY:
        return IdentityLink()
    if k > 1:
        return SoftmaxLink()
    return TwoClassLink(2.0 if model.loss == "exponential" else 1.0)


def _averaged(
    estimators: Sequence[Any], columns: Sequence[np.ndarray], model: Any, kind: HeadKind
) -> TreesRead:
    if kind is not (HeadKind.PROBABILITY if is_classifier(model) else HeadKind.VALUE):
        raise UnreadableTreesError(
            f"the {kind.value} of a {type(model).__name__} is no average over its leaves"
        )
    trees = [
        _grown(each, held, _shares(each.tree_.value, kind) / len(estimators))
        for each, held in zip(estimators, columns, strict=True)
    ]
    ensemble = ensemble_of(trees, model.n_features_in_, np.zeros(trees[0].value.shape[1]))
    return TreesRead(ensemble, every_column(model.n_features_in_), plain_numbers)


def _shares(value: np.ndarray, kind: HeadKind) -> np.ndarray:
    """Shares of the classes; before scikit-learn 1.3 they were counts. Of a regressor one value a target."""
    if kind is HeadKind.VALUE:
        return value[:, :, 0]
    share = value[:, 0, :]
    return share / np.where(share.sum(1, keepdims=True) > 0, share.sum(1, keepdims=True), 1)


def _grown(estimator: Any, columns: np.ndarray, value: np.ndarray) -> Grown:
    tree = estimator.tree_
    inner = tree.children_left >= 0
    missing = getattr(tree, "missing_go_to_left", None)
    return Grown(
        column=np.where(inner, columns[np.where(inner, tree.feature, 0)], -1),
        # Rows are compared in single precision, thresholds are in double.
        threshold=rounded_to_single(tree.threshold.astype(np.float64)),
        left=np.where(inner, tree.children_left, 0).astype(np.int64),
        right=np.where(inner, tree.children_right, 0).astype(np.int64),
        missing_left=np.zeros(len(inner), bool) if missing is None else np.asarray(missing).astype(bool),
        cover=tree.weighted_n_node_samples.astype(np.float64),
        value=value,
        category_set=np.full(len(inner), -1),
    )
