"""Numbers and tables as text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlyif.explanation.layout import aligned, number


@given(st.floats(-1e300, 1e300))
def test_a_number_as_text_is_right_to_four_digits(value):
    assert math.isclose(float(number(value)), value, rel_tol=5.1e-4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (12345.6, "12346"),
        (9999.6, "10000"),
        (9999.4, "9999"),
        (1e12, "1e+12"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_at_the_edges(value, text):
    assert number(value) == text


def test_a_long_last_cell_wraps_under_its_own_column():
    lines = aligned(["α", "set"], [["0 to 1", "{one, two, three, four}"]], indent="", width=28)
    assert lines == ["α       set", "0 to 1  {one, two, three,", "        four}"]
