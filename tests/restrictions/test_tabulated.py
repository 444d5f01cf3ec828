"""Restricted predictions read off a finished table."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.errors import SettingError
from onlyif.core.subsets import code_of
from onlyif.models.readouts import TargetReadout
from onlyif.restrictions.base import Estimate, Method
from onlyif.restrictions.tabulated import TabulatedRestriction

METHOD = Method("given", exact=True, rows=0)
READOUT = TargetReadout(np.array([0, 0]))


def _table(n_subsets, b=2):
    mean = np.arange(1.0 * b * n_subsets).reshape(b, n_subsets)
    return TabulatedRestriction(Estimate(mean, mean + 100, mean + 200, 55.0), METHOD)


@given(st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=6))
def test_every_subset_is_read_at_its_code(subsets):
    keep = np.array([[[player in held for player in range(4)] for held in subsets]])
    found = _table(16).predict(torch.zeros(2, 4), keep, READOUT)
    for i in range(2):
        needed = [16.0 * i + code_of(held) for held in subsets]
        assert found.mean[i].tolist() == needed
        assert found.stderr[i].tolist() == [value + 100 for value in needed]
        assert found.stderr_from_base[i].tolist() == [value + 200 for value in needed]


def test_each_instance_may_ask_for_subsets_of_its_own():
    keep = np.array([[[True, False]], [[True, True]]])
    assert _table(4).predict(torch.zeros(2, 2), keep, READOUT).mean.tolist() == [[1.0], [7.0]]


def test_the_model_is_not_asked_again():
    game = _table(4)
    assert game.predict(torch.zeros(2, 2), np.ones((1, 1, 2), dtype=np.bool_), READOUT).model_rows == 0
    assert game.method is METHOD


@pytest.mark.parametrize("n_subsets", [0, 3, 12])
def test_a_table_that_is_not_over_all_subsets_is_refused(n_subsets):
    with pytest.raises(SettingError, match=rf"2\^d entries, got {n_subsets}"):
        _table(n_subsets)
