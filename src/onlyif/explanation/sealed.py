"""JSON documents that carry a digest of themselves, so that a changed value is never read as another.

The digest is that of the canonical form: keys sorted, no spaces, escapes for all but ASCII, numbers in
their shortest exact form. What leaves every value as it was, such as another indent, leaves it too.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from onlyif.core.errors import StorageError

SEAL = "sha256"


def sealed_text(document: Mapping[str, Any]) -> str:
    """A document as strict JSON, with its digest among its entries.

    Args:
        document: Values that JSON can hold, all finite.
    """
    whole = {**document, SEAL: _digest(document)}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def parsed(text: str) -> Any:
    """The value of a text of strict JSON.

    Raises:
        ValueError: if it is none, or holds a number that no float can.
        RecursionError: if it is nested too deeply.

    Example:
        >>> parsed('{"size": 3}')
        {'size': 3}
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def need_seal(document: Mapping[str, Any], where: str) -> None:
    """Refuse a document that was changed since its digest was written.

    Args:
        document: The parsed document, with its digest.
        where: The file, for the message.

    Raises:
        StorageError: if the digest is missing or another.
    """
    rest = {name: value for name, value in document.items() if name != SEAL}
    if document.get(SEAL) != _digest(rest):
        raise StorageError(
            f"{where} was changed since it was written (the digest {SEAL!r} of its entries differs); "
            "copy it again, or make it again"
        )


def _digest(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no strict JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"no float holds the number {text[:40]}")
    return value
