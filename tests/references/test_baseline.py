"""One fixed value."""

import pytest
import torch

from onlyif.core.errors import InputError
from onlyif.references.base import Plan
from onlyif.references.baseline import BaselineReference


def test_every_draw_is_the_value_and_the_parts_weigh_one_together():
    value = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    reference = BaselineReference(value)
    x, keep = torch.zeros(3, 2, 2), torch.zeros(1, 4, 2, 2, dtype=torch.bool)
    parts = [reference.draw(x, keep, Plan(5, start, start + 1, seed=7)) for start in range(5)]
    assert all(torch.equal(part.values, value.expand(1, 1, 1, 2, 2)) for part in parts)
    assert sum(part.weights.sum().item() for part in parts) == pytest.approx(1)


def test_takes_the_dtype_of_x():
    draws = BaselineReference(torch.zeros(2)).draw(
        torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 1, 2, dtype=torch.bool), Plan(1, 0, 1, None)
    )
    assert draws.values.dtype == draws.weights.dtype == torch.float64


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"baseline has shape \(2,\), got instances of shape \(3,\)"):
        BaselineReference(torch.zeros(2)).draw(
            torch.zeros(1, 3), torch.zeros(1, 1, 3, dtype=torch.bool), Plan(1, 0, 1, None)
        )


def test_the_sentence_names_the_value():
    assert "replaced by the mean image," in BaselineReference(torch.zeros(2), "the mean image").law.sentence
