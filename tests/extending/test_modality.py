"""A kind of data that is written in one file goes all the way: explanations, text, files, pictures."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

import onlyif
from extending.sentences import Sentences
from onlyif.plots.tabular import plot_explanation
from onlyif.testing.modalities import check_modality

TEXTS = ["the film was not good at all", "a very good story", "dull", "one bad good day"]
WORTH = {"good": 2.0, "bad": -1.5, "dull": -2.0}


def judge(texts):
    """Probabilities of a bad and a good review; "not" turns what follows around."""
    scores = [
        sum(WORTH.get(word, 0.0) for word in text.split()) * (-1 if "not" in text.split() else 1)
        for text in texts
    ]
    good = 1 / (1 + np.exp(-np.array(scores)))
    return np.stack([1 - good, good], 1)


def test_the_contract():
    check_modality(Sentences(), TEXTS, judge)


def test_every_subset_is_the_sentence_without_the_other_words():
    for text, item in zip(
        TEXTS, onlyif.explain(judge, TEXTS, modality=Sentences(), keep_table=True), strict=True
    ):
        words = text.split()
        for code in range(2 ** len(words)):
            left = " ".join(word for i, word in enumerate(words) if code >> i & 1)
            assert item.table[code] == pytest.approx(judge([left])[0, item.target], abs=1e-12)


def test_the_smallest_sets_are_those_of_an_exhaustive_loop():
    item = onlyif.explain(judge, TEXTS[:1], modality=Sentences())[0]
    words, target = TEXTS[0].split(), item.target
    whole = judge(TEXTS[:1])[0, target]

    def kept(players):
        return judge([" ".join(word for i, word in enumerate(words) if i in players)])[0, target]

    def smallest(fits):
        sizes = range(len(words) + 1)
        return next(
            n for n in sizes if any(fits(set(s)) for s in itertools.combinations(range(len(words)), n))
        )

    assert item.sufficient.size == smallest(lambda s: abs(kept(s) - whole) <= item.epsilon)
    rest = set(range(len(words)))
    assert item.necessary.size == smallest(lambda s: abs(kept(rest - s) - kept(set())) <= item.epsilon)
    assert set(item.sufficient.names) == {"word 4", "word 5"}
    assert item.values[3:5] == ("not", "good")


def test_causes_of_a_sentence():
    found = onlyif.explain(judge, TEXTS[:2], modality=Sentences(), criterion=onlyif.PNS(c=0.05), size=2)
    assert set(found[0].cause.names) == {"word 4", "word 5"}
    assert "word 3" in found[1].cause.names
    assert "masked copies" not in found[0].provenance.baseline
    assert found[0].provenance.baseline.endswith("Hidden words are deleted.")


def test_text_files_and_pictures(tmp_path):
    found = onlyif.explain(judge, TEXTS, modality=Sentences())
    text = onlyif.explanation_text(found[0])
    assert "word 5 = good" in text
    assert "Hidden words are deleted." in text
    onlyif.save(found, tmp_path / "found.json")
    again = onlyif.load(tmp_path / "found.json")
    assert [item.sufficient.names for item in again] == [item.sufficient.names for item in found]
    plot_explanation(found[0], ax=Figure().subplots())


def test_search_where_there_are_many_words():
    text = " ".join(["so"] * 15 + ["good"] + ["long"] * 15)
    item = onlyif.explain(judge, [text], modality=Sentences(), budget=5_000)[0]
    assert item.sufficient.names == ("word 16",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"background": TEXTS}, "background has no use with Sentences.*deleted"),
        ({"reference": onlyif.Marginal()}, "reference has no use with Sentences"),
        ({"groups": {"a": ["word 1"]}}, "groups are of columns or edges"),
        ({"criterion": onlyif.PNS(baseline="x")}, "baseline.*no use"),
        ({"criterion": onlyif.PNS(sample="nearest")}, "sample.*no use"),
    ],
)
def test_what_has_no_use_is_refused(settings, said):
    with pytest.raises(onlyif.SettingError, match=said):
        onlyif.explain(judge, TEXTS, modality=Sentences(), **settings)


class Bad(Sentences):
    """One thing at a time is wrong with it."""

    def __init__(self, wrong):
        self.wrong = wrong

    def players(self, instance):
        right = super().players(instance)
        match self.wrong:
            case "none":
                return InstancePlayersOf((), ())
            case "twice":
                return InstancePlayersOf(("word",) * len(right.names), right.values)
            case "values":
                return InstancePlayersOf(right.names, right.values[1:])
            case "type":
                return right.names
            case _:
                return right

    def render(self, queries):
        rendered = super().render(queries)
        return rendered[1:] if self.wrong == "rows" else rendered

    @property
    def n_draws(self):
        return 0 if self.wrong == "draws" else 1


InstancePlayersOf = onlyif.InstancePlayers


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ("none", onlyif.InputError, "no players"),
        ("twice", onlyif.InputError, "distinct"),
        ("values", onlyif.InputError, "one value a player"),
        ("type", onlyif.SettingError, "must return InstancePlayers, got tuple"),
        ("rows", onlyif.ModelError, r"Bad.render gave \d+ rows to \d+ queries"),
        ("draws", onlyif.SettingError, "n_draws"),
    ],
)
def test_what_a_modality_cannot_mean_is_refused(wrong, error, said):
    with pytest.raises(error, match=said):
        onlyif.explain(judge, TEXTS[:1], modality=Bad(wrong))


@pytest.mark.parametrize("given", ["one text", {"a": 1}, 3, []])
def test_instances_are_a_sequence(given):
    with pytest.raises(onlyif.InputError, match=r"sequence of instances|0 instances"):
        onlyif.explain(judge, given, modality=Sentences())
