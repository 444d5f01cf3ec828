"""Single values that users give: read as plain Python, and shown in messages."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from array_api_compat import is_torch_array

from onlyif.core.errors import SettingError

_LONGEST = 80


def items(name: str, value: Iterable[Any]) -> list[Any]:
    """What an iterable of the user gives.

    Args:
        name: The argument's name, for the message.
        value: The iterable.

    Raises:
        SettingError: if it cannot be read.
    """
    try:
        return list(value)
    except Exception as error:  # an iterator of the user may raise anything
        raise SettingError(f"{name} cannot be read item by item ({type(error).__name__}: {error})") from error


def plain(value: Any) -> Any:
    """The Python value of a number of numpy or torch, or of an array without dimensions; else the value."""
    if isinstance(value, np.ma.MaskedArray | np.timedelta64 | np.datetime64):
        return value
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if is_torch_array(value) and value.ndim == 0 and not value.is_meta and _is_dense(value):
        return value.item()
    return value


def _is_dense(tensor: Any) -> bool:
    return str(tensor.layout) == "torch.strided"


def shown(value: Any) -> str:
    """A value for a message: its repr on one line, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a repr of the user may raise anything, and Python's own does for very long numbers
        return f"a {type(value).__name__} that cannot be printed"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
