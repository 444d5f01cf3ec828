"""The kinds of field in a decoded XGBoost model: each is read as the one that XGBoost writes, or refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Int64

from onlyif.files.tree_arrays import check

MAX_COUNT = 10**9
_DECIMAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_SETTING = re.compile(rf"{_DECIMAL}|\[(?:{_DECIMAL}(?:, ?{_DECIMAL})*)?\]|[a-z]{{1,20}}")


@final
@dataclass(frozen=True)
class Fields:
    """The fields of one object; every method raises a `StorageError` where a field is of another kind."""

    values: Mapping[str, Any]

    def part(self, name: str, where: str = "") -> "Fields":
        """An object inside."""
        return fields_of(self.values.get(name), f"{name!r}{where}")

    def items(self, name: str) -> list[Any]:
        """A list of anything."""
        value: list[Any] = self.values.get(name, ())
        check(isinstance(value, list), f"XGBoost model without the list {name!r}; the file is damaged")
        return value

    def integers(self, name: str) -> Int64[np.ndarray, "n"]:
        """A list of whole numbers."""
        values = self.items(name)
        # The type of a truth value is not int, though it compares as one.
        whole = {*map(type, values)} <= {int}
        check(
            whole and (not values or -(2**40) < min(values) <= max(values) < 2**40),
            f"{name!r} of an XGBoost model must hold whole numbers; the file is damaged",
        )
        return np.array(values, dtype=np.int64)

    def decimals(self, name: str) -> list[float]:
        """A list of numbers; of the whole ones only those that a decimal number holds."""
        values = self.items(name)
        kinds, where = {*map(type, values)}, f"{name!r} of an XGBoost model"
        check(kinds <= {int, float}, f"{where} must hold numbers; the file is damaged")
        wide = int in kinds and any(type(value) is int and abs(value) > 2**53 for value in values)
        check(not wide, f"{where} holds a number out of range; the file is damaged")
        return list(map(float, values)) if int in kinds else values.copy()

    def count(self, name: str, most: int = MAX_COUNT, default: str = "0") -> int:
        """A number of things, as text."""
        text = self.values.get(name, default)
        check(
            isinstance(text, str) and re.fullmatch(r"[0-9]{1,10}", text) is not None and int(text) <= most,
            f"{name!r} of an XGBoost model must be a number up to {most}, got {str(text)[:40]!r}",
        )
        return int(text)

    def whole(self, name: str) -> int:
        """A whole number that is no text."""
        value = self.values.get(name)
        check(
            type(value) is int and 0 <= value < 2**31,
            f"{name!r} of an XGBoost model must be a number, got {str(value)[:40]!r}",
        )
        return int(value or 0)

    def setting(self, name: str, needed: str = "a number or a word") -> str:
        """A number, a list of numbers or a word, as text."""
        text = self.values[name]
        check(
            isinstance(text, str) and _SETTING.fullmatch(text) is not None,
            f"{name!r} of an XGBoost model must be {needed}, got {str(text)[:60]!r}",
        )
        return str(text)


def fields_of(value: Any, what: str) -> Fields:
    """The fields of a value that must be an object; `what` names it in the error."""
    message = f"this is no XGBoost model as save_model writes it: {what} is missing or no object"
    check(isinstance(value, dict), message)
    return Fields(value)


def numbers_in(text: str) -> list[float]:
    """The numbers of a setting; none in a word.

    Example:
        >>> numbers_in("[5E-1, 2]"), numbers_in("uniform")
        ([0.5, 2.0], [])
    """
    return [float(part) for part in text.strip("[]").split(",") if re.fullmatch(f" ?{_DECIMAL}", part)]
