"""Rows as text."""

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlyif.cli.rows import chosen_rows, take_rows
from onlyif.core.errors import SettingError


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=6))
def test_ranges_are_their_members(spans):
    text = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in spans)
    members = [row for first, more in spans for row in range(first, first + more + 1)]
    assert chosen_rows(text, 40) == sorted(set(members), key=members.index)


def test_all_rows():
    assert chosen_rows(None, 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3", "asks for row 3, the data has rows 0 to 2"),
        ("0-7", "asks for row 7"),
        ("2-1", "runs backwards"),
        ("-1", "takes positions"),
        ("a", "takes positions"),
        ("", "takes positions"),
        ("1,,2", "takes positions"),
    ],
)
def test_bad_rows(text, said):
    with pytest.raises(SettingError, match=said):
        chosen_rows(text, 3)


def test_rows_keep_their_labels():
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=list("xyz"))
    pd.testing.assert_frame_equal(take_rows(frame, [2, 0]), frame.loc[["z", "x"]])
    assert take_rows(pl.DataFrame({"a": [1, 2, 3]}), [2, 0])["a"].to_list() == [3, 1]
