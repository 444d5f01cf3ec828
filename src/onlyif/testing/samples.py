"""What every sample E promises, as checks."""

import torch
from torch import Tensor

from onlyif.core.shapes import Instances
from onlyif.samples.base import Sample, SampleRows


def check_sample(sample: Sample, x: Instances) -> None:
    """The contract of `Sample`: x is in its E, which repeats and does not depend on other instances.

    Args:
        sample: The member.
        x: Instances, two at least, that it can have samples of.

    Raises:
        AssertionError: if the member breaks its contract.

    Example:
        >>> from onlyif.samples.noisy import NoisySample
        >>> check_sample(NoisySample(5), torch.arange(6.0).view(3, 2))
    """
    before = x.clone()
    rows = sample.rows(x, 0)
    assert _same(x, before), "x was changed"
    assert len(rows.own) == len(x), "need the own inputs of every instance"
    assert rows.own.shape[2:] == rows.shared.shape[1:] == x.shape[1:], "inputs of another shape"
    assert rows.own.dtype == rows.shared.dtype == x.dtype, "inputs of another dtype than x"
    assert rows.count >= 2, "E has at least two inputs"
    for i, one in enumerate(x):
        found = _of(rows, i)
        same = (found == one) | (found.isnan() & one.isnan())
        assert bool(same.flatten(1).all(1).any()), f"instance {i} is not in its sample"
        assert rows.own.shape[1] == 0 or _same(rows.own[i, 0], one), (
            "the instance is not the first of its own"
        )
        assert _same(_of(sample.rows(x[i : i + 1], 0), 0), found), f"the sample of instance {i} alone differs"
    assert _same(_of(sample.rows(x, 0), 0), _of(rows, 0)), "seeds must repeat"
    assert sample.sentence.strip() == sample.sentence != "", "the sample needs a sentence"


def _of(rows: SampleRows, number: int) -> Tensor:
    return torch.cat([rows.own[number], rows.shared])


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
