"""A short and a long frame of explanations that join the user's own table by the labels of its rows."""

import datetime
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import onlyif
from onlyif.core.errors import AbsentError
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.records import members_layout, reasons_layout
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import game_of_table
from onlyif.testing.masks import example_masks

N = 8
DAYS = pd.date_range("2020-01-01", periods=N)
INDICES = {
    "numbers": pd.Index(range(100, 100 + N)),
    "duplicates": pd.Index([7, 7, 8, 8, 9, 9, 9, 7]),
    "pairs": pd.MultiIndex.from_product([["a", "b"], range(N // 2)], names=["site", "person"]),
    "days": DAYS,
    "hours": DAYS.tz_localize("UTC"),
    "dates": pd.Index([day.date() for day in DAYS]),
    "text": pd.Index(["{a}", "b\n", *"cdefgh"]),
}
TABLE = [0.2, 0.95, 0.1, 0.8, 0.2, 0.95, 0.1, 0.8]


def explained(index):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 2)), columns=["u", "v"], index=index)
    return frame, onlyif.explain(lambda table: table.u - table.v, frame, background=frame)


@pytest.mark.parametrize("name", INDICES)
def test_rows_are_the_users_own_labels(name):
    frame, found = explained(INDICES[name])
    short, long = found.reasons_frame(), found.members_frame()
    assert short["row"].tolist() == list(frame.index)
    assert short["prediction"].tolist() == pytest.approx((frame.u - frame.v).tolist())
    assert len(short.columns) <= 12 and len(long.columns) <= 12
    rows = [item.row for item in found for chosen in item.sets.values() for _ in chosen]
    assert long["row"].tolist() == rows


@pytest.mark.parametrize("name", ["numbers", "days", "hours", "text"])
def test_the_short_frame_joins_the_users_table(name):
    frame, found = explained(INDICES[name])
    joined = frame.join(found.reasons_frame().set_index("row"), how="left")
    np.testing.assert_allclose(joined.prediction, frame.u - frame.v)
    both = found.members_frame().merge(found.reasons_frame(), on="row", how="left")
    assert len(both) == len(found.members_frame()) and both.status.notna().all()


def test_pairs_join_as_an_index_of_pairs():
    frame, found = explained(INDICES["pairs"])
    short = found.reasons_frame()
    short.index = pd.MultiIndex.from_tuples(short.pop("row"), names=frame.index.names)
    np.testing.assert_allclose(frame.join(short).prediction, frame.u - frame.v)


def test_other_libraries_join_by_position_or_text():
    table = pl.DataFrame(np.random.default_rng(0).normal(size=(N, 2)), schema=["u", "v"])
    found = onlyif.explain(lambda t: t["u"] - t["v"], table[:3], background=table)
    short, long = found.reasons_frame(), found.members_frame()
    assert isinstance(short, pl.DataFrame) and isinstance(long, pl.DataFrame)
    joined = table.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64)).join(short, on="row")
    np.testing.assert_allclose(joined["prediction"], joined["u"] - joined["v"])
    assert long.join(short, on="row").height == long.height
    days = tuple(replace(item, row=datetime.date(2020, 1, 1 + i)) for i, item in enumerate(found))
    assert Explanations(days, "polars").reasons_frame()["row"].to_list() == [item.row for item in days]
    assert isinstance(Explanations(days, "pyarrow").members_frame(), pa.Table)


def test_the_short_frame_says_what_the_applicant_is_told():
    item = explanation_of_game(
        game_of_table(TABLE), GameCase(("age", "income", "class"), row="7", epsilon=0.05, size=2)
    )
    item = replace(item, settings={**item.settings, "decided": 1, "threshold": 0.5})
    no = replace(item, settings={**item.settings, "decided": -1})
    (yes, not_yes) = Explanations((item, no), "pandas").reasons_frame().to_dict("records")
    assert yes == {
        **{"row": "7", "decision": "yes", "target_label": "yes", "prediction": 0.8, "base": 0.2},
        **{"reasons": "age = 1", "verdict": "holds", "status": "explained"},
    }
    assert (not_yes["decision"], not_yes["reasons"], not_yes["status"]) == (
        "not yes",
        "",
        "against the average",
    )
    assert item.sufficient.names == ("age", "income")  # of which income speaks against it
    (cause, nothing) = Explanations(example_causes().items, "pandas").reasons_frame().to_dict("records")
    assert cause["reasons"] == "age = 39 (instead of 37), income = 51000 (instead of 40000)"
    assert (cause["decision"], cause["verdict"]) == ("", "")
    assert (nothing["reasons"], nothing["status"]) == ("", "no cause")


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_long_frame_has_the_changes_of_plain_loops(alpha):
    game = game_of_table(TABLE)
    item = explanation_of_game(game, GameCase(("age", "income", "class"), alpha=alpha, epsilon=0.05))
    records = Explanations((item,), "pandas").members_frame().to_dict("records")
    assert [(one["selection"], one["player"]) for one in records] == [
        (name, player) for name, chosen in item.sets.items() for player in chosen
    ]
    everyone = frozenset(range(3))
    for one in records:
        i, chosen = item.names.index(one["player"]), frozenset(item.sets[one["selection"]].players)
        rest, nan = everyone - chosen, (math.nan, math.nan)
        kept = (game(chosen) - game(chosen - {i}), game(frozenset({i})) - game(frozenset()))
        hidden = (game(rest | {i}) - game(rest), game(everyone) - game(everyone - {i}))
        wanted = {
            "sufficient": (*kept, *nan),
            "necessary": (*nan, *hidden),
            "unified": (*(kept if alpha > 0 else nan), *(hidden if alpha < 1 else nan)),
        }[one["selection"]]
        np.testing.assert_array_equal([*one.values()][5:], wanted)
        assert one["direction"] in {"raises", "lowers", "depends", "none"} and one["value"] == "1"


def test_members_without_changes_have_no_direction():
    table = Explanations(example_causes().items, "pandas").members_frame()
    assert set(table.direction) == {""} and set(table.selection) == {"cause"}
    assert table.kept_alone.isna().all()


def test_empty_and_full_frames_have_the_same_columns_and_dtypes():
    full = Explanations(
        tuple(replace(item, row=i) for i, item in enumerate(example_explanations())), "polars"
    )
    for made in ("reasons_frame", "members_frame"):
        some, none = getattr(full, made)(), getattr(full[:0], made)()
        assert none.drop("row").schema == some.drop("row").schema and none.columns == some.columns


@pytest.mark.parametrize("layout", [reasons_layout, members_layout])
def test_pixels_are_refused(layout):
    with pytest.raises(AbsentError, match="needs named players, got pixels"):
        layout(example_masks().items)
