"""The page in a real browser: `make browser` installs one. What Python says is what the page shows."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from onlyif.core.nouns import EDGE, NOUN
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import number
from onlyif.explanation.page.document import page_of
from onlyif.explanation.page.pictures import outline, plane_of
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import game_of_table

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make browser installs it")
BROWSER = which("chromium")
AXE = Path(__file__).parents[2] / "vendor" / "page" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium: make browser installs it")
HOSTILE = (
    "<script>window.hit=1</script>",
    "</script><img src=x onerror=window.hit=1>",
    "\"'`${window.hit=1}&amp;",
    "line\nfeed\u2028and\u202eright to left אבג \U0001f600",
)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # Without its own sandbox, which root and most containers do not allow: the file is ours.
        made = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page, and tells of whatever a page must not do: errors, and requests that leave the file."""
    faults, contexts = [], []

    def opener(html, address="", **settings):
        file = tmp_path / "page.html"
        file.write_text(html, "utf-8")
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: faults.append(said.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or faults.append(asked.url))
        page.goto(f"{file.as_uri()}{address}")
        return page

    yield opener
    for context in contexts:
        context.close()
    assert faults == []


def _five(seed=0):
    """A row of five features with several sets over α, and a label, a name and a value that are attacks."""
    table = np.random.default_rng(seed).uniform(0, 1, 32)
    case = GameCase((*HOSTILE, "age"), (*reversed(HOSTILE), "39"), HOSTILE[0], size=3)
    return explanation_of_game(game_of_table(table), case)


def test_the_slider_moves_the_sets_to_what_python_says(opened):
    item = _five()
    page = opened(page_of([item], "one"))
    said = page.locator(".alpha output")
    typed = page.locator(".alpha input[type=number]")
    for exact in (False, True):
        page.locator(".alpha select").nth(0).select_option("=" if exact else "<=")
        for size in (1, 3, 5):
            page.locator(".alpha select").nth(1).select_option(str(size))
            continuum = item.continua.of(size, exact_size=exact)
            breaks = continuum.breakpoints
            middles = [(low + high) / 2 for low, high in pairwise(breaks)]
            for alpha in (*breaks, *middles, math.nextafter(breaks[1], 2)):
                if alpha > 1:
                    continue
                typed.fill(repr(alpha))
                typed.press("Enter")
                expected = continuum.at(alpha)
                data = said.evaluate("output => ({...output.dataset})")
                assert float(data["alpha"]) == alpha
                assert tuple(json.loads(data["members"])) == expected.players
                assert (float(data["suf"]), float(data["nec"])) == (
                    expected.sufficiency.value,
                    expected.necessity.value,
                )
                assert int(data["ties"]) == expected.n_ties
                shown = said.inner_text()
                assert f"Δuni = {number(expected.unified(alpha))}" in shown
                assert f"Δsuf = {number(expected.sufficiency.value)}" in shown


def test_the_slider_is_moved_by_keys_and_by_its_buttons(opened):
    item = _five()
    page = opened(page_of([item], "one"))
    slider, said = page.locator("input[type=range]"), page.locator(".alpha output")
    slider.focus()
    slider.press("End")
    assert said.get_attribute("data-alpha") == "1"
    assert tuple(json.loads(said.get_attribute("data-members"))) == item.continuum.at(1.0).players
    page.get_by_role("button", name="change before").click()
    assert float(said.get_attribute("data-alpha")) == item.continuum.breakpoints[-2]
    assert page.locator(".alpha svg[role=img]").count() == 3
    point = page.locator(".alpha figure:last-child svg circle").last.evaluate(
        "c => c.getBoundingClientRect().x"
    )
    slider.press("Home")
    moved = page.locator(".alpha figure:last-child svg circle").last.evaluate(
        "c => c.getBoundingClientRect().x"
    )
    different = item.continuum.at(0.0).sufficiency.value - item.continuum.corners[-2].sufficiency.value
    assert np.sign(moved - point) == np.sign(different)


def test_numbers_are_written_as_python_writes_them(opened):
    values = [0.03125, 1000.5, 2.5e-7, 0.00012345, 12345.5, 12346.5, 9999.5, 123456789.4, 3.0, -0.15625, 1e22]
    values += [*np.exp(np.random.default_rng(0).normal(0, 12, 300)).tolist(), 0.0, -0.0, 1 / 3]
    page = opened(page_of([_five()], "one"))
    written = page.evaluate("values => values.map(window.Onlyif.number)", values)
    assert written == [number(value) for value in values]


def test_what_is_markup_in_the_data_stays_text(opened):
    score = {"</noscript ><img src=x onerror=window.hit=1>": np.arange(5.0)}
    item = replace(_five(), target_label=HOSTILE[1], notes=(HOSTILE[0],), reason="", scores=score)
    page = opened(page_of([item], HOSTILE[1], {HOSTILE[0]: HOSTILE[1]}))
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 0
    assert HOSTILE[0] in page.locator("#row-0").inner_text()
    assert "</noscript >" in page.locator("#row-0").inner_text()
    assert page.title() == HOSTILE[1]


def test_filters_filter_and_columns_sort(opened):
    items = example_explanations().items
    page = opened(page_of(items, "three"))
    left = page.locator("#rows tbody tr:visible")
    assert left.count() == 3
    page.get_by_label("status", exact=True).select_option("all features")
    assert [left.nth(k).locator("a").inner_text() for k in range(left.count())] == ["1"]
    page.get_by_label("status", exact=True).select_option("")
    page.get_by_label("feature", exact=True).select_option(label="work class")
    page.get_by_label("in", exact=True).select_option("unified")
    expected = [item.row for item in items if "work class" in item.unified]
    assert left.count() == len(expected)
    page.get_by_label("in", exact=True).select_option("")
    expected = [item.row for item in items if any("work class" in one for one in item.sets.values())]
    assert [left.nth(k).locator("a").inner_text() for k in range(left.count())] == expected
    page.get_by_label("feature", exact=True).select_option("")
    page.get_by_label("search", exact=True).fill("NOTHING to")
    assert [left.nth(k).locator("a").inner_text() for k in range(left.count())] == ["2"]
    page.get_by_label("search", exact=True).fill("")
    for down in (False, True):
        page.get_by_role("button", name="f(x)").click()
        shown = [left.nth(k).locator("a").inner_text() for k in range(3)]
        assert shown == [item.row for item in sorted(items, key=lambda item: item.prediction, reverse=down)]
    assert page.locator("th[aria-sort=descending]").count() == 1


def test_rows_are_chosen_by_their_links_and_by_the_address(opened):
    page = opened(page_of(example_explanations().items, "three"), "#row-1")
    open_row = page.locator("#details > .row:visible")
    assert open_row.count() == 1 and open_row.get_attribute("id") == "row-1"
    page.get_by_role("link", name="next row").click()
    assert open_row.get_attribute("id") == "row-2"
    page.get_by_role("link", name="All rows").click()
    assert open_row.count() == 0 and page.locator("#rows").is_visible()


def test_the_size_of_a_cause_is_moved_too(opened):
    item = example_causes()[0]
    page = opened(page_of([item], "cause"))
    said, slider = page.locator(".sizes output"), page.locator(".sizes input")
    for place, one in enumerate(item.path):
        slider.fill(str(place))
        assert tuple(json.loads(said.get_attribute("data-members"))) == one.players
        assert f"PNS = {number(one.pns.value)}" in said.inner_text()


def test_the_slider_moves_the_edges_of_a_network_and_the_outline_on_an_image(opened):
    edges = ("0 -> 3", "3 -> 9", "9 -> 3")
    table = np.random.default_rng(1).uniform(0, 1, 8)
    graph = explanation_of_game(game_of_table(table), GameCase(edges, row="0"))
    sentences = {**graph.provenance.sentences, NOUN: EDGE}
    graph = replace(graph, provenance=replace(graph.provenance, sentences=sentences))
    page = opened(page_of([graph], "graph"), "#row-0")
    assert page.locator("#row-0 h2").inner_text().startswith("Node 0:")
    lines = page.locator(".alpha figure").first.locator("g[stroke='var(--unified)'] > path")
    for key, alpha in (("Home", 0.0), ("End", 1.0)):
        page.locator("input[type=range]").press(key)
        assert lines.count() == graph.continuum.at(alpha).size
    corners = tuple(f"patch ({row}, {column})" for row in range(2) for column in range(2))
    item = explanation_of_game(game_of_table(np.random.default_rng(2).uniform(0, 1, 16)), GameCase(corners))
    item = Explanations((item,)).with_images(np.zeros((1, 1, 4, 4)), 2)[0]
    plane = plane_of(item, 0)
    page = opened(page_of([item], "image"))
    page.locator("input[type=range]").press("Home")
    keep = item.continuum.at(0.0).keep[plane.player]
    assert page.locator(".live .outline").get_attribute("d") == outline(keep)
    assert page.locator(".live clipPath path").nth(1).get_attribute("d") == plane.frame + outline(keep)


def test_without_a_script_tables_and_sentences_of_all_rows_are_there(opened):
    items = example_explanations().items
    page = opened(page_of(items, "three"), java_script_enabled=False)
    for place, item in enumerate(items):
        shown = page.locator(f"#row-{place}").inner_text()
        assert page.locator(f"#row-{place}").is_visible()
        for said in item.sentences():
            assert said in shown
    assert page.locator("#row-0 .set.sufficient tbody tr").count() == items[0].sufficient.size


@pytest.mark.parametrize(
    "settings", [{}, {"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 740}}]
)
@pytest.mark.parametrize("address", ["", "#row-0"])
def test_nothing_keeps_anyone_out(opened, settings, address):
    if not AXE.exists():
        pytest.skip("needs axe-core: make browser installs it")
    items = [*example_explanations().items, *example_causes().items]
    page = opened(page_of(items, "all kinds", {"rows-000001": "is cut short"}), address, **settings)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_notebook_shows_the_page_in_a_frame(opened):
    found = Explanations((_five(), *example_explanations().items))
    page = opened(f"<!DOCTYPE html><title>notebook</title>{found.page()._repr_html_()}")
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="1", exact=True).click()
    said = frame.locator("#row-2 .alpha output")
    frame.locator("#row-2 input[type=range]").press("End")
    assert tuple(json.loads(said.get_attribute("data-members"))) == found[2].continuum.at(1.0).players
