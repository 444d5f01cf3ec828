"""All minimal sets within ε are those of plain loops, whatever the game."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

import onlyif
from onlyif.answers.case import SetQuestion
from onlyif.answers.solutions import MOST_LISTED
from onlyif.core.errors import AbsentError
from onlyif.testing.explanations import GameCase, explanation_of_game
from onlyif.testing.games import game_of_table
from oracles.cases import explained

RANDOM = np.random.default_rng(5)


def _facts(item):
    return {
        kind: (
            [chosen.players for chosen in held],
            [(one.sufficiency.value, one.necessity.value) for one in held],
            held.count,
            held.core,
            held.union,
            held.complete,
        )
        for kind, held in item.alternatives.items()
    }


def _plain(table, epsilon):
    """The players of the minimal sets of both kinds, by comparing every set with every other one."""
    full = len(table) - 1
    gaps = [
        (abs(table[full] - table[code]), abs(table[full ^ code] - table[0])) for code in range(len(table))
    ]
    found = []
    for part in (0, 1):
        good = [code for code in range(len(table)) if gaps[code][part] <= epsilon]
        minimal = [one for one in good if not any(other & one == other != one for other in good)]
        found.append({tuple(i for i in range(full.bit_length()) if code >> i & 1) for code in minimal})
    return found


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=16, max_size=16), min_size=1, max_size=3),
    st.integers(0, 4),
)
@settings(max_examples=40, deadline=None)
def test_minimal_sets_are_those_of_plain_loops(many, epsilon):
    for item, table in zip(explained(many, SetQuestion(epsilon=float(epsilon))), many, strict=True):
        for (kind, held), plain in zip(item.alternatives.items(), _plain(table, epsilon), strict=True):
            players = [chosen.players for chosen in held]
            assert set(players) == plain and len(players) == held.count == len(plain)
            assert players == sorted(players, key=lambda one: (len(one), one))
            assert set(held.core) == set(range(4)).intersection(*map(set, players))
            assert set(held.union) == set().union(*map(set, players))
            assert held.complete and item.sets[kind].size == held[0].size


def test_the_oracle_of_pictures_and_texts_agrees():
    table = [0.0, 0.95, 0.1, 1.0, 0.1, 0.95, 0.0, 1.0]
    (item,) = explained([table], SetQuestion(epsilon=0.1))
    wanted = explanation_of_game(game_of_table(table), GameCase(("p0", "p1", "p2"), epsilon=0.1))
    assert _facts(item) == _facts(wanted)


def test_a_set_with_a_spare_member_two_players_down_is_not_minimal():
    # {a} is sufficient, {a, b} and {a, c} are not, all three are.
    table = [0.0, 1.0, 0.0, 0.5, 0.0, 0.5, 0.0, 1.0]
    (item,) = explained([table], SetQuestion(epsilon=0.1))
    assert [one.names for one in item.alternatives["sufficient"]] == [("p0",)]
    assert item.alternatives["sufficient"].core_names == ("p0",)


def test_more_than_are_listed_are_counted():
    # Every set of 4 of 8 players is sufficient, and so none smaller.
    table = [float(code.bit_count() >= 4) for code in range(256)]
    (item,) = explained([table], SetQuestion(epsilon=0.0))
    held = item.alternatives["sufficient"]
    assert (held.count, len(held)) == (70, MOST_LISTED)
    assert (held.core, held.union) == ((), tuple(range(8)))
    text = onlyif.explanation_text(item)
    assert "70 ε-sufficient sets; in every one: none; in some: p0, p1" in text
    assert "... and 65 more" in text


def test_a_search_that_compares_some_finds_minimal_ones_among_them():
    rows = RANDOM.normal(size=(40, 6))
    model = LogisticRegression().fit(rows, rows[:, 0] + rows[:, 1] * rows[:, 2] > 0)
    whole = onlyif.explain(model, rows[:5], background=rows)
    some = onlyif.explain(model, rows[:5], background=rows, search="beam")
    for one, other in zip(whole, some, strict=True):
        for kind, held in other.alternatives.items():
            assert not held.complete and "at least" in repr(held)
            exact = {chosen.players for chosen in one.alternatives[kind]}
            assert held[0].players in exact
            for chosen in held:
                assert any(set(minimal) <= set(chosen.players) for minimal in exact)


def test_frames_and_files(tmp_path):
    rows = RANDOM.normal(size=(30, 4))
    model = LogisticRegression().fit(rows, rows[:, 0] + rows[:, 1] > 0)
    found = onlyif.explain(model, rows[:3], background=rows)
    table = found.alternatives_frame()
    assert len(table) == sum(len(held) for item in found for held in item.alternatives.values())
    assert list(table.columns[:4]) == ["row", "selection", "players", "size"]
    loaded = onlyif.load(onlyif.save(found, tmp_path / "found"))
    assert [_facts(item) for item in loaded] == [_facts(item) for item in found]
    (cause,) = onlyif.explain(model, rows[:1], background=rows, criterion="pns")
    with pytest.raises(AbsentError, match="alternatives"):
        cause.alternatives
