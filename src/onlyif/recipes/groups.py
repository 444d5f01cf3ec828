"""Groups of columns: from a dict, a TOML file or a fitted transformer."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onlyif.core.errors import SettingError, StorageError


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
    if isinstance(groups, str | Path):
        return _from_toml(Path(groups))
    from onlyif.interop.sklearn_groups import groups_from

    return groups_from(groups)


def _from_toml(path: Path) -> Mapping[str, Sequence[str]]:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise StorageError(f"cannot read the groups file {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors, and numbers of too many digits
        raise StorageError(f"the groups file {path} is no valid TOML: {error}") from error
    held = content.get("groups")
    if not isinstance(held, dict) or set(content) != {"groups"}:
        raise SettingError(f"{path} must hold one table [groups] with lines like city = ['city_a', 'city_b']")
    for name, columns in held.items():
        if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
            raise SettingError(f"group {name!r} in {path} must be a list of column names, got {columns!r}")
    return held
