"""Elements of HTML. What comes from data is text in them, never markup: the standard library escapes it."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from xml.etree import ElementTree

from onlyif.core.visible import on_one_line

Element: TypeAlias = ElementTree.Element
Inside: TypeAlias = Element | str
# Texts are shown up to this length.
LONGEST = 400
# What ends a script, begins a comment in it, or ends a line of one.
_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


def tag(name: str, attributes: Mapping[str, str] | None = None, inside: Iterable[Inside] = ()) -> Element:
    """One element.

    Args:
        name: Its name, as "td".
        attributes: Its attributes.
        inside: Texts and elements in it, in order.

    Example:
        >>> html(tag("p", {"class": "a"}, ["1 < 2", tag("b", None, ["<script>"])]))
        '<p class="a">1 &lt; 2<b>&lt;script&gt;</b></p>'
    """
    made = ElementTree.Element(name, {key: on_one_line(value) for key, value in (attributes or {}).items()})
    last: Element | None = None
    for each in inside:
        if isinstance(each, ElementTree.Element):
            made.append(each)
            last = each
        elif last is None:
            made.text = (made.text or "") + on_one_line(each)
        else:
            last.tail = (last.tail or "") + on_one_line(each)
    return made


def deferred(inside: Iterable[Inside]) -> Element:
    """What a browser with scripts reads as one text until the page's script makes elements of it.

    Without scripts it is there at once. The end of such a text may stand nowhere in it: the standard library
    leaves "<" in attributes, so that there, which is in labels, another sign takes its place.
    """
    made = tag("noscript", None, inside)
    for each in made.iter():
        each.attrib.update({key: value.replace("<", "‹") for key, value in each.attrib.items()})
    return made


def source(name: str, attributes: Mapping[str, str], text: str) -> Element:
    """A script or a style, whose text is written as it is."""
    made = ElementTree.Element(name, dict(attributes))
    made.text = text
    return made


def html(element: Element) -> str:
    """The element as HTML."""
    return ElementTree.tostring(element, encoding="unicode", method="html")


def shown(text: str) -> str:
    """A name or a value for a reader; the end of a very long one is left out, and that is told.

    Example:
        >>> shown("age"), shown("x" * 1000)[-20:]
        ('age', 'x… (1000 characters)')
    """
    one = on_one_line(text)
    return one if len(one) <= LONGEST else f"{one[:LONGEST]}… ({len(text)} characters)"


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Inside]], numeric: Sequence[int] = ()
) -> Element:
    """A table whose first column names its rows.

    Args:
        caption: What it is.
        heads: The names of its columns.
        rows: One text or element a column for each row.
        numeric: Which columns are numbers.
    """
    head = tag("tr", None, [tag("th", {"scope": "col"}, [name]) for name in heads])
    body = [
        tag(
            "tr", None, [tag("th", {"scope": "row"}, row[:1]), *(tag("td", None, [cell]) for cell in row[1:])]
        )
        for row in rows
    ]
    parts = [tag("caption", None, [caption]), tag("thead", None, [head]), tag("tbody", None, body)]
    # Columns of numbers are told once, not in each cell.
    marks = {"class": " ".join(f"number-{place + 1}" for place in numeric)} if numeric else None
    # A wide table scrolls in itself, by keys too.
    return tag(
        "div",
        {"class": "wide", "role": "group", "tabindex": "0", "aria-label": caption},
        [tag("table", marks, parts)],
    )


def listed(lines: Iterable[Inside]) -> Element:
    """A list."""
    return tag("ul", None, [tag("li", None, [line]) for line in lines])


def data_script(name: str, held: Any) -> Element:
    """Plain values for the page's own script, which is all that reads them.

    Args:
        name: The class of the element.
        held: Lists, dictionaries, texts and numbers; numbers that JSON has no word for become texts.
    """
    text = json.dumps(_plain(held), separators=(",", ":"), allow_nan=False).translate(_ESCAPED)
    return source("script", {"type": "application/json", "class": name}, text)


def _plain(held: Any) -> Any:
    match held:
        case dict():
            return {str(key): _plain(value) for key, value in held.items()}
        case list() | tuple():
            return [_plain(each) for each in held]
        case float() if not math.isfinite(held):
            return f"{held:g}"
        case _:
            return held
