"""Who plays: columns and groups of columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.errors import InputError, SettingError
from onlyif.core.players import Players, column_players, duplicates


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 15))
def test_every_column_is_in_one_player_and_spreads_with_it(owners, code):
    """Columns with the same owner form a group; owner 0 means a column of its own."""
    columns = [f"c{i}" for i in range(len(owners))]
    groups = {
        f"g{g}": [c for c, o in zip(columns, owners, strict=True) if o == g] for g in {1, 2, 3} & set(owners)
    }
    players = column_players(columns, groups)
    names = [columns[i] if owner == 0 else f"g{owner}" for i, owner in enumerate(owners)]
    assert players.names == tuple(dict.fromkeys(names))
    assert players.count == len(set(names))
    assert [players.names[i] for i in players.index.tolist()] == names
    keep = np.array([[code >> i & 1 for i in range(players.count)]], dtype=bool)
    spread = players.spread(keep)[0].tolist()
    assert spread == [bool(keep[0, players.names.index(name)]) for name in names]
    for number, name in enumerate(players.names):
        assert players.columns(number) == tuple(i for i, other in enumerate(names) if other == name)


def test_players_are_in_the_order_of_their_first_column():
    players = column_players(["a", "b", "c", "d"], {"late": ["d", "b"]})
    assert players.names == ("a", "late", "c")
    assert players.index.tolist() == [0, 1, 2, 1]


def test_images_spread_over_pixels_and_batches():
    players = Players(np.array([[0, 0], [1, 2]]), ("top", "left", "right"))
    keep = np.array([[[True, False, True], [False, True, False]]])
    assert players.spread(keep).shape == (1, 2, 2, 2)
    assert players.spread(keep)[0, 0].tolist() == [[True, True], [False, True]]
    assert players.columns(2) == (3,)


def test_a_group_may_bear_the_name_of_a_column_in_it():
    assert column_players(["city", "city_b"], {"city": ["city", "city_b"]}).names == ("city",)


@pytest.mark.parametrize(
    ("columns", "groups", "error", "said"),
    [
        ([], None, InputError, "at least one column"),
        (["a", "b", "a"], None, InputError, r"\['a'\] more than once"),
        (["a", "b"], {"g": ["a", "x"]}, SettingError, r"unknown columns \['x'\]"),
        (["a", "b"], {"g": []}, SettingError, "must be a list of column names"),
        (["a", "b"], {"g": "ab"}, SettingError, "must be a list of column names, got 'ab'"),
        (["a", "b", "c"], {"g": ["a", "b"], "h": ["b", "c"]}, SettingError, "groups overlap: column 'b'"),
        (["a", "b"], {"g": ["a", "a"]}, SettingError, "groups overlap: column 'a'"),
        (["a", "b", "c"], {"c": ["a", "b"]}, SettingError, "group 'c' bears the name of a column"),
    ],
)
def test_bad_columns_and_groups_are_refused(columns, groups, error, said):
    with pytest.raises(error, match=said):
        column_players(columns, groups)


@pytest.mark.parametrize(
    ("index", "names", "said"),
    [
        ([0, 2], ("a", "b", "c"), r"every player 0 to 2, got entries for \[0, 2\]"),
        ([0, 1], ("a",), "every player 0 to 0"),
        ([-1, 0], ("a",), r"got entries for \[-1, 0\]"),
        ([0, 1], ("a", "a"), r"distinct, got \['a'\]"),
    ],
)
def test_bad_players_are_refused(index, names, said):
    with pytest.raises(SettingError, match=said):
        Players(np.array(index), names)


def test_duplicates_are_listed_once_and_sorted():
    assert duplicates(["b", "a", "b", "c", "a", "b"]) == ["a", "b"]
