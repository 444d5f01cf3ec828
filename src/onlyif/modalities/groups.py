"""Groups of columns: from a dict, a TOML file or a fitted transformer."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, final

from typing_extensions import override

from onlyif.core.arguments import Kind
from onlyif.core.errors import SettingError, StorageError
from onlyif.core.plain_values import items, plain, shown


def read_groups(groups: Mapping[str, Sequence[str]] | str | Path | Any | None) -> Mapping[str, Sequence[str]]:
    """Which columns are one player.

    Args:
        groups: None for no groups, a mapping from a name to columns, the path of a TOML
            file with a table `[groups]` of such lists, or a fitted scikit-learn transformer
            whose one-hot blocks are kept whole.

    Raises:
        StorageError: if the file is missing or no TOML.
        SettingError: if it holds something else.
    """
    if groups is None:
        return {}
    if isinstance(groups, Mapping):
        return groups
    if isinstance(groups, str | PathLike):
        return _from_toml(Path(groups))
    from onlyif.modalities.sklearn_groups import groups_from

    return groups_from(groups)


def _from_toml(path: Path) -> Mapping[str, Sequence[str]]:
    try:
        text = path.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError for a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise StorageError(f"cannot read the groups file {shown(str(path))}: {reason}") from error
    try:
        content = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors, and numbers of too many digits
        raise StorageError(f"the groups file {path} is no valid TOML: {error}") from error
    held = content.get("groups")
    if not isinstance(held, dict) or set(content) != {"groups"}:
        raise SettingError(f"{path} must hold one table [groups] with lines like city = ['city_a', 'city_b']")
    for name, columns in held.items():
        if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
            raise SettingError(f"group {name!r} in {path} must be a list of column names, got {columns!r}")
    return held


@final
@dataclass(frozen=True)
class Groups(Kind):
    """A mapping from names to columns, read once into tuples of text; or a file, or a fitted transformer."""

    @property
    @override
    def needed(self) -> str:
        return (
            "a mapping from names to lists of columns, the path of a TOML file, or a fitted scikit-learn "
            "transformer"
        )

    @override
    def fits(self, value: Any) -> bool:
        if value is None or isinstance(value, Mapping | str | PathLike):
            return True
        return hasattr(value, "get_feature_names_out") and not isinstance(value, type)

    @override
    def made(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        groups = {_label(group): _columns(group, held) for group, held in value.items()}
        if len(groups) != len(value):
            raise SettingError(f"group names must be distinct as text, got {shown(list(value))}")
        return groups


def _columns(group: Any, held: Any) -> tuple[str, ...]:
    if isinstance(held, str | bytes | Mapping) or not isinstance(held, Iterable):
        raise SettingError(f"group {shown(group)} must be a list of column names, got {shown(held)}")
    return tuple(_label(column) for column in items(f"group {shown(group)}", held))


def _label(value: Any) -> str:
    """A column or group by its text, as tables name their columns."""
    return str.__str__(value) if isinstance(value, str) else str(plain(value))
