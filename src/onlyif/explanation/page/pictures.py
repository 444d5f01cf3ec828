"""Images of the page: what a set keeps and hides of an image, its outline, and how it changes with α."""

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from onlyif.explanation.explanation import Explanation
from onlyif.explanation.layout import number
from onlyif.explanation.page.markup import Element, Inside, shown, tag
from onlyif.explanation.passages import stretches
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Selection

# Solutions over α that are shown beside each other.
MOST_FRAMES = 8


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """Where the players of one explanation lie in its image.

    Args:
        number: The number of the explanation on the page.
        player: The player of each pixel.
        picture: The image, as the address of a PNG file; "" where it was not given.
    """

    number: int
    player: Int32[np.ndarray, "h w"]
    picture: str = ""

    def told(self, keep: Bool[np.ndarray, "d"]) -> str:
        """The outline of a set of players, as the path of a drawing."""
        return outline(keep[self.player])

    @property
    def box(self) -> str:
        """The part of a drawing that is seen: one unit a pixel, and room for a line."""
        height, width = self.player.shape
        return f"-0.5 -0.5 {width + 1} {height + 1}"

    @property
    def frame(self) -> str:
        """The outline of all of the image."""
        height, width = self.player.shape
        return f"M0 0h{width}v{height}h-{width}z"


def plane_of(item: Explanation, place: int) -> Plane | None:
    """Where the players of an explanation lie; None where it is of no image.

    Args:
        item: The explanation.
        place: Its number on the page.
    """
    picture = item.details.picture
    if picture is not None:
        address = "data:image/png;base64," + base64.b64encode(png(picture.pixels)).decode()
        return Plane(place, picture.player, address)
    if isinstance(item.names, PixelNames):
        return Plane(place, np.arange(len(item.names), dtype=np.int32).reshape(item.names.shape))
    return None


def pictures(item: Explanation, plane: Plane | None, others: Sequence[Explanation] = ()) -> list[Element]:
    """What there is to look at of one explanation: its image, its sets, and the sets over α.

    Args:
        item: The explanation.
        plane: Where its players lie; None where they are no parts of an image.
        others: All explanations of the same image, where each is for one α.
    """
    if plane is None:
        return []
    value = f"f(x) = {number(item.prediction)}"
    parts = [_figure(plane, "", "image" if plane.picture else "the image was not kept", value)]
    for name, chosen in item.sets.items():
        path = plane.told(chosen.keep)
        for kind, words in _KINDS.items():
            below = _value(item, chosen, kind)
            parts.append(_figure(plane, path, f"{shown(name)} set, {words}", below, kind))
    made = [_shared(plane), tag("div", {"class": "images"}, parts)]
    frames = _frames(item, others)
    if len(frames) > 1:
        step = -(-len(frames) // MOST_FRAMES)
        strip = [
            _figure(plane, plane.told(one.keep), f"α {where}", _gaps(one), "outlined")
            for where, one in frames[::step]
        ]
        made += [tag("h3", None, ["The best sets over α"]), tag("div", {"class": "images strip"}, strip)]
    return made


def _frames(item: Explanation, others: Sequence[Explanation]) -> list[tuple[str, Selection]]:
    """The sets over α: those of the continuum, or of the explanations that are each for one α."""
    if item.details.continua is not None:
        return [*stretches(item.continuum)]
    of_alpha = sorted(
        (one for one in others if "unified" in one.sets and "alpha" in one.settings), key=_alpha
    )
    return [(f"= {number(one.alpha)}", one.unified) for one in of_alpha]


def _alpha(item: Explanation) -> float:
    return item.alpha


_KINDS = {"outlined": "outlined", "kept": "kept alone", "hidden": "hidden"}


def live(plane: Plane) -> Element:
    """Drawings whose set the slider over α changes; a page without a script does not show them."""
    drawn = [_figure(plane, "", words, "", kind) for kind, words in _KINDS.items()]
    return tag("div", {"class": "images live"}, drawn)


def _value(item: Explanation, chosen: Selection, kind: str) -> str:
    """What the model says to what is left, where that was measured; else how far that is off."""
    if kind == "outlined" or "sufficiency" not in chosen.measures:
        return f"{chosen.size} of {len(chosen.among)}"
    symbol, gap = ("f_S", "sufficiency") if kind == "kept" else ("f_Sc", "necessity")
    told = [f"{symbol} = {number(chosen.measures[kind].value)}"] if kind in chosen.measures else []
    named = "Δsuf" if kind == "kept" else "Δnec"
    return ", ".join([*told, f"{named} = {number(chosen.measures[gap].value)}"])


def _gaps(chosen: Selection) -> str:
    return f"Δsuf {number(chosen.sufficiency.value)}, Δnec {number(chosen.necessity.value)}"


def _shared(plane: Plane) -> Element:
    """The image once, for all drawings of it."""
    height, width = plane.player.shape
    size = {"width": str(width), "height": str(height)}
    marks = {
        "id": f"image-{plane.number}",
        "href": plane.picture,
        "style": "image-rendering: pixelated",
        **size,
    }
    inside = (
        [tag("image", marks)]
        if plane.picture
        else [tag("path", {"id": f"image-{plane.number}", "d": plane.frame, "class": "blank"})]
    )
    return tag(
        "svg",
        {"width": "0", "height": "0", "aria-hidden": "true", "class": "shared"},
        [tag("defs", None, inside)],
    )


def _figure(plane: Plane, path: str, title: str, below: str, kind: str = "") -> Element:
    """A drawing of the image: all of it, with an outline, or what is inside or outside of it."""
    image = tag("use", {"href": f"#image-{plane.number}"})
    drawn = [tag("path", {"d": plane.frame, "class": "nothing"})]
    if kind in ("kept", "hidden"):
        name = f"clip-{plane.number}-{hashlib.sha256(f'{title}{path}'.encode()).hexdigest()[:12]}"
        inside = {
            "class": "inside",
            "clip-rule": "evenodd",
            "d": path if kind == "kept" else plane.frame + path,
        }
        drawn.append(tag("clipPath", {"id": name}, [tag("path", inside)]))
        drawn.append(tag("g", {"clip-path": f"url(#{name})"}, [image]))
    else:
        drawn.append(image)
    if kind == "outlined":
        drawn += [tag("path", {"d": path, "class": layer}) for layer in ("halo inside", "outline inside")]
    label = ", ".join(filter(None, (title, below)))
    marks = {"viewBox": plane.box, "role": "img", "aria-label": label}
    if kind == "hidden":
        marks["data-frame"] = plane.frame
    words: list[Inside] = [title, tag("br"), below] if below else [title]
    caption = tag("figcaption", None, words)
    return tag("figure", None, [tag("svg", marks, drawn), caption])


def outline(inside: Bool[np.ndarray, "h w"]) -> str:
    """The border of a set of pixels, as closed paths with one unit a pixel.

    Example:
        >>> outline(np.array([[True, False]]))
        'M0 0h1v1h-1z'
        >>> outline(np.array([[True, False], [True, True]]))
        'M0 0h1v1h1v1h-2z'
    """
    return "".join(_path(loop) for loop in _loops(inside))


def _loops(inside: Bool[np.ndarray, "h w"]) -> Iterator[list[tuple[int, int]]]:
    """The corners of each closed border, the set to the right of the way."""
    padded = np.pad(inside, 1)
    ways: dict[tuple[int, int], list[tuple[int, int]]] = {}
    sides = (
        ((-1, 0), (0, 0), (0, 1)),
        ((0, 1), (0, 1), (1, 1)),
        ((1, 0), (1, 1), (1, 0)),
        ((0, -1), (1, 0), (0, 0)),
    )
    for (dy, dx), start, end in sides:
        border = inside & ~padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        for y, x in np.argwhere(border).tolist():
            ways.setdefault((y + start[0], x + start[1]), []).append((y + end[0], x + end[1]))
    while ways:
        first = min(ways)
        corner, loop = first, [first]
        while (corner := _next(ways, corner)) != first:
            loop.append(corner)
        yield loop


def _next(ways: dict[tuple[int, int], list[tuple[int, int]]], corner: tuple[int, int]) -> tuple[int, int]:
    ends = ways[corner]
    end = ends.pop()
    if not ends:
        del ways[corner]
    return end


def _path(loop: Sequence[tuple[int, int]]) -> str:
    """A closed border in the letters of SVG, corners only where it turns."""
    corners = [
        corner
        for before, corner, after in zip([loop[-1], *loop], loop, [*loop[1:], loop[0]], strict=False)
        if (before[0] == corner[0]) != (corner[0] == after[0])
    ]
    (y, x), parts = corners[0], []
    for to_y, to_x in corners[1:]:
        parts.append(f"h{to_x - x}" if to_y == y else f"v{to_y - y}")
        y, x = to_y, to_x
    return f"M{corners[0][1]} {corners[0][0]}{''.join(parts)}z"


def png(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A PNG file of an image in red, green and blue.

    References:
        PNG (third edition), W3C Recommendation, sections 5 and 11.
    """
    height, width, _ = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(lines.tobytes(), 9),
        b"IEND": b"",
    }
    blocks = (
        struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))
        for kind, held in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(blocks)
