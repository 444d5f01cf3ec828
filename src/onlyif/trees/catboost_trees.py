"""The trees of CatBoost, from the document that it saves as JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias, final

import narwhals as nw
import numpy as np

from onlyif.models.links import ExpLink, IdentityLink, Link, SigmoidLink, SoftmaxLink, TwoClassLink
from onlyif.models.outputs import HeadKind
from onlyif.trees.catboost_hashes import MOST_BYTES, hash_of, key_of
from onlyif.trees.grown import CategorySet, Grown, ensemble_of, every_column, plain_numbers
from onlyif.trees.question import Rows, TreesRead, UnreadableTreesError
from onlyif.trees.thresholds import rounded_to_single

Document: TypeAlias = Mapping[str, Any]
_PROBABILITIES: dict[str, Link] = {
    "Logloss": TwoClassLink(),
    "CrossEntropy": TwoClassLink(),
    "MultiClass": SoftmaxLink(),
    "MultiClassOneVsAll": SigmoidLink(),
}
_EXPONENTIAL = frozenset({"Poisson", "Tweedie"})
_IDENTITY = frozenset(
    {
        *("RMSE", "MAE", "MAPE", "Quantile", "Huber", "Expectile", "LogLinQuantile", "Lq", "LogCosh"),
        *("MultiRMSE", "QueryRMSE", "PairLogit", "YetiRank", "QuerySoftMax"),
    }
)
# Where a hash stands for no category.
_NO_KEY = 2**64 - 1


def read_catboost(model: Any, kind: HeadKind) -> TreesRead:
    """A model of CatBoost.

    Args:
        model: A fitted CatBoostClassifier, CatBoostRegressor or the like.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if its trees cannot be walked as they are.
    """
    # CatBoost saves to files only.
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        return read_document(json.loads(path.read_text("utf-8")), kind)


def read_document(document: Document, kind: HeadKind) -> TreesRead:
    """The trees of a document that CatBoost saved.

    Args:
        document: The decoded JSON.
        kind: The output that is explained.

    Raises:
        UnreadableTreesError: if its trees cannot be walked as they are.
    """
    features = document["features_info"]
    others = [name for name in ("text_features", "embedding_features") if features.get(name)]
    if others:
        raise UnreadableTreesError(f"it has {others[0].replace('_', ' ')}")
    numbers, categories = features.get("float_features", []), features.get("categorical_features", [])
    codes = [_codes(document, column) for column in categories]
    splits = _splits(document, codes)
    scale, base = document["scale_and_bias"]
    held = document["trees"] if "trees" in document else document["oblivious_trees"]
    grow = _grown if "trees" in document else _symmetric
    trees = [grow(tree, splits, len(base), float(scale)) for tree in held]
    n_columns = len(numbers) + len(categories)
    ensemble = ensemble_of(trees, n_columns, np.array(base, dtype=np.float64), _link(document, kind))
    known = {column["flat_feature_index"]: each for column, each in zip(categories, codes, strict=True)}
    return TreesRead(ensemble, every_column(n_columns), _encoder(known) if known else plain_numbers)


def _link(document: Document, kind: HeadKind) -> Link:
    if kind is HeadKind.MARGIN:
        return IdentityLink()
    loss = document["model_info"]["params"]["loss_function"]["type"]
    if kind is HeadKind.PROBABILITY and loss in _PROBABILITIES:
        return _PROBABILITIES[loss]
    if kind is HeadKind.VALUE and loss in _EXPONENTIAL | _IDENTITY:
        return ExpLink() if loss in _EXPONENTIAL else IdentityLink()
    raise UnreadableTreesError(f"the {kind.value} of its loss {loss} is not known here")


@final
@dataclass(frozen=True, eq=False)
class _Split:
    """A condition of the document: the right child is taken where it holds.

    Args:
        column: The column of the table.
        threshold: It holds where a number is larger.
        missing_left: Whether a missing number does not satisfy it.
        categories: The codes that it tells from all others, for columns of categories.
    """

    column: int
    threshold: float = 0.0
    missing_left: bool = True
    categories: CategorySet | None = None


def _codes(document: Document, column: Document) -> dict[int, int]:
    """The code of each category of a column that some split knows, by its key."""
    keys = [key_of(value) for value in column.get("values", [])]
    for statistic in document["features_info"].get("ctrs", []):
        if _column_of(statistic) == column["feature_index"]:
            keys += _table(document, statistic)
    return {key: code for code, key in enumerate(dict.fromkeys(keys))}


def _splits(document: Document, codes: Sequence[Mapping[int, int]]) -> list[_Split]:
    """All conditions, in the order in which the trees number them."""
    features, found = document["features_info"], []
    for column in features.get("float_features", []):
        place, left = column["flat_feature_index"], column["nan_value_treatment"] != "AsTrue"
        borders = rounded_to_single(np.array(column["borders"], dtype=np.float64))
        found += [_Split(place, border, left) for border in borders.tolist()]
    categories = features.get("categorical_features", [])
    for column, known in zip(categories, codes, strict=True):
        for value in column.get("values", []):
            one = np.array([known[key_of(value)]])
            found.append(_Split(column["flat_feature_index"], categories=CategorySet(one, left=False)))
    for statistic in features.get("ctrs", []):
        number = _column_of(statistic)
        place, known = categories[number]["flat_feature_index"], codes[number]
        table, unseen = _table(document, statistic), _statistic(document, statistic, ())
        values = {known[key]: _statistic(document, statistic, counts) for key, counts in table.items()}
        for border in statistic["borders"]:
            # Categories that were not in training share one value; the others are told from those.
            high = bool(unseen > border)
            apart = [code for code, value in values.items() if (value > border) != high]
            told = CategorySet(np.array(apart, dtype=np.int64), left=high)
            found.append(_Split(place, categories=told))
    return found


def _column_of(statistic: Document) -> int:
    elements = statistic["elements"]
    if len(elements) != 1 or elements[0]["combination_element"] != "cat_feature_value":
        raise UnreadableTreesError("its statistics of categories combine columns")
    return int(elements[0]["cat_feature_index"])


def _table(document: Document, statistic: Document) -> dict[int, Sequence[float]]:
    """What was counted of each category in training, by its key."""
    held = document["ctr_data"][statistic["identifier"]]
    flat, stride = held["hash_map"], int(held["hash_stride"])
    rows = (flat[first : first + stride] for first in range(0, len(flat), stride))
    return {int(row[0]): [float(each) for each in row[1:]] for row in rows if int(row[0]) != _NO_KEY}


def _statistic(document: Document, statistic: Document, counts: Sequence[float]) -> np.float32:
    """The number that stands for a category, in single precision as CatBoost counts it."""
    kind, border = statistic["ctr_type"], int(statistic["target_border_idx"])
    held = document["ctr_data"][statistic["identifier"]]
    if kind in {"Counter", "FeatureFreq"}:
        good, total = sum(counts), held["counter_denominator"]
    elif kind in {"BinarizedTargetMeanValue", "FloatTargetMeanValue"}:
        good, total = counts or (0.0, 0.0)
    elif kind == "Buckets":
        good, total = sum(counts[border : border + 1]), sum(counts)
    elif kind == "Borders":
        good, total = sum(counts[border + 1 :]), sum(counts)
    else:
        raise UnreadableTreesError(f"statistics of the kind {kind} are not known here")
    single = np.float32
    share = (single(good) + single(statistic["prior_numerator"])) / (
        single(total) + single(statistic["prior_denomerator"])
    )
    return single((share + single(statistic["shift"])) * single(statistic["scale"]))


def _symmetric(tree: Document, splits: Sequence[_Split], k: int, scale: float) -> Grown:
    """A tree with one condition a level; bit i of a leaf's number says whether condition i holds."""
    depth = len(tree["splits"])
    n_inner = 2**depth - 1
    node = np.arange(n_inner)
    level = np.repeat(np.arange(depth), 2 ** np.arange(depth))
    # The root asks for the highest bit, so that leaves stand in their order.
    taken = [splits[each["split_index"]] for each in reversed(tree["splits"])]
    cover = np.array(tree["leaf_weights"], dtype=np.float64)
    covers = [cover]
    while len(covers[0]) > 1:
        covers.insert(0, covers[0].reshape(-1, 2).sum(1))
    value = np.zeros((n_inner + 2**depth, k))
    value[n_inner:] = np.array(tree["leaf_values"]).reshape(2**depth, k) * scale
    return _arrays(
        [taken[i] for i in level.tolist()], 2 * node + 1, 2 * node + 2, np.concatenate(covers), value
    )


def _grown(tree: Document, splits: Sequence[_Split], k: int, scale: float) -> Grown:
    """A tree of any form: inner nodes first, then leaves, level by level."""
    inner, leaves, level = [], [], [tree]
    while level:
        inner += [node for node in level if "split" in node]
        leaves += [node for node in level if "split" not in node]
        level = [node[side] for node in level if "split" in node for side in ("left", "right")]
    number = {id(node): i for i, node in enumerate([*inner, *leaves])}
    left, right = ([number[id(node[side])] for node in inner] for side in ("left", "right"))
    value = np.zeros((len(number), k))
    value[len(inner) :] = np.array([leaf["value"] for leaf in leaves]).reshape(-1, k) * scale
    cover = np.array([0.0] * len(inner) + [leaf["weight"] for leaf in leaves])
    for i in reversed(range(len(inner))):
        cover[i] = cover[left[i]] + cover[right[i]]
    taken = [splits[node["split"]["split_index"]] for node in inner]
    return _arrays(taken, np.array(left, dtype=np.int64), np.array(right, dtype=np.int64), cover, value)


def _arrays(
    taken: Sequence[_Split], left: np.ndarray, right: np.ndarray, cover: np.ndarray, value: np.ndarray
) -> Grown:
    """One tree whose inner nodes come first."""
    after = np.zeros(len(value) - len(taken), dtype=np.int64)
    sets = [i for i, split in enumerate(taken) if split.categories is not None]
    chosen = np.full(len(value), -1)
    chosen[sets] = np.arange(len(sets))
    return Grown(
        column=np.concatenate([np.array([split.column for split in taken], dtype=np.int64), after - 1]),
        threshold=np.concatenate([[split.threshold for split in taken], after]).astype(np.float64),
        left=np.concatenate([left, after]),
        right=np.concatenate([right, after]),
        missing_left=np.concatenate([[split.missing_left for split in taken], after]).astype(bool),
        cover=cover,
        value=value,
        category_set=chosen,
        sets=tuple(split.categories for split in taken if split.categories is not None),
    )


def _encoder(known: Mapping[int, Mapping[int, int]]) -> Callable[[Any], Rows]:
    """From tables to rows: numbers as they are, categories as codes, -1 for those that no split knows."""

    def encode(native: Any) -> Rows:
        if not nw.dependencies.is_into_dataframe(native):
            raise UnreadableTreesError("it was trained on category columns, which are read from frames only")
        frame = nw.from_native(native, eager_only=True)
        parts = [
            _coded(frame[:, i].to_list(), known[i])
            if i in known
            else frame[:, i].cast(nw.Float64).to_numpy().astype(np.float64, copy=False)
            for i in range(frame.shape[1])
        ]
        return np.stack(parts, 1)

    return encode


def _coded(values: Sequence[Any], known: Mapping[int, int]) -> np.ndarray:
    codes = {value: _code(value, known) for value in set(values)}
    return np.array([codes[value] for value in values], dtype=np.float64)


def _code(value: Any, known: Mapping[int, int]) -> int:
    text = str(value)
    if len(text.encode()) > MOST_BYTES:
        raise UnreadableTreesError(f"a category has more than {MOST_BYTES} bytes: {text[:20]!r}...")
    return known.get(key_of(hash_of(text)), -1)
