"""What a run is: settings, files, code, versions, rows and what the model answers; kept in `run.json`.

A run goes on in a folder only if all of these are the same; more rows may follow those that it began with.
A digest cannot see everything that decides what a model answers, so that the answers to all rows are
compared too, whatever the model is.
"""

import hashlib
import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import narwhals as nw
import numpy as np

from onlyif.cli.inputs import Inputs
from onlyif.cli.settings import recorded
from onlyif.core.errors import StorageError
from onlyif.explanation.checked import converted
from onlyif.explanation.sealed import need_seal
from onlyif.models.own_answers import OwnAnswers
from onlyif.version import __version__

FORMAT = 3
_LIBRARIES = "numpy scipy torch pandas polars sklearn xgboost lightgbm catboost onnxruntime tensorflow jax"
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# More rounding than two equal calls may differ by: another processor's kernels.
_SLACK = 64.0

Record = dict[str, Any]


def record_of(
    arguments: Namespace, inputs: Inputs, own: OwnAnswers | None, code: Mapping[str, str]
) -> Record:
    """What a run is, as values for strict JSON.

    Args:
        arguments: The arguments.
        inputs: What was read.
        own: What the model answers to the rows; None where it was not asked.
        code: The digests of the user's code.
    """
    files, code = dict(inputs.files), dict(code)
    if arguments.model_from is not None:
        files["model_from"] = code.pop(arguments.model_from.partition(":")[0], "")
    # An answer that is never the same twice can tell nothing.
    own = None if "random" in arguments.tolerate else own
    return {
        "format": FORMAT,
        "settings": json.loads(json.dumps(recorded(arguments))),
        "files": files,
        "code": code,
        "versions": _versions(),
        "rows": list(inputs.positions),
        "values": row_digests(inputs.rows),
        "answers": None if own is None else own.outputs.tolist(),
        "digits": None if own is None else own.digits,
    }


@final
@dataclass(frozen=True)
class _Stored:
    """What `record_of` made, as it is read."""

    format: int
    settings: dict[str, Any]
    files: dict[str, str]
    code: dict[str, str]
    versions: dict[str, str]
    rows: list[int]
    values: list[str]
    answers: list[Any] | None
    digits: int | None
    sha256: str


def rows_of(document: Any, where: str) -> int:
    """How many rows the run of a parsed `run.json` has.

    Args:
        document: The parsed `run.json`.
        where: The file, for messages.

    Raises:
        StorageError: if it is none.
    """
    number = _format_of(document, where)
    if number not in {1, 2, FORMAT}:
        raise StorageError(f"{where} is of no format that onlyif {__version__} reads")
    if number > 1:
        need_seal(document, where)
    rows = document.get("rows")
    if not (isinstance(rows, list) and all(type(row) is int for row in rows)):
        raise StorageError(f"{where}: 'rows' must be numbers, got {str(rows)[:60]!r}")
    return len(rows)


def _format_of(document: Any, where: str) -> int:
    number = document.get("format") if isinstance(document, dict) else None
    if type(number) is not int:
        raise StorageError(f"{where}: 'format' must be a whole number, got {str(number)[:60]!r}")
    return number


def differences(document: Any, record: Mapping[str, Any], where: str) -> list[str]:
    """What is another in a stored run, each in a few words.

    Args:
        document: The parsed `run.json`.
        record: What the run is now.
        where: The file, for messages.

    Raises:
        StorageError: if it cannot be used.
    """
    number = _format_of(document, where)
    if number != FORMAT:
        raise StorageError(
            f"{where} is of format {number}, which onlyif {__version__} does not go on with; "
            "name another folder with --out"
        )
    need_seal(document, where)
    stored = converted(document, _Stored, where)
    found = []
    # The same rows, of a table or a selection that may have more after them.
    begun = (
        stored.rows == record["rows"][: len(stored.rows)]
        and stored.values == (record["values"][: len(stored.rows)])
    )
    free = {("settings", "rows"), ("files", "data")} if begun else set()
    groups = {"settings": stored.settings, "files": stored.files, "code": stored.code}
    for group, there in groups.items():
        here = record[group]
        found += [
            f"{group.removesuffix('s')} {name if group == 'code' else name.replace('_', '-')}"
            for name in dict.fromkeys([*here, *there])
            if (name in there, there.get(name)) != (name in here, here.get(name))
            and (group, name) not in free
        ]
    found += [
        f"version of {name}: {stored.versions[name]} there, {now} here"
        for name, now in record["versions"].items()
        if name in stored.versions and stored.versions[name] != now
    ]
    if not begun:
        found.append("the rows")
    elif stored.answers is not None and record["answers"] is not None:
        found += _other_answers(stored.answers, record, where)
    return found


def _other_answers(stored: Sequence[Any], record: Mapping[str, Any], where: str) -> list[str]:
    """The first row that the model answers otherwise, beyond rounding."""
    now = np.array(record["answers"], dtype=np.float64)[: len(stored)]
    try:
        before = np.array(stored)
    except ValueError as error:
        raise StorageError(f"{where}: the answers of the model are no table of numbers") from error
    if before.dtype.kind not in "if":
        raise StorageError(f"{where}: the answers of the model are no table of numbers")
    if before.shape != now.shape:
        return [f"the shape of f(x): {list(before.shape)} there, {list(now.shape)} here"]
    allowed = _SLACK * max(1.0, float(np.abs(now).max())) * 2.0 ** -record["digits"]
    apart = np.argwhere(~(np.abs(before - now) <= allowed)).tolist()
    if not apart:
        return []
    row, output = apart[0]
    told = f"{before[row, output]:.6g} there, {now[row, output]:.6g} here"
    return [f"f(x) of row {record['rows'][row]}: {told}"]


def row_digests(rows: Any) -> list[str]:
    """A digest of the values of each row, with the names and types of its columns.

    Args:
        rows: A frame.
    """
    table = nw.from_native(rows, eager_only=True)
    begun = hashlib.sha256(repr([*map(str, table.columns), *map(str, table.schema.values())]).encode())
    found = []
    for row in table.iter_rows():
        digest = begun.copy()
        digest.update(repr(row).encode("utf-8", "surrogatepass"))
        found.append(digest.hexdigest()[:16])
    return found


def _versions() -> dict[str, str]:
    """Of Python, of this library, and of those that are loaded and may decide an answer."""
    found = {"python": ".".join(map(str, sys.version_info[:3])), "onlyif": __version__}
    for name in _LIBRARIES.split():
        if name in sys.modules:
            version = getattr(sys.modules[name], "__version__", None)
            found[_DISTRIBUTIONS.get(name, name)] = str(version)
    return found
