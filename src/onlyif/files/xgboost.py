"""XGBoost models from .json and .ubj files, checked before the library sees them.

The file is decoded here, its fields are checked, and the library is given a document
that is built anew from them, as JSON text. It never reads the file itself.
"""

import json
import re
from pathlib import Path
from typing import Any

import xgboost

from onlyif.core.errors import StorageError
from onlyif.files.tree_arrays import check, read_text
from onlyif.files.ubjson import decode_ubjson
from onlyif.files.xgboost_rebuilt import rebuilt_model

# Most bits that the category sets of a model take: a set is as wide as its largest category.
MAX_BITS = 2**31


def read_xgboost(path: Path) -> Any:
    """The `xgboost.Booster` in a file.

    Raises:
        StorageError: if the file is damaged or no XGBoost model.
    """
    text = checked_json(read_text(path))
    try:
        return xgboost.Booster(model_file=bytearray(text))
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        reason = first_line(str(error))
        raise StorageError(f"XGBoost {xgboost.__version__} cannot read {path.name}: {reason}") from error


def serialised(document: Any) -> bytes:
    """A decoded model, rebuilt, in the library's own form of a pickled Booster."""
    booster = xgboost.Booster(model_file=bytearray(_as_text(document)))
    return bytes(booster.__getstate__()["handle"])


def checked_json(data: bytes) -> bytes:
    """The model rebuilt as JSON text, from JSON or UBJSON bytes.

    Raises:
        StorageError: if it is damaged or no XGBoost model.
    """
    return _as_text(decoded(data))


def _as_text(document: Any) -> bytes:
    """The model rebuilt, where the installed library can hold it and is not older than the one that wrote it.

    An older one drops what it does not know, such as a base score a target, and then answers something else.
    """
    model = rebuilt_model(document)
    booster = model["learner"]["gradient_booster"]
    trees = booster.get("gbtree", booster)["model"].get("trees", [])
    bits = sum(1 + max(tree["categories"], default=-1) * len(tree["categories_nodes"]) for tree in trees)
    sets = "the category sets of the XGBoost model are out of proportion; the file is damaged"
    check(bits <= MAX_BITS, sets)
    written, installed = model["version"], [int(part) for part in xgboost.__version__.split(".")[:2]]
    if written[:2] > installed:
        raise StorageError(
            f"the model was written by XGBoost {'.'.join(map(str, written))}, and {xgboost.__version__} is "
            f"installed, which may read it as another model; install {written[0]}.{written[1]} or newer"
        )
    return json.dumps(model).encode()


def decoded(data: bytes) -> Any:
    """The values in JSON or UBJSON bytes, unchecked.

    Raises:
        StorageError: if they are damaged.
    """
    if not re.match(rb'\{\s*["}]', data):
        return decode_ubjson(data)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"the file is no whole JSON document ({error})") from error


def first_line(text: str) -> str:
    """The one line of a library's message that says what happened."""
    lines = [re.sub(r"^\[[\d:]+\] \S+: ", "", line).strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith(("Stack trace", "[bt]"))]
    return kept[0][:200] if kept else "no reason given"
