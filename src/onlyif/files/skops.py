"""scikit-learn, XGBoost and LightGBM models from .skops files."""

import importlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skops.io

from onlyif.core.errors import SettingError, StorageError
from onlyif.core.extras import missing
from onlyif.files.sklearn_checks import check_sklearn_model
from onlyif.files.skops_schema import (
    Archive,
    Hooks,
    Record,
    audit,
    opened_archive,
    read_schema,
    rewritten_file,
)
from onlyif.files.skops_types import allowed_types
from onlyif.files.tree_arrays import check_children, check_length, check_range

MAX_OUTPUTS = 10**6


def read_skops(path: Path, trust: Sequence[str]) -> Any:
    """The model in a .skops file, its types on the allow-list and its trees checked.

    Args:
        path: The file.
        trust: Further types and functions that may be loaded, by full name.

    Raises:
        StorageError: if the file is damaged or holds types that are neither allowed nor trusted.
        SettingError: if a type is trusted that the file does not hold.
    """
    with zipfile.ZipFile(path) as source:
        archive = opened_archive(source, path.stat().st_size, frozenset(trust))
        schema = audit(read_schema(archive), archive, _HOOKS)
    if archive.untrusted:
        raise StorageError(_untrusted(path, sorted(archive.untrusted)))
    unknown = sorted(set(trust) - archive.found)
    if unknown:
        raise SettingError(f"{path.name} holds no {', '.join(unknown)}; take it from --trust")
    return _loaded(path, rewritten_file(schema, archive), trust)


def _loaded(path: Path, data: bytes, trust: Sequence[str]) -> Any:
    try:
        model = skops.io.loads(data, trusted=sorted(allowed_types() | set(trust)))
    except ImportError as error:
        package = (error.name or "a package").split(".")[0]
        raise missing(package, package, f"the model in {path.name}") from error
    except Exception as error:  # a hostile file may make any constructor raise anything
        raise StorageError(f"skops {skops.__version__} cannot read {path.name}: {error}") from error
    check_sklearn_model(model)
    return model


def _untrusted(path: Path, names: list[str]) -> str:
    options = " ".join(f"--trust {name}" for name in names)
    return (
        f"{path.name} holds types that are not on the allow-list: {', '.join(names)}; "
        f"loading them can run code: if you trust whoever made the file, add {options}"
    )


def _check_tree(record: Record, archive: Archive) -> None:
    """A scikit-learn Tree, before its constructor copies arrays by counts that it is told."""
    arguments, state = record["__reduce__"]["args"]["content"], record["content"]["content"]
    n_features, n_outputs = _number(arguments[0], archive), _number(arguments[2], archive)
    classes, nodes, values = (archive.array(r) for r in (arguments[1], state["nodes"], state["values"]))
    check_range(np.array([n_features]), 0, 10**7, "columns of a tree")
    check_length(classes.size, n_outputs, "'n_classes' of a tree")
    check_range(classes, 1, MAX_OUTPUTS, "classes of a tree")
    check_length(_number(state["node_count"], archive), len(nodes), "'node_count' of a tree")
    if nodes.ndim != 1 or not len(nodes) or values.shape != (len(nodes), n_outputs, int(classes.max())):
        raise StorageError(f"a tree has nodes {nodes.shape} and values {values.shape}; the file is damaged")
    left, right = nodes["left_child"], nodes["right_child"]
    inner = left != -1
    check_children(left, right, inner, len(nodes), "a tree")
    check_range(nodes["feature"][inner], 0, max(n_features, 1), "column in a tree")


def _number(record: Record, archive: Archive) -> int:
    if record["__loader__"] == "NdArrayNode":
        return int(archive.array(record))
    value = json.loads(record["content"])
    if type(value) is not int:
        raise StorageError(f"a tree in the .skops file has {value!r} where a whole number is needed")
    return value


def _check_xgboost(record: Record, archive: Archive) -> None:
    """The stored XGBoost model is checked as a file is, then written anew by XGBoost itself."""
    handle = record["content"]["content"].get("handle", {})
    if handle.get("__loader__") != "BytearrayNode":
        raise StorageError("the XGBoost model in the .skops file is missing")
    xgboost_file = _late("xgboost", "xgboost")
    document = xgboost_file.decoded(archive.content(handle))
    model = document.get("Model") if isinstance(document, dict) else None
    archive.kept[handle["file"]] = xgboost_file.serialised(model)


def _check_lightgbm(record: Record, archive: Archive) -> None:
    attributes = record["content"]["content"]
    handle = attributes.get("_handle", {})
    if handle.get("__loader__") != "JsonNode" or "handle" in attributes:
        raise StorageError("the LightGBM model in the .skops file is missing")
    text = json.loads(handle["content"])
    if not isinstance(text, str):
        raise StorageError("the LightGBM model in the .skops file is no text")
    checks = importlib.import_module("onlyif.files.lightgbm_checks")
    handle["content"] = json.dumps(checks.checked_text(text))


def _late(file: str, package: str) -> Any:
    try:
        return importlib.import_module(f"onlyif.files.{file}")
    except ImportError as error:
        raise missing(package, package, "the model in the .skops file") from error


_HOOKS: Hooks = {
    ("TreeNode", "sklearn.tree._tree.Tree"): _check_tree,
    ("ObjectNode", "xgboost.core.Booster"): _check_xgboost,
    ("ObjectNode", "lightgbm.basic.Booster"): _check_lightgbm,
}
