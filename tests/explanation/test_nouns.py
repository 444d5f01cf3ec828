"""Every text about some data calls its players what they are."""

from dataclasses import replace

import numpy as np
import pytest

import onlyif
from onlyif import InstancePlayers, Modality
from onlyif.answers.in_time import told_of
from onlyif.core.nouns import plural
from onlyif.explanation.sentences import Templates
from onlyif.explanation.text import explanation_text
from onlyif.searches.base import Cloud


class Branches(Modality):
    """Trees whose players are branches."""

    def players(self, instance):
        names = tuple(f"branch {number}" for number in range(len(instance)))
        return InstancePlayers(names, tuple(map(str, instance)))

    def render(self, queries):
        return np.array([np.where(query.shown, query.instance, 0).sum() for query in queries])

    @property
    def hides(self):
        return "Hidden branches are cut."

    @property
    def noun(self):
        return "branch"


def everything_said(item):
    statuses = [str(status) for status in item.statuses]
    told = [*item.sentences(), *item.sentences("applicant"), *statuses, item.reason, *item.notes]
    return "\n".join([explanation_text(item), *told, str(onlyif.summary(item))])


@pytest.mark.parametrize(
    ("tree", "settings", "said"),
    [
        ((3.0, 2.0, 1.0), {}, "all 3 branches are hidden"),
        ((3.0, 2.0, 1.0), {"epsilon": 0.0}, "all branches: no smaller set than all 3 branches is"),
        ((0.0, 0.0), {}, "Hiding its branches changes nothing here."),
        ((3.0, 2.0), {"epsilon": 9.0}, "no branch needed: with every branch hidden"),
        ((3.0, 2.0, 1.0), {"criterion": onlyif.PNS(c=0.5)}, "EACH BRANCH ALONE"),
        ((3.0, 2.0, 1.0), {"never": ["branch 0"], "epsilon": 0.1}, "Permit more branches"),
    ],
)
def test_every_text_calls_players_what_they_are(tree, settings, said):
    item = onlyif.explain(lambda sums: sums, [tree], modality=Branches(), **settings)[0]
    whole = everything_said(item)
    assert said in " ".join(whole.split())
    assert "feature" not in whole.lower()
    assert not any("background" in status.advice for status in item.statuses)
    assert item.noun == "branch" and item.nouns == "branches"


def test_time_is_told_in_players_and_templates_may_name_them():
    few = Cloud(
        np.zeros((1, 1)), np.zeros((1, 1)), (np.arange(1), *[np.arange(0)] * 12), np.zeros((1, 12)) > 0, 15
    )
    assert "of the 12 branches were compared" in told_of(few, 1.0, "branch")
    item = onlyif.explain(lambda sums: sums, [(1.0, 2.0)], modality=Branches())[0]
    german = Templates(average="ohne {nouns}")
    assert "ohne branches" in " ".join(item.sentences(templates=german))


def test_a_table_has_features_and_so_has_whoever_says_nothing():
    rows = np.eye(3)
    item = onlyif.explain(lambda table: table.sum(1), rows[:1], background=rows)[0]
    assert item.noun == "feature" and "noun" not in item.provenance.sentences
    other = replace(item.provenance, sentences={**item.provenance.sentences, "noun": "gene"})
    assert replace(item, provenance=other).nouns == "genes" and plural("box") == "boxes"
