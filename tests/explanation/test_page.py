"""The page as a file: what is in it, what must not be, and what is said of what is missing."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import onlyif
from onlyif.cli.main import main
from onlyif.core.errors import StorageError
from onlyif.core.nouns import EDGE, NOUN
from onlyif.explanation.explanation import Details
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.page.data import members, row_data
from onlyif.explanation.page.document import page_of
from onlyif.explanation.selection import Measure, gap_selection
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import game_of_table
from onlyif.testing.masks import example_masks

ATTACKS = (
    "<script>hit()</script>",
    "</script><img src=x onerror=hit()>",
    "\"'>&amp;\u2028\n\U0001f600\ud800",
    "x" * 10_000,
)


class Parts(HTMLParser):
    """The elements of a page, what its scripts hold, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.texts, self.inside = [], [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        kept = self.scripts if self.inside == "script" else self.texts
        kept.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


@pytest.fixture(scope="module")
def item():
    table = np.random.default_rng(3).uniform(0, 1, 16)
    return explanation_of_game(game_of_table(table), GameCase(ATTACKS, tuple(reversed(ATTACKS)), ATTACKS[0]))


def test_only_the_pages_own_scripts_may_run_and_nothing_is_loaded(item):
    parts = Parts(page_of([item], ATTACKS[1], {ATTACKS[0]: ATTACKS[1]}))
    policy = next(a["content"] for tag, a in parts.attributes if a.get("http-equiv"))
    code = [one for one in parts.scripts if not one.startswith(("{", "["))]
    assert len(code) == 5 == policy.count("sha256-")
    for one in code:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "img" not in parts.tags and not {"link", "iframe", "object", "base"} & set(parts.tags)
    named = [
        value for _, a in parts.attributes for key, value in a.items() if key in ("src", "href", "onerror")
    ]
    assert all(value.startswith("#") for value in named)
    assert ATTACKS[0] in parts.text


def test_data_cannot_end_the_element_that_holds_it(item):
    scripts = [one for one in Parts(page_of([item], "t")).scripts if one.startswith("{")]
    assert len(scripts) == 2
    assert not any(sign in one for one in scripts for sign in "<>&\u2028")
    held = json.loads(scripts[1])
    assert held["names"][:2] == list(ATTACKS[:2])
    assert held["names"][3].endswith("… (10000 characters)") and len(held["names"][3]) < 500


def test_a_row_that_is_read_as_one_text_cannot_end_it(item):
    page = page_of([replace(item, scores={"</noscript ><img src=x>": np.arange(4.0)})], "t")
    assert page.count("</noscript") == 1 and page.count("<noscript>") == 1


def test_breakpoints_and_gaps_are_there_whole(item):
    held = row_data(item, members)
    for rule, number in held["rules"].items():
        exact, size = rule[0] == "=", int(rule.strip("<="))
        continuum = item.continua.of(size, exact_size=exact)
        breaks, corners, pieces = held["curves"][number]
        assert tuple(breaks) == continuum.breakpoints
        solutions = zip([*corners, *pieces], [*continuum.corners, *continuum.pieces], strict=True)
        for (place, ties), one in solutions:
            told = (list(one.players), one.size, one.sufficiency.value, one.necessity.value)
            assert (*held["sets"][place], ties) == (*told, one.n_ties)


def test_errors_stand_beside_the_gaps_where_there_are_any():
    item = example_explanations(stderr=0.02)[0]
    assert {tuple(one[4:]) for one in row_data(item, members)["sets"]} == {(0.02, 0.02)}


def test_all_that_the_text_says_is_on_the_page():
    whole = example_explanations(stderr=0.01)
    text = " ".join(Parts(page_of(whole.items, "t")).text.split())
    for item in whole:
        for said in [
            *item.sentences(),
            *item.sentences("applicant"),
            *(one.sentence for one in item.verdicts.values()),
        ]:
            assert " ".join(said.split()) in text
        assert str(item.status.kind.value) in text
    assert "Means over rows" in text and "Hidden features are replaced together" in text


def test_every_kind_is_on_one_page_with_its_own_overview():
    items = [*example_explanations(), *example_causes(), *example_masks()]
    parts = Parts(page_of(items, "t"))
    assert sum(a.get("class") == "row" for _, a in parts.attributes) == len(items)
    for title in ("what is enough and what is needed", "causes", "soft masks"):
        assert parts.text.count(f"All rows: {title}") == 1
    assert "The most probable cause" in parts.text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_shown_as_they_are(value):
    item = example_explanations()[0]
    broken = replace(item, prediction=value, measures={"total_gap": Measure(value)})
    page = page_of([broken], "t")
    assert f"f(x) = {value:g}" in page
    assert all(json.loads(one) for one in Parts(page).scripts if one.startswith("{"))


def test_a_page_of_nothing_says_so(tmp_path):
    path = Explanations((), left_out=("7", "8")).to_html(tmp_path / "new" / "page")
    assert path == tmp_path / "new" / "page.html"
    text = Parts(path.read_text("utf-8")).text
    assert "There are no explanations here." in text and "2 rows left out" in text


def test_two_hundred_players_stay_within_the_size_of_a_page():
    names = tuple(f"column {k}" for k in range(200))
    chosen = gap_selection((0, 150, 199), names, (Measure(0.01), Measure(0.02)))
    whole = {"names": names, "values": ("1",) * 200, "scores": {}, "details": Details()}
    item = replace(example_explanations()[0], sets={"sufficient": chosen}, **whole)
    page = page_of([item] * 2, "t")
    assert len(page) < 1_040_000
    assert "190 more features, in no set" in page and "column 199" in page


def test_ten_columns_take_less_than_20_kilobytes_a_row():
    rng = np.random.default_rng(0)
    items = [
        explanation_of_game(
            game_of_table(rng.uniform(0, 1, 64)), GameCase(tuple(f"column {k}" for k in range(6)))
        )
    ] * 20
    few, many = len(page_of(items[:10], "t")), len(page_of(items, "t"))
    assert (many - few) / 10 < 20_000 and few < 1_200_000


def test_a_page_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write the page"):
        example_explanations().to_html(tmp_path / "file" / "page")


def test_report_shows_what_it_can_read_and_names_the_rest(tmp_path, capsys):
    onlyif.save(example_explanations(), tmp_path / "run" / "rows-000000")
    onlyif.save(example_causes(), tmp_path / "run" / "rows-000003")
    (tmp_path / "run" / "rows-000009.onlyif.json").write_text("{cut short")
    assert (
        main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "out.html"), "--title", "Audit"]) == 0
    )
    told = capsys.readouterr()
    assert told.out.strip() == str(tmp_path / "out.html") and "rows-000009.onlyif.json" in told.err
    text = Parts((tmp_path / "out.html").read_text("utf-8")).text
    assert "Audit" in text and "rows-000009.onlyif.json" in text and "is cut short or no JSON" in text
    assert str(tmp_path) not in text
    assert len(re.findall("For an analyst", text)) == len(example_explanations()) + len(example_causes())


def test_report_of_a_folder_without_explanations_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 5
    assert "holds no saved explanations" in capsys.readouterr().err


def test_columns_that_are_called_like_edges_make_no_network():
    named = explanation_of_game(
        game_of_table([0.0, 1.0, 1.0, 2.0]), GameCase(("1 - 2", "2 - 3"), ("0", "1"), 0)
    )
    assert "network" not in row_data(named, members)
    sentences = {**named.provenance.sentences, NOUN: EDGE}
    edges = replace(named, provenance=replace(named.provenance, sentences=sentences))
    assert row_data(edges, members)["network"]["edges"] == [["1", "2"], ["2", "3"]]


def test_without_scripts_the_first_ten_rows_have_drawings():
    table = np.random.default_rng(0).uniform(0, 1, 32)
    item = explanation_of_game(game_of_table(table), GameCase(tuple("abcde"), size=3))
    cause = example_causes()[0]
    page = page_of([item] * 6 + [cause] * 6, "t")
    assert len(item.continuum.pieces) > 1
    assert page.count('<figure class="still">') == 10
    held = item.continuum
    ends = zip(held.breakpoints, held.breakpoints[1:], strict=False)
    wide = sorted(
        round((high - low) * 400, 1)
        for (low, high), one in zip(ends, held.pieces, strict=True)
        for _ in one.players
    )
    drawn = page[page.index('<figure class="still">') : page.index("</figure>")]
    assert sorted(map(float, re.findall(r' width="([0-9.]+)"', drawn))) == wide
    assert item.continuum.pieces[-1].names[0] in drawn
