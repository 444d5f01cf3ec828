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
    found = {path.stem: path.read_text("utf-8") for path in Path(named).glob("*.html")}
    assert found
    return found


def _text(page):
    reader = Text()
    reader.feed(page)
    return " ".join(" ".join(reader.parts).split())


def test_every_source_has_a_page_with_its_words_on_it(pages):
    for source in DOCS.glob("*.md"):
        words = len(source.read_text("utf-8").split())
        shown = len(_text(pages[source.stem]).split())
        assert shown > min(50, words / 4), f"{source.stem}.html shows {shown} words of about {words}"


def test_no_formula_is_left_as_source(pages):
    for name, page in pages.items():
        text = _text(page)
        assert "$$" not in text and not re.search(r"\\(frac|sum|mathrm|lVert|alpha|Delta|bigl?)\b", text), (
            name
        )
        assert "merror" not in page, name


def test_formulas_are_drawn_where_the_source_has_them(pages):
    for source in DOCS.glob("*.md"):
        prose = re.sub(r"```.*?```|`[^`]*`", "", source.read_text("utf-8"), flags=re.DOTALL)
        formulas = len(re.findall(r"\$\$.+?\$\$|\$[^$\n]+?\$", prose, flags=re.DOTALL))
        assert pages[source.stem].count("<math") >= formulas, source.stem


def test_pages_ask_no_other_host(pages):
    for name, page in pages.items():
        assert REQUESTS.search(page) is None, (name, REQUESTS.search(page))


def test_search_is_the_themes_own_page(pages):
    assert 'id="search-results"' in pages["search"]
