"""One fixed value."""

import numpy as np
import pytest
import torch

from onlyif.core.errors import InputError
from onlyif.references.base import Plan
from onlyif.references.baseline import BaselineReference


def test_every_draw_is_the_value_and_the_parts_weigh_one_together():
    value = np.array([[1.0, -2.0], [3.0, 0.5]])
    reference = BaselineReference(value)
    x, keep = np.zeros((3, 2, 2)), np.zeros((1, 4, 2, 2), dtype=bool)
    parts = [reference.draw(x, keep, Plan(5, start, start + 1, seed=7)) for start in range(5)]
    assert all(np.array_equal(part.values, value[None, None, None]) for part in parts)
    assert sum(part.weights.sum().item() for part in parts) == pytest.approx(1)


@pytest.mark.parametrize("x", [np.zeros((1, 2), np.float32), torch.zeros(1, 2, dtype=torch.bfloat16)])
@pytest.mark.parametrize("value", [np.zeros(2), torch.zeros(2)])
def test_takes_the_library_and_the_dtype_of_x(value, x):
    draws = BaselineReference(value).draw(x, np.zeros((1, 1, 2), dtype=bool), Plan(1, 0, 1, None))
    assert type(draws.values) is type(x)
    assert draws.values.dtype == x.dtype


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"baseline has shape \(2,\), got instances of shape \(3,\)"):
        BaselineReference(np.zeros(2)).draw(
            np.zeros((1, 3)), np.zeros((1, 1, 3), dtype=bool), Plan(1, 0, 1, None)
        )


def test_the_sentence_names_the_value():
    assert "replaced by the mean image," in BaselineReference(np.zeros(2), "the mean image").law.sentence
