"""x and draws mixed under keep."""

import itertools

import pytest
import torch

from onlyif.core.blend import blend


@pytest.mark.parametrize(("drawn_b", "drawn_m", "kept_b"), list(itertools.product([1, 3], [1, 2], [1, 3])))
def test_every_entry_is_from_x_where_kept_else_from_its_draw(drawn_b, drawn_m, kept_b):
    b, m, n, c = 3, 2, 4, 5
    x = torch.arange(b * c).reshape(b, c).double()
    draws = -1 - torch.arange(drawn_b * drawn_m * n * c).reshape(drawn_b, drawn_m, n, c).double()
    keep = torch.rand(kept_b, m, c, generator=torch.Generator().manual_seed(0)) < 0.5
    mixed = blend(x, draws, keep)
    assert mixed.shape == (b, m, n, c)
    for i, j, k, column in itertools.product(range(b), range(m), range(n), range(c)):
        drawn = draws[min(i, drawn_b - 1), min(j, drawn_m - 1), k, column]
        needed = x[i, column] if keep[min(i, kept_b - 1), j, column] else drawn
        assert mixed[i, j, k, column] == needed


def test_hidden_entries_of_x_are_never_read():
    x = torch.tensor([[float("nan"), 1.0]])
    mixed = blend(x, torch.zeros(1, 1, 2, 2), torch.tensor([[[False, True]]]))
    assert mixed.tolist() == [[[[0.0, 1.0], [0.0, 1.0]]]]


def test_kept_entries_of_draws_are_never_read():
    draws = torch.full((1, 1, 1, 2), float("inf"))
    assert blend(torch.ones(1, 2), draws, torch.tensor([[[True, True]]])).tolist() == [[[[1.0, 1.0]]]]


def test_images_are_blended_entry_by_entry():
    x, draws = torch.ones(1, 2, 2), torch.zeros(1, 1, 1, 2, 2)
    keep = torch.tensor([[[[True, False], [False, True]]]])
    assert blend(x, draws, keep)[0, 0, 0].tolist() == [[1.0, 0.0], [0.0, 1.0]]
