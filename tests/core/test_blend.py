"""x and draws mixed under keep."""

import itertools

import numpy as np
import pytest
import torch

from onlyif.core.blend import blend

LIBRARIES = [np.asarray, torch.asarray]


@pytest.mark.parametrize("n", [1, 4, 30])
@pytest.mark.parametrize("of", LIBRARIES)
@pytest.mark.parametrize(("drawn_b", "drawn_m", "kept_b"), list(itertools.product([1, 3], [1, 2], [1, 3])))
def test_every_entry_is_from_x_where_kept_else_from_its_draw(drawn_b, drawn_m, kept_b, of, n):
    b, m, c = 3, 2, 5
    x = of(np.arange(b * c, dtype=np.float64).reshape(b, c))
    draws = of(-1 - np.arange(drawn_b * drawn_m * n * c, dtype=np.float64).reshape(drawn_b, drawn_m, n, c))
    keep = np.random.default_rng(0).random((kept_b, m, c)) < 0.5
    mixed = blend(x, draws, keep)
    assert type(mixed) is type(x)
    assert mixed.shape == (b, m, n, c)
    for i, j, k, column in itertools.product(range(b), range(m), range(n), range(c)):
        drawn = draws[min(i, drawn_b - 1), min(j, drawn_m - 1), k, column]
        needed = x[i, column] if keep[min(i, kept_b - 1), j, column] else drawn
        assert mixed[i, j, k, column] == needed


@pytest.mark.parametrize("n", [2, 30])
@pytest.mark.parametrize("of", LIBRARIES)
def test_hidden_entries_of_x_are_never_read(of, n):
    mixed = blend(of(np.array([[np.nan, 1.0]])), of(np.zeros((1, 1, n, 2))), np.array([[[False, True]]]))
    assert mixed.tolist() == [[[[0.0, 1.0]] * n]]


@pytest.mark.parametrize("n", [1, 30])
@pytest.mark.parametrize("of", LIBRARIES)
def test_kept_entries_of_draws_are_never_read(of, n):
    mixed = blend(of(np.ones((1, 2))), of(np.full((1, 1, n, 2), np.inf)), np.array([[[True, True]]]))
    assert mixed.tolist() == [[[[1.0, 1.0]] * n]]


@pytest.mark.parametrize("n", [1, 30])
@pytest.mark.parametrize("of", LIBRARIES)
def test_images_are_blended_entry_by_entry(of, n):
    x, draws = of(np.ones((1, 2, 2))), of(np.zeros((1, 1, n, 2, 2)))
    keep = np.array([[[[True, False], [False, True]]]])
    assert blend(x, draws, keep)[0, 0].tolist() == [[[1.0, 0.0], [0.0, 1.0]]] * n
