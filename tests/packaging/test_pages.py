"""The built documentation, looked at: no page is empty, no formula is left as source, no host is asked."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
# What its style sheet or its own search would load; anything else from another host is a request.
REQUESTS = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["'](https?:)?//[^"']*["']""")


class Text(HTMLParser):
    """The text of the article, without code and formulas."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.quoted, self.parts = 0, 0, []

    def handle_starttag(self, tag, attrs):
        self.inside += tag == "article"
        self.quoted += tag in ("pre", "code", "math", "script", "style")

    def handle_endtag(self, tag):
        self.inside -= tag == "article"
        self.quoted -= tag in ("pre", "code", "math", "script", "style")

    def handle_data(self, data):
        if self.inside and not self.quoted:
            self.parts.append(data)


@pytest.fixture(scope="module")
def pages():
    """The built pages by name."""
    named = os.environ.get("ONLYIF_PAGES")
    if not named:
        pytest.skip("looks at built documentation: `make docs` builds it and runs this")
    found = {_name(path, Path(named)): path.read_text("utf-8") for path in Path(named).rglob("*.html")}
    assert found
    return found


def _name(path, top):
    return path.relative_to(top).with_suffix("").as_posix()


SOURCES = {_name(path, DOCS): path.read_text("utf-8") for path in DOCS.rglob("*.md")}


def _text(page):
    reader = Text()
    reader.feed(page)
    return " ".join(" ".join(reader.parts).split())


def test_every_source_has_a_page_with_its_words_on_it(pages):
    for name, source in SOURCES.items():
        words = len(source.split())
        shown = len(_text(pages[name]).split())
        assert shown > min(50, words / 4), f"{name}.html shows {shown} words of about {words}"


def test_no_formula_is_left_as_source(pages):
    for name, page in pages.items():
        text = _text(page)
        assert "$$" not in text and not re.search(r"\\(frac|sum|mathrm|lVert|alpha|Delta|bigl?)\b", text), (
            name
        )
        assert "merror" not in page, name


def test_formulas_are_drawn_where_the_source_has_them(pages):
    for name, source in SOURCES.items():
        prose = re.sub(r"```.*?```|`[^`]*`", "", source, flags=re.DOTALL)
        formulas = len(re.findall(r"\$\$.+?\$\$|\$[^$\n]+?\$", prose, flags=re.DOTALL))
        assert pages[name].count("<math") >= formulas, name


def test_pages_ask_no_other_host(pages):
    for name, page in pages.items():
        assert REQUESTS.search(page) is None, (name, REQUESTS.search(page))


def test_search_is_the_themes_own_page(pages):
    assert 'id="search-results"' in pages["search"]


def test_every_tutorial_shows_what_it_prints_and_draws_and_the_front_page_its_pictures(pages):
    scripts = sorted(path.stem for path in (DOCS / "tutorials").glob("plot_*.py"))
    assert scripts
    for name in scripts:
        page = pages[f"auto_tutorials/{name}"]
        assert page.count("sphx_glr_plot") >= 1 and "sphx-glr-script-out" in page, name
    drawn = re.findall(r'src="(_images/[^"]+)"', pages["index"])
    folder = Path(os.environ["ONLYIF_PAGES"])
    assert len(drawn) >= 3 and all((folder / name).stat().st_size > 5_000 for name in drawn)


def test_style_sheets_and_scripts_ask_no_other_host(pages):
    for path in Path(os.environ["ONLYIF_PAGES"]).rglob("*.css"):
        asked = re.findall(r"""(?:@import|url\()\s*["']?(?:https?:)?//[^"')]*""", path.read_text("utf-8"))
        assert not asked, (path.name, asked)
