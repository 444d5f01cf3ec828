"""Settings that are checked and made plain when they are used, not when they are made."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from onlyif.core.arguments import Kind

T = TypeVar("T")


def settled(settings: T, kinds: Mapping[str, Kind]) -> T:
    """The same settings with the plain value of each declared field: for what is checked when it is used.

    Args:
        settings: The dataclass.
        kinds: The kind of each field, by its name.

    Raises:
        SettingError: if a field is of another kind or out of range.
    """
    taken = {name: kind.take(name, getattr(settings, name)) for name, kind in kinds.items()}
    return replace(settings, **taken) if kinds else settings  # type: ignore[type-var] # a dataclass
