"""What a notebook, a Styler and a model card show of results."""

import sys
from xml.etree import ElementTree

import pytest

import onlyif
from onlyif.core.errors import ExtraError, SettingError
from onlyif.explanation.explanations import Explanations
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.masks import example_masks

ATTACK = "<b>a</b> & | `x` \n*y*"


def _text(held):
    """The text of a fragment, which is well-formed: what is not escaped would not parse."""
    return " ".join(" ".join(ElementTree.fromstring(held._repr_html_()).itertext()).split())


def test_an_explanation_shows_its_sentences_and_every_member_with_value_and_direction():
    item = example_explanations()[0]
    text = _text(item)
    for said in item.sentences():
        assert said in text
    for name, chosen in item.sets.items():
        assert name in text
        for player in chosen.players:
            assert f"{item.names[player]} {item.values[player]} raises it" in text
    assert "holds" in text


def test_a_status_is_shown_before_the_sets():
    text = _text(example_explanations()[2])
    assert text.index("Nothing to explain") < text.index("sufficient")


@pytest.mark.parametrize("found", [example_explanations(), example_causes(), example_masks()])
def test_a_collection_shows_whole_sets_and_leaves_out_the_middle(found):
    many = Explanations(found.items * 7, left_out=("last",))
    text = _text(many)
    assert f"{len(many)} explanations; 1 row left out" in text
    assert f"… {len(many) - 10} more …" in text and ".page() shows each row" in text
    for item in many.items[:2]:
        for chosen in item.sets.values():
            assert chosen.text in text
    assert _text(Explanations(())) == "0 explanations"


def test_a_set_shows_all_that_was_measured():
    chosen = example_explanations(stderr=0.02)[0].sufficient
    text = _text(chosen)
    assert "age, income" in text
    for name, measure in chosen.measures.items():
        assert f"{name} {measure.value:.4g} ± 0.02" in text
    assert "none" in _text(example_explanations()[2].sufficient)


def test_a_summary_shows_counts():
    told = onlyif.summary(example_explanations())
    text = _text(told)
    assert "3 rows, 2 of them informative" in text
    for player in told.players:
        assert f"{player.name} {player.shares['sufficient'].count}" in text


def test_markup_in_names_stays_text():
    item = explanation_of_game(lambda kept: float(0 in kept), GameCase((ATTACK, "b"), (ATTACK, "1"), ATTACK))
    for held in (item, Explanations((item,)), item.sufficient, onlyif.summary(item)):
        assert "<b>a</b>" in _text(held)


def test_a_model_card_has_a_table_that_names_cannot_break():
    item = explanation_of_game(lambda kept: float(0 in kept), GameCase((ATTACK, "b")))
    lines = onlyif.summary(Explanations((item,) * 4)).to_markdown().splitlines()
    assert lines[0] == "## Explanations"
    (row,) = (line for line in lines if "\\<b\\>a" in line)
    assert row.endswith("| 4 (100%) | 4 (100%) | 4 (100%) |")
    assert row.replace("\\|", "").count("|") == 5 and "\\`x\\`" in row
    assert "| sufficient | 1 ± 0 | holds 4 |" in lines or "| sufficient | 1 | holds 4 |" in lines
    assert "Hidden features are replaced together" in lines[-1]


def test_a_styler_has_the_frame_with_colours():
    made = example_explanations().style
    assert made.data.equals(example_explanations().to_frame())
    html = made.to_html()
    assert "0.93" in html and "color: #2e8540" in html
    assert "linear-gradient" in html
    assert "pns" in example_causes().style.data


def test_a_styler_of_nothing_or_without_its_packages_is_refused(monkeypatch):
    with pytest.raises(SettingError, match="no explanation"):
        Explanations(()).style
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr("onlyif.core.extras.find_spec", lambda name: None if name == "jinja2" else object())
    with pytest.raises(ExtraError, match=r"onlyif\[notebook\]"):
        example_explanations().style


def test_all_is_shown_where_sets_are_large():
    names = tuple(f"feature number {k}" for k in range(8))
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(names, epsilon=0.5))
    assert item.sufficient.size == 8
    assert ", ".join(names) in _text(Explanations((item,)))
