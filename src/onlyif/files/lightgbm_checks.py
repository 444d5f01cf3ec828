"""What must hold in a LightGBM text model before its trees may be walked, and the text made of that.

The library is given a text that is written anew from the fields that were checked. Sections that
prediction does not use (parameters, importances, byte offsets) are not taken over.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.files.tree_arrays import check_children, check_length, check_range

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
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|inf|nan)"
_NO_INTEGERS = re.compile(r"[^-0-9\s]|[0-9]{11}")
_NO_DECIMALS = re.compile(r"[^-+0-9.eEinfa\s]|(?<![0-9])\.")
_OBJECTIVE = re.compile(
    r"(?:regression(?:_l1)?|huber|fair|poisson|quantile|mape|gamma|tweedie|binary|multiclass(?:ova)?"
    rf"|cross_entropy(?:_lambda)?|lambdarank|rank_xendcg|custom)(?: sqrt| [a-z_]+:{_NUMBER})*"
)
_RANGE = re.compile(rf"none|\[{_NUMBER}:{_NUMBER}\]|-?\d+(?::-?\d+)*")
# Outputs that no tree bears out.
_MAX_OUTPUTS = 1000

Fields = Mapping[str, str]


@final
@dataclass(frozen=True)
class ModelText:
    """A model's text, taken apart.

    Args:
        header: What is said of all trees.
        trees: The text of each tree after its number.
        rest: What stands behind the trees.
    """

    header: Fields
    trees: tuple[str, ...]
    rest: str

    def fields(self, i: int) -> Fields:
        """What is said of one tree.

        Args:
            i: The number of the tree.

        Raises:
            StorageError: if it is numbered otherwise, or a line is unknown or repeated.
        """
        number, *lines = self.trees[i].split("\n")
        if number != str(i):
            raise StorageError(
                f"tree {i} of the LightGBM model is numbered {number[:20]!r}; the file is damaged"
            )
        return _fields(lines, _TREE, f"tree {i}")


def model_text(text: str) -> ModelText:
    """The model's text, taken apart; its lines are known, its numbers are not looked at.

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
    return ModelText(_fields(header.split("\n")[1:], _HEADER, "the header"), tuple(trees), rest)


def checked_text(text: str) -> str:
    """The model's text written anew, after all numbers that are used as positions proved in range.

    Args:
        text: What `Booster.save_model` or `model_to_string` wrote.

    Raises:
        StorageError: if it is cut short, damaged or no such text.
    """
    model = model_text(text)
    n_features = _check_header(model.header, len(model.trees))
    made = ["tree", *_header_lines(model.header), ""]
    for i in range(len(model.trees)):
        found = model.fields(i)
        _check_tree(found, f"tree {i}", n_features)
        made += [f"Tree={i}", *_tree_lines(found), "", ""]
    return "\n".join([*made, "end of trees", "", *_levels(model.rest)])


def _header_lines(fields: Fields) -> Iterator[str]:
    yield f"version={fields['version']}"
    for name in ("num_class", "num_tree_per_iteration", "label_index", "max_feature_idx"):
        yield f"{name}={int(fields.get(name, '0'))}"
    for name in ("objective", "feature_names", "monotone_constraints", "feature_infos"):
        if name in fields:
            yield f"{name}={fields[name]}"
    if "average_output" in fields:
        yield "average_output"


def _tree_lines(fields: Fields) -> Iterator[str]:
    """Every number of a tree that was checked; a tree of one leaf has no splits."""
    n_leaves, linear = int(fields["num_leaves"]), int(fields.get("is_linear", "0"))
    n_cat = int(fields["num_cat"]) if n_leaves > 1 else 0
    yield f"num_leaves={n_leaves}"
    yield f"num_cat={n_cat}"
    for name in (*_OF_NODES, *_NODE_NOTES):
        if name in _OF_NODES or fields.get(name):
            yield f"{name}={_spaced(fields.get(name, '') if n_leaves > 1 else '')}"
    taken = ["leaf_value", *(name for name in _LEAF_NOTES if fields.get(name))]
    taken += (["cat_boundaries", "cat_threshold"] if n_cat else []) + (list(_LINEAR) if linear else [])
    for name in taken:
        yield f"{name}={_spaced(fields[name])}"
    yield f"is_linear={linear}"
    yield f"shrinkage={fields.get('shrinkage', '1')}"


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _levels(rest: str) -> list[str]:
    """The levels of the category columns, as lightgbm for Python keeps them in the last line."""
    found = re.findall(r"^pandas_categorical:(.*)$", rest, re.MULTILINE)
    if not found:
        return []
    try:
        levels = json.loads(found[-1])
    except (ValueError, RecursionError) as error:
        raise StorageError(f"'pandas_categorical' of the LightGBM model is damaged ({error})") from error
    if len(found) > 1 or not (levels is None or _is_table(levels)):
        raise StorageError("'pandas_categorical' of the LightGBM model holds no lists of levels")
    return [f"pandas_categorical:{json.dumps(levels)}", ""]


def _is_table(levels: Any) -> bool:
    plain = (str, int, float, type(None))
    return isinstance(levels, list) and all(
        isinstance(column, list) and all(isinstance(level, plain) for level in column) for column in levels
    )


def _fields(lines: Iterable[str], known: frozenset[str], where: str) -> Fields:
    found: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition("=")
        if name not in known or name in found:
            raise StorageError(f"unknown or repeated line {line[:40]!r} in {where} of the LightGBM model")
        found[name] = value
    return found


def _check_header(fields: Fields, n_trees: int) -> int:
    if not re.fullmatch(r"v\d", _needed(fields, "version", "the header")):
        raise StorageError(f"LightGBM model of an unknown version {fields['version'][:20]!r}")
    _count(fields, "label_index", "the header", "0")
    n_features = _count(fields, "max_feature_idx", "the header") + 1
    n_classes = _count(fields, "num_class", "the header")
    per_round = _count(fields, "num_tree_per_iteration", "the header")
    for name in ("feature_names", "feature_infos"):
        check_length(len(_needed(fields, name, "the header").split(" ")), n_features, f"{name!r}")
    if n_classes < 1 or per_round != n_classes or n_trees % per_round:
        raise StorageError(
            f"LightGBM model with {n_classes} classes, {per_round} trees a round, {n_trees} trees: damaged"
        )
    check_range(np.array([n_classes]), 1, max(_MAX_OUTPUTS, n_trees) + 1, "classes of the LightGBM model")
    if not all(_RANGE.fullmatch(part) for part in fields["feature_infos"].split(" ")):
        raise StorageError("'feature_infos' of the LightGBM model holds no ranges; the file is damaged")
    if re.search(r"[\x00-\x1f]", fields["feature_names"]):
        raise StorageError("'feature_names' of the LightGBM model hold control characters")
    if "monotone_constraints" in fields:
        directions = _integers(fields, "monotone_constraints", "the header")
        check_length(len(directions), n_features, "'monotone_constraints'")
        check_range(directions, -1, 2, "monotone constraint")
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
    if not re.fullmatch(_NUMBER, fields.get("shrinkage", "1")):
        raise StorageError(f"'shrinkage' of {where} is no number; the file is damaged")
    check_range(np.array([_count(fields, "is_linear", where, "0")]), 0, 2, f"'is_linear' of {where}")
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
    text = _needed(fields, name, where)
    try:
        # Python reads more than LightGBM writes: the signs are looked at once for all numbers, which is fast.
        if _NO_INTEGERS.search(text):
            raise ValueError
        return np.array([int(part) for part in text.split()], dtype=np.int64)
    except ValueError as error:
        raise StorageError(f"{name!r} in {where} must hold whole numbers; the file is damaged") from error


def _decimals(fields: Fields, name: str, where: str) -> list[float]:
    text = _needed(fields, name, where)
    try:
        if _NO_DECIMALS.search(text):
            raise ValueError
        return [float(part) for part in text.split()]
    except ValueError as error:
        raise StorageError(f"{name!r} in {where} must hold numbers; the file is damaged") from error
