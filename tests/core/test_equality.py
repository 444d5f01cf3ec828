"""What is equal, and what is not."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from onlyif.core.equality import same
from onlyif.explanation.pixels import PixelNames

NAN = float("nan")


@dataclass(frozen=True)
class Thing:
    value: object
    cost: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Other:
    value: object


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (NAN, float("nan")),
        ((1.0, NAN), [1.0, float("nan")]),
        ({"a": 1, "b": NAN}, {"b": float("nan"), "a": 1}),
        (np.array([1.0, NAN]), np.array([1.0, NAN])),
        (np.array(["a"]), np.array(["a"])),
        (Thing(np.ones(2), 1.0), Thing(np.ones(2), 2.0)),
        (PixelNames(1, 2), ("row 0, column 0", "row 0, column 1")),
        (1, 1.0),
    ],
)
def test_equal(one, other):
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, NAN),
        ("ab", ["a", "b"]),
        ((1, 2), (1, 2, 3)),
        ({"a": 1}, {"a": 1, "b": 2}),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        (np.ones(2), np.ones((2, 1))),
        (np.ones(1), (1.0,)),
        (Thing(1), Other(1)),
        (Thing((1, NAN)), Thing((1, 2.0))),
        (None, ()),
    ],
)
def test_different(one, other):
    assert not same(one, other)
    assert not same(other, one)
