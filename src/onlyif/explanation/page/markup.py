"""Elements of HTML. What comes from data is text in them, never markup: the standard library escapes it."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import repeat
from typing import Any, TypeAlias, final

from onlyif.core.visible import on_one_line


@final
@dataclass(frozen=True)
class Element:
    """An element, written: it is made by `tag` and `source` alone, whose texts are escaped.

    Args:
        text: The element as HTML.
    """

    text: str


Inside: TypeAlias = Element | str
# Texts are shown up to this length.
LONGEST = 400
# What ends a script, begins a comment in it, or ends a line of one.
_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
_WITHOUT_END = frozenset({"br", "meta"})


def tag(name: str, attributes: Mapping[str, str] | None = None, inside: Iterable[Inside] = ()) -> Element:
    """One element.

    Args:
        name: Its name, as "td".
        attributes: Its attributes.
        inside: Texts and elements in it, in order.

    Example:
        >>> tag("p", {"class": "a"}, ["1 < 2", tag("b", None, ["<script>"])]).text
        '<p class="a">1 &lt; 2<b>&lt;script&gt;</b></p>'
    """
    start = _start(name, attributes or {})
    if name in _WITHOUT_END:
        return Element(start)
    held = [each.text if isinstance(each, Element) else escape(on_one_line(each), False) for each in inside]
    return Element(f"{start}{''.join(held)}</{name}>")


def _start(name: str, attributes: Mapping[str, str]) -> str:
    if not attributes:
        return f"<{name}>"
    marks = "".join([f' {key}="{escape(on_one_line(value))}"' for key, value in attributes.items()])
    return f"<{name}{marks}>"


def deferred(inside: Iterable[Inside]) -> Element:
    """What a browser with scripts reads as one text until the page's script makes elements of it.

    Without scripts it is there at once. The end of such a text stands nowhere in it: every "<" of data is
    escaped, in texts and in attributes.
    """
    return tag("noscript", None, inside)


def source(name: str, attributes: Mapping[str, str], text: str) -> Element:
    """A script or a style, whose text is written as it is."""
    return Element(f"{_start(name, attributes)}{text}</{name}>")


def shown(text: str) -> str:
    """A name or a value for a reader; the end of a very long one is left out, and that is told.

    Example:
        >>> shown("age"), shown("x" * 1000)[-20:]
        ('age', 'x… (1000 characters)')
    """
    one = on_one_line(text)
    return one if len(one) <= LONGEST else f"{one[:LONGEST]}… ({len(text)} characters)"


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[Inside]],
    numeric: Sequence[int] = (),
    *,
    marks: Mapping[str, str] | None = None,
    marks_of_rows: Iterable[Mapping[str, str]] | None = None,
    marks_of_cells: Mapping[str, str] | None = None,
) -> Element:
    """A table whose first column names its rows.

    Args:
        caption: What it is.
        heads: The names of its columns.
        rows: One text or element a column for each row.
        numeric: Which columns are numbers.
        marks: More attributes of what the table is in.
        marks_of_rows: Attributes of each row.
        marks_of_cells: Attributes of every cell.
    """
    cells = marks_of_cells or {}
    head = tag("tr", None, [tag("th", {"scope": "col", **cells}, [name]) for name in heads])
    body = [
        tag(
            "tr",
            given,
            [tag("th", {"scope": "row", **cells}, row[:1]), *(tag("td", cells, [cell]) for cell in row[1:])],
        )
        for row, given in zip(rows, repeat(None) if marks_of_rows is None else marks_of_rows, strict=False)
    ]
    parts = [tag("caption", None, [caption]), tag("thead", None, [head]), tag("tbody", None, body)]
    # Columns of numbers are told once, not in each cell.
    numbers = {"class": " ".join(f"number-{place + 1}" for place in numeric)} if numeric else None
    # A wide table scrolls in itself, by keys too.
    around = {"class": "wide", "role": "group", "tabindex": "0", "aria-label": caption, **(marks or {})}
    return tag("div", around, [tag("table", numbers, parts)])


def listed(lines: Iterable[Inside]) -> Element:
    """A list."""
    return tag("ul", None, [tag("li", None, [line]) for line in lines])


def data_script(name: str, held: Any) -> Element:
    """Plain values for the page's own script, which is all that reads them.

    Args:
        name: The class of the element.
        held: Lists, dictionaries, texts and numbers; numbers that JSON has no word for become texts.
    """
    try:
        text = _json(held)
    except ValueError:
        text = _json(_plain(held))
    return source("script", {"type": "application/json", "class": name}, text.translate(_ESCAPED))


def _json(held: Any) -> str:
    return json.dumps(held, separators=(",", ":"), allow_nan=False)


def _plain(held: Any) -> Any:
    """The same with texts for numbers that JSON has no word for."""
    match held:
        case dict():
            return {str(key): _plain(value) for key, value in held.items()}
        case list() | tuple():
            return [_plain(each) for each in held]
        case float() if not math.isfinite(held):
            return f"{held:g}"
        case _:
            return held
