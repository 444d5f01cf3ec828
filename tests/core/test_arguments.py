"""Arguments as users write them: what means the same is taken, all else is refused by its name."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from onlyif.core.arguments import Either, Flag, Function, Made, Name, Number, Several, Text, Whole
from onlyif.core.errors import SettingError
from onlyif.core.plain_values import shown


class _Unprintable:
    def __repr__(self):
        raise RuntimeError("no")


THREES = [3, 3.0, np.int8(3), np.uint64(3), np.float32(3), np.array(3), torch.tensor(3), Fraction(3)]


@pytest.mark.parametrize("three", THREES, ids=repr)
def test_every_whole_number_is_the_python_one(three):
    taken = Whole(least=1).take("n", three)
    assert type(taken) is int
    assert taken == 3


@pytest.mark.parametrize("three", THREES, ids=repr)
def test_every_number_is_the_python_float(three):
    taken = Number(above=0.0).take("a", three)
    assert type(taken) is float
    assert taken == 3


NO_NUMBERS = [
    True,
    np.True_,
    torch.tensor(True),
    "3",
    b"3",
    None,
    3j,
    Decimal(3),
    [3],
    np.array([3]),
    np.timedelta64(3, "ns"),
    np.ma.masked,
    int,
    _Unprintable(),
]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=shown)
@pytest.mark.parametrize("kind", [Whole(), Number()], ids=["whole", "number"])
def test_what_is_no_number_is_refused_by_its_name(kind, value):
    with pytest.raises(SettingError, match="budget must be a "):
        kind.take("budget", value)


@pytest.mark.parametrize("value", [2.5, float("nan"), float("inf"), Fraction(1, 2), np.float32(0.1)])
def test_what_is_not_whole_is_refused(value):
    with pytest.raises(SettingError, match="whole"):
        Whole().take("size", value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Whole(least=1), 0),
        (Whole(most=5), 6),
        (Whole(), 10**20),
        (Whole(), -(10**20)),
        (Whole(), 10**6000),
        (Number(), 10**400),
        (Number(), float("nan")),
        (Number(), float("inf")),
        (Number(least=0.0, most=1.0), 1.5),
        (Number(above=0.0), 0.0),
        (Number(above=0.0, below=1.0), 1),
        (Name(("soft",), "events"), "hard"),
        (Text(), " "),
        (Several(Whole(), 2), [1]),
        (Several(Whole()), [1, "a"]),
        (Either((Whole(least=1), None)), 0),
    ],
    ids=shown,
)
def test_what_is_out_of_range_is_refused(kind, value):
    with pytest.raises(SettingError):
        kind.take("b", value)


def test_an_infinite_number_is_taken_where_it_may_be():
    assert Number(above=0.0, below=None).take("b", np.inf) == float("inf")


@pytest.mark.parametrize("value", [True, np.True_, np.array(True), torch.tensor(True)], ids=repr)
def test_flags(value):
    assert Flag().take("keep_table", value) is True


@pytest.mark.parametrize("value", ["no", "False", "", 0, 1, 1.0, None, [True], 10**30], ids=shown)
def test_what_is_no_flag(value):
    with pytest.raises(SettingError, match="keep_table must be True or False"):
        Flag().take("keep_table", value)


def test_one_is_a_tuple_of_one_and_an_iterator_is_read_once():
    kind = Several(Either((Made((Fraction,)), Name(("half",), "share"))))
    half = Fraction(1, 2)
    assert kind.take("shares", half) == (half,)
    assert kind.take("shares", "half") == ("half",)
    assert kind.take("shares", iter([half, "half"])) == (half, "half")


def test_an_iterator_that_raises_is_refused():
    with pytest.raises(SettingError, match="ZeroDivisionError"):
        Several(Whole()).take("sizes", (1 // n for n in [1, 0]))


def test_a_class_is_no_object_of_it_and_no_function():
    with pytest.raises(SettingError, match="a Fraction"):
        Made((Fraction,)).take("share", Fraction)
    with pytest.raises(SettingError, match="a function"):
        Function().take("restriction", Fraction)


def test_long_values_are_cut():
    assert len(shown(np.zeros((100, 100)))) < 100
    assert "cannot be printed" in shown(_Unprintable())
