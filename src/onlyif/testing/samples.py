"""What every sample E promises, as checks."""

import numpy as np

from onlyif.core.arrays import Array, copied, on_host
from onlyif.core.shapes import Instances
from onlyif.samples.base import Sample


def check_sample(sample: Sample, x: Instances) -> None:
    """The contract of `Sample`: x is in its E, which repeats and does not depend on other instances.

    Args:
        sample: The member.
        x: Instances, two at least, that it can have samples of.

    Raises:
        AssertionError: if the member breaks its contract.

    Example:
        >>> from onlyif.samples.noisy import NoisySample
        >>> check_sample(NoisySample(5), np.arange(6.0).reshape(3, 2))
    """
    before = copied(x)
    rows = sample.rows(x, 0)
    assert _same(x, before), "x was changed"
    assert len(rows.own) == len(x), "need the own inputs of every instance"
    assert rows.own.shape[2:] == rows.shared.shape[1:] == x.shape[1:], "inputs of another shape"
    assert rows.own.dtype == rows.shared.dtype == x.dtype, "inputs of another dtype than x"
    assert rows.count >= 2, "E has at least two inputs"
    for i, one in enumerate(x):
        found = rows.of(i)
        values, value = on_host(found), on_host(one)
        same = (values == value) | (np.isnan(values) & np.isnan(value))
        assert same.reshape(len(same), -1).all(1).any(), f"instance {i} is not in its sample"
        assert rows.own.shape[1] == 0 or _same(rows.own[i, 0], one), (
            "the instance is not the first of its own"
        )
        assert _same(sample.rows(x[i : i + 1], 0).of(0), found), f"the sample of instance {i} alone differs"
    assert _same(sample.rows(x, 0).of(0), rows.of(0)), "seeds must repeat"
    assert sample.sentence.strip() == sample.sentence != "", "the sample needs a sentence"


def _same(one: Array, other: Array) -> bool:
    return np.array_equal(on_host(one), on_host(other), equal_nan=True)
