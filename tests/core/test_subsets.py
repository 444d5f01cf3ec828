"""Bit codes and the canonical order."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.subsets import (
    canonical_order,
    canonical_rank,
    code_of,
    codes_of_keep,
    keep_of_codes,
    members,
    subset_sizes,
)


def _canonical(d):
    return [[sum(1 << i for i in chosen) for chosen in combinations(range(d), size)] for size in range(d + 1)]


@pytest.mark.parametrize("d", range(11))
def test_the_canonical_order_is_size_then_sorted_players(d):
    assert [codes.tolist() for codes in canonical_order(d)] == _canonical(d)


@pytest.mark.parametrize("d", range(1, 9))
def test_the_rank_sorts_canonically(d):
    codes = np.random.default_rng(d).permutation(2**d)
    needed = [code for one_size in _canonical(d) for code in one_size]
    assert codes[canonical_rank(codes, d).argsort()].tolist() == needed
    assert len(np.unique(canonical_rank(codes, d))) == 2**d


def test_the_rank_of_many_players_does_not_overflow():
    codes = np.array([2**31 - 1, 1 << 30, 1, 0])
    assert codes[canonical_rank(codes, 31).argsort()].tolist() == [0, 1, 1 << 30, 2**31 - 1]


@pytest.mark.parametrize("d", range(13))
def test_sizes_by_code(d):
    assert subset_sizes(d).tolist() == [code.bit_count() for code in range(2**d)]


@given(st.sets(st.integers(0, 61)))
def test_codes_members_and_keeps_are_one_thing(players):
    code = code_of(players)
    assert members(code) == tuple(sorted(players))
    keep = keep_of_codes(np.array([code]), 62)
    assert np.flatnonzero(keep[0]).tolist() == sorted(players)
    assert codes_of_keep(keep).tolist() == [code]


def test_bit_i_is_player_i_and_a_flip_gives_complements():
    keep = keep_of_codes(np.arange(16), 4)
    assert keep[0b0110].tolist() == [False, True, True, False]
    assert np.array_equal(keep[::-1], ~keep)


def test_codes_of_batches_keep_their_shape():
    keep = keep_of_codes(np.arange(8), 3).reshape(2, 4, 3)
    assert codes_of_keep(keep).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_player_named_twice_counts_once():
    assert code_of((2, 2, 0)) == 5
