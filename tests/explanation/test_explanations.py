"""Explanations as a sequence, and the frames they are laid out as."""

import importlib.util
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from onlyif.core.errors import AbsentError, ExtraError, SettingError
from onlyif.explanation import frames
from onlyif.explanation.explanations import Explanations, joined
from onlyif.explanation.selection import Measure
from onlyif.explanation.summary import summary
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import shapley_of_game
from onlyif.testing.masks import example_mask


def rows(explanations):
    return [item.row for item in explanations]


def many(count, backend=""):
    one = GameCase(("a", "b"), row="", size=1)
    items = [
        explanation_of_game(lambda kept: float(len(kept)), GameCase(one.names, row=str(i), size=1))
        for i in range(count)
    ]
    return Explanations(tuple(items), backend)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (slice(1, None), ["1", "2", "3"]),
        (slice(None, None, -2), ["3", "1"]),
        ([2, 0], ["2", "0"]),
        ([-1], ["3"]),
        ([], []),
        ([True, False, False, True], ["0", "3"]),
        (np.array([False, True, True, False]), ["1", "2"]),
        (torch.tensor([3, 1]), ["3", "1"]),
        (pd.Series([True, False, False, False]), ["0"]),
        (pl.Series([1, 1]), ["1", "1"]),
    ],
)
def test_slices_lists_and_masks_give_explanations_of_those_rows(which, expected):
    chosen = many(4, "polars")[which]
    assert isinstance(chosen, Explanations)
    assert rows(chosen) == expected
    assert chosen.backend == "polars"


@pytest.mark.parametrize("which", [1, -3, np.int64(1), torch.tensor(1)])
def test_a_number_gives_one_explanation(which):
    assert many(4)[which].row == "1"


@pytest.mark.parametrize("which", ["1", 1.0, [0.5], [True], [[0, 1]], True])
def test_other_keys_are_refused(which):
    with pytest.raises(SettingError, match="got"):
        many(4)[which]


def test_a_position_beyond_the_end_is_an_index_error():
    with pytest.raises(IndexError):
        many(2)[2]


def test_joining_keeps_order_and_the_first_known_library():
    first, second = many(2), many(3, "polars")[1:]
    both = first + second
    assert rows(both) == ["0", "1", "1", "2"]
    assert both.backend == "polars"
    assert rows(joined([])) == []
    assert list(both) == [*first, *second]


def test_the_frame_has_every_selection_with_the_numbers_of_the_explanation():
    explanations = example_explanations(stderr=0.024)
    table = Explanations(explanations.items, "pandas").to_frame(full=True)
    assert len(table) == 9
    assert table["verdict"].tolist()[:3] == ["cannot tell", "holds", ""]
    item = explanations[0]
    for name, chosen in [
        ("sufficient", item.sufficient),
        ("necessary", item.necessary),
        ("unified", item.unified),
    ]:
        (row,) = table[(table["row"] == "0") & (table["selection"] == name)].to_dict("records")
        assert row["players"] == ", ".join(chosen.names)
        assert row["size"] == chosen.size
        assert row["prediction"] == item.prediction
        assert row["base"] == item.base
        assert row["base_stderr"] == 0.024
        assert row["total_gap"] == item.total_gap.value
        assert row["delta_suf"] == chosen.sufficiency.value
        assert row["delta_nec"] == chosen.necessity.value
        assert row["delta_uni"] == 0.5 * chosen.sufficiency.value + 0.5 * chosen.necessity.value
        assert row["delta_uni_stderr"] == 0.024
        assert (row["fresh_suf"], row["fresh_nec"]) == (chosen.fresh[0].value, chosen.fresh[1].value)
        assert row["n_ties"] == chosen.n_ties
        assert row["epsilon"] == item.epsilon
        assert row["alpha"] == 0.5
        assert row["size_rule"] == "|S| <= 2"
        assert row["basis"] == "sampled"
        assert row["reference"] == item.provenance.reference
        assert row["informative"] is True


def test_fresh_columns_are_nan_where_gaps_are_exact():
    table = Explanations(example_explanations().items, "pandas").to_frame(full=True)
    fresh = table.filter(like="fresh")
    assert fresh.shape == (9, 4)
    assert fresh.isna().all(axis=None)


@pytest.mark.parametrize(
    "library", [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("pyarrow", pa.Table)]
)
@pytest.mark.parametrize("count", [0, 2])
def test_frames_are_of_the_library_the_user_came_with(library, count):
    name, kind = library
    for made in ("to_frame", "continuum_frame", "players_frame"):
        table = getattr(many(count, name), made)()
        assert isinstance(table, kind)
        assert (len(table) == 0) == (count == 0)


FULL = {"to_frame", "path_frame", "players_frame"}


def example_masks():
    return Explanations((example_mask(np.eye(3), 0.5),))


@pytest.mark.parametrize("found", [example_explanations(), example_causes(), example_masks()])
def test_a_frame_has_a_dozen_columns_at_most_unless_all_are_asked_for(found):
    made = Explanations(found.items, "pandas")
    for name in ("to_frame", "path_frame", "players_frame", "reasons_frame", "members_frame"):
        try:
            short = getattr(made, name)()
        except AbsentError:
            continue
        assert 2 < len(short.columns) <= 12
        whole = getattr(made, name)(**({"full": True} if name in FULL else {}))
        pd.testing.assert_frame_equal(whole[list(short.columns)], short)
    assert list(example_explanations().to_frame().columns) == [
        *("row", "target_label", "prediction", "base", "selection", "players", "size", "delta_suf"),
        *("delta_nec", "verdict", "status"),
    ]


def test_empty_and_full_frames_have_the_same_columns_and_dtypes():
    full, empty = many(2, "polars"), many(0, "polars")
    assert full.to_frame().schema == empty.to_frame().schema
    assert full.to_frame(full=True).schema == empty.to_frame(full=True).schema
    assert full.continuum_frame().schema == empty.continuum_frame().schema
    assert full.players_frame().schema == empty.players_frame().schema


def test_without_a_known_library_any_installed_one_is_used(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(frames, "find_spec", lambda name: real(name) if name == "polars" else None)
    assert isinstance(many(1).to_frame(), pl.DataFrame)
    assert isinstance(many(1, "pandas").to_frame(), pl.DataFrame)


def test_without_any_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(ExtraError, match=r"pip install 'onlyif\[pandas\]'"):
        many(1).to_frame()


def test_the_continuum_frame_holds_every_piece_and_corner():
    item = example_explanations()[1]
    table = Explanations((item,), "pandas").continuum_frame()
    for size in range(4):
        for exact in (False, True):
            held = table[(table["size"] == size) & (table["exact_size"] == exact)]
            corners = held[held["low"] == held["high"]]
            continuum = item.continua.of(size, exact_size=exact)
            assert tuple(corners["low"]) == continuum.breakpoints
            assert tuple(corners["players"]) == tuple(", ".join(s.names) for s in continuum.corners)
            pieces = held[held["low"] < held["high"]]
            assert tuple(pieces["delta_suf"]) == tuple(s.sufficiency.value for s in continuum.pieces)
            assert tuple(pieces["n_players"]) == tuple(s.size for s in continuum.pieces)


def test_the_players_frame_holds_members_and_shapley_values():
    item = example_explanations()[0]
    table = Explanations((item,), "pandas").players_frame()
    assert list(table["player"]) == ["age", "income", "work class"]
    assert list(table["value"]) == ["39", "51000", "Private"]
    assert list(table["sufficient"]) == [True, True, False]
    game = dict(enumerate(item.table.tolist()))
    expected = shapley_of_game(lambda kept: game[sum(1 << i for i in kept)], 3)
    np.testing.assert_allclose(table["shapley"], expected)
    assert math.isclose(sum(table["shapley"]), item.prediction - item.base)


def test_the_repr_is_a_small_table_however_many_rows_there_are():
    text = repr(many(60))
    assert len(text.splitlines()) == 13
    assert "60 explanations" in text
    assert "50 more" in text
    assert "59" in text.splitlines()[-1]
    assert "… " not in repr(many(10))
    assert repr(many(0)) == "no explanations"


def test_the_repr_of_one_explanation_is_one_line():
    text = repr(example_explanations()[0])
    assert text == (
        "Explanation(row='0', target='yes', f(x)=0.93, f_0=0.2, sufficient={age, income}, "
        "necessary={age, income}, unified={age, income})"
    )


def test_the_repr_of_a_continuum_names_pieces_and_sets():
    continua = example_explanations()[1].continua
    assert repr(continua.of(1)) == "Continuum(|S| <= 1; 0 to 1: {income})"
    assert repr(continua) == "Continua(of 3 players, sizes [0, 1, 2, 3], 24 records)"


def test_a_selection_is_read_like_a_set_of_names():
    chosen = example_explanations()[0].sufficient
    assert (len(chosen), list(chosen)) == (2, ["age", "income"])
    assert "age" in chosen
    assert "nobody" not in chosen
    with pytest.raises(SettingError, match="by their names, got 0"):
        assert 0 in chosen
    assert not replace(chosen, players=())


def test_explanations_are_equal_by_what_they_say():
    one, other = example_explanations(), example_explanations()
    assert one == other
    assert one[0] == replace(other[0], seconds=7.0)
    assert one != other[1:]
    changed = replace(other[0], measures={"total_gap": Measure(0.123)})
    assert one[0] != changed
    assert Explanations((changed, *other.items[1:])) != one


def test_every_result_has_a_short_repr():
    explanations = example_explanations()
    item = explanations[0]
    told = [
        item.sufficient,
        item.certificate,
        item.provenance,
        item.details,
        item.continua,
        summary(explanations),
    ]
    assert [each for each in map(repr, told) if len(each) > 200 or "\n" in each] == []
    assert repr(item.sufficient).startswith("Selection({age, income}, sufficiency=")
    assert repr(item.details) == "Details(continua, certificate, table, alternatives)"
