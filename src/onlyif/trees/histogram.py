"""The trees of scikit-learn's histogram gradient boosting."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from onlyif.models.links import ExpLink, IdentityLink, Link, SoftmaxLink, TwoClassLink
from onlyif.models.outputs import HeadKind
from onlyif.trees.grown import CategorySet, Grown, ensemble_of, every_column, one_margin
from onlyif.trees.question import Rows, TreesRead, UnreadableTreesError

_LINKS: dict[str, type[Link]] = {"IdentityLink": IdentityLink, "LogLink": ExpLink}


def read_histogram(model: Any, kind: HeadKind) -> TreesRead:
    """Histogram gradient boosting, with its own categories and missing values.

    Args:
        model: A fitted HistGradientBoostingClassifier or HistGradientBoostingRegressor.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if its loss has an unknown link.
    """
    base = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)
    trees = [
        _grown(predictor, len(base), number)
        for stage in model._predictors
        for number, predictor in enumerate(stage)
    ]
    ensemble = ensemble_of(trees, model.n_features_in_, base, _link(model, kind, len(base)))

    def encode(native: Any) -> Rows:
        # It puts categories first, as codes; those never seen become missing.
        return np.array(model._preprocess_X(native, reset=False), dtype=np.float64)

    return TreesRead(ensemble, _source(model), encode)


def _source(model: Any) -> tuple[int, ...]:
    categorical = model.is_categorical_
    if categorical is None:
        return every_column(model.n_features_in_)
    return (*np.flatnonzero(categorical).tolist(), *np.flatnonzero(~categorical).tolist())


def _link(model: Any, kind: HeadKind, k: int) -> Link:
    if kind is HeadKind.MARGIN:
        return IdentityLink()
    if is_classifier(model):
        return TwoClassLink() if k == 1 else SoftmaxLink()
    name = type(model._loss.link).__name__
    if name not in _LINKS:
        raise UnreadableTreesError(f"the link {name} of its loss is not known here")
    return _LINKS[name]()


def _grown(predictor: Any, k: int, number: int) -> Grown:
    nodes = predictor.nodes
    leaf, categorical = nodes["is_leaf"].astype(bool), nodes["is_categorical"].astype(bool)
    at = np.flatnonzero(categorical & ~leaf)
    chosen = np.full(len(nodes), -1)
    chosen[at] = np.arange(len(at))
    return Grown(
        column=np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
        threshold=np.where(leaf | categorical, 0.0, nodes["num_threshold"]),
        left=np.where(leaf, 0, nodes["left"].astype(np.int64)),
        right=np.where(leaf, 0, nodes["right"].astype(np.int64)),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        cover=nodes["count"].astype(np.float64),
        value=one_margin(nodes["value"], k, number),
        category_set=chosen,
        sets=tuple(
            CategorySet(_members(predictor.raw_left_cat_bitsets[i]), left=True)
            for i in nodes["bitset_idx"][at]
        ),
    )


def _members(words: np.ndarray) -> np.ndarray:
    """The numbers of the bits that are set."""
    bits = (words[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.flatnonzero(bits.ravel())
