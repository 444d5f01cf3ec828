"""The whole page: one file that a browser opens without a network."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import final

from typing_extensions import override

from onlyif.core.errors import StorageError
from onlyif.core.labels import Row
from onlyif.core.nouns import counted
from onlyif.core.whole_files import suffixed, write_whole
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.page.details import Computed, computed, section
from onlyif.explanation.page.markup import Element, listed, shown, source, tag
from onlyif.explanation.page.overview import overview, rows_table
from onlyif.explanation.page.pictures import plane_of
from onlyif.version import __version__

# Set before anything is drawn: with a script only the chosen row is shown, without one all are.
_FIRST = "document.documentElement.className='script'"
_SCRIPTS = ("plot.min.js", "basics.js", "charts.js", "page.js")


def page_of(items: Sequence[Explanation], title: str, missing: Mapping[str, str] | None = None) -> str:
    """The page as HTML.

    Args:
        items: The explanations, of one criterion or of several.
        title: What the page is called.
        missing: What is not on the page, and why.
    """
    groups: dict[str, list[Explanation]] = {}
    for item in items:
        groups.setdefault(item.criterion, []).append(item)
    common = {criterion: _common(group) for criterion, group in groups.items()}
    parts = [
        tag("p", None, [f"{counted(len(items), 'explanation')}, made by onlyif {__version__}."]),
        *_missing(missing or {}),
        tag("div", {"id": "filters"}),
        *(rows_table(items) if items else [tag("p", None, ["There are no explanations here."])]),
        *(overview(group, common[criterion]) for criterion, group in groups.items()),
    ]
    planes = [plane_of(item, k) for k, item in enumerate(items)]
    of_image: dict[Row, list[Explanation]] = {}
    for item, plane in zip(items, planes, strict=True):
        if plane is not None:
            of_image.setdefault(item.row, []).append(item)
    rows = [
        section(item, k, common[item.criterion], plane, of_image.get(item.row, ()))
        for k, (item, plane) in enumerate(zip(items, planes, strict=True))
    ]
    main = tag(
        "main",
        None,
        [
            tag("h1", None, [shown(title)]),
            tag("div", {"id": "overview"}, parts),
            tag("div", {"id": "details"}, rows),
        ],
    )
    body = tag("body", None, [main, *_scripts()])
    return f"<!DOCTYPE html>\n{tag('html', {'lang': 'en'}, [_head(title), body]).text}"


@final
@dataclass(frozen=True)
class Page:
    """A page for a browser; a notebook shows it in a frame.

    Args:
        html: All of it.
        height: How high the frame is, in pixels.
    """

    html: str
    height: int = 720

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all.

        Args:
            path: The file, with or without ".html"; one that is there is replaced.

        Returns:
            The path of the file.

        Raises:
            StorageError: if it cannot be written.
        """
        target = suffixed(path, ".html")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, self.html.encode("utf-8"))
        except OSError as cause:
            raise StorageError(f"cannot write the page {target}: {cause}") from cause
        return target

    def _repr_html_(self) -> str:
        # A frame of its own: what is in the page touches nothing of the notebook.
        inside = escape(self.html, quote=True)
        style = f"width: 100%; height: {self.height}px; border: 0"
        marks = f'title="Explanations" sandbox="allow-scripts" style="{style}"'
        return f'<iframe {marks} srcdoc="{inside}"></iframe>'

    @override
    def __repr__(self) -> str:
        return f"Page({len(self.html):,} characters; write it with .write(path))"


def _common(group: Sequence[Explanation]) -> Computed:
    """What is said of how each of them was computed, where it is the same for all."""
    every = [computed(item) for item in group]
    return {key: text for key, text in every[0].items() if all(one.get(key) == text for one in every)}


def _missing(missing: Mapping[str, str]) -> list[Element]:
    if not missing:
        return []
    lines = listed(shown(f"{name}: {why}") for name, why in missing.items())
    return [tag("section", {"class": "missing"}, [tag("h2", None, ["What is missing here"]), lines])]


def _head(title: str) -> Element:
    return tag(
        "head",
        None,
        [
            tag("meta", {"charset": "utf-8"}),
            tag("meta", {"http-equiv": "Content-Security-Policy", "content": _policy()}),
            tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
            tag("meta", {"name": "color-scheme", "content": "light dark"}),
            tag("title", None, [shown(title)]),
            source("style", {}, _resource("page.css")),
            source("script", {}, _FIRST),
        ],
    )


def _scripts() -> list[Element]:
    return [source("script", {}, _resource(name)) for name in _SCRIPTS]


def _policy() -> str:
    """Nothing is loaded from anywhere, and no script runs but those of the page."""
    scripts = (_FIRST, *map(_resource, _SCRIPTS))
    hashes = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def _resource(name: str) -> str:
    return files("onlyif.explanation.page").joinpath(name).read_text("utf-8")
