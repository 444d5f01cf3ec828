"""The builder of small explanations against definitions: it is itself an oracle, so only plain checks."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.testing.explanations import GameCase, explanation_of_game
from onlyif.testing.games import all_subsets, chain_subsets, game_of_table, shapley_of_game

NAMES = ("a", "b", "c")
TABLES = st.lists(st.integers(0, 20).map(lambda value: value / 20), min_size=8, max_size=8)


@settings(max_examples=40, deadline=None)
@given(TABLES, st.integers(0, 3), st.booleans())
def test_the_continuum_is_the_least_unified_gap_at_every_alpha(table, size, exact):
    item = explanation_of_game(game_of_table(table), GameCase(NAMES, size=size, exact_size=exact))
    allowed = [s for s in all_subsets(3) if len(s) == size or (not exact and len(s) < size)]
    code = {s: sum(1 << i for i in s) for s in allowed}
    for step in range(101):
        alpha = step / 100
        gaps = {
            s: alpha * abs(table[7] - table[code[s]]) + (1 - alpha) * abs(table[7 - code[s]] - table[0])
            for s in allowed
        }
        least = min(gaps.values())
        chosen = item.continuum.at(alpha)
        assert chosen.unified(alpha) == pytest.approx(least, abs=1e-8)
        assert chosen.players in gaps


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_each_piece_counts_the_sets_that_tie_and_shows_the_first(table):
    item = explanation_of_game(game_of_table(table), GameCase(NAMES))
    held = item.continuum
    for (low, high), piece in zip(itertools.pairwise(held.breakpoints), held.pieces, strict=True):
        alpha = (low + high) / 2
        gaps = [
            alpha * abs(table[7] - table[c]) + (1 - alpha) * abs(table[7 - c] - table[0])
            for c in (sum(1 << i for i in s) for s in all_subsets(3))
        ]
        tied = [s for s, gap in zip(all_subsets(3), gaps, strict=True) if gap <= min(gaps) + 1e-9]
        assert (piece.players, piece.n_ties) == (tied[0], len(tied))


def test_the_counterexample_to_theorem_4_1_as_printed():
    item = explanation_of_game(
        game_of_table([0.0, 0.95, 0.1, 1.0, 0.1, 0.95, 0.0, 1.0]), GameCase(NAMES, size=2, epsilon=0.04)
    )
    assert item.sufficient.players == (0, 1)
    assert item.necessary.players == (0,)
    assert item.unified.players == (0,)
    assert item.unified.n_ties == 1


def test_shapley_values_of_a_game_with_one_interaction():
    assert shapley_of_game(lambda kept: 2.0 * (0 in kept) + 1.0 * ({1, 2} <= kept), 3) == pytest.approx(
        [2, 0.5, 0.5]
    )


def test_subsets_are_in_the_canonical_order():
    assert all_subsets(3) == [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert chain_subsets(3) == [(), (0,), (0, 1), (0, 1, 2), (2,), (1, 2)]


def test_given_subsets_make_an_explanation_that_certifies_nothing():
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(NAMES), chain_subsets(3))
    assert item.table is None
    assert item.shapley is None
    assert item.certificate.super_sufficient is None
    assert item.certificate.basis.name == "HEURISTIC"
    whole = explanation_of_game(lambda kept: float(len(kept)), GameCase(NAMES))
    assert whole.table.dtype == np.float64
    assert whole.table.tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
