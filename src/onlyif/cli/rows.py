"""Which rows of a table are meant: "0,5-9" as positions."""

import re
from typing import Any

import narwhals as nw

from onlyif.core.errors import SettingError

_PART = re.compile(r"(\d+)(?:-(\d+))?")


def chosen_rows(text: str | None, count: int) -> list[int]:
    """The positions that a text names, in its order, each once.

    Args:
        text: Positions and ranges from 0, ends included, as "0,5-9"; None for all rows.
        count: Number of rows in the table.

    Raises:
        SettingError: if the text is no such list, or a row is not there.

    Example:
        >>> chosen_rows("7, 0-2", 8)
        [7, 0, 1, 2]
    """
    if text is None:
        return list(range(count))
    chosen: dict[int, None] = {}
    for part in text.split(","):
        chosen.update(dict.fromkeys(_span(part.strip(), count)))
    return list(chosen)


def take_rows(table: Any, positions: list[int]) -> Any:
    """Some rows of a pandas or polars frame, by position; their labels stay."""
    return nw.from_native(table)[positions].to_native()


def _span(part: str, count: int) -> range:
    found = _PART.fullmatch(part)
    if found is None:
        raise SettingError(f"--rows takes positions and ranges such as 0,5-9, got {part!r}")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise SettingError(f"the range {part!r} in --rows runs backwards")
    if last >= count:
        raise SettingError(f"--rows asks for row {last}, the data has rows 0 to {count - 1}")
    return range(first, last + 1)
