"""Drawings for a browser without scripts: bars over α, or over sizes, where the script puts its charts."""

from collections.abc import Mapping, Sequence

from onlyif.explanation.explanation import Explanation
from onlyif.explanation.layout import clipped, number
from onlyif.explanation.page.markup import Element, Inside, tag
from onlyif.explanation.pixels import PixelNames

# Rows of a page that have them, and lines of one drawing.
MOST_ROWS, MOST_LINES = 10, 30
_LEFT, _WIDE, _LINE = 180, 400, 22
Bars = Mapping[str, Sequence[tuple[float, float]]]


def over_alpha(item: Explanation) -> list[Element]:
    """Who is in the best set for which α: those first that are longest in it.

    Args:
        item: An explanation with a continuum.
    """
    if isinstance(item.names, PixelNames):
        return []
    held, bars = item.continuum, dict[int, list[tuple[float, float]]]()
    for low, high, piece in zip(held.breakpoints, held.breakpoints[1:], held.pieces, strict=False):
        for player in piece.players:
            bars.setdefault(player, []).append((low, high))
    longest = sorted(bars, key=lambda player: (-sum(high - low for low, high in bars[player]), player))
    named = {item.names[player]: bars[player] for player in longest[:MOST_LINES]}
    return _drawn(f"Which {item.nouns} are in the best set, for α from 0 to 1", named) if named else []


def over_sizes(item: Explanation) -> list[Element]:
    """The PNS of the best set of each size, from 0 to 2.

    Args:
        item: An explanation with a path.
    """
    sizes = [*item.path][:MOST_LINES]
    bars = {f"size {one.size}: {number(one.pns.value)}": [(0.0, one.pns.value / 2)] for one in sizes}
    return _drawn("The PNS of the best set of each size, from 0 to 2", bars)


def _drawn(caption: str, bars: Bars) -> list[Element]:
    """Bars on a scale from 0 to 1, a line each, with the ends of the scale below."""
    inside: list[Element] = []
    for place, (name, spans) in enumerate(bars.items()):
        inside.append(_text(_LEFT - 8, place, clipped(name, 24), "end"))
        inside += [
            tag("rect", {
                "x": f"{_LEFT + low * _WIDE:.1f}", "y": str(place * _LINE + 3),
                "width": f"{(high - low) * _WIDE:.1f}", "height": str(_LINE - 6),
            })
            for low, high in spans
        ]  # fmt: skip
    height = (len(bars) + 1) * _LINE
    frame = f"M{_LEFT} 0v{height - _LINE}h{_WIDE}"
    inside.append(tag("path", {"d": frame}))
    inside += [_text(_LEFT + x * _WIDE, len(bars), label, "middle") for x, label in ((0, "0"), (1, "1"))]
    marks = {"viewBox": f"0 0 {_LEFT + _WIDE + 10} {height}", "role": "img", "aria-label": caption}
    parts: list[Inside] = [tag("figcaption", None, [caption]), tag("svg", marks, inside)]
    return [tag("figure", {"class": "still"}, parts)]


def _text(x: int, line: int, text: str, anchor: str) -> Element:
    marks = {"x": str(x), "y": str(line * _LINE + _LINE - 6), "text-anchor": anchor}
    return tag("text", marks, [text])
